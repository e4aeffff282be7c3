// What this CPU can do, read once from cpuid and XCR0 (and, for AMX, arch_prctl). Values; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

// Kernel tiers, each including those before it.
enum class CpuTier { kScalar, kAvx2, kAvx512, kAvx512Vnni, kAvx512Bf16, kAmx };

struct CpuInfo {
  CpuTier tier = CpuTier::kScalar;  // the best this machine runs
  int num_cpus = 1;                 // CPUs this process may use (affinity mask and cgroup quota)
  std::string model_name;
};

// Detects; asks the kernel for AMX tile permission when the CPU has it. Cheap enough to call at start.
CpuInfo detect_cpu();
std::string_view cpu_tier_name(
    CpuTier tier);  // "scalar", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"
Result<CpuTier> parse_cpu_tier(std::string_view name);

}  // namespace hadal
