// Moving rows about: strided copies, gathers and zeros. f32.
#pragma once

#include "kernels/ops.h"

namespace hadal {

// y = x. x, y: f32 [T, n], rows of both may be strided; they do not overlap.
void copy_strided(OpContext& ctx, const Tensor& x, const Tensor& y);

// y[i] = x[rows[i]]. x: f32 [T, n], rows may be strided; rows: i32 [R], each below T; y: f32 [R, n].
void gather_rows(OpContext& ctx, const Tensor& x, const Tensor& rows, const Tensor& y);

// x = 0. f32, contiguous.
void fill_zero(OpContext& ctx, const Tensor& x);

}  // namespace hadal
