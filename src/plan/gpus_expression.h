// "16xH200", "8 x h20-96g", "H100", "2xCPU": how many of which GPU. Pure; any thread.
#pragma once

#include <string_view>

#include "base/result.h"
#include "plan/gpu_table.h"

namespace hadal {

struct GpuCount {
  const GpuSpec* gpu = nullptr;
  int count = 1;
};

inline constexpr int kMaxGpus = 4096;

// Errors: kInvalidArgument naming what is wrong and the GPUs there are.
Result<GpuCount> parse_gpus(std::string_view text);

}  // namespace hadal
