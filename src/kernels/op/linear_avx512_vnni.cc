// The AVX512-VNNI tier of linear: quantised types, and x to int8. Compiled with the flags of AVX512 and
// -mavx512vnni.
#include "kernels/op/linear_quant.h"
#include "kernels/op/linear_simd_avx512.h"

namespace hadal {
namespace {

constexpr LinearKernels make_vnni_kernels() {
  LinearKernels kernels;
  set_quant_kernels<Avx512>(kernels);
  return kernels;
}

constexpr LinearKernels kKernels = make_vnni_kernels();

}  // namespace

const LinearKernels* avx512_vnni_linear_kernels() {
  return &kKernels;
}

}  // namespace hadal
