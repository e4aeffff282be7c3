#include <cmath>
#include <limits>

#include "base/check.h"
#include "kernels/op/attention_driver.h"
#include "kernels/simd/half.h"

namespace hadal {
namespace {

float load_kv(const std::byte* base, DType dtype, int64_t i) {
  if (dtype == DType::kF32) return reinterpret_cast<const float*>(base)[i];
  const uint16_t half = reinterpret_cast<const uint16_t*>(base)[i];
  return dtype == DType::kF16 ? f16_to_float(half) : bf16_to_float(half);
}

struct Keys {
  const AttentionProblem& p;
  const int32_t* blocks;
  int64_t kv_head;

  float score(const float* q, int64_t key) const {
    const int64_t row = blocks[key / p.block_size] * p.k_block_stride + kv_head * p.k_head_stride +
                        key % p.block_size * p.k_row_stride;
    float dot = 0;
    for (int d = 0; d < p.head_dim; ++d) dot += q[d] * load_kv(p.k, p.kv_dtype, row + d);
    return dot * p.scale;
  }
  void add_value(int64_t key, float weight, float* out) const {
    const int64_t row = blocks[key / p.block_size] * p.v_block_stride + kv_head * p.v_head_stride +
                        key % p.block_size * p.v_row_stride;
    for (int d = 0; d < p.v_head_dim; ++d) out[d] += weight * load_kv(p.v, p.kv_dtype, row + d);
  }
};

void attend(const AttentionProblem& p, const Keys& keys, const float* q, int64_t first, int64_t end,
            float* out) {
  float max = -std::numeric_limits<float>::infinity();
  for (int64_t key = first; key < end; ++key) max = std::fmax(max, keys.score(q, key));
  for (int d = 0; d < p.v_head_dim; ++d) out[d] = 0;
  float sum = 0;
  for (int64_t key = first; key < end; ++key) {
    const float weight = std::exp(keys.score(q, key) - max);
    sum += weight;
    keys.add_value(key, weight, out);
  }
  for (int d = 0; d < p.v_head_dim; ++d) out[d] /= sum;
}

}  // namespace

SequenceRows sequence_rows(const AttentionBatch& batch, int64_t sequence) {
  const int32_t* cu = batch.cu_seqlens_q.ptr<int32_t>() + sequence;
  SequenceRows rows;
  rows.first_row = cu[0];
  rows.q_len = cu[1] - cu[0];
  rows.seq_len = batch.seq_lens.ptr<int32_t>()[sequence];
  rows.blocks = batch.block_tables.ptr<int32_t>() + sequence * batch.block_tables.stride(0);
  return rows;
}

void attention_scalar(OpContext& ctx, const AttentionProblem& p, const AttentionBatch& batch) {
  const int group = p.num_heads / p.num_kv_heads;
  for (int64_t s = 0; s < batch.seq_lens.dim(0); ++s) {
    const SequenceRows rows = sequence_rows(batch, s);
    ctx.stream.pool().parallel_for(rows.q_len * p.num_heads, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t token = i / p.num_heads;
        const int64_t head = i % p.num_heads;
        const int64_t last = rows.seq_len - rows.q_len + token + 1;
        const int64_t first = p.window > 0 && last > p.window ? last - p.window : 0;
        const int64_t row = rows.first_row + token;
        attend(p, Keys{p, rows.blocks, head / group}, p.q + row * p.q_token_stride + head * p.q_head_stride,
               first, last, p.out + row * p.out_token_stride + head * p.out_head_stride);
      }
    });
  }
}

}  // namespace hadal
