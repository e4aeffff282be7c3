#include "layers/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "layers/partial_sum.h"

namespace hadal {
namespace {

// Normalises heads [first, first + count) of each row of qkv: f32 [T, all_heads * dim], in place. The norm
// takes vectors at one stride, so it goes by token or by head, whichever is fewer calls.
void norm_heads(OpContext& ctx, const RmsNorm& norm, const Tensor& qkv, int64_t first, int64_t count,
                int64_t dim) {
  if (qkv.dim(0) <= count) {
    for (int64_t t = 0; t < qkv.dim(0); ++t) {
      const Tensor heads = qkv.rows(t, 1).columns(first * dim, count * dim).reshape({count, dim});
      norm.forward(ctx, heads, heads);
    }
    return;
  }
  for (int64_t h = first; h < first + count; ++h) {
    const Tensor column = qkv.columns(h * dim, dim);
    norm.forward(ctx, column, column);
  }
}

}  // namespace

Result<Attention> Attention::load(const LoadContext& load, const ModelConfig& config,
                                  const AttentionNames& names) {
  HADAL_ASSIGN(const HeadShard heads, shard_heads(config.num_attention_heads, config.num_key_value_heads,
                                                  load.tp_size, load.tp_rank));
  const int64_t dim = config.head_dim;
  const int64_t hidden = config.hidden_size;
  const int64_t q_width = config.num_attention_heads * dim;
  const int64_t kv_width = config.num_key_value_heads * dim;
  Attention out;
  out.num_heads_ = heads.q.count;
  out.num_kv_heads_ = heads.kv.count;
  out.head_dim_ = dim;
  out.window_ = config.window_of(names.layer);
  out.tp_size_ = load.tp_size;
  const std::array<MatrixPart, 3> qkv = {
      MatrixPart::by_rows(names.q_proj, q_width, hidden, heads.q.times(dim), config.qkv_bias),
      MatrixPart::by_rows(names.k_proj, kv_width, hidden, heads.kv.times(dim), config.qkv_bias),
      MatrixPart::by_rows(names.v_proj, kv_width, hidden, heads.kv.times(dim), config.qkv_bias),
  };
  HADAL_ASSIGN(out.qkv_, Linear::load(load, qkv));
  HADAL_ASSIGN(out.o_, Linear::load(load, MatrixPart::by_columns(names.o_proj, hidden, q_width,
                                                                 heads.q.times(dim), config.o_bias)));
  out.qk_norm_ = !names.q_norm.empty();
  if (out.qk_norm_) {
    HADAL_ASSIGN(out.q_norm_, RmsNorm::load(load, names.q_norm, dim, config.rms_norm_eps));
    HADAL_ASSIGN(out.k_norm_, RmsNorm::load(load, names.k_norm, dim, config.rms_norm_eps));
  }
  return out;
}

Status Attention::forward(ForwardContext& ctx, const ForwardBatch& batch, int layer,
                          const RotaryEmbedding& rotary, const Tensor& x, const Tensor& residual) const {
  Arena& arena = ctx.op.arena;
  Arena::Scope scope(arena);
  const int64_t tokens = x.dim(0);
  const int64_t all_heads = num_heads_ + 2 * num_kv_heads_;
  const Tensor qkv = arena.alloc(DType::kF32, {tokens, all_heads * head_dim_});
  qkv_.forward(ctx.op, x, qkv);
  if (qk_norm_) {
    norm_heads(ctx.op, q_norm_, qkv, 0, num_heads_, head_dim_);
    norm_heads(ctx.op, k_norm_, qkv, num_heads_, num_kv_heads_, head_dim_);
  }
  const Tensor heads = qkv.reshape({tokens, all_heads, head_dim_});
  rotary.forward(ctx.op, heads.slice(1, 0, num_heads_ + num_kv_heads_), batch.positions);
  const Tensor q = heads.slice(1, 0, num_heads_);
  const Tensor k = heads.slice(1, num_heads_, num_kv_heads_);
  const Tensor v = heads.slice(1, num_heads_ + num_kv_heads_, num_kv_heads_);

  const Tensor k_cache = ctx.kv.k(layer);
  const Tensor v_cache = ctx.kv.v(layer);
  kv_append(ctx.op, k, v, batch.attention.slot_mapping, k_cache, v_cache);
  const Tensor out = arena.alloc(DType::kF32, {tokens, num_heads_, head_dim_});
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim_));
  paged_attention(ctx.op, q, k_cache, v_cache, batch.attention, scale, window_, out);

  PartialSum sum(ctx, residual);
  o_.forward(ctx.op, out.reshape({tokens, num_heads_ * head_dim_}), sum.target(), true);
  return sum.finish();
}

int64_t Attention::arena_bytes(int64_t num_tokens, int64_t max_seq_len, int num_threads) const {
  const int64_t qkv = arena_f32_bytes(num_tokens * (num_heads_ + 2 * num_kv_heads_) * head_dim_);
  const int64_t out = arena_f32_bytes(num_tokens * num_heads_ * head_dim_);
  const int64_t scores =
      paged_attention_arena_bytes(num_threads, static_cast<int>(num_heads_), static_cast<int>(head_dim_),
                                  static_cast<int>(head_dim_), num_tokens, static_cast<int>(max_seq_len));
  const int64_t sum = PartialSum::arena_bytes(num_tokens, o_.n(), tp_size_);
  return qkv +
         std::max(qkv_.arena_bytes(num_tokens), out + std::max(scores, sum + o_.arena_bytes(num_tokens)));
}

int64_t Attention::num_bytes() const {
  return qkv_.num_bytes() + o_.num_bytes() + q_norm_.num_bytes() + k_norm_.num_bytes();
}

}  // namespace hadal
