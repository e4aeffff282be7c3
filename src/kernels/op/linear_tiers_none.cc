// Builds for other architectures have the scalar tier only.
#include "kernels/op/linear_kernels.h"

namespace hadal {

const LinearKernels* avx2_linear_kernels() {
  return nullptr;
}
const LinearKernels* avx512_linear_kernels() {
  return nullptr;
}
const LinearKernels* avx512_vnni_linear_kernels() {
  return nullptr;
}
const LinearKernels* avx512_bf16_linear_kernels() {
  return nullptr;
}
const LinearKernels* amx_linear_kernels() {
  return nullptr;
}

}  // namespace hadal
