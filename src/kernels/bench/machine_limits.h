// What this machine can do at best, measured: streaming reads, and multiply-adds that never leave the
// registers. Benchmarks print their figures beside these. One thread calls.
#pragma once

#include "device/cpu_info.h"
#include "device/dtype.h"
#include "device/thread_pool.h"

namespace hadal {

struct MachineLimits {
  double read_gbs = 0;
  double f32_gflops = 0;
  double bf16_gflops = 0;
  double int8_gops = 0;

  // The peak that a weight type's kernels can reach.
  double peak_gflops(DType dtype) const;
};

// Takes about a second on all of the pool's threads.
MachineLimits measure_limits(ThreadPool& pool, CpuTier tier);

}  // namespace hadal
