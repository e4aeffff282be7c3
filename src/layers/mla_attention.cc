#include "layers/mla_attention.h"

#include <algorithm>
#include <cmath>

#include "layers/partial_sum.h"

namespace hadal {
namespace {

// The latent norms' epsilon is DeepSeek's default whatever rms_norm_eps says, as in Hugging Face's models.
constexpr double kLatentNormEps = 1e-6;

// Queries in latent space are wide (576 floats per head and token): heads are taken in groups of at most this
// many bytes.
constexpr int64_t kAbsorbedQueryBytes = int64_t{64} << 20;

std::vector<float> transpose(const std::vector<float>& values, int64_t n, int64_t k) {
  std::vector<float> out(values.size());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < k; ++j)
      out[static_cast<size_t>(j * n + i)] = values[static_cast<size_t>(i * k + j)];
  }
  return out;
}

}  // namespace

Result<MlaAttention> MlaAttention::load(const LoadContext& load, const ModelConfig& config,
                                        const MlaNames& names, bool absorb) {
  const MlaConfig& mla = *config.mla;
  const ShardRange heads = shard_range(config.num_attention_heads, 1, load.tp_size, load.tp_rank);
  MlaAttention out;
  out.absorb_ = absorb;
  out.num_heads_ = heads.count;
  out.q_lora_rank_ = mla.q_lora_rank;
  out.kv_lora_rank_ = mla.kv_lora_rank;
  out.nope_dim_ = mla.qk_nope_head_dim;
  out.rope_dim_ = mla.qk_rope_head_dim;
  out.v_dim_ = mla.v_head_dim;
  out.tp_size_ = load.tp_size;
  out.scale_ = static_cast<float>(rotary_softmax_factor(config.rope) /
                                  std::sqrt(static_cast<double>(out.nope_dim_ + out.rope_dim_)));
  HADAL_RETURN_IF_ERROR(out.load_queries(load, config, names, heads));
  HADAL_ASSIGN(out.kv_norm_, RmsNorm::load(load, names.kv_a_norm, out.kv_lora_rank_, kLatentNormEps));
  HADAL_RETURN_IF_ERROR(out.load_up_projections(load, config, names, heads));
  const MatrixPart o =
      MatrixPart::by_columns(names.o_proj, config.hidden_size, config.num_attention_heads * out.v_dim_,
                             heads.times(out.v_dim_), config.o_bias);
  HADAL_ASSIGN(out.o_, Linear::load(load, o));
  return out;
}

Status MlaAttention::load_queries(const LoadContext& load, const ModelConfig& config, const MlaNames& names,
                                  ShardRange heads) {
  const int64_t hidden = config.hidden_size;
  const int64_t q_dim = nope_dim_ + rope_dim_;
  const int64_t q_width = config.num_attention_heads * q_dim;
  std::vector<MatrixPart> down;
  if (q_lora_rank_ > 0)
    down.push_back(MatrixPart::whole(names.q_a_proj, q_lora_rank_, hidden, config.qkv_bias));
  down.push_back(MatrixPart::whole(names.kv_a_proj, kv_lora_rank_ + rope_dim_, hidden, config.qkv_bias));
  HADAL_ASSIGN(down_, Linear::load(load, down));
  if (q_lora_rank_ == 0) {
    HADAL_ASSIGN(q_,
                 Linear::load(load, MatrixPart::by_rows(names.q_proj, q_width, hidden, heads.times(q_dim))));
    return {};
  }
  HADAL_ASSIGN(q_norm_, RmsNorm::load(load, names.q_a_norm, q_lora_rank_, kLatentNormEps));
  HADAL_ASSIGN(
      q_, Linear::load(load, MatrixPart::by_rows(names.q_b_proj, q_width, q_lora_rank_, heads.times(q_dim))));
  return {};
}

Status MlaAttention::load_up_projections(const LoadContext& load, const ModelConfig& config,
                                         const MlaNames& names, ShardRange heads) {
  const int64_t all = config.num_attention_heads;
  if (names.k_b_proj.empty()) {
    const int64_t per_head = nope_dim_ + v_dim_;
    HADAL_ASSIGN(const MatrixShard kv_b,
                 read_shard(load, MatrixPart::by_rows(names.kv_b_proj, all * per_head, kv_lora_rank_,
                                                      heads.times(per_head))));
    for (int64_t h = 0; h < heads.count; ++h) {
      HADAL_RETURN_IF_ERROR(push_key_head(load, shard_rows(kv_b, h * per_head, nope_dim_), false));
      const MatrixShard w_uv = shard_rows(kv_b, h * per_head + nope_dim_, v_dim_);
      HADAL_ASSIGN(Linear v_up, Linear::pack(load, std::span(&w_uv, 1)));
      v_up_.push_back(std::move(v_up));
    }
    return {};
  }
  HADAL_ASSIGN(const MatrixShard k_b,
               read_shard(load, MatrixPart::by_rows(names.k_b_proj, all * kv_lora_rank_, nope_dim_,
                                                    heads.times(kv_lora_rank_))));
  HADAL_ASSIGN(const MatrixShard v_b,
               read_shard(load, MatrixPart::by_rows(names.v_b_proj, all * v_dim_, kv_lora_rank_,
                                                    heads.times(v_dim_))));
  for (int64_t h = 0; h < heads.count; ++h) {
    HADAL_RETURN_IF_ERROR(push_key_head(load, shard_rows(k_b, h * kv_lora_rank_, kv_lora_rank_), true));
    const MatrixShard w_uv = shard_rows(v_b, h * v_dim_, v_dim_);
    HADAL_ASSIGN(Linear v_up, Linear::pack(load, std::span(&w_uv, 1)));
    v_up_.push_back(std::move(v_up));
  }
  return {};
}

Status MlaAttention::push_key_head(const LoadContext& load, const MatrixShard& w_uk, bool transposed) {
  // Absorbed queries multiply by W_UK^T [kv_lora, nope]; expanded keys by W_UK [nope, kv_lora].
  MatrixShard wanted = w_uk;
  if (transposed != absorb_) {
    const Tensor& weight = w_uk.source.weight;
    const int64_t n = weight.dim(0);
    const int64_t k = weight.dim(1);
    wanted = make_shard(transpose(shard_values(w_uk), n, k), k, n, plain_dtype(weight.dtype()));
  }
  HADAL_ASSIGN(Linear k_up, Linear::pack(load, std::span(&wanted, 1)));
  k_up_.push_back(std::move(k_up));
  return {};
}

Status MlaAttention::forward(ForwardContext& ctx, const ForwardBatch& batch, int layer,
                             const RotaryEmbedding& rotary, const Tensor& x, const Tensor& residual) const {
  Arena& arena = ctx.op.arena;
  Arena::Scope scope(arena);
  const int64_t tokens = x.dim(0);
  const int64_t q_dim = nope_dim_ + rope_dim_;
  const Tensor out = arena.alloc(DType::kF32, {tokens, num_heads_ * v_dim_});
  {
    Arena::Scope inner(arena);
    const int64_t width = down_.n();
    const Tensor down = arena.alloc(DType::kF32, {tokens, width});
    const Tensor q = arena.alloc(DType::kF32, {tokens, num_heads_ * q_dim});
    down_.forward(ctx.op, x, down);
    const Tensor c_q = down.columns(0, q_lora_rank_);
    if (q_lora_rank_ > 0) q_norm_.forward(ctx.op, c_q, c_q);
    q_.forward(ctx.op, q_lora_rank_ > 0 ? c_q : x, q);

    const Tensor c_kv = down.columns(q_lora_rank_, kv_lora_rank_);
    kv_norm_.forward(ctx.op, c_kv, c_kv);
    const Tensor k_rope = down.columns(q_lora_rank_ + kv_lora_rank_, rope_dim_);
    rotary.forward(ctx.op, down.reshape({tokens, 1, width}).slice(2, q_lora_rank_ + kv_lora_rank_, rope_dim_),
                   batch.positions);
    rotary.forward(ctx.op, q.reshape({tokens, num_heads_, q_dim}).slice(2, nope_dim_, rope_dim_),
                   batch.positions);

    const Tensor cache = ctx.kv.mla(layer);
    mla_append(ctx.op, c_kv, k_rope, batch.attention.slot_mapping, cache);
    if (absorb_) {
      attend_absorbed(ctx, batch, cache, q, out);
    } else {
      attend_naive(ctx, batch, cache, q, out);
    }
  }
  PartialSum sum(ctx, residual);
  o_.forward(ctx.op, out, sum.target(), true);
  return sum.finish();
}

int64_t MlaAttention::heads_at_once(int64_t num_tokens) const {
  const int64_t per_head = std::max<int64_t>(num_tokens, 1) * (2 * kv_lora_rank_ + rope_dim_) * 4;
  return std::clamp<int64_t>(kAbsorbedQueryBytes / per_head, 1, num_heads_);
}

void MlaAttention::attend_absorbed(ForwardContext& ctx, const ForwardBatch& batch, const Tensor& cache,
                                   const Tensor& q, const Tensor& out) const {
  Arena& arena = ctx.op.arena;
  const int64_t tokens = q.dim(0);
  const int64_t q_dim = nope_dim_ + rope_dim_;
  const int64_t latent_dim = kv_lora_rank_ + rope_dim_;
  const int64_t group = heads_at_once(tokens);
  for (int64_t first = 0; first < num_heads_; first += group) {
    Arena::Scope scope(arena);
    const int64_t count = std::min(group, num_heads_ - first);
    const Tensor latent_q = arena.alloc(DType::kF32, {tokens, count * latent_dim});
    const Tensor latent_out = arena.alloc(DType::kF32, {tokens, count * kv_lora_rank_});
    for (int64_t i = 0; i < count; ++i) {
      const Tensor head = q.columns((first + i) * q_dim, q_dim);
      k_up_[static_cast<size_t>(first + i)].forward(ctx.op, head.columns(0, nope_dim_),
                                                    latent_q.columns(i * latent_dim, kv_lora_rank_));
      copy_strided(ctx.op, head.columns(nope_dim_, rope_dim_),
                   latent_q.columns(i * latent_dim + kv_lora_rank_, rope_dim_));
    }
    mla_attention(ctx.op, latent_q.reshape({tokens, count, latent_dim}), cache, batch.attention,
                  static_cast<int>(kv_lora_rank_), scale_,
                  latent_out.reshape({tokens, count, kv_lora_rank_}));
    for (int64_t i = 0; i < count; ++i) {
      v_up_[static_cast<size_t>(first + i)].forward(ctx.op,
                                                    latent_out.columns(i * kv_lora_rank_, kv_lora_rank_),
                                                    out.columns((first + i) * v_dim_, v_dim_));
    }
  }
}

void MlaAttention::attend_naive(ForwardContext& ctx, const ForwardBatch& batch, const Tensor& cache,
                                const Tensor& q, const Tensor& out) const {
  const AttentionBatch& attention = batch.attention;
  const int32_t* starts = attention.cu_seqlens_q.ptr<int32_t>();
  for (int64_t s = 0; s < batch.num_sequences; ++s) {
    const int64_t count = starts[s + 1] - starts[s];
    if (count == 0) continue;
    attend_naive_sequence(ctx, attention.block_tables.ptr<int32_t>() + s * attention.block_tables.dim(1),
                          attention.seq_lens.ptr<int32_t>()[s], cache, q.rows(starts[s], count),
                          out.rows(starts[s], count));
  }
}

void MlaAttention::attend_naive_sequence(ForwardContext& ctx, const int32_t* block_table, int64_t seq_len,
                                         const Tensor& cache, const Tensor& q, const Tensor& out) const {
  Arena& arena = ctx.op.arena;
  Arena::Scope scope(arena);
  const int64_t block_size = cache.dim(1);
  const int64_t latent_dim = cache.dim(2);
  const int64_t q_dim = nope_dim_ + rope_dim_;
  // The cache as a table of token rows, read back in f32 in the sequence's order.
  const Tensor slots = arena.alloc(DType::kI32, {seq_len});
  for (int64_t i = 0; i < seq_len; ++i) {
    slots.ptr<int32_t>()[i] = static_cast<int32_t>(block_table[i / block_size] * block_size + i % block_size);
  }
  const Tensor latent = arena.alloc(DType::kF32, {seq_len, latent_dim});
  embedding(ctx.op, slots, cache.reshape({cache.dim(0) * block_size, latent_dim}), 0, latent);

  const Tensor k = arena.alloc(DType::kF32, {seq_len, num_heads_ * q_dim});
  const Tensor v = arena.alloc(DType::kF32, {seq_len, num_heads_ * v_dim_});
  for (int64_t h = 0; h < num_heads_; ++h) {
    const auto i = static_cast<size_t>(h);
    k_up_[i].forward(ctx.op, latent.columns(0, kv_lora_rank_), k.columns(h * q_dim, nope_dim_));
    copy_strided(ctx.op, latent.columns(kv_lora_rank_, rope_dim_),
                 k.columns(h * q_dim + nope_dim_, rope_dim_));
    v_up_[i].forward(ctx.op, latent.columns(0, kv_lora_rank_), v.columns(h * v_dim_, v_dim_));
  }

  // A cache of this one sequence with its blocks in order.
  const int64_t num_blocks = (seq_len + block_size - 1) / block_size;
  const Tensor k_cache = arena.alloc(DType::kF32, {num_blocks, num_heads_, block_size, q_dim});
  const Tensor v_cache = arena.alloc(DType::kF32, {num_blocks, num_heads_, block_size, v_dim_});
  const Tensor blocks = arena.alloc(DType::kI32, {1, num_blocks});
  for (int64_t i = 0; i < num_blocks; ++i) blocks.ptr<int32_t>()[i] = static_cast<int32_t>(i);
  for (int64_t i = 0; i < seq_len; ++i) slots.ptr<int32_t>()[i] = static_cast<int32_t>(i);
  const Tensor lens = arena.alloc(DType::kI32, {3});
  lens.ptr<int32_t>()[0] = 0;
  lens.ptr<int32_t>()[1] = static_cast<int32_t>(q.dim(0));
  lens.ptr<int32_t>()[2] = static_cast<int32_t>(seq_len);
  kv_append(ctx.op, k.reshape({seq_len, num_heads_, q_dim}), v.reshape({seq_len, num_heads_, v_dim_}), slots,
            k_cache, v_cache);
  AttentionBatch one;
  one.cu_seqlens_q = lens.rows(0, 2);
  one.seq_lens = lens.rows(2, 1);
  one.block_tables = blocks;
  one.slot_mapping = slots;
  one.max_seq_len = static_cast<int>(seq_len);
  paged_attention(ctx.op, q.reshape({q.dim(0), num_heads_, q_dim}), k_cache, v_cache, one, scale_, 0,
                  out.reshape({q.dim(0), num_heads_, v_dim_}));
}

int64_t MlaAttention::absorbed_arena_bytes(int64_t num_tokens, int64_t max_seq_len, int num_threads) const {
  // Fewer tokens take more heads at once, so the bound is that of the budget, not of num_tokens' own group.
  const int64_t per_head = num_tokens * (2 * kv_lora_rank_ + rope_dim_) * 4;
  const int64_t latent = std::min(per_head * num_heads_, std::max(per_head, kAbsorbedQueryBytes)) + 2 * 64;
  const int64_t scores =
      mla_attention_arena_bytes(num_threads, static_cast<int>(num_heads_), static_cast<int>(kv_lora_rank_),
                                static_cast<int>(rope_dim_), num_tokens, static_cast<int>(max_seq_len));
  return latent +
         std::max({scores, k_up_.front().arena_bytes(num_tokens), v_up_.front().arena_bytes(num_tokens)});
}

int64_t MlaAttention::naive_arena_bytes(int64_t num_tokens, int64_t max_seq_len, int num_threads) const {
  const int64_t q_dim = nope_dim_ + rope_dim_;
  // Caches are in whole blocks; the block size is not known here, so that of the largest cache hadal makes is
  // taken.
  constexpr int64_t kMaxBlockSize = 256;
  const int64_t padded = max_seq_len + kMaxBlockSize;
  const int64_t rows =
      3 * arena_f32_bytes(padded) + arena_f32_bytes(max_seq_len * (kv_lora_rank_ + rope_dim_));
  const int64_t expanded =
      arena_f32_bytes(padded * num_heads_ * q_dim) + arena_f32_bytes(padded * num_heads_ * v_dim_);
  const int64_t scores =
      paged_attention_arena_bytes(num_threads, static_cast<int>(num_heads_), static_cast<int>(q_dim),
                                  static_cast<int>(v_dim_), num_tokens, static_cast<int>(max_seq_len));
  const int64_t up = std::max(k_up_.front().arena_bytes(max_seq_len), v_up_.front().arena_bytes(max_seq_len));
  return rows + 2 * expanded + std::max(scores, up);
}

int64_t MlaAttention::arena_bytes(int64_t num_tokens, int64_t max_seq_len, int num_threads) const {
  const int64_t out = arena_f32_bytes(num_tokens * num_heads_ * v_dim_);
  const int64_t projections = arena_f32_bytes(num_tokens * down_.n()) + arena_f32_bytes(num_tokens * q_.n());
  const int64_t attend = absorb_ ? absorbed_arena_bytes(num_tokens, max_seq_len, num_threads)
                                 : naive_arena_bytes(num_tokens, max_seq_len, num_threads);
  const int64_t before = std::max({attend, down_.arena_bytes(num_tokens), q_.arena_bytes(num_tokens)});
  const int64_t after = PartialSum::arena_bytes(num_tokens, o_.n(), tp_size_) + o_.arena_bytes(num_tokens);
  return out + std::max(projections + before, after);
}

int64_t MlaAttention::num_bytes() const {
  int64_t bytes =
      down_.num_bytes() + q_norm_.num_bytes() + kv_norm_.num_bytes() + q_.num_bytes() + o_.num_bytes();
  for (const Linear& linear : k_up_) bytes += linear.num_bytes();
  for (const Linear& linear : v_up_) bytes += linear.num_bytes();
  return bytes;
}

}  // namespace hadal
