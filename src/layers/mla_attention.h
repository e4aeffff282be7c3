// MlaAttention: multi-head latent attention (DeepSeek-V2 2405.04434 section 2.1). The cache holds, per token,
// the normalised compressed KV and the rotated shared key. Two forms of the same function:
//   absorbed  W_UK is folded into the query and W_UV into the output: attention runs on the latents as they
//   are stored naive     keys and values of every head are expanded from the latents of the whole sequence:
//   the oracle; CPU only
// One rank computes its own heads; the latent projections are whole on every rank. Worker thread only.
#pragma once

#include <string>
#include <vector>

#include "layers/forward_batch.h"
#include "layers/linear.h"
#include "layers/rms_norm.h"
#include "layers/rotary_embedding.h"

namespace hadal {

// Checkpoint names (without ".weight"). Shard rules: q_b or q, kv_b, k_b, v_b by rows (heads); o by columns;
// the rest whole. W_UK and W_UV come as kv_b_proj [heads * (nope + v), kv_lora_rank] or, in newer GGUF files,
// apart.
struct MlaNames {
  std::string q_proj;  // where there is no q_lora
  std::string q_a_proj;
  std::string q_a_norm;
  std::string q_b_proj;
  std::string kv_a_proj;
  std::string kv_a_norm;
  std::string kv_b_proj;
  std::string
      k_b_proj;  // [heads * kv_lora_rank, nope]: each head's W_UK transposed; empty: kv_b_proj is used
  std::string v_b_proj;  // [heads * v_head_dim, kv_lora_rank]
  std::string o_proj;
};

class MlaAttention {
 public:
  static Result<MlaAttention> load(const LoadContext& load, const ModelConfig& config, const MlaNames& names,
                                   bool absorb);
  // residual += attention(x). x, residual: f32 [T, hidden_size].
  Status forward(ForwardContext& ctx, const ForwardBatch& batch, int layer, const RotaryEmbedding& rotary,
                 const Tensor& x, const Tensor& residual) const;
  int64_t arena_bytes(int64_t num_tokens, int64_t max_seq_len, int num_threads) const;
  int64_t num_bytes() const;

 private:
  Status load_queries(const LoadContext& load, const ModelConfig& config, const MlaNames& names,
                      ShardRange heads);
  Status load_up_projections(const LoadContext& load, const ModelConfig& config, const MlaNames& names,
                             ShardRange heads);
  Status push_key_head(const LoadContext& load, const MatrixShard& w_uk, bool transposed);
  // q: f32 [T, heads * (nope + rope)], rotated; out: f32 [T, heads * v_head_dim].
  void attend_absorbed(ForwardContext& ctx, const ForwardBatch& batch, const Tensor& cache, const Tensor& q,
                       const Tensor& out) const;
  void attend_naive(ForwardContext& ctx, const ForwardBatch& batch, const Tensor& cache, const Tensor& q,
                    const Tensor& out) const;
  void attend_naive_sequence(ForwardContext& ctx, const int32_t* block_table, int64_t seq_len,
                             const Tensor& cache, const Tensor& q, const Tensor& out) const;
  int64_t heads_at_once(int64_t num_tokens) const;
  int64_t absorbed_arena_bytes(int64_t num_tokens, int64_t max_seq_len, int num_threads) const;
  int64_t naive_arena_bytes(int64_t num_tokens, int64_t max_seq_len, int num_threads) const;

  bool absorb_ = true;
  int64_t num_heads_ = 0;  // of this rank
  int64_t q_lora_rank_ = 0;
  int64_t kv_lora_rank_ = 0;
  int64_t nope_dim_ = 0;
  int64_t rope_dim_ = 0;
  int64_t v_dim_ = 0;
  float scale_ = 1.0f;
  int tp_size_ = 1;

  Linear down_;  // q_a (where there is one) and kv_a, stacked
  RmsNorm q_norm_;
  RmsNorm kv_norm_;
  Linear q_;                  // q_b, or q_proj
  std::vector<Linear> k_up_;  // per head: absorbed [kv_lora, nope], naive [nope, kv_lora]
  std::vector<Linear> v_up_;  // per head: [v_dim, kv_lora]
  Linear o_;
};

}  // namespace hadal
