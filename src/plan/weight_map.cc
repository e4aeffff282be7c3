#include "plan/weight_map.h"

#include <algorithm>
#include <map>

#include "base/int_math.h"

namespace hadal {
namespace {

constexpr int64_t kInt4Group = 128;  // one bf16 scale and one bf16 zero point for 128 weights of a row

// The list of one model's tensors being made.
struct Builder {
  const ModelConfig& m;
  WeightFormat projections;
  std::vector<PlannedTensor>& out;

  void add(WeightPart part, WeightSplit split, int layer, int64_t rows, int64_t columns, int64_t copies = 1) {
    PlannedTensor t;
    t.part = part;
    t.split = split;
    t.layer = layer;
    t.rows = rows;
    t.columns = columns;
    t.copies = copies;
    t.quantizable = columns > 1 && part != WeightPart::kEmbedding && part != WeightPart::kHead &&
                    part != WeightPart::kRouter && part != WeightPart::kNorms;
    t.format =
        t.quantizable ? projections : (m.torch_dtype == "float32" ? WeightFormat::kF32 : WeightFormat::kBf16);
    out.push_back(t);
  }
  void norm(int layer, int64_t size) { add(WeightPart::kNorms, WeightSplit::kWhole, layer, size, 1); }

  void attention(int layer);
  void mla(int layer);
  void mlp(WeightPart part, int layer, int64_t intermediate);
  void experts(int layer);
  void everything();
};

// self_attn.{q,k,v,o}_proj, biases, Qwen3's q_norm and k_norm.
void Builder::attention(int layer) {
  const int64_t h = m.hidden_size;
  const int64_t q = int64_t{m.num_attention_heads} * m.head_dim;
  const int64_t kv = int64_t{m.num_key_value_heads} * m.head_dim;
  const auto part = WeightPart::kAttention;
  add(part, WeightSplit::kHeadRows, layer, q, h);
  add(part, WeightSplit::kKvRows, layer, kv, h);
  add(part, WeightSplit::kKvRows, layer, kv, h);
  add(part, WeightSplit::kHeadColumns, layer, h, q);
  if (m.qkv_bias) {
    add(part, WeightSplit::kHeadRows, layer, q, 1);
    add(part, WeightSplit::kKvRows, layer, kv, 1);
    add(part, WeightSplit::kKvRows, layer, kv, 1);
  }
  if (m.o_bias) add(part, WeightSplit::kWhole, layer, h, 1);
  if (m.qk_norm) {
    norm(layer, m.head_dim);
    norm(layer, m.head_dim);
  }
}

// q_a_proj, q_b_proj (or q_proj), kv_a_proj_with_mqa, kv_b_proj, o_proj: the parts that have no heads are
// whole on every rank.
void Builder::mla(int layer) {
  const MlaConfig& a = *m.mla;
  const int64_t h = m.hidden_size;
  const int64_t heads = m.num_attention_heads;
  const int64_t qk = a.qk_nope_head_dim + a.qk_rope_head_dim;
  const auto part = WeightPart::kAttention;
  if (a.q_lora_rank > 0) {
    add(part, WeightSplit::kWhole, layer, a.q_lora_rank, h);
    norm(layer, a.q_lora_rank);
    add(part, WeightSplit::kHeadRows, layer, heads * qk, a.q_lora_rank);
  } else {
    add(part, WeightSplit::kHeadRows, layer, heads * qk, h);
  }
  add(part, WeightSplit::kWhole, layer, a.kv_lora_rank + a.qk_rope_head_dim, h);
  norm(layer, a.kv_lora_rank);
  add(part, WeightSplit::kHeadRows, layer, heads * (a.qk_nope_head_dim + a.v_head_dim), a.kv_lora_rank);
  add(part, WeightSplit::kHeadColumns, layer, h, heads * a.v_head_dim);
}

// gate_proj, up_proj, down_proj.
void Builder::mlp(WeightPart part, int layer, int64_t intermediate) {
  add(part, WeightSplit::kMlpRows, layer, intermediate, m.hidden_size);
  add(part, WeightSplit::kMlpRows, layer, intermediate, m.hidden_size);
  add(part, WeightSplit::kMlpColumns, layer, m.hidden_size, intermediate);
  if (m.mlp_bias) {
    add(part, WeightSplit::kMlpRows, layer, intermediate, 1);
    add(part, WeightSplit::kMlpRows, layer, intermediate, 1);
    add(part, WeightSplit::kWhole, layer, m.hidden_size, 1);
  }
}

void Builder::experts(int layer) {
  const MoeConfig& e = *m.moe;
  const int64_t h = m.hidden_size;
  const int64_t i = e.moe_intermediate_size;
  const auto part = WeightPart::kRoutedExperts;
  add(part, WeightSplit::kExpertRows, layer, i, h, e.n_routed_experts);
  add(part, WeightSplit::kExpertRows, layer, i, h, e.n_routed_experts);
  add(part, WeightSplit::kExpertColumns, layer, h, i, e.n_routed_experts);
  add(WeightPart::kRouter, WeightSplit::kWhole, layer, e.n_routed_experts, h);
  if (e.topk_method == MoeConfig::TopkMethod::kNoauxTc) {
    add(WeightPart::kRouter, WeightSplit::kWhole, layer, e.n_routed_experts, 1);
    out.back().format = WeightFormat::kF32;  // e_score_correction_bias
  }
  if (e.n_shared_experts > 0) mlp(WeightPart::kSharedExperts, layer, int64_t{e.n_shared_experts} * i);
}

void Builder::everything() {
  add(WeightPart::kEmbedding, WeightSplit::kVocabularyRows, -1, m.vocab_size, m.hidden_size);
  for (int layer = 0; layer < m.num_hidden_layers; ++layer) {
    norm(layer, m.hidden_size);
    if (m.mla) {
      mla(layer);
    } else {
      attention(layer);
    }
    norm(layer, m.hidden_size);
    if (m.is_moe_layer(layer)) {
      experts(layer);
    } else {
      mlp(WeightPart::kDenseMlp, layer, m.intermediate_size);
    }
  }
  norm(m.num_hidden_layers, m.hidden_size);
  if (!m.tie_word_embeddings)
    add(WeightPart::kHead, WeightSplit::kHeadVocabulary, m.num_hidden_layers, m.vocab_size, m.hidden_size);
}

// What of `size` rows rank `rank` of `ranks` has, the last ones the rest.
int64_t share(int64_t size, int ranks, int rank) {
  const int64_t each = ceil_div(size, ranks);
  return std::clamp<int64_t>(size - each * rank, 0, each);
}

// The numbers of ranks that the splits divide by (docs/plan.md, "Who holds what").
struct Groups {
  int attention;   // ranks of one attention group
  int dense;       // ranks that share dense layers and shared experts
  int per_expert;  // ranks that share one expert
  int ep;
  int tp;
};
Groups groups_of(const Layout& l) {
  const int attention = l.tp / l.dp_attention;
  return {attention, l.ep > 1 ? attention : l.tp, l.tp / l.ep, l.ep, l.tp};
}

struct Piece {
  int64_t rows;
  int64_t columns;
  int64_t copies;
};
Piece piece_of_rank(const PlannedTensor& t, const Groups& g, int kv_heads, int rank) {
  Piece p{t.rows, t.columns, t.copies};
  const int in_group = rank % g.attention;
  switch (t.split) {
    case WeightSplit::kWhole:
      break;
    case WeightSplit::kHeadRows:
      p.rows = share(t.rows, g.attention, in_group);
      break;
    case WeightSplit::kHeadColumns:
      p.columns = share(t.columns, g.attention, in_group);
      break;
    case WeightSplit::kKvRows:
      p.rows = t.rows / std::min(g.attention, kv_heads);
      break;
    case WeightSplit::kMlpRows:
      p.rows = share(t.rows, g.dense, rank % g.dense);
      break;
    case WeightSplit::kMlpColumns:
      p.columns = share(t.columns, g.dense, rank % g.dense);
      break;
    case WeightSplit::kExpertRows:
      p.copies = share(t.copies, g.ep, rank / g.per_expert);
      p.rows = share(t.rows, g.per_expert, rank % g.per_expert);
      break;
    case WeightSplit::kExpertColumns:
      p.copies = share(t.copies, g.ep, rank / g.per_expert);
      p.columns = share(t.columns, g.per_expert, rank % g.per_expert);
      break;
    case WeightSplit::kVocabularyRows:
      p.rows = share(t.rows, g.attention, in_group);
      break;
    case WeightSplit::kHeadVocabulary:
      p.rows = share(t.rows, g.tp, rank);
      break;
  }
  return p;
}

void add_piece(PartBytes& sum, const PlannedTensor& t, const Piece& p) {
  const PieceBytes bytes = piece_bytes(t, p.rows, p.columns);
  sum.of(t.part) += bytes.values * p.copies;
  sum.of(WeightPart::kScales) += bytes.scales * p.copies;
}

}  // namespace

std::string_view weight_part_name(WeightPart part) {
  constexpr std::string_view kNames[] = {"embedding",      "attention",      "dense MLP",
                                         "routed experts", "shared experts", "router",
                                         "norms",          "output head",    "scales"};
  static_assert(std::size(kNames) == kNumWeightParts);
  return kNames[static_cast<size_t>(part)];
}

std::string_view weight_format_name(WeightFormat format) {
  constexpr std::string_view kNames[] = {"f32", "bf16", "fp8", "int8", "int4", "gguf"};
  return kNames[static_cast<size_t>(format)];
}

Result<std::optional<WeightFormat>> parse_weight_format(std::string_view name) {
  if (name.empty() || name == "auto") return std::optional<WeightFormat>();
  if (name == "f16" || name == "fp16" || name == "bfloat16" || name == "float16") name = "bf16";
  if (name == "float32" || name == "fp32") name = "f32";
  for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16, WeightFormat::kFp8Blocks,
                                    WeightFormat::kInt8, WeightFormat::kInt4}) {
    if (name == weight_format_name(format)) return std::optional<WeightFormat>(format);
  }
  return invalid_argument("weights of type \"", name,
                          "\": there are auto, f32, bf16, f16, fp8, int8 and int4");
}

int64_t PartBytes::total() const {
  int64_t sum = 0;
  for (const int64_t part : bytes) sum += part;
  return sum;
}

PieceBytes piece_bytes(const PlannedTensor& t, int64_t rows, int64_t columns) {
  const int64_t count = rows * columns;
  switch (t.format) {
    case WeightFormat::kF32:
      return {4 * count, 0};
    case WeightFormat::kBf16:
      return {2 * count, 0};
    case WeightFormat::kFp8Blocks:
      return {count, 4 * ceil_div(rows, kFp8Block) * ceil_div(columns, kFp8Block)};
    case WeightFormat::kInt8:
      return {count, 4 * rows};
    case WeightFormat::kInt4:
      return {ceil_div(count, 2), 4 * rows * ceil_div(columns, kInt4Group)};
    case WeightFormat::kGgml: {
      const auto traits = ggml_type_traits(t.ggml_type);
      if (!traits.has_value()) return {4 * count, 0};
      return {ceil_div(count, traits->block_len) * traits->block_bytes, 0};
    }
  }
  return {2 * count, 0};
}

LayerRange stage_layers(int num_layers, int pp, int stage) {
  const int each = num_layers / pp;
  const int more = num_layers % pp;
  const int begin = stage * each + std::min(stage, more);
  return {begin, begin + each + (stage < more ? 1 : 0)};
}

WeightMap::WeightMap(const ModelConfig& model, std::optional<WeightFormat> format) : model_(model) {
  WeightFormat own = WeightFormat::kBf16;
  if (model.fp8_blocks) own = WeightFormat::kFp8Blocks;
  if (model.torch_dtype == "float32") own = WeightFormat::kF32;
  Builder{model, format.value_or(own), tensors_}.everything();
}

int64_t WeightMap::num_parameters() const {
  int64_t sum = 0;
  for (const PlannedTensor& t : tensors_) sum += t.parameters();
  return sum;
}

int64_t WeightMap::active_parameters() const {
  int64_t sum = 0;
  for (const PlannedTensor& t : tensors_) {
    if (t.part == WeightPart::kEmbedding && !model_.tie_word_embeddings) {
      sum += t.columns;
    } else if (t.part == WeightPart::kRoutedExperts) {
      sum += t.rows * t.columns * model_.moe->num_experts_per_tok;
    } else {
      sum += t.parameters();
    }
  }
  return sum;
}

PartBytes WeightMap::whole() const {
  PartBytes sum;
  for (const PlannedTensor& t : tensors_) add_piece(sum, t, {t.rows, t.columns, t.copies});
  return sum;
}

PartBytes WeightMap::of_rank(const Layout& layout, int stage, int rank) const {
  return sum_of_rank(layout, stage, rank, Unit::kBytes);
}

PartBytes WeightMap::rank_parameters(const Layout& layout, int stage, int rank) const {
  return sum_of_rank(layout, stage, rank, Unit::kParameters);
}

PartBytes WeightMap::sum_of_rank(const Layout& layout, int stage, int rank, Unit unit) const {
  const Groups groups = groups_of(layout);
  const int num_layers = model_.num_hidden_layers;
  const LayerRange layers = stage_layers(num_layers, layout.pp, stage);
  const bool first = stage == 0;
  const bool last = stage == layout.pp - 1;
  PartBytes sum;
  for (const PlannedTensor& t : tensors_) {
    const bool here = t.layer < 0             ? first
                      : t.layer >= num_layers ? last
                                              : t.layer >= layers.begin && t.layer < layers.end;
    if (!here) {
      // A tied head is the embedding once more, on the stage that makes the logits.
      if (!(t.part == WeightPart::kEmbedding && model_.tie_word_embeddings && last)) continue;
    }
    const Piece piece = piece_of_rank(t, groups, model_.num_key_value_heads, rank);
    if (unit == Unit::kBytes) {
      add_piece(sum, t, piece);
    } else {
      sum.of(t.part) += piece.rows * piece.columns * piece.copies;
    }
  }
  return sum;
}

std::string WeightMap::dominant_format() const {
  std::map<std::string, int64_t> sizes;
  for (const PlannedTensor& t : tensors_) {
    std::string name(weight_format_name(t.format));
    if (t.format == WeightFormat::kGgml) {
      const auto traits = ggml_type_traits(t.ggml_type);
      if (traits.has_value()) name = traits->name;
    }
    sizes[name] += t.parameters();
  }
  const auto most = std::max_element(sizes.begin(), sizes.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == sizes.end() ? "" : most->first;
}

}  // namespace hadal
