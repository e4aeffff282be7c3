// The plain AVX512 tier of linear; see the headers. Compiled with -mavx512f,bw,dq,vl -mfma -mf16c.
#include "kernels/op/linear_float.h"
#include "kernels/op/linear_quant.h"
#include "kernels/op/linear_simd_avx512.h"
#include "kernels/op/linear_stage_q8.h"

namespace hadal {
namespace {

constexpr LinearKernels make_avx512_kernels() {
  LinearKernels kernels;
  kernels.panels[static_cast<size_t>(DType::kF32)] = run_float<Avx512, DType::kF32>;
  kernels.panels[static_cast<size_t>(DType::kF16)] = run_float<Avx512, DType::kF16>;
  kernels.panels[static_cast<size_t>(DType::kBF16)] = run_float<Avx512, DType::kBF16>;
  kernels.panels[static_cast<size_t>(DType::kF8E4M3)] = run_float_f8<Avx512>;
  set_quant_kernels<Avx512>(kernels);
  kernels.stage_q8 = stage_q8_row<Avx512>;
  return kernels;
}

constexpr LinearKernels kKernels = make_avx512_kernels();

}  // namespace

const LinearKernels* avx512_linear_kernels() {
  return &kKernels;
}

}  // namespace hadal
