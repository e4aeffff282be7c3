#include "kernels/op/cpu_kernels.h"

namespace hadal {

const CpuKernels& cpu_kernels(CpuTier tier) {
  const CpuKernels* table = nullptr;
  if (tier >= CpuTier::kAvx512) table = cpu_kernels_avx512();
  if (table == nullptr && tier >= CpuTier::kAvx2) table = cpu_kernels_avx2();
  return table != nullptr ? *table : *cpu_kernels_scalar();
}

}  // namespace hadal
