// Small per-token operations: RMSNorm, rotary embedding, SwiGLU. All f32, batch-invariant (one row never sees
// another).
#pragma once

#include <cstdint>

#include "kernels/ops.h"

namespace hadal {

// y = x / sqrt(mean(x^2) + eps) * weight, over the last dimension. x, y: f32 [T, H] (rows may be strided; y
// may be x); weight: f32 [H]. The mean is summed in f32 in a fixed order.
void rms_norm(OpContext& ctx, const Tensor& x, const Tensor& weight, float eps, const Tensor& y);

// RoPE (2104.09864) in place on x: f32 [T, heads, D], rows (dim 0) may be strided; the first 2 * cos.dim(1)
// elements of each head are rotated. cos, sin: f32 [max_positions, rot/2]; positions: i32 [T]. interleaved:
// pairs (2i, 2i+1) as in GPT-J and llama GGUF files; else (i, i + rot/2) as in GPT-NeoX and Hugging Face.
void rope(OpContext& ctx, const Tensor& x, const Tensor& positions, const Tensor& cos, const Tensor& sin,
          bool interleaved);

// y = silu(x[:, :F]) * x[:, F:]. x: f32 [T, 2F]; y: f32 [T, F].
void silu_mul(OpContext& ctx, const Tensor& x, const Tensor& y);

// a += b. Same shape, f32.
void add_inplace(OpContext& ctx, const Tensor& a, const Tensor& b);

}  // namespace hadal
