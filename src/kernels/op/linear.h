// linear: y = x W^T + bias. Weights are packed once at load into the layout that this machine's kernels read.
//
// Batch invariance: each output element is computed by the same sequence of floating-point operations
// whatever M is and whatever the other rows hold, at one tier. A request's tokens therefore do not depend on
// its batch. Source dtype and arithmetic:
//   f32                    f32 multiply-add
//   f16                    f16 weights widened to f32, f32 multiply-add
//   bf16                   x rounded to bf16, products summed in f32 (AVX512-BF16, AMX), or widened f32
//                          below these; held in 12 bits a weight where no bit is lost by it
//   f8e4m3 + scales        weight times its 128x128 block scale, rounded to bf16, then as bf16
//   q8_0,q4_*,q5_*,q*_k    x quantised to int8 per 32 elements (scale = max|x|/127), integer dot products
//                          per block, scaled and summed in f32 (ggml's q8 activation scheme)
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "kernels/ops.h"

namespace hadal {

// What the loader hands over: one matrix, or rows of several stacked (gate and up; q, k and v).
struct LinearSource {
  Tensor weight;  // [N, K], any dtype above, host memory
  // f8e4m3 only: f32 [ceil(N_full/128), ceil(K_full/128)], the whole checkpoint tensor's `weight_scale_inv`.
  Tensor scale;
  // Where this shard's element (0, 0) lies in the full tensor, to find its scale.
  int64_t scale_row_offset = 0;
  int64_t scale_col_offset = 0;
};

class PackedLinear {
 public:
  PackedLinear() = default;
  // Stacks the sources' rows in order; all have the same K and dtype. K must be a multiple of the block
  // length. Errors: kUnsupported for a dtype/shape, kResourceExhausted.
  static Result<PackedLinear> pack(Stream& stream, CpuTier tier, std::span<const LinearSource> sources);

  bool defined() const { return buffer_.data() != nullptr; }
  int64_t n() const { return n_; }  // rows of W = outputs
  int64_t k() const { return k_; }  // columns of W = inputs
  DType dtype() const { return dtype_; }
  int64_t num_bytes() const { return static_cast<int64_t>(buffer_.size() + outliers_.size()); }
  const std::byte* data() const { return buffer_.data(); }
  // bf16 kept in 12 bits a weight (kernels/op/linear_compact.h), the exact values all the same.
  bool compact() const { return outliers_.data() != nullptr; }
  const std::byte* outliers() const { return outliers_.data(); }
  CpuTier tier() const { return tier_; }
  int64_t k_shift() const { return k_shift_; }  // zero columns packed before the first (FP8 scale grid)

 private:
  // Compacts bf16 where that saves bytes; false: pack it as it is.
  Result<bool> pack_compact(Stream& stream, std::span<const LinearSource> sources);

  DeviceBuffer buffer_;
  DeviceBuffer outliers_;
  int64_t n_ = 0;
  int64_t k_ = 0;
  int64_t k_shift_ = 0;
  DType dtype_ = DType::kF32;
  CpuTier tier_ = CpuTier::kScalar;
};

struct LinearOptions {
  Tensor bias;              // f32 [N], or undefined
  bool accumulate = false;  // y += x W^T instead of y = x W^T (residual)
};

// x: f32 [M, K], rows may be strided; y: f32 [M, N], rows may be strided. M >= 0.
void linear(OpContext& ctx, const Tensor& x, const PackedLinear& w, const Tensor& y,
            const LinearOptions& options = {});

// Scratch bytes that linear needs from the arena for M rows.
int64_t linear_arena_bytes(const PackedLinear& w, int64_t m);

// y[row] for the embedding table: dequantises rows of a tied or separate table.
// table: PackedLinear is not readable by row, so the table is kept as the checkpoint's own bytes:
// table [V, H] any dtype above except f8e4m3; ids: i32 [T]; y: f32 [T, H]. Ids must be in range.
// Vocabulary shards: ids outside [row_offset, row_offset + V) give zeros.
void embedding(OpContext& ctx, const Tensor& ids, const Tensor& table, int64_t row_offset, const Tensor& y);

// Dequantises `count` elements of a contiguous run (count a multiple of the block length). The oracle of
// every dtype.
void dequantize(DType dtype, const std::byte* source, int64_t count, float* out);

}  // namespace hadal
