// The AVX2 tier of linear; see the headers. Compiled with -mavx2 -mfma -mf16c.
#include "kernels/op/linear_float.h"
#include "kernels/op/linear_quant.h"
#include "kernels/op/linear_simd_avx2.h"
#include "kernels/op/linear_stage_q8.h"

namespace hadal {
namespace {

constexpr LinearKernels make_avx2_kernels() {
  LinearKernels kernels;
  kernels.panels[static_cast<size_t>(DType::kF32)] = run_float<Avx2, DType::kF32>;
  kernels.panels[static_cast<size_t>(DType::kF16)] = run_float<Avx2, DType::kF16>;
  kernels.panels[static_cast<size_t>(DType::kBF16)] = run_float<Avx2, DType::kBF16>;
  kernels.panels[static_cast<size_t>(DType::kF8E4M3)] = run_float_f8<Avx2>;
  set_quant_kernels<Avx2>(kernels);
  kernels.stage_q8 = stage_q8_row<Avx2>;
  return kernels;
}

constexpr LinearKernels kKernels = make_avx2_kernels();

}  // namespace

const LinearKernels* avx2_linear_kernels() {
  return &kKernels;
}

}  // namespace hadal
