// The DeepSeek family: V2, V2-Lite, V3, R1: latent attention, mixture of experts after the first dense
// layers.
#include "models/families.h"

namespace hadal {
namespace {

MlaNames mla_names(const LoadContext& load, const ModelConfig& config, const std::string& p) {
  MlaNames names;
  // q_a, kv_a and their norms: whole on every rank; q, q_b: rows by heads
  if (config.mla->q_lora_rank > 0) {
    names.q_a_proj = p + "q_a_proj";
    names.q_a_norm = p + "q_a_layernorm";
    names.q_b_proj = p + "q_b_proj";
  } else {
    names.q_proj = p + "q_proj";
  }
  names.kv_a_proj = p + "kv_a_proj_with_mqa";
  names.kv_a_norm = p + "kv_a_layernorm";
  // kv_b, or k_b and v_b where a GGUF file has them apart: rows by heads
  if (load.source.has(p + "k_b_proj.weight")) {
    names.k_b_proj = p + "k_b_proj";
    names.v_b_proj = p + "v_b_proj";
  } else {
    names.kv_b_proj = p + "kv_b_proj";
  }
  // columns by heads
  names.o_proj = p + "o_proj";
  return names;
}

Result<std::variant<GatedMlp, Moe>> load_mlp(const LoadContext& load, const ModelConfig& config,
                                             const std::string& p, int layer) {
  std::variant<GatedMlp, Moe> out;
  if (!config.is_moe_layer(layer)) {
    // gate, up: rows; down: columns
    HADAL_ASSIGN(out, GatedMlp::load(load, {p + "gate_proj", p + "up_proj", p + "down_proj"},
                                     config.hidden_size, config.intermediate_size, config.mlp_bias));
    return out;
  }
  // gate: whole on every rank; each expert and the shared ones: gate, up by rows, down by columns
  MoeNames names;
  names.gate = p + "gate";
  if (config.moe->topk_method == MoeConfig::TopkMethod::kNoauxTc) {
    names.correction_bias = p + "gate.e_score_correction_bias";
  }
  names.expert_prefix = p + "experts.";
  if (config.moe->n_shared_experts > 0) names.shared_expert_prefix = p + "shared_experts.";
  HADAL_ASSIGN(out, Moe::load(load, config, names));
  return out;
}

}  // namespace

Result<DecoderLayer> load_deepseek_v3_layer(const LoadContext& load, const ModelConfig& config,
                                            const ModelOptions& options, int layer) {
  const std::string p = "model.layers." + std::to_string(layer) + ".";
  DecoderLayer out;
  // whole on every rank
  HADAL_ASSIGN(out.attention_norm,
               RmsNorm::load(load, p + "input_layernorm", config.hidden_size, config.rms_norm_eps));
  HADAL_ASSIGN(out.attention, MlaAttention::load(load, config, mla_names(load, config, p + "self_attn."),
                                                 options.mla_absorb));
  // whole on every rank
  HADAL_ASSIGN(out.mlp_norm,
               RmsNorm::load(load, p + "post_attention_layernorm", config.hidden_size, config.rms_norm_eps));
  HADAL_ASSIGN(out.mlp, load_mlp(load, config, p + "mlp.", layer));
  return out;
}

}  // namespace hadal
