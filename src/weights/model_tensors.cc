#include "weights/model_tensors.h"

namespace hadal {
namespace {

class TensorList {
 public:
  explicit TensorList(const ModelConfig& config) : c_(config) {
    matrix("model.embed_tokens", c_.vocab_size, c_.hidden_size);
    vector("model.norm.weight", c_.hidden_size);
    if (!c_.tie_word_embeddings) matrix("lm_head", c_.vocab_size, c_.hidden_size);
    for (int layer = 0; layer < c_.num_hidden_layers; ++layer) add_layer(layer);
  }
  std::vector<ModelTensor> take() { return std::move(tensors_); }

 private:
  void vector(std::string name, int64_t n) { tensors_.push_back({std::move(name), {n}}); }
  void matrix(const std::string& name, int64_t n, int64_t k, bool bias = false) {
    tensors_.push_back({name, {n, k}});
    if (bias) vector(name + ".bias", n);
  }

  void add_layer(int layer) {
    const std::string p = "model.layers." + std::to_string(layer) + ".";
    vector(p + "input_layernorm.weight", c_.hidden_size);
    vector(p + "post_attention_layernorm.weight", c_.hidden_size);
    if (c_.mla) {
      add_latent_attention(p + "self_attn.");
    } else {
      add_attention(p + "self_attn.");
    }
    if (c_.is_moe_layer(layer)) {
      add_experts(p + "mlp.");
    } else {
      add_mlp(p + "mlp.", c_.intermediate_size, c_.mlp_bias);
    }
  }

  void add_attention(const std::string& p) {
    const int64_t q = int64_t{c_.num_attention_heads} * c_.head_dim;
    const int64_t kv = int64_t{c_.num_key_value_heads} * c_.head_dim;
    matrix(p + "q_proj", q, c_.hidden_size, c_.qkv_bias);
    matrix(p + "k_proj", kv, c_.hidden_size, c_.qkv_bias);
    matrix(p + "v_proj", kv, c_.hidden_size, c_.qkv_bias);
    matrix(p + "o_proj", c_.hidden_size, q, c_.o_bias);
    if (!c_.qk_norm) return;
    vector(p + "q_norm.weight", c_.head_dim);
    vector(p + "k_norm.weight", c_.head_dim);
  }

  void add_latent_attention(const std::string& p) {
    const MlaConfig& m = *c_.mla;
    const int64_t heads = c_.num_attention_heads;
    const int64_t q_width = heads * (m.qk_nope_head_dim + m.qk_rope_head_dim);
    if (m.q_lora_rank > 0) {
      matrix(p + "q_a_proj", m.q_lora_rank, c_.hidden_size);
      vector(p + "q_a_layernorm.weight", m.q_lora_rank);
      matrix(p + "q_b_proj", q_width, m.q_lora_rank);
    } else {
      matrix(p + "q_proj", q_width, c_.hidden_size);
    }
    matrix(p + "kv_a_proj_with_mqa", m.kv_lora_rank + m.qk_rope_head_dim, c_.hidden_size);
    vector(p + "kv_a_layernorm.weight", m.kv_lora_rank);
    matrix(p + "kv_b_proj", heads * (m.qk_nope_head_dim + m.v_head_dim), m.kv_lora_rank);
    matrix(p + "o_proj", c_.hidden_size, heads * m.v_head_dim);
  }

  void add_mlp(const std::string& p, int64_t width, bool bias) {
    matrix(p + "gate_proj", width, c_.hidden_size, bias);
    matrix(p + "up_proj", width, c_.hidden_size, bias);
    matrix(p + "down_proj", c_.hidden_size, width, bias);
  }

  void add_experts(const std::string& p) {
    const MoeConfig& moe = *c_.moe;
    matrix(p + "gate", moe.n_routed_experts, c_.hidden_size);
    if (moe.topk_method == MoeConfig::TopkMethod::kNoauxTc) {
      vector(p + "gate.e_score_correction_bias", moe.n_routed_experts);
    }
    for (int e = 0; e < moe.n_routed_experts; ++e) {
      add_mlp(p + "experts." + std::to_string(e) + ".", moe.moe_intermediate_size, false);
    }
    if (moe.n_shared_experts > 0) {
      add_mlp(p + "shared_experts.", int64_t{moe.n_shared_experts} * moe.moe_intermediate_size, false);
    }
  }

  const ModelConfig& c_;
  std::vector<ModelTensor> tensors_;
};

}  // namespace

std::vector<ModelTensor> model_tensors(const ModelConfig& config) {
  return TensorList(config).take();
}

}  // namespace hadal
