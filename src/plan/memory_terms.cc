#include "plan/memory_terms.h"

#include <algorithm>

#include "base/int_math.h"

namespace hadal {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kActivationBytes = 2;  // bf16
constexpr int64_t kLowLatencyTokens = 128;

int64_t attention_width(const ModelConfig& m, int ranks) {
  if (m.mla) {
    const MlaConfig& a = *m.mla;
    // q_a, the latent, q absorbed into it (kv_lora_rank + rope), and the output before and after kv_b.
    const int64_t per_head = 2 * (a.kv_lora_rank + a.qk_rope_head_dim) + a.v_head_dim;
    return a.q_lora_rank + a.kv_lora_rank + a.qk_rope_head_dim +
           per_head * ceil_div(m.num_attention_heads, ranks);
  }
  return int64_t{m.head_dim} *
         (2 * ceil_div(m.num_attention_heads, ranks) + 2 * ceil_div(m.num_key_value_heads, ranks));
}

}  // namespace

Result<int> kv_element_bytes(std::string_view kv_dtype) {
  if (kv_dtype == "bf16" || kv_dtype == "f16" || kv_dtype == "auto" || kv_dtype == "bfloat16" ||
      kv_dtype == "float16")
    return 2;
  if (kv_dtype == "fp8" || kv_dtype == "fp8_e4m3" || kv_dtype == "fp8_e5m2") return 1;
  if (kv_dtype == "f32" || kv_dtype == "float32") return 4;
  return invalid_argument("KV of type \"", kv_dtype, "\": there are bf16, f16, fp8 and f32");
}

int64_t kv_bytes_per_token(const ModelConfig& m, const Layout& layout, int num_layers, int element_bytes) {
  if (m.mla) return int64_t{num_layers} * (m.mla->kv_lora_rank + m.mla->qk_rope_head_dim) * element_bytes;
  const int64_t heads = ceil_div(m.num_key_value_heads, layout.tp / layout.dp_attention);
  return int64_t{num_layers} * 2 * heads * m.head_dim * element_bytes;
}

int64_t activation_bytes(const ModelConfig& m, const Layout& l, int64_t tokens, int64_t logit_rows) {
  const int attention = l.tp / l.dp_attention;
  const int64_t own = ceil_div(tokens, l.dp_attention);  // the step's tokens are spread over the groups
  const int64_t residual = 2 * own * m.hidden_size * kActivationBytes;
  const int dense = l.ep > 1 ? attention : l.tp;
  const int64_t dense_tokens = l.ep > 1 ? own : tokens;
  int64_t widest = own * attention_width(m, attention) * kActivationBytes;
  if (!m.moe || m.moe->first_k_dense_replace > 0)
    widest = std::max(widest, dense_tokens * 3 * ceil_div(m.intermediate_size, dense) * kActivationBytes);
  if (m.moe) {
    // Rows in expert order that reach this rank, were the load even.
    const int64_t rows = ceil_div(tokens * m.moe->num_experts_per_tok, l.ep);
    const int64_t expert = ceil_div(m.moe->moe_intermediate_size, l.tp / l.ep);
    widest = std::max(widest, rows * (2 * int64_t{m.hidden_size} + 3 * expert) * kActivationBytes);
  }
  const int64_t logits = ceil_div(logit_rows, l.dp_attention) * m.vocab_size * int64_t{4};
  return residual + widest + logits;
}

int64_t graph_bytes(const ModelConfig& m, const GpuSpec& gpu, int num_layers) {
  if (gpu.resource.empty()) return 0;
  int64_t experts = 0;
  if (m.moe) experts = std::min<int64_t>(num_layers, m.num_hidden_layers - m.moe->first_k_dense_replace);
  return (128 + 12 * (num_layers - experts) + 24 * experts) * kMiB;
}

CommunicationBytes communication_bytes(const ModelConfig& m, const Layout& l, const GpuSpec& gpu) {
  CommunicationBytes out;
  const int ranks = l.num_ranks();
  if (ranks > 1) out.collectives = (ranks > gpu.gpus_per_node ? 1331 : 512) * kMiB;
  if (gpu.resource.empty()) out.collectives = ranks > 1 ? 64 * kMiB : 0;
  if (l.ep <= 1 || l.dp_attention <= 1 || !m.moe || gpu.resource.empty()) return out;
  const int64_t h = m.hidden_size;
  const int64_t messages = int64_t{m.moe->n_routed_experts} * kLowLatencyTokens;
  const int64_t dispatch = 16 + std::max(2 * h, h + ceil_div(h, 128) * 4);
  const int64_t combine = 2 * h;
  const int64_t send = std::max(kLowLatencyTokens * dispatch, messages * combine);
  const int64_t receive = std::max(messages * dispatch, messages * combine);
  out.experts = 2 * (send + receive);
  return out;
}

int64_t runtime_bytes(const GpuSpec& gpu) {
  return (gpu.resource.empty() ? 1024 : 922) * kMiB;
}

}  // namespace hadal
