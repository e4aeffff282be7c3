#include <array>
#include <charconv>

#include "weights/tensor_table.h"

namespace hadal {
namespace {

struct NamePair {
  std::string_view gguf;
  std::string_view hugging_face;
};

constexpr NamePair kTopNames[] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
};

// Behind "blk.N." and "model.layers.N.".
constexpr NamePair kLayerNames[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_q.bias", "self_attn.q_proj.bias"},
    {"attn_k.bias", "self_attn.k_proj.bias"},
    {"attn_v.bias", "self_attn.v_proj.bias"},
    {"attn_output.bias", "self_attn.o_proj.bias"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_gate.bias", "mlp.gate_proj.bias"},
    {"ffn_up.bias", "mlp.up_proj.bias"},
    {"ffn_down.bias", "mlp.down_proj.bias"},
    // deepseek2
    {"attn_q_a.weight", "self_attn.q_a_proj.weight"},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight"},
    {"attn_q_b.weight", "self_attn.q_b_proj.weight"},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight"},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight"},
    {"attn_kv_b.weight", "self_attn.kv_b_proj.weight"},
    {"attn_k_b.weight", "self_attn.k_b_proj.weight"},
    {"attn_v_b.weight", "self_attn.v_b_proj.weight"},
    {"ffn_gate_inp.weight", "mlp.gate.weight"},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight"},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight"},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight"},
};

// Merged experts [E, rows, columns]: the name of expert e is mlp.experts.<e>.<second>.
constexpr NamePair kExpertNames[] = {
    {"ffn_gate_exps.weight", "gate_proj.weight"},
    {"ffn_up_exps.weight", "up_proj.weight"},
    {"ffn_down_exps.weight", "down_proj.weight"},
};

std::string_view translate(std::span<const NamePair> pairs, std::string_view name) {
  for (const NamePair& pair : pairs) {
    if (pair.gguf == name) return pair.hugging_face;
  }
  return {};
}

std::optional<DType> dtype_of(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return DType::kF32;
    case GgmlType::kF16:
      return DType::kF16;
    case GgmlType::kBF16:
      return DType::kBF16;
    case GgmlType::kQ4_0:
      return DType::kQ4_0;
    case GgmlType::kQ4_1:
      return DType::kQ4_1;
    case GgmlType::kQ5_0:
      return DType::kQ5_0;
    case GgmlType::kQ5_1:
      return DType::kQ5_1;
    case GgmlType::kQ8_0:
      return DType::kQ8_0;
    case GgmlType::kQ4_K:
      return DType::kQ4_K;
    case GgmlType::kQ5_K:
      return DType::kQ5_K;
    case GgmlType::kQ6_K:
      return DType::kQ6_K;
  }
  return std::nullopt;
}

struct LayerName {
  std::string layer;  // digits
  std::string_view rest;
};
// "blk.12.attn_q.weight" to {"12", "attn_q.weight"}.
std::optional<LayerName> split_layer(std::string_view name) {
  if (!name.starts_with("blk.")) return std::nullopt;
  name.remove_prefix(4);
  int layer = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
  const auto digits = static_cast<size_t>(end - name.data());
  if (error != std::errc() || layer < 0 || digits >= name.size() || name[digits] != '.') return std::nullopt;
  return LayerName{std::to_string(layer), name.substr(digits + 1)};
}

TensorEntry entry_of(const GgufTensorInfo& info, std::string name) {
  TensorEntry entry;
  entry.source_name = info.name;
  entry.name = std::move(name);
  entry.dtype = dtype_of(info.type);
  entry.dtype_text = ggml_type_traits(info.type).value_or(GgmlTypeTraits{"unknown", 1, 0}).name;
  entry.shape = info.shape;
  entry.range = FileRange{info.file_index, info.offset, info.num_bytes};
  return entry;
}

Status add_experts(const GgufFile& file, const GgufTensorInfo& info, const std::string& prefix,
                   std::string_view matrix, const ModelConfig& config, TensorTable& table) {
  const std::string& path = file.files()[info.file_index].path();
  const int64_t want = config.moe ? config.moe->n_routed_experts : 0;
  if (info.shape.size() != 3 || info.shape[0] != want) {
    return invalid_argument(path, ": tensor \"", info.name, "\" has shape ", shape_text(info.shape),
                            "; its first of three dimensions must be the number of experts, ", want);
  }
  const uint64_t stride = info.num_bytes / static_cast<uint64_t>(want);
  for (int64_t e = 0; e < want; ++e) {
    TensorEntry entry =
        entry_of(info, prefix + "mlp.experts." + std::to_string(e) + "." + std::string(matrix));
    entry.shape.erase(entry.shape.begin());
    entry.range.offset += static_cast<uint64_t>(e) * stride;
    entry.range.num_bytes = stride;
    if (!table.add(std::move(entry)))
      return invalid_argument(path, ": two tensors are named as \"", info.name, "\"");
  }
  return {};
}

}  // namespace

Result<TensorTable> gguf_tensor_table(const GgufFile& file, const ModelConfig& config) {
  TensorTable table;
  for (const MappedFile& part : file.files()) table.paths.push_back(part.path());
  for (const GgufTensorInfo& info : file.tensors()) {
    if (info.name == "rope_freqs.weight") continue;
    std::string name(translate(kTopNames, info.name));
    if (const auto layer = split_layer(info.name)) {
      const std::string prefix = "model.layers." + layer->layer + ".";
      if (const auto matrix = translate(kExpertNames, layer->rest); !matrix.empty()) {
        HADAL_RETURN_IF_ERROR(add_experts(file, info, prefix, matrix, config, table));
        continue;
      }
      // Files that keep the whole kv_b beside its parts: the whole serves both forms.
      const bool part = layer->rest == "attn_k_b.weight" || layer->rest == "attn_v_b.weight";
      if (part && file.find_tensor("blk." + layer->layer + ".attn_kv_b.weight") != nullptr) continue;
      if (const auto rest = translate(kLayerNames, layer->rest); !rest.empty())
        name = prefix + std::string(rest);
    }
    if (name.empty()) name = info.name;
    if (!table.add(entry_of(info, std::move(name)))) {
      return invalid_argument(file.files()[info.file_index].path(), ": two tensors are named as \"",
                              info.name, "\"");
    }
  }
  return table;
}

}  // namespace hadal
