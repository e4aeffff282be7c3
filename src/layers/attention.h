// Attention: grouped-query attention over the paged cache with its projections: Llama, Mistral, Qwen2
// (biases), Qwen3 (norms on each head of q and k), optionally windowed. One rank computes its own heads.
// Worker thread only.
#pragma once

#include <string>

#include "layers/forward_batch.h"
#include "layers/linear.h"
#include "layers/rms_norm.h"
#include "layers/rotary_embedding.h"

namespace hadal {

// Checkpoint names (without ".weight") of one layer's projections. Shard rules: q, k, v by rows (heads); o by
// columns.
struct AttentionNames {
  std::string q_proj;
  std::string k_proj;
  std::string v_proj;
  std::string o_proj;
  std::string q_norm;  // empty: none
  std::string k_norm;
  int layer = 0;  // the window may differ between layers
};

class Attention {
 public:
  static Result<Attention> load(const LoadContext& load, const ModelConfig& config,
                                const AttentionNames& names);
  // residual += attention(x). x, residual: f32 [T, hidden_size].
  Status forward(ForwardContext& ctx, const ForwardBatch& batch, int layer, const RotaryEmbedding& rotary,
                 const Tensor& x, const Tensor& residual) const;
  int64_t arena_bytes(int64_t num_tokens, int64_t max_seq_len, int num_threads) const;
  int64_t num_bytes() const;

 private:
  Linear qkv_;
  Linear o_;
  RmsNorm q_norm_;
  RmsNorm k_norm_;
  bool qk_norm_ = false;
  int64_t num_heads_ = 0;     // of this rank
  int64_t num_kv_heads_ = 0;  // of this rank
  int64_t head_dim_ = 0;
  int window_ = 0;
  int tp_size_ = 1;
};

}  // namespace hadal
