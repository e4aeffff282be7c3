// What paged_attention and mla_attention share: MLA is attention with one KV head whose values are the first
// kv_lora_rank elements of its keys. Internal to kernels/op; called from the rank's worker thread.
#pragma once

#include "kernels/op/attention.h"

namespace hadal {

// Strides in elements.
struct AttentionProblem {
  const float* q = nullptr;
  float* out = nullptr;
  int64_t q_token_stride = 0;
  int64_t q_head_stride = 0;
  int64_t out_token_stride = 0;
  int64_t out_head_stride = 0;
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  int v_head_dim = 0;
  const std::byte* k = nullptr;
  const std::byte* v = nullptr;
  DType kv_dtype = DType::kF32;
  int block_size = 0;
  int64_t k_block_stride = 0;
  int64_t k_head_stride = 0;
  int64_t k_row_stride = 0;
  int64_t v_block_stride = 0;
  int64_t v_head_stride = 0;
  int64_t v_row_stride = 0;
  float scale = 1.0f;
  int window = 0;
};

// Reads of the batch's arrays.
struct SequenceRows {
  int64_t first_row = 0;
  int64_t q_len = 0;
  int64_t seq_len = 0;
  const int32_t* blocks = nullptr;
};
SequenceRows sequence_rows(const AttentionBatch& batch, int64_t sequence);

// The oracle: each (query token, head) alone, two passes over its keys, no scratch.
void attention_scalar(OpContext& ctx, const AttentionProblem& problem, const AttentionBatch& batch);
// Tiled, for the vector tiers. Needs attention_tiled_bytes of arena.
void attention_tiled(OpContext& ctx, const AttentionProblem& problem, const AttentionBatch& batch);
int64_t attention_tiled_bytes(int num_threads, int num_heads, int head_dim, int v_head_dim,
                              int64_t num_tokens, int max_seq_len);

}  // namespace hadal
