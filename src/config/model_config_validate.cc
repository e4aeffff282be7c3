#include <cmath>
#include <initializer_list>

#include "config/model_config.h"

namespace hadal {
namespace {

// Far above any published model; they keep every product of two or three sizes within 64 bits.
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxHeads = 65536;
constexpr int64_t kMaxHeadDim = 8192;
constexpr int64_t kMaxExperts = 65536;
constexpr int64_t kMaxPositions = int64_t{1} << 31;
constexpr double kMaxParameters = 1e14;

struct Range {
  std::string_view name;
  int64_t value;
  int64_t min;
  int64_t max;
};

Status check_ranges(const ModelConfig& c, std::initializer_list<Range> ranges) {
  for (const Range& r : ranges) {
    if (r.value < r.min || r.value > r.max) {
      return invalid_argument(c.source_name, ": ", r.name, " must be from ", r.min, " to ", r.max, "; it is ",
                              r.value);
    }
  }
  return {};
}

bool positive(double value) {
  return std::isfinite(value) && value > 0;
}

Status check_sizes(const ModelConfig& c) {
  return check_ranges(
      c, {{"vocab_size", c.vocab_size, 1, kMaxVocab},
          {"hidden_size", c.hidden_size, 1, kMaxWidth},
          {"intermediate_size", c.intermediate_size, 1, kMaxWidth},
          {"num_hidden_layers", c.num_hidden_layers, 1, kMaxLayers},
          {"num_attention_heads", c.num_attention_heads, 1, kMaxHeads},
          {"num_key_value_heads", c.num_key_value_heads, 1, kMaxHeads},
          {"head_dim", c.head_dim, 1, kMaxHeadDim},
          {"max_position_embeddings", c.max_position_embeddings, 1, kMaxPositions},
          {"sliding_window", c.sliding_window, 0, INT32_MAX},
          {"num_attention_heads * head_dim", int64_t{c.num_attention_heads} * c.head_dim, 1, kMaxWidth},
          {"bos_token_id", c.bos_token_id, -1, INT32_MAX}});
}

Status check_attention(const ModelConfig& c) {
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    return invalid_argument(c.source_name, ": num_attention_heads (", c.num_attention_heads,
                            ") must be a multiple of num_key_value_heads (", c.num_key_value_heads, ")");
  }
  if (!positive(c.rms_norm_eps)) {
    return invalid_argument(c.source_name, ": rms_norm_eps must be a positive number; it is ",
                            c.rms_norm_eps);
  }
  for (const int64_t id : c.eos_token_ids) {
    if (id < 0 || id > INT32_MAX)
      return invalid_argument(c.source_name, ": eos_token_id ", id, " is no token id");
  }
  return {};
}

Status check_rope(const ModelConfig& c) {
  const RopeConfig& r = c.rope;
  const int whole = c.mla ? c.mla->qk_rope_head_dim : c.head_dim;
  if (r.rotary_dim <= 0 || r.rotary_dim > whole || r.rotary_dim % 2 != 0) {
    return invalid_argument(c.source_name, ": the rotary part of a head must be even and at most ", whole,
                            " elements; it is ", r.rotary_dim);
  }
  if (!positive(r.theta))
    return invalid_argument(c.source_name, ": rope_theta must be positive; it is ", r.theta);
  if (!r.freq_factors.empty() && static_cast<int>(r.freq_factors.size()) != r.rotary_dim / 2) {
    return invalid_argument(c.source_name, ": there are ", r.freq_factors.size(),
                            " rotary frequency factors for ", r.rotary_dim / 2, " frequencies");
  }
  for (const float factor : r.freq_factors) {
    if (!positive(factor)) return invalid_argument(c.source_name, ": a rotary frequency factor is ", factor);
  }
  if (r.scaling == RopeConfig::Scaling::kNone) return {};
  if (!positive(r.factor)) {
    return invalid_argument(c.source_name,
                            ": the rotary scaling \"factor\" must be a positive number; it is ", r.factor);
  }
  if (r.scaling == RopeConfig::Scaling::kLinear) return {};
  if (r.original_max_position_embeddings < 1 || r.original_max_position_embeddings > kMaxPositions) {
    return invalid_argument(c.source_name, ": original_max_position_embeddings must be positive; it is ",
                            r.original_max_position_embeddings);
  }
  if (r.scaling == RopeConfig::Scaling::kLlama3) {
    if (!positive(r.low_freq_factor) || !positive(r.high_freq_factor) ||
        r.high_freq_factor <= r.low_freq_factor) {
      return invalid_argument(c.source_name,
                              ": llama3 rotary scaling needs 0 < low_freq_factor < high_freq_factor; ",
                              "they are ", r.low_freq_factor, " and ", r.high_freq_factor);
    }
    return {};
  }
  if (!positive(r.beta_fast) || !positive(r.beta_slow) || r.beta_fast < r.beta_slow || r.theta <= 1.0) {
    return invalid_argument(c.source_name,
                            ": yarn needs 0 < beta_slow <= beta_fast and rope_theta above 1; they are ",
                            r.beta_slow, ", ", r.beta_fast, " and ", r.theta);
  }
  if (!std::isfinite(r.mscale) || !std::isfinite(r.mscale_all_dim) || r.mscale < 0 || r.mscale_all_dim < 0 ||
      (r.attention_factor && !positive(*r.attention_factor))) {
    return invalid_argument(c.source_name,
                            ": yarn's mscale, mscale_all_dim and attention_factor must not be negative");
  }
  return {};
}

Status check_mla(const ModelConfig& c) {
  const MlaConfig& m = *c.mla;
  HADAL_RETURN_IF_ERROR(
      check_ranges(c, {{"q_lora_rank", m.q_lora_rank, 0, kMaxWidth},
                       {"kv_lora_rank", m.kv_lora_rank, 1, kMaxWidth},
                       {"qk_nope_head_dim", m.qk_nope_head_dim, 1, kMaxHeadDim},
                       {"qk_rope_head_dim", m.qk_rope_head_dim, 2, kMaxHeadDim},
                       {"v_head_dim", m.v_head_dim, 1, kMaxHeadDim},
                       {"num_attention_heads * (qk_nope_head_dim + v_head_dim)",
                        int64_t{c.num_attention_heads} * (m.qk_nope_head_dim + m.v_head_dim), 1, kMaxWidth},
                       {"num_attention_heads * kv_lora_rank", int64_t{c.num_attention_heads} * m.kv_lora_rank,
                        1, INT32_MAX}}));
  if (c.head_dim != m.qk_nope_head_dim + m.qk_rope_head_dim) {
    return invalid_argument(c.source_name, ": head_dim must be qk_nope_head_dim + qk_rope_head_dim");
  }
  if (c.num_key_value_heads != c.num_attention_heads) {
    return invalid_argument(c.source_name, ": num_key_value_heads (", c.num_key_value_heads,
                            ") must equal num_attention_heads (", c.num_attention_heads,
                            ") for latent attention");
  }
  return {};
}

Status check_moe(const ModelConfig& c) {
  const MoeConfig& m = *c.moe;
  HADAL_RETURN_IF_ERROR(
      check_ranges(c, {{"n_routed_experts", m.n_routed_experts, 1, kMaxExperts},
                       {"num_experts_per_tok", m.num_experts_per_tok, 1, m.n_routed_experts},
                       {"n_shared_experts", m.n_shared_experts, 0, 1024},
                       {"moe_intermediate_size", m.moe_intermediate_size, 1, kMaxWidth},
                       {"n_shared_experts * moe_intermediate_size",
                        int64_t{m.n_shared_experts} * m.moe_intermediate_size, 0, kMaxWidth},
                       {"first_k_dense_replace", m.first_k_dense_replace, 0, INT32_MAX},
                       {"moe_layer_freq", m.moe_layer_freq, 1, INT32_MAX},
                       {"n_group", m.n_group, 1, m.n_routed_experts},
                       {"topk_group", m.topk_group, 1, m.n_group}}));
  if (m.n_routed_experts % m.n_group != 0) {
    return invalid_argument(c.source_name, ": n_routed_experts (", m.n_routed_experts,
                            ") must be a multiple of n_group (", m.n_group, ")");
  }
  const int group = m.n_routed_experts / m.n_group;
  if (m.num_experts_per_tok > group * m.topk_group) {
    return invalid_argument(c.source_name, ": num_experts_per_tok (", m.num_experts_per_tok, ") exceeds the ",
                            group * m.topk_group, " experts of topk_group (", m.topk_group, ") groups");
  }
  if (m.topk_method == MoeConfig::TopkMethod::kNoauxTc && m.n_group > 1 && group < 2) {
    return invalid_argument(c.source_name, ": noaux_tc ranks groups by their best two experts, but n_group (",
                            m.n_group, ") leaves ", group, " in each");
  }
  if (!positive(m.routed_scaling_factor)) {
    return invalid_argument(c.source_name, ": routed_scaling_factor must be positive; it is ",
                            m.routed_scaling_factor);
  }
  return {};
}

double approximate_parameters(const ModelConfig& c) {
  const double h = c.hidden_size;
  double layer = 4.0 * h * c.num_attention_heads * c.head_dim + 3.0 * h * c.intermediate_size;
  if (c.moe)
    layer += 3.0 * h * c.moe->moe_intermediate_size * (c.moe->n_routed_experts + c.moe->n_shared_experts);
  return 2.0 * h * c.vocab_size + c.num_hidden_layers * layer;
}

}  // namespace

Status validate_model_config(const ModelConfig& c) {
  HADAL_RETURN_IF_ERROR(check_sizes(c));
  HADAL_RETURN_IF_ERROR(check_attention(c));
  if (c.mla) HADAL_RETURN_IF_ERROR(check_mla(c));
  if (c.moe) HADAL_RETURN_IF_ERROR(check_moe(c));
  HADAL_RETURN_IF_ERROR(check_rope(c));
  const bool deepseek = c.architecture == Architecture::kDeepseekV3;
  if (deepseek != c.mla.has_value() || deepseek != c.moe.has_value()) {
    return invalid_argument(c.source_name,
                            ": latent attention and experts belong to the deepseek_v3 architecture");
  }
  if (approximate_parameters(c) > kMaxParameters) {
    return invalid_argument(c.source_name, ": the sizes describe a model of about ",
                            approximate_parameters(c),
                            " parameters; check num_hidden_layers, hidden_size and the expert sizes");
  }
  return {};
}

}  // namespace hadal
