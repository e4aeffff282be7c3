// The Llama family: Llama 2 and 3.x, Mistral (windowed), SmolLM2, R1-Distill-Llama.
#include "models/families.h"

namespace hadal {

Result<DecoderLayer> load_llama_layer(const LoadContext& load, const ModelConfig& config, const ModelOptions&,
                                      int layer) {
  const std::string p = "model.layers." + std::to_string(layer) + ".";
  DecoderLayer out;
  // whole on every rank
  HADAL_ASSIGN(out.attention_norm,
               RmsNorm::load(load, p + "input_layernorm", config.hidden_size, config.rms_norm_eps));
  // q, k, v: rows by heads; o: columns by heads
  AttentionNames attention;
  attention.layer = layer;
  attention.q_proj = p + "self_attn.q_proj";
  attention.k_proj = p + "self_attn.k_proj";
  attention.v_proj = p + "self_attn.v_proj";
  attention.o_proj = p + "self_attn.o_proj";
  HADAL_ASSIGN(out.attention, Attention::load(load, config, attention));
  // whole on every rank
  HADAL_ASSIGN(out.mlp_norm,
               RmsNorm::load(load, p + "post_attention_layernorm", config.hidden_size, config.rms_norm_eps));
  // gate, up: rows; down: columns
  const GatedMlpNames mlp{p + "mlp.gate_proj", p + "mlp.up_proj", p + "mlp.down_proj"};
  HADAL_ASSIGN(out.mlp,
               GatedMlp::load(load, mlp, config.hidden_size, config.intermediate_size, config.mlp_bias));
  return out;
}

}  // namespace hadal
