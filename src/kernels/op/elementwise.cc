#include "kernels/op/elementwise.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/op/cpu_kernels.h"

namespace hadal {
namespace {

// Below this many elements waking the pool costs more than it saves.
constexpr int64_t kParallelElements = 16 * 1024;

// Rows of `row_elements` handed to a thread at once.
int64_t row_grain(int64_t num_rows, int64_t row_elements) {
  if (num_rows * row_elements < kParallelElements) return std::max<int64_t>(num_rows, 1);
  return std::max<int64_t>(1, kParallelElements / 4 / std::max<int64_t>(row_elements, 1));
}

void check_f32(const Tensor& t, int rank) {
  HADAL_CHECK(t.dtype() == DType::kF32 && t.rank() == rank) << t.shape_string();
}

}  // namespace

void rms_norm(OpContext& ctx, const Tensor& x, const Tensor& weight, float eps, const Tensor& y) {
  check_f32(x, 2);
  check_f32(y, 2);
  check_f32(weight, 1);
  const int64_t n = x.dim(1);
  HADAL_CHECK(y.dim(0) == x.dim(0) && y.dim(1) == n && weight.dim(0) == n)
      << x.shape_string() << y.shape_string() << weight.shape_string();
  const auto kernel = cpu_kernels(ctx.cpu_tier).elementwise.rms_norm;
  ctx.stream.pool().parallel_for(x.dim(0), row_grain(x.dim(0), n), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      kernel(x.ptr<float>() + t * x.stride(0), weight.ptr<float>(), n, eps, y.ptr<float>() + t * y.stride(0));
    }
  });
}

void rope(OpContext& ctx, const Tensor& x, const Tensor& positions, const Tensor& cos, const Tensor& sin,
          bool interleaved) {
  check_f32(x, 3);
  check_f32(cos, 2);
  check_f32(sin, 2);
  HADAL_CHECK(positions.dtype() == DType::kI32 && positions.dim(0) == x.dim(0));
  HADAL_CHECK(2 * cos.dim(1) <= x.dim(2) && sin.dim(1) == cos.dim(1) && sin.dim(0) == cos.dim(0));
  const auto kernel = cpu_kernels(ctx.cpu_tier).elementwise.rope;
  const int64_t half = cos.dim(1);
  const int64_t row_elements = x.dim(1) * x.dim(2);
  ctx.stream.pool().parallel_for(x.dim(0), row_grain(x.dim(0), row_elements),
                                 [&](int64_t begin, int64_t end, int) {
                                   for (int64_t t = begin; t < end; ++t) {
                                     const int64_t position = positions.ptr<int32_t>()[t];
                                     HADAL_CHECK(position >= 0 && position < cos.dim(0))
                                         << "position " << position << " of " << cos.dim(0);
                                     const float* c = cos.ptr<float>() + position * cos.stride(0);
                                     const float* s = sin.ptr<float>() + position * sin.stride(0);
                                     float* row = x.ptr<float>() + t * x.stride(0);
                                     for (int64_t h = 0; h < x.dim(1); ++h)
                                       kernel(row + h * x.stride(1), c, s, half, interleaved);
                                   }
                                 });
}

void silu_mul(OpContext& ctx, const Tensor& x, const Tensor& y) {
  check_f32(x, 2);
  check_f32(y, 2);
  const int64_t n = y.dim(1);
  HADAL_CHECK(x.dim(0) == y.dim(0) && x.dim(1) == 2 * n) << x.shape_string() << y.shape_string();
  const auto kernel = cpu_kernels(ctx.cpu_tier).elementwise.silu_mul;
  ctx.stream.pool().parallel_for(x.dim(0), row_grain(x.dim(0), n), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const float* row = x.ptr<float>() + t * x.stride(0);
      kernel(row, row + n, n, y.ptr<float>() + t * y.stride(0));
    }
  });
}

void add_inplace(OpContext& ctx, const Tensor& a, const Tensor& b) {
  HADAL_CHECK(a.dtype() == DType::kF32 && b.dtype() == DType::kF32 && a.rank() == b.rank());
  for (int i = 0; i < a.rank(); ++i)
    HADAL_CHECK(a.dim(i) == b.dim(i)) << a.shape_string() << b.shape_string();
  const auto kernel = cpu_kernels(ctx.cpu_tier).elementwise.add;
  ThreadPool& pool = ctx.stream.pool();
  if (a.is_contiguous() && b.is_contiguous()) {
    const int64_t n = a.num_elements();
    pool.parallel_for(n, n < kParallelElements ? std::max<int64_t>(n, 1) : kParallelElements / 4,
                      [&](int64_t begin, int64_t end, int) {
                        kernel(a.ptr<float>() + begin, b.ptr<float>() + begin, end - begin);
                      });
    return;
  }
  HADAL_CHECK(a.rank() == 2) << "only rank 2 may have strided rows: " << a.shape_string();
  pool.parallel_for(a.dim(0), row_grain(a.dim(0), a.dim(1)), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      kernel(a.ptr<float>() + t * a.stride(0), b.ptr<float>() + t * b.stride(0), a.dim(1));
    }
  });
}

}  // namespace hadal
