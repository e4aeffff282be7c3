// The table of model sizes that operators' guides print (CPUs, memory and GPU memory for 1.5B to 671B),
// beside what the shapes give: at which precision the guide's GPU memory holds the model, and what each
// precision needs. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

struct SizeRow {
  std::string size;   // "7B"
  std::string model;  // of the catalog
  int guide_cpus = 0;
  int guide_memory_gb = 0;
  int guide_gpu_gb = 0;
  // GPU memory in bytes for weights, a context of kSizeTableContext tokens and work space, on as few GPUs as
  // hold it; R1's first column is its own FP8 as bf16.
  int64_t bf16 = 0;
  int64_t int8 = 0;  // R1: its own FP8
  int64_t int4 = 0;
  std::string holds;  // the most precise of them that the guide's GPU memory holds; "none"
  int64_t host_memory =
      0;  // hadal's own: weights pass through the page cache: the smaller of them and 64 GiB, and 8 GiB
};
inline constexpr int64_t kSizeTableContext = 8192;

std::vector<SizeRow> size_table();
std::string size_table_text();

}  // namespace hadal
