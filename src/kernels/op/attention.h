// Paged attention with grouped query heads, for a step that mixes prefill chunks and decode rows; and the KV
// append. KV layout per layer: k and v are [num_blocks, num_kv_heads, block_size, head_dim] of f16, bf16 or
// f32. Batch invariance: the result of a query token depends on its own sequence only, not on chunking:
// scores of one query are always reduced over the keys in the same blocked order.
#pragma once

#include <cstdint>

#include "kernels/ops.h"

namespace hadal {

// The step's rows as device arrays; what ForwardBatch holds (runtime/forward_batch.h).
struct AttentionBatch {
  Tensor cu_seqlens_q;  // i32 [S + 1]: tokens of sequence s are rows [cu[s], cu[s + 1]) of q
  Tensor seq_lens;  // i32 [S]: keys of sequence s, those of this step included; its last query token sees all
  Tensor block_tables;  // i32 [S, max_blocks]: block ids in order; entries past the sequence's end are -1
  Tensor slot_mapping;  // i32 [T]: block id * block_size + offset where token t's K and V are stored
  int max_seq_len = 0;  // largest of seq_lens
};

// Writes k, v: f32 [T, num_kv_heads, D] or [T, num_kv_heads * D] (rows may be strided) to their slots,
// rounded to nearest even; a slot of -1 is skipped. Values beyond f16's range become infinite.
void kv_append(OpContext& ctx, const Tensor& k, const Tensor& v, const Tensor& slot_mapping,
               const Tensor& k_cache, const Tensor& v_cache);

// q: f32 [T, num_heads, D]; out: f32 [T, num_heads, Dv]; num_heads a multiple of num_kv_heads. v's head_dim
// may differ. Causal: query token i of sequence s sees keys [0, seq_len - q_len + i]. window > 0: only the
// last `window` of these.
void paged_attention(OpContext& ctx, const Tensor& q, const Tensor& k_cache, const Tensor& v_cache,
                     const AttentionBatch& batch, float scale, int window, const Tensor& out);
int64_t paged_attention_arena_bytes(int num_threads, int num_heads, int head_dim, int v_head_dim,
                                    int64_t num_tokens, int max_seq_len);

// MLA (DeepSeek-V2 2405.04434 section 2.1) in the weight-absorbed form. Cache rows are the compressed KV and
// the shared rotary key, [num_blocks, block_size, kv_lora_rank + rope_dim], f16, bf16 or f32. c_kv: f32 [T,
// kv_lora_rank]; k_rope: f32 [T, rope_dim]; rows may be strided.
void mla_append(OpContext& ctx, const Tensor& c_kv, const Tensor& k_rope, const Tensor& slot_mapping,
                const Tensor& cache);
// q: f32 [T, num_heads, kv_lora_rank + rope_dim], the nope part already multiplied by W_UK;
// out: f32 [T, num_heads, kv_lora_rank], to be multiplied by W_UV. Needs mla_attention_arena_bytes of arena.
void mla_attention(OpContext& ctx, const Tensor& q, const Tensor& cache, const AttentionBatch& batch,
                   int kv_lora_rank, float scale, const Tensor& out);
int64_t mla_attention_arena_bytes(int num_threads, int num_heads, int kv_lora_rank, int rope_dim,
                                  int64_t num_tokens, int max_seq_len);

}  // namespace hadal
