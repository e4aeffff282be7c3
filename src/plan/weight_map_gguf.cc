// The tensors of a .gguf file, by llama.cpp's names.
#include "plan/weight_map.h"

namespace hadal {
namespace {

struct NameRule {
  std::string_view suffix;  // after "blk.N."
  WeightPart part;
  WeightSplit split;
};

constexpr NameRule kLayerRules[] = {
    {"attn_q.", WeightPart::kAttention, WeightSplit::kHeadRows},
    {"attn_k.", WeightPart::kAttention, WeightSplit::kKvRows},
    {"attn_v.", WeightPart::kAttention, WeightSplit::kKvRows},
    {"attn_output.", WeightPart::kAttention, WeightSplit::kHeadColumns},
    {"attn_q_a.", WeightPart::kAttention, WeightSplit::kWhole},
    {"attn_q_b.", WeightPart::kAttention, WeightSplit::kHeadRows},
    {"attn_kv_a_mqa.", WeightPart::kAttention, WeightSplit::kWhole},
    {"attn_kv_b.", WeightPart::kAttention, WeightSplit::kHeadRows},
    {"attn_k_b.", WeightPart::kAttention, WeightSplit::kHeadRows},
    {"attn_v_b.", WeightPart::kAttention, WeightSplit::kHeadRows},
    {"ffn_gate_inp.", WeightPart::kRouter, WeightSplit::kWhole},
    {"exp_probs_b.", WeightPart::kRouter, WeightSplit::kWhole},
    {"ffn_gate_exps.", WeightPart::kRoutedExperts, WeightSplit::kExpertRows},
    {"ffn_up_exps.", WeightPart::kRoutedExperts, WeightSplit::kExpertRows},
    {"ffn_down_exps.", WeightPart::kRoutedExperts, WeightSplit::kExpertColumns},
    {"ffn_gate_shexp.", WeightPart::kSharedExperts, WeightSplit::kMlpRows},
    {"ffn_up_shexp.", WeightPart::kSharedExperts, WeightSplit::kMlpRows},
    {"ffn_down_shexp.", WeightPart::kSharedExperts, WeightSplit::kMlpColumns},
    {"ffn_gate.", WeightPart::kDenseMlp, WeightSplit::kMlpRows},
    {"ffn_up.", WeightPart::kDenseMlp, WeightSplit::kMlpRows},
    {"ffn_down.", WeightPart::kDenseMlp, WeightSplit::kMlpColumns},
    {"attn_norm.", WeightPart::kNorms, WeightSplit::kWhole},
    {"ffn_norm.", WeightPart::kNorms, WeightSplit::kWhole},
    {"attn_q_norm.", WeightPart::kNorms, WeightSplit::kWhole},
    {"attn_k_norm.", WeightPart::kNorms, WeightSplit::kWhole},
    {"attn_q_a_norm.", WeightPart::kNorms, WeightSplit::kWhole},
    {"attn_kv_a_norm.", WeightPart::kNorms, WeightSplit::kWhole},
};

// "blk.12.attn_q.weight" is layer 12, "attn_q.weight".
bool split_layer_name(std::string_view name, int& layer, std::string_view& rest) {
  if (!name.starts_with("blk.")) return false;
  name.remove_prefix(4);
  const size_t dot = name.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot > 5) return false;
  layer = 0;
  for (const char c : name.substr(0, dot)) {
    if (c < '0' || c > '9') return false;
    layer = layer * 10 + (c - '0');
  }
  rest = name.substr(dot + 1);
  return true;
}

bool find_rule(const GgufTensorInfo& info, int num_layers, PlannedTensor& out) {
  std::string_view rest;
  if (info.name == "token_embd.weight") {
    out.part = WeightPart::kEmbedding;
    out.split = WeightSplit::kVocabularyRows;
    out.layer = -1;
    return true;
  }
  if (info.name == "output.weight") {
    out.part = WeightPart::kHead;
    out.split = WeightSplit::kHeadVocabulary;
    out.layer = num_layers;
    return true;
  }
  if (info.name == "output_norm.weight" || info.name == "rope_freqs.weight") {
    out.layer = num_layers;
    return true;
  }
  if (!split_layer_name(info.name, out.layer, rest)) return false;
  for (const NameRule& rule : kLayerRules) {
    if (!rest.starts_with(rule.suffix)) continue;
    out.part = rule.part;
    out.split = rule.split;
    return true;
  }
  return false;
}

}  // namespace

Result<WeightMap> WeightMap::from_gguf(const ModelConfig& model, const GgufFile& file) {
  WeightMap map(model);
  for (const GgufTensorInfo& info : file.tensors()) {
    PlannedTensor t;
    t.format = WeightFormat::kGgml;
    t.ggml_type = info.type;
    if (!find_rule(info, model.num_hidden_layers, t)) {
      return make_error(ErrorCode::kUnsupported, "the file has a tensor ", info.name,
                        ", which hadal does not know how to share between ranks");
    }
    t.rows = info.shape.empty() ? 1 : info.shape[0];
    t.columns = info.shape.size() > 1 ? info.shape[1] : 1;
    if (info.shape.size() > 2) {
      t.copies = info.shape[0];
      t.rows = info.shape[1];
      t.columns = info.shape[2];
    }
    // The second dimension of a bias is 1 and its heads are rows, but a bias of a split by columns is whole.
    const bool by_columns = t.split == WeightSplit::kHeadColumns || t.split == WeightSplit::kMlpColumns;
    if (t.columns == 1 && by_columns) t.split = WeightSplit::kWhole;
    // attn_k_b and attn_v_b of newer files hold one matrix a head.
    if (t.part == WeightPart::kAttention && t.copies > 1) {
      t.rows *= t.copies;
      t.copies = 1;
    }
    t.quantizable = t.part == WeightPart::kAttention || t.part == WeightPart::kDenseMlp ||
                    t.part == WeightPart::kRoutedExperts || t.part == WeightPart::kSharedExperts;
    map.tensors_.push_back(t);
  }
  return map;
}

}  // namespace hadal
