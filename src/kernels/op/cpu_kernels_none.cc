// Stands in for the x86 tiers where the target is another architecture.
#include "kernels/op/cpu_kernels.h"

namespace hadal {

const CpuKernels* cpu_kernels_avx2() {
  return nullptr;
}
const CpuKernels* cpu_kernels_avx512() {
  return nullptr;
}

}  // namespace hadal
