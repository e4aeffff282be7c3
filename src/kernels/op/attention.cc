#include "kernels/op/attention.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/op/attention_driver.h"
#include "kernels/op/cpu_kernels.h"

namespace hadal {
namespace {

bool is_kv_dtype(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

void check_batch(const AttentionBatch& batch, int64_t num_tokens, int block_size) {
  const int64_t sequences = batch.seq_lens.dim(0);
  HADAL_CHECK(batch.seq_lens.dtype() == DType::kI32 && batch.cu_seqlens_q.dtype() == DType::kI32);
  HADAL_CHECK(batch.block_tables.dtype() == DType::kI32 && batch.block_tables.rank() == 2);
  HADAL_CHECK(batch.cu_seqlens_q.dim(0) == sequences + 1 && batch.block_tables.dim(0) == sequences);
  const int32_t* cu = batch.cu_seqlens_q.ptr<int32_t>();
  HADAL_CHECK(cu[0] == 0 && cu[sequences] <= num_tokens) << cu[sequences] << " rows of " << num_tokens;
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t seq_len = batch.seq_lens.ptr<int32_t>()[s];
    HADAL_CHECK(cu[s + 1] >= cu[s] && seq_len >= cu[s + 1] - cu[s] && seq_len <= batch.max_seq_len)
        << "sequence " << s << ": " << seq_len << " keys, " << cu[s + 1] - cu[s] << " rows, max_seq_len "
        << batch.max_seq_len;
    HADAL_CHECK(seq_len <= batch.block_tables.dim(1) * block_size)
        << "sequence " << s << " has too few blocks";
  }
}

void run_attention(OpContext& ctx, const AttentionProblem& problem, const AttentionBatch& batch) {
  attention_scalar(ctx, problem, batch);
}

// Converts n floats into the cache's dtype.
void store_row(const ElementwiseKernels& kernels, DType dtype, const float* x, int64_t n, std::byte* y) {
  if (dtype == DType::kF16) {
    kernels.to_f16(x, n, reinterpret_cast<uint16_t*>(y));
  } else if (dtype == DType::kBF16) {
    kernels.to_bf16(x, n, reinterpret_cast<uint16_t*>(y));
  } else {
    std::memcpy(y, x, static_cast<size_t>(n) * sizeof(float));
  }
}

struct HeadRows {
  const float* data;
  int64_t token_stride;
  int64_t head_stride;
  int64_t n;
};

// x is [T, heads, D], or [T, heads * D] with strided rows.
HeadRows head_rows(const Tensor& x, int64_t num_heads, int64_t head_dim) {
  HADAL_CHECK(x.dtype() == DType::kF32) << dtype_name(x.dtype());
  if (x.rank() == 3) {
    HADAL_CHECK(x.dim(1) == num_heads && x.dim(2) == head_dim) << x.shape_string();
    return {x.ptr<float>(), x.stride(0), x.stride(1), head_dim};
  }
  HADAL_CHECK(x.rank() == 2 && x.dim(1) == num_heads * head_dim) << x.shape_string();
  return {x.ptr<float>(), x.stride(0), head_dim, head_dim};
}

void append_heads(const ElementwiseKernels& kernels, const HeadRows& x, int64_t token, const Tensor& cache,
                  int64_t slot) {
  const int64_t block = slot / cache.dim(2);
  const int64_t offset = slot % cache.dim(2);
  for (int64_t h = 0; h < cache.dim(1); ++h) {
    const int64_t at = block * cache.stride(0) + h * cache.stride(1) + offset * cache.stride(2);
    store_row(kernels, cache.dtype(), x.data + token * x.token_stride + h * x.head_stride, x.n,
              cache.ptr<std::byte>() + dtype_bytes(cache.dtype(), at));
  }
}

int64_t check_slot(const Tensor& slot_mapping, int64_t token, int64_t num_slots) {
  const int64_t slot = slot_mapping.ptr<int32_t>()[token];
  HADAL_CHECK(slot >= -1 && slot < num_slots) << "slot " << slot << " of " << num_slots;
  return slot;
}

int64_t token_grain(int64_t elements) {
  return std::max<int64_t>(1, 4096 / std::max<int64_t>(elements, 1));
}

}  // namespace

void kv_append(OpContext& ctx, const Tensor& k, const Tensor& v, const Tensor& slot_mapping,
               const Tensor& k_cache, const Tensor& v_cache) {
  HADAL_CHECK(k_cache.rank() == 4 && v_cache.rank() == 4 && is_kv_dtype(k_cache.dtype()) &&
              is_kv_dtype(v_cache.dtype()));
  for (int i = 0; i < 3; ++i) HADAL_CHECK(k_cache.dim(i) == v_cache.dim(i));
  HADAL_CHECK(slot_mapping.dtype() == DType::kI32 && slot_mapping.dim(0) >= k.dim(0) && v.dim(0) == k.dim(0));
  const HeadRows k_rows = head_rows(k, k_cache.dim(1), k_cache.dim(3));
  const HeadRows v_rows = head_rows(v, v_cache.dim(1), v_cache.dim(3));
  const ElementwiseKernels& kernels = cpu_kernels(ctx.cpu_tier).elementwise;
  const int64_t num_slots = k_cache.dim(0) * k_cache.dim(2);
  const int64_t grain = token_grain(k_cache.dim(1) * (k_cache.dim(3) + v_cache.dim(3)));
  ctx.stream.pool().parallel_for(k.dim(0), grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t slot = check_slot(slot_mapping, t, num_slots);
      if (slot < 0) continue;
      append_heads(kernels, k_rows, t, k_cache, slot);
      append_heads(kernels, v_rows, t, v_cache, slot);
    }
  });
}

void mla_append(OpContext& ctx, const Tensor& c_kv, const Tensor& k_rope, const Tensor& slot_mapping,
                const Tensor& cache) {
  HADAL_CHECK(cache.rank() == 3 && is_kv_dtype(cache.dtype())) << cache.shape_string();
  HADAL_CHECK(c_kv.rank() == 2 && k_rope.rank() == 2 && c_kv.dim(0) == k_rope.dim(0));
  HADAL_CHECK(c_kv.dim(1) + k_rope.dim(1) == cache.dim(2)) << cache.shape_string();
  HADAL_CHECK(c_kv.dtype() == DType::kF32 && k_rope.dtype() == DType::kF32);
  HADAL_CHECK(slot_mapping.dtype() == DType::kI32 && slot_mapping.dim(0) >= c_kv.dim(0));
  const ElementwiseKernels& kernels = cpu_kernels(ctx.cpu_tier).elementwise;
  const int64_t num_slots = cache.dim(0) * cache.dim(1);
  ctx.stream.pool().parallel_for(
      c_kv.dim(0), token_grain(cache.dim(2)), [&](int64_t begin, int64_t end, int) {
        for (int64_t t = begin; t < end; ++t) {
          const int64_t slot = check_slot(slot_mapping, t, num_slots);
          if (slot < 0) continue;
          const int64_t at = slot / cache.dim(1) * cache.stride(0) + slot % cache.dim(1) * cache.stride(1);
          std::byte* row = cache.ptr<std::byte>() + dtype_bytes(cache.dtype(), at);
          store_row(kernels, cache.dtype(), c_kv.ptr<float>() + t * c_kv.stride(0), c_kv.dim(1), row);
          store_row(kernels, cache.dtype(), k_rope.ptr<float>() + t * k_rope.stride(0), k_rope.dim(1),
                    row + dtype_bytes(cache.dtype(), c_kv.dim(1)));
        }
      });
}

void paged_attention(OpContext& ctx, const Tensor& q, const Tensor& k_cache, const Tensor& v_cache,
                     const AttentionBatch& batch, float scale, int window, const Tensor& out) {
  HADAL_CHECK(q.rank() == 3 && out.rank() == 3 && q.dtype() == DType::kF32 && out.dtype() == DType::kF32);
  HADAL_CHECK(k_cache.rank() == 4 && v_cache.rank() == 4 && is_kv_dtype(k_cache.dtype()));
  HADAL_CHECK(k_cache.dtype() == v_cache.dtype() && k_cache.dim(3) == q.dim(2) &&
              v_cache.dim(3) == out.dim(2));
  for (int i = 0; i < 3; ++i) HADAL_CHECK(k_cache.dim(i) == v_cache.dim(i));
  HADAL_CHECK(q.dim(1) % k_cache.dim(1) == 0 && q.dim(1) == out.dim(1) && q.dim(0) <= out.dim(0));
  AttentionProblem p;
  p.q = q.ptr<float>();
  p.out = out.ptr<float>();
  p.q_token_stride = q.stride(0);
  p.q_head_stride = q.stride(1);
  p.out_token_stride = out.stride(0);
  p.out_head_stride = out.stride(1);
  p.num_heads = static_cast<int>(q.dim(1));
  p.num_kv_heads = static_cast<int>(k_cache.dim(1));
  p.head_dim = static_cast<int>(q.dim(2));
  p.v_head_dim = static_cast<int>(out.dim(2));
  p.k = k_cache.ptr<std::byte>();
  p.v = v_cache.ptr<std::byte>();
  p.kv_dtype = k_cache.dtype();
  p.block_size = static_cast<int>(k_cache.dim(2));
  p.k_block_stride = k_cache.stride(0);
  p.k_head_stride = k_cache.stride(1);
  p.k_row_stride = k_cache.stride(2);
  p.v_block_stride = v_cache.stride(0);
  p.v_head_stride = v_cache.stride(1);
  p.v_row_stride = v_cache.stride(2);
  p.scale = scale;
  p.window = window;
  check_batch(batch, q.dim(0), p.block_size);
  run_attention(ctx, p, batch);
}

void mla_attention(OpContext& ctx, const Tensor& q, const Tensor& cache, const AttentionBatch& batch,
                   int kv_lora_rank, float scale, const Tensor& out) {
  HADAL_CHECK(q.rank() == 3 && out.rank() == 3 && q.dtype() == DType::kF32 && out.dtype() == DType::kF32);
  HADAL_CHECK(cache.rank() == 3 && is_kv_dtype(cache.dtype()) && cache.dim(2) == q.dim(2))
      << cache.shape_string();
  HADAL_CHECK(out.dim(2) == kv_lora_rank && kv_lora_rank <= cache.dim(2) && q.dim(1) == out.dim(1));
  HADAL_CHECK(q.dim(0) <= out.dim(0));
  AttentionProblem p;
  p.q = q.ptr<float>();
  p.out = out.ptr<float>();
  p.q_token_stride = q.stride(0);
  p.q_head_stride = q.stride(1);
  p.out_token_stride = out.stride(0);
  p.out_head_stride = out.stride(1);
  p.num_heads = static_cast<int>(q.dim(1));
  p.num_kv_heads = 1;
  p.head_dim = static_cast<int>(q.dim(2));
  p.v_head_dim = kv_lora_rank;
  p.k = cache.ptr<std::byte>();
  p.v = p.k;
  p.kv_dtype = cache.dtype();
  p.block_size = static_cast<int>(cache.dim(1));
  p.k_block_stride = cache.stride(0);
  p.k_row_stride = cache.stride(1);
  p.v_block_stride = cache.stride(0);
  p.v_row_stride = cache.stride(1);
  p.scale = scale;
  check_batch(batch, q.dim(0), p.block_size);
  run_attention(ctx, p, batch);
}

int64_t paged_attention_arena_bytes(int, int, int, int, int64_t, int) {
  return 0;
}
int64_t mla_attention_arena_bytes(int, int, int, int, int64_t, int) {
  return 0;
}

}  // namespace hadal
