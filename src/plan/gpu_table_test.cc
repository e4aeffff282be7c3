#include "plan/gpu_table.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(GpuTable, FindsByNameAliasAndLabel) {
  ASSERT_NE(find_gpu("H200"), nullptr);
  EXPECT_EQ(find_gpu("h20-96g"), find_gpu("H20"));
  EXPECT_EQ(find_gpu("NVIDIA-H100-80GB-HBM3"), find_gpu("H100-80G"));
  EXPECT_EQ(find_gpu("cpu")->resource, "");
  EXPECT_EQ(find_gpu("H2000"), nullptr);
  EXPECT_EQ(find_gpu(""), nullptr);
}

TEST(GpuTable, EveryRowIsWhole) {
  for (const GpuSpec& gpu : gpu_table()) {
    SCOPED_TRACE(gpu.name);
    EXPECT_GT(gpu.memory_bytes, int64_t{30} << 30);
    EXPECT_GT(gpu.memory_gbs, 300);
    EXPECT_GT(gpu.bf16_tflops, 0);
    EXPECT_GT(gpu.achieved_memory, 0.5);
    EXPECT_LT(gpu.achieved_memory, 1);
    EXPECT_GT(gpu.achieved_compute, 0.3);
    EXPECT_LT(gpu.achieved_compute, 1);
    EXPECT_GT(gpu.gpus_per_node, 0);
    // FP8 came with compute capability 8.9.
    if (gpu.resource == "nvidia.com/gpu") {
      EXPECT_EQ(gpu.fp8_tflops > 0, gpu.compute_capability >= 89);
    }
    EXPECT_EQ(find_gpu(gpu.name), &gpu) << "two rows answer to this name";
  }
}

}  // namespace
}  // namespace hadal
