#include <algorithm>

#include "plan/memory_terms.h"
#include "plan/report.h"

namespace hadal {
namespace {

// "fp8"; "fp8, f32" where a part has both, the one with more numbers first.
std::string dtype_of(const WeightMap& weights, WeightPart part) {
  std::vector<std::pair<std::string, int64_t>> names;
  for (const PlannedTensor& t : weights.tensors()) {
    if (t.part != part) continue;
    std::string name(weight_format_name(t.format));
    if (t.format == WeightFormat::kGgml) {
      const auto traits = ggml_type_traits(t.ggml_type);
      if (traits.has_value()) name = traits->name;
    }
    const auto same =
        std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == name; });
    if (same == names.end()) {
      names.emplace_back(name, t.parameters());
    } else {
      same->second += t.parameters();
    }
  }
  std::stable_sort(names.begin(), names.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out;
  for (const auto& [name, count] : names) out += (out.empty() ? "" : ", ") + name;
  return part == WeightPart::kScales ? "f32" : out;
}

}  // namespace

std::vector<MemoryRow> memory_rows(const WeightMap& weights, const Layout& layout, const FitAnswer& fit,
                                   int stage, int rank, std::string_view kv_dtype) {
  using enum MemoryRow::Kind;
  const PartBytes parts = weights.of_rank(layout, stage, rank);
  std::vector<MemoryRow> rows;
  for (size_t i = 0; i < kNumWeightParts; ++i) {
    const auto part = static_cast<WeightPart>(i);
    if (parts.bytes[i] > 0)
      rows.push_back(
          {std::string(weight_part_name(part)), dtype_of(weights, part), parts.bytes[i], kWeights});
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const MemoryRow& a, const MemoryRow& b) { return a.bytes > b.bytes; });
  const int layers = stage_layers(weights.model().num_hidden_layers, layout.pp, stage).size();
  const auto element = kv_element_bytes(kv_dtype);
  const int64_t token = kv_bytes_per_token(weights.model(), layout, layers, element.ok() ? *element : 2);
  rows.push_back({"KV cache", std::string(kv_dtype), fit.kv_tokens / layout.dp_attention * token, kKv});
  rows.push_back({"activations", "", fit.rank.activations, kWork});
  rows.push_back({"graphs", "", fit.rank.graphs, kWork});
  rows.push_back({"communication", "", fit.rank.communication, kWork});
  rows.push_back({"driver, libraries", "", fit.rank.runtime, kWork});
  int64_t used = 0;
  for (const MemoryRow& row : rows) used += row.bytes;
  rows.push_back({"free", "", std::max<int64_t>(0, fit.rank.capacity - used), kFree});
  return rows;
}

}  // namespace hadal
