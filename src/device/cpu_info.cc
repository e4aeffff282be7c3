#include "device/cpu_info.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace hadal {
namespace {

constexpr std::string_view kTierNames[] = {"scalar", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"};

#if defined(__x86_64__)
struct CpuidLeaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

CpuidLeaf cpuid(unsigned leaf, unsigned subleaf) {
  CpuidLeaf r;
  if (!__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d)) return {};
  return r;
}

uint64_t read_xcr0() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

// Linux gives AMX tile state to a process only on request (arch_prctl ARCH_REQ_XCOMP_PERM,
// XFEATURE_XTILEDATA).
bool request_amx() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kXtileData = 18;
  return ::syscall(SYS_arch_prctl, kArchReqXcompPerm, kXtileData) == 0;
}

CpuTier detect_tier() {
  const auto bit = [](unsigned word, int n) { return ((word >> n) & 1u) != 0; };
  const CpuidLeaf l1 = cpuid(1, 0);
  if (!bit(l1.c, 27)) return CpuTier::kScalar;  // OSXSAVE
  const uint64_t xcr0 = read_xcr0();
  const CpuidLeaf l7 = cpuid(7, 0);
  const CpuidLeaf l71 = cpuid(7, 1);
  const bool ymm = (xcr0 & 0x6) == 0x6;
  const bool zmm = (xcr0 & 0xE6) == 0xE6;
  const bool tiles = (xcr0 & 0x60000) == 0x60000;
  const bool fma = bit(l1.c, 12) && bit(l1.c, 29);  // FMA and F16C
  if (!ymm || !fma || !bit(l7.b, 5)) return CpuTier::kScalar;
  const bool avx512 = bit(l7.b, 16) && bit(l7.b, 17) && bit(l7.b, 30) && bit(l7.b, 31);  // F, DQ, BW, VL
  if (!zmm || !avx512) return CpuTier::kAvx2;
  if (!bit(l7.c, 11) || !bit(l7.c, 1)) return CpuTier::kAvx512;      // VNNI, VBMI
  if (!bit(l71.a, 5)) return CpuTier::kAvx512Vnni;                   // AVX512_BF16
  const bool amx = bit(l7.d, 22) && bit(l7.d, 24) && bit(l7.d, 25);  // BF16, TILE, INT8
  return amx && tiles && request_amx() ? CpuTier::kAmx : CpuTier::kAvx512Bf16;
}
#else
CpuTier detect_tier() {
  return CpuTier::kScalar;
}
#endif

// cgroup v2 "quota period" or v1 files: a container with 2 CPUs on a 64-CPU host must not start 64 threads.
int cgroup_cpus() {
  double quota = 0;
  double period = 0;
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string word;
  if (v2 >> word >> period && word != "max") {
    std::istringstream(word) >> quota;
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return 1 << 20;
  return std::max(1, static_cast<int>(std::ceil(quota / period)));
}

int affinity_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

std::string read_model_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(':');
    return colon == std::string::npos ? line : line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace

CpuInfo detect_cpu() {
  CpuInfo info;
  info.tier = detect_tier();
  info.num_cpus = std::min(affinity_cpus(), cgroup_cpus());
  info.model_name = read_model_name();
  return info;
}

std::string_view cpu_tier_name(CpuTier tier) {
  return kTierNames[static_cast<size_t>(tier)];
}

Result<CpuTier> parse_cpu_tier(std::string_view name) {
  for (size_t i = 0; i < std::size(kTierNames); ++i) {
    if (kTierNames[i] == name) return static_cast<CpuTier>(i);
  }
  return invalid_argument("unknown CPU tier \"", name,
                          "\": use scalar, avx2, avx512, avx512_vnni, avx512_bf16 or amx");
}

}  // namespace hadal
