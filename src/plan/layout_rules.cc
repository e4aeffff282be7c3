#include "plan/layout_rules.h"

#include <cstdlib>

namespace hadal {
namespace {

constexpr int kMaxRanks = 4096;

// Why this many ranks cannot share attention; "" where they can.
std::string attention_obstacle(const ModelConfig& m, int ranks) {
  if (m.num_attention_heads % ranks != 0)
    return "its " + std::to_string(m.num_attention_heads) + " attention heads";
  const int kv = m.num_key_value_heads;
  if (!m.mla && kv % ranks != 0 && ranks % kv != 0) return "its " + std::to_string(kv) + " KV heads";
  return {};
}

// Why this many ranks cannot share a row of `size` numbers; `what` names it.
std::string width_obstacle(int64_t size, int ranks, WeightFormat format, std::string_view what) {
  if (size % ranks != 0) return "its " + std::string(what) + " of " + std::to_string(size);
  if (format == WeightFormat::kFp8Blocks && ranks > 1 && (size / ranks) % kFp8Block != 0) {
    return "its " + std::string(what) + " of " + std::to_string(size) + " in FP8 blocks of " +
           std::to_string(kFp8Block);
  }
  return {};
}

// The first size of the model that the layout does not divide, and by how many ranks; {"", 0}: none.
struct Obstacle {
  std::string what;
  int ranks = 0;
};
Obstacle find_obstacle(const ModelConfig& m, const Layout& l, WeightFormat format) {
  const int attention = l.tp / l.dp_attention;
  if (std::string what = attention_obstacle(m, attention); !what.empty()) return {what, attention};
  const int dense = l.ep > 1 ? attention : l.tp;
  const bool has_dense = !m.moe || m.moe->first_k_dense_replace > 0;
  if (has_dense) {
    if (std::string what = width_obstacle(m.intermediate_size, dense, format, "intermediate size");
        !what.empty())
      return {what, dense};
  }
  if (!m.moe) return {};
  if (m.moe->n_routed_experts % l.ep != 0)
    return {"its " + std::to_string(m.moe->n_routed_experts) + " experts", l.ep};
  const int64_t expert = m.moe->moe_intermediate_size;
  if (std::string what = width_obstacle(expert, l.tp / l.ep, format, "expert size"); !what.empty())
    return {what, l.tp / l.ep};
  if (m.moe->n_shared_experts > 0) {
    const int64_t shared = expert * m.moe->n_shared_experts;
    if (std::string what = width_obstacle(shared, dense, format, "shared expert's size"); !what.empty())
      return {what, dense};
  }
  return {};
}

// The plain TPs next to `tp` that divide the model: "TP2 or TP4".
std::string nearest_tps(const ModelConfig& m, WeightFormat format, int tp) {
  int below = 1;
  int above = 0;
  for (const int candidate : possible_tp(m, format, tp * 2)) {
    if (candidate < tp) below = candidate;
    if (candidate > tp && above == 0) above = candidate;
  }
  return "TP" + std::to_string(below) + (above == 0 ? "" : " or TP" + std::to_string(above));
}

std::string fix_of(const ModelConfig& m, const Layout& l, WeightFormat format) {
  std::string fix = nearest_tps(m, format, l.tp) + " can";
  Layout whole_experts = l;
  whole_experts.ep = l.tp;
  whole_experts.dp_attention = l.tp;
  if (m.moe && l.ep != l.tp && find_obstacle(m, whole_experts, format).ranks == 0)
    fix += ", and so can " + layout_name(whole_experts) + ", where every rank has whole experts";
  return fix;
}

}  // namespace

WeightFormat projection_format(const ModelConfig& model, std::optional<WeightFormat> format) {
  if (format.has_value()) return *format;
  if (model.fp8_blocks) return WeightFormat::kFp8Blocks;
  return model.torch_dtype == "float32" ? WeightFormat::kF32 : WeightFormat::kBf16;
}

Status check_layout(const ModelConfig& m, const Layout& l, WeightFormat format) {
  if (l.tp < 1 || l.pp < 1 || l.ep < 1 || l.dp_attention < 1 || l.tp > kMaxRanks || l.pp > kMaxRanks)
    return invalid_argument("TP, PP, EP and DP attention must each be from 1 to ", kMaxRanks);
  if (l.pp > m.num_hidden_layers)
    return invalid_argument("PP", l.pp, " is more stages than the model's ", m.num_hidden_layers,
                            " layers: at most PP", m.num_hidden_layers);
  if (l.ep > 1 && !m.moe)
    return invalid_argument("EP", l.ep, " needs a model with experts; ", m.source_name, " has none: use EP1");
  if (l.tp % l.ep != 0)
    return invalid_argument("EP", l.ep, " does not divide TP", l.tp,
                            ": EP uses the same ranks, so it is TP or a divisor");
  if (l.tp % l.dp_attention != 0)
    return invalid_argument("DP attention ", l.dp_attention, " does not divide TP", l.tp,
                            ": it makes groups of the same ranks, so it is TP or a divisor");
  const Obstacle obstacle = find_obstacle(m, l, format);
  if (obstacle.ranks != 0) {
    return invalid_argument(layout_name(l), ": ", obstacle.ranks, " ranks cannot share ", obstacle.what,
                            " evenly; ", fix_of(m, l, format));
  }
  return {};
}

std::vector<int> possible_tp(const ModelConfig& model, WeightFormat format, int max_tp) {
  std::vector<int> out;
  for (int tp = 1; tp <= max_tp; ++tp) {
    if (find_obstacle(model, Layout{.tp = tp}, format).ranks == 0) out.push_back(tp);
  }
  return out;
}

std::string layout_name(const Layout& l) {
  std::string name = "TP" + std::to_string(l.tp);
  if (l.pp > 1) name += " x PP" + std::to_string(l.pp);
  if (l.ep > 1) name += " with EP" + std::to_string(l.ep);
  if (l.dp_attention > 1)
    name += (l.ep > 1 ? " and DP attention " : " with DP attention ") + std::to_string(l.dp_attention);
  return name;
}

}  // namespace hadal
