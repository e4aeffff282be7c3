#include "plan/size_table.h"

#include <algorithm>
#include <cstdio>

#include "base/check.h"
#include "config/model_catalog.h"
#include "plan/fit.h"
#include "plan/memory_terms.h"
#include "plan/weight_map.h"

namespace hadal {
namespace {

struct GuideRow {
  std::string_view size;
  std::string_view model;
  int cpus;
  int memory_gb;
  int gpu_gb;
};
// The guide for OpenShift and KServe, "size table".
constexpr GuideRow kGuide[] = {
    {"1.5B", "r1-distill-qwen-1.5b", 4, 8, 4},  {"7B", "r1-distill-qwen-7b", 8, 16, 8},
    {"8B", "r1-distill-llama-8b", 8, 16, 16},   {"14B", "r1-distill-qwen-14b", 12, 32, 16},
    {"32B", "r1-distill-qwen-32b", 16, 64, 40}, {"70B", "r1-distill-llama-70b", 32, 128, 80},
    {"671B", "deepseek-r1", 64, 512, 768},
};
constexpr int64_t kGiB = int64_t{1} << 30;
constexpr int64_t kWorkTokens = 2048;          // of a step: small servers prefill in small chunks
constexpr int64_t kMinimalContext = kGiB / 2;  // of driver and libraries

int64_t needed(const ModelConfig& m, WeightFormat format) {
  const WeightMap weights(m, format);
  const int ranks = m.moe ? 8 : 1;
  const Layout layout{.tp = ranks};
  int64_t sum = 0;
  for (int rank = 0; rank < ranks; ++rank) sum += weights.of_rank(layout, 0, rank).total();
  const int64_t kv = kv_bytes_per_token(m, layout, m.num_hidden_layers, 2) * kSizeTableContext * ranks;
  return sum + kv + (activation_bytes(m, layout, kWorkTokens, 8) + kMinimalContext) * ranks;
}

}  // namespace

std::vector<SizeRow> size_table() {
  std::vector<SizeRow> out;
  for (const GuideRow& guide : kGuide) {
    const CatalogModel* model = find_catalog_model(guide.model);
    HADAL_CHECK(model != nullptr) << guide.model;
    const ModelConfig config = catalog_config(*model).value();
    SizeRow row;
    row.size = guide.size;
    row.model = guide.model;
    row.guide_cpus = guide.cpus;
    row.guide_memory_gb = guide.memory_gb;
    row.guide_gpu_gb = guide.gpu_gb;
    row.bf16 = needed(config, WeightFormat::kBf16);
    row.int8 = needed(config, config.fp8_blocks ? WeightFormat::kFp8Blocks : WeightFormat::kInt8);
    row.int4 = needed(config, WeightFormat::kInt4);
    const int64_t guide_bytes = guide.gpu_gb * kGiB;
    row.holds = row.bf16 <= guide_bytes   ? "bf16"
                : row.int8 <= guide_bytes ? (config.fp8_blocks ? "fp8" : "int8")
                : row.int4 <= guide_bytes ? "int4"
                                          : "none";
    const int64_t weights = WeightMap(config, std::nullopt).whole().total();
    row.host_memory = std::min(weights, 64 * kGiB) + 8 * kGiB;
    out.push_back(std::move(row));
  }
  return out;
}

std::string size_table_text() {
  std::string out =
      "The guides' table of sizes, beside what the models' shapes give. GPU memory: weights, one context\n"
      "of 8,192 tokens and work space, in GiB.\n\n"
      "        guide says              GPU memory needed      guide's GPU     host memory\n"
      "size    CPUs  memory  GPU       bf16  8-bit  4-bit     memory holds    hadal needs\n";
  for (const SizeRow& r : size_table()) {
    char text[200];
    std::snprintf(text, sizeof text, "%-6s %5d %4d GB %4d GB  %6.1f %6.1f %6.1f     %-14s %5.0f GiB\n",
                  r.size.c_str(), r.guide_cpus, r.guide_memory_gb, r.guide_gpu_gb,
                  static_cast<double>(r.bf16) / kGiB, static_cast<double>(r.int8) / kGiB,
                  static_cast<double>(r.int4) / kGiB, r.holds.c_str(),
                  static_cast<double>(r.host_memory) / kGiB);
    out += text;
  }
  out +=
      "\n8-bit is int8, and R1's own FP8. So the guide's GPU memory means 4-bit weights where it says int4 "
      "and\n"
      "8-bit where it says int8: the published bf16 distills need the bf16 column. CPUs are for the host's "
      "part\n"
      "(tokenizing, HTTP); hadal's host memory is the page cache that the weights pass through.\n";
  return out;
}

}  // namespace hadal
