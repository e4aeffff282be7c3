#include "kernels/bench/machine_limits.h"

#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "device/device_buffer.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Each loop keeps twelve sums in registers: more than latency times throughput of any CPU here.
constexpr int kSums = 12;
constexpr int64_t kSteps = 20000;

// OP on twelve registers; the sums carry the dependence, as in a kernel.
#define HADAL_PEAK_LOOP(OP, REG)                                                                         \
  __asm__ volatile("vzeroall" ::: "memory"); /* no denormals */                                          \
  for (int64_t s = 0; s < kSteps; ++s) {                                                                 \
    __asm__ volatile(OP " %%" REG "15, %%" REG "14, %%" REG "0\n" OP " %%" REG "15, %%" REG "14, %%" REG \
                        "1\n" OP " %%" REG "15, %%" REG "14, %%" REG "2\n" OP " %%" REG "15, %%" REG     \
                        "14, %%" REG "3\n" OP " %%" REG "15, %%" REG "14, %%" REG "4\n" OP " %%" REG     \
                        "15, %%" REG "14, %%" REG "5\n" OP " %%" REG "15, %%" REG "14, %%" REG "6\n" OP  \
                        " %%" REG "15, %%" REG "14, %%" REG "7\n" OP " %%" REG "15, %%" REG "14, %%" REG \
                        "8\n" OP " %%" REG "15, %%" REG "14, %%" REG "9\n" OP " %%" REG "15, %%" REG     \
                        "14, %%" REG "10\n" OP " %%" REG "15, %%" REG "14, %%" REG "11\n" ::             \
                            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",    \
                              "xmm9", "xmm10", "xmm11");                                                 \
  }

double f32_avx2_flops() {
  HADAL_PEAK_LOOP("vfmadd231ps", "ymm")
  return 16.0 * kSums * kSteps;
}
double f32_avx512_flops() {
  HADAL_PEAK_LOOP("vfmadd231ps", "zmm")
  return 32.0 * kSums * kSteps;
}
double bf16_flops() {
  HADAL_PEAK_LOOP("vdpbf16ps", "zmm")
  return 64.0 * kSums * kSteps;
}
double vnni_ops() {
  HADAL_PEAK_LOOP("vpdpbusd", "zmm")
  return 128.0 * kSums * kSteps;
}
double maddubs_ops() {
  HADAL_PEAK_LOOP("vpmaddubsw", "ymm")
  return 64.0 * kSums * kSteps;
}

// Four sums from two tiles of rows and two of weights, as the kernels use them.
#define HADAL_TILE_LOOP(OP)                                                                  \
  alignas(64) uint8_t config[64] = {1};                                                      \
  for (int tile = 0; tile < 8; ++tile) {                                                     \
    config[16 + 2 * tile] = 64;                                                              \
    config[48 + tile] = 16;                                                                  \
  }                                                                                          \
  __asm__ volatile("ldtilecfg %0" ::"m"(config));                                            \
  __asm__ volatile("tilezero %%tmm4\ntilezero %%tmm5\ntilezero %%tmm6\ntilezero %%tmm7" ::); \
  for (int64_t s = 0; s < kSteps; ++s) {                                                     \
    __asm__ volatile(OP " %%tmm6, %%tmm4, %%tmm0\n" OP " %%tmm7, %%tmm4, %%tmm1\n" OP        \
                        " %%tmm6, %%tmm5, %%tmm2\n" OP " %%tmm7, %%tmm5, %%tmm3" ::);        \
  }                                                                                          \
  __asm__ volatile("tilerelease" ::);

double tile_bf16_flops() {
  HADAL_TILE_LOOP("tdpbf16ps")
  return 2.0 * 16 * 16 * 32 * 4 * kSteps;
}
double tile_int8_ops() {
  HADAL_TILE_LOOP("tdpbssd")
  return 2.0 * 16 * 16 * 64 * 4 * kSteps;
}

double best_rate(ThreadPool& pool, double (*loop)()) {
  double best = 0;
  for (int repeat = 0; repeat < 12; ++repeat) {
    std::atomic<int64_t> total{0};
    const auto start = Clock::now();
    pool.parallel_for(pool.num_threads() * 8, 1,
                      [&](int64_t, int64_t, int) { total += static_cast<int64_t>(loop()); });
    best = std::max(best, static_cast<double>(total.load()) / seconds_since(start));
  }
  return best;
}

__attribute__((target("avx2"))) void read_lines(const std::byte* data, int64_t bytes) {
  __m256i sum = _mm256_setzero_si256();
  for (int64_t i = 0; i < bytes; i += 128) {
    _mm_prefetch(reinterpret_cast<const char*>(data + i + 2048), _MM_HINT_T1);
    _mm_prefetch(reinterpret_cast<const char*>(data + i + 2112), _MM_HINT_T1);
    for (int64_t j = 0; j < 128; j += 32) {
      sum = _mm256_or_si256(sum, _mm256_load_si256(reinterpret_cast<const __m256i*>(data + i + j)));
    }
  }
  __asm__ volatile("" ::"x"(sum));
}

double read_rate(ThreadPool& pool) {
  constexpr int64_t kBytes = int64_t{256} << 20;
  const DeviceBuffer buffer =
      std::move(DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(kBytes) + 8192)).value();
  std::fill_n(buffer.data(), kBytes, std::byte{1});
  double best = 0;
  for (int repeat = 0; repeat < 6; ++repeat) {
    const auto start = Clock::now();
    pool.parallel_for(kBytes, 1 << 20, [&](int64_t begin, int64_t end, int) {
      read_lines(buffer.data() + begin, end - begin);
    });
    best = std::max(best, static_cast<double>(kBytes) / seconds_since(start));
  }
  return best;
}

}  // namespace

double MachineLimits::peak_gflops(DType dtype) const {
  if (dtype_is_block(dtype)) return int8_gops;
  return dtype == DType::kBF16 || dtype == DType::kF8E4M3 ? bf16_gflops : f32_gflops;
}

MachineLimits measure_limits(ThreadPool& pool, CpuTier tier) {
  MachineLimits limits;
  if (tier == CpuTier::kScalar) return limits;
  limits.read_gbs = read_rate(pool) * 1e-9;
  const bool avx512 = tier >= CpuTier::kAvx512;
  limits.f32_gflops = best_rate(pool, avx512 ? f32_avx512_flops : f32_avx2_flops) * 1e-9;
  limits.bf16_gflops = tier >= CpuTier::kAvx512Bf16 ? best_rate(pool, bf16_flops) * 1e-9 : limits.f32_gflops;
  limits.int8_gops = best_rate(pool, tier >= CpuTier::kAvx512Vnni ? vnni_ops : maddubs_ops) * 1e-9;
  if (tier == CpuTier::kAmx) {
    limits.bf16_gflops = best_rate(pool, tile_bf16_flops) * 1e-9;
    limits.int8_gops = best_rate(pool, tile_int8_ops) * 1e-9;
  }
  return limits;
}

}  // namespace hadal
