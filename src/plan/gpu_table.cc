#include "plan/gpu_table.h"

#include <algorithm>

namespace hadal {
namespace {

constexpr int64_t kMebibyte = int64_t{1} << 20;

// Memory: as nvidia-smi and rocm-smi print the total. Rates: the makers' data sheets, dense (without
// sparsity). achieved_memory, achieved_compute: the share of the data sheet that the best public kernels
// reach on Hopper (docs/plan.md: 3.01 of 3.35 TB/s and 4.35 of 4.8 TB/s read; fp8 blocks 1,350 of 1,979, bf16
// 798 of 989 TFLOPS); H20's compute is not power-limited. Those of GPUs without public kernel tables are the
// same shares by analogy. Hourly prices differ too much between sellers to be stated: --gpu-hour-price.
// clang-format off
constexpr GpuSpec kGpus[] = {
    {.name = "A100-40G", .aliases = "A100-40 A100-40GB A100-SXM4-40GB", .product_label = "NVIDIA-A100-SXM4-40GB",
     .resource = "nvidia.com/gpu", .memory_bytes = 40960 * kMebibyte, .compute_capability = 80, .memory_gbs = 1555,
     .achieved_memory = 0.85, .bf16_tflops = 312, .int8_tops = 624, .achieved_compute = 0.75, .nvlink_gbs = 300,
     .pcie_gbs = 32},
    {.name = "A100", .aliases = "A100-80 A100-80G A100-80GB A100-SXM4-80GB", .product_label = "NVIDIA-A100-SXM4-80GB",
     .resource = "nvidia.com/gpu", .memory_bytes = 81920 * kMebibyte, .compute_capability = 80, .memory_gbs = 2039,
     .achieved_memory = 0.85, .bf16_tflops = 312, .int8_tops = 624, .achieved_compute = 0.75, .nvlink_gbs = 300,
     .pcie_gbs = 32},
    {.name = "A800", .aliases = "A800-80 A800-80G A800-80GB A800-SXM4-80GB", .product_label = "NVIDIA-A800-SXM4-80GB",
     .resource = "nvidia.com/gpu", .memory_bytes = 81920 * kMebibyte, .compute_capability = 80, .memory_gbs = 2039,
     .achieved_memory = 0.85, .bf16_tflops = 312, .int8_tops = 624, .achieved_compute = 0.75, .nvlink_gbs = 200,
     .pcie_gbs = 32},
    {.name = "H20", .aliases = "H20-96 H20-96G H20-96GB", .product_label = "NVIDIA-H20",
     .resource = "nvidia.com/gpu", .memory_bytes = 97871 * kMebibyte, .compute_capability = 90, .memory_gbs = 4000,
     .achieved_memory = 0.85, .bf16_tflops = 148, .fp8_tflops = 296, .int8_tops = 296, .achieved_compute = 0.85,
     .nvlink_gbs = 450, .pcie_gbs = 64},
    {.name = "H20-141G", .aliases = "H20-141 H20-141GB H20-3e", .product_label = "NVIDIA-H20-3e",
     .resource = "nvidia.com/gpu", .memory_bytes = 143771 * kMebibyte, .compute_capability = 90, .memory_gbs = 4800,
     .achieved_memory = 0.85, .bf16_tflops = 148, .fp8_tflops = 296, .int8_tops = 296, .achieved_compute = 0.85,
     .nvlink_gbs = 450, .pcie_gbs = 64},
    {.name = "H100", .aliases = "H100-80 H100-80G H100-80GB H100-SXM H100-SXM5", .product_label = "NVIDIA-H100-80GB-HBM3",
     .resource = "nvidia.com/gpu", .memory_bytes = 81559 * kMebibyte, .compute_capability = 90, .memory_gbs = 3350,
     .achieved_memory = 0.85, .bf16_tflops = 989, .fp8_tflops = 1979, .int8_tops = 1979, .achieved_compute = 0.68,
     .nvlink_gbs = 450, .pcie_gbs = 64},
    {.name = "H800", .aliases = "H800-80 H800-80G H800-80GB H800-SXM", .product_label = "NVIDIA-H800",
     .resource = "nvidia.com/gpu", .memory_bytes = 81559 * kMebibyte, .compute_capability = 90, .memory_gbs = 3350,
     .achieved_memory = 0.85, .bf16_tflops = 989, .fp8_tflops = 1979, .int8_tops = 1979, .achieved_compute = 0.68,
     .nvlink_gbs = 200, .pcie_gbs = 64},
    {.name = "H200", .aliases = "H200-141 H200-141G H200-141GB H200-SXM", .product_label = "NVIDIA-H200",
     .resource = "nvidia.com/gpu", .memory_bytes = 143771 * kMebibyte, .compute_capability = 90, .memory_gbs = 4800,
     .achieved_memory = 0.85, .bf16_tflops = 989, .fp8_tflops = 1979, .int8_tops = 1979, .achieved_compute = 0.68,
     .nvlink_gbs = 450, .pcie_gbs = 64},
    {.name = "B200", .aliases = "B200-180G B200-192G B200-SXM", .product_label = "NVIDIA-B200",
     .resource = "nvidia.com/gpu", .memory_bytes = 183359 * kMebibyte, .compute_capability = 100, .memory_gbs = 8000,
     .achieved_memory = 0.85, .bf16_tflops = 2250, .fp8_tflops = 4500, .int8_tops = 4500, .achieved_compute = 0.68,
     .nvlink_gbs = 900, .pcie_gbs = 64},
    {.name = "L40S", .aliases = "L40S-48 L40S-48G L40S-48GB", .product_label = "NVIDIA-L40S",
     .resource = "nvidia.com/gpu", .memory_bytes = 46068 * kMebibyte, .compute_capability = 89, .memory_gbs = 864,
     .achieved_memory = 0.85, .bf16_tflops = 362, .fp8_tflops = 733, .int8_tops = 733, .achieved_compute = 0.65,
     .nvlink_gbs = 0, .pcie_gbs = 32},
    {.name = "MI300X", .aliases = "MI300X-192 MI300X-192G MI300X-192GB", .product_label = "",
     .resource = "amd.com/gpu", .memory_bytes = 196592 * kMebibyte, .compute_capability = 0, .memory_gbs = 5300,
     .achieved_memory = 0.80, .bf16_tflops = 1307, .fp8_tflops = 2615, .int8_tops = 2615, .achieved_compute = 0.50,
     .nvlink_gbs = 448, .pcie_gbs = 64},
    // A two-socket server with 8 channels of DDR5-5600 each and AMX (Xeon 6 and Emerald Rapids class); hadal's own
    // kernels, docs/performance.md. One "GPU" is one socket.
    {.name = "CPU", .aliases = "XEON CPU-AMX SOCKET", .product_label = "", .resource = "",
     .memory_bytes = int64_t{512} * 1024 * kMebibyte, .compute_capability = 0, .memory_gbs = 358, .achieved_memory = 0.80,
     .bf16_tflops = 60, .fp8_tflops = 0, .int8_tops = 120, .achieved_compute = 0.50, .nvlink_gbs = 40,
     .pcie_gbs = 40, .gpus_per_node = 2},
};
// clang-format on

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto upper = [](char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return upper(x) == upper(y); });
}

bool is_alias(std::string_view aliases, std::string_view name) {
  while (!aliases.empty()) {
    const size_t end = std::min(aliases.find(' '), aliases.size());
    if (equals_ignoring_case(aliases.substr(0, end), name)) return true;
    aliases.remove_prefix(std::min(end + 1, aliases.size()));
  }
  return false;
}

}  // namespace

std::span<const GpuSpec> gpu_table() {
  return kGpus;
}

const GpuSpec* find_gpu(std::string_view name) {
  if (name.empty()) return nullptr;
  for (const GpuSpec& gpu : kGpus) {
    if (equals_ignoring_case(gpu.name, name) || is_alias(gpu.aliases, name) ||
        equals_ignoring_case(gpu.product_label, name))
      return &gpu;
  }
  return nullptr;
}

}  // namespace hadal
