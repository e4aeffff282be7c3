// The GPUs that hadal knows: sizes and rates from their makers' data sheets, and what kernels reach of them
// where that was measured. A constant table; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace hadal {

struct GpuSpec {
  std::string_view name;           // "H200"
  std::string_view aliases;        // "H200-SXM H200-141GB", separated by spaces
  std::string_view product_label;  // nvidia.com/gpu.product of NVIDIA's device plugin; "" where unknown
  std::string_view resource;       // "nvidia.com/gpu", "amd.com/gpu"; "" for the CPU
  int64_t memory_bytes = 0;        // as the driver reports it
  int compute_capability = 0;      // 90; 0 for others
  double memory_gbs = 0;           // GB/s, data sheet
  double achieved_memory = 0.85;   // share of it that kernels reach
  double bf16_tflops = 0;          // dense
  double fp8_tflops = 0;           // dense; 0: no FP8
  double int8_tops = 0;
  double achieved_compute = 0.7;
  double nvlink_gbs = 0;  // GB/s each way of one GPU to its host's others; 0: PCIe
  double pcie_gbs = 0;
  int gpus_per_node = 8;        // of the usual server
  double dollars_per_hour = 0;  // 0: unknown
};

std::span<const GpuSpec> gpu_table();
// By name or alias; letters' case does not count. Null: unknown.
const GpuSpec* find_gpu(std::string_view name);

}  // namespace hadal
