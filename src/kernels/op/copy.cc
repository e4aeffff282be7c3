#include "kernels/op/copy.h"

#include <algorithm>
#include <cstring>

namespace hadal {
namespace {

// Below this many bytes one thread copies faster than a pool wakes.
constexpr int64_t kParallelBytes = 256 * 1024;

int64_t row_grain(int64_t num_rows, int64_t row_bytes) {
  if (num_rows * row_bytes < kParallelBytes) return std::max<int64_t>(num_rows, 1);
  return std::max<int64_t>(1, kParallelBytes / 8 / std::max<int64_t>(row_bytes, 1));
}

}  // namespace

void copy_strided(OpContext& ctx, const Tensor& x, const Tensor& y) {
  HADAL_CHECK(x.rank() == 2 && y.rank() == 2 && x.dtype() == DType::kF32 && y.dtype() == DType::kF32);
  HADAL_CHECK(x.dim(0) == y.dim(0) && x.dim(1) == y.dim(1)) << x.shape_string() << y.shape_string();
  const int64_t bytes = x.dim(1) * 4;
  ctx.stream.pool().parallel_for(x.dim(0), row_grain(x.dim(0), bytes), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      std::memcpy(y.ptr<float>() + t * y.stride(0), x.ptr<float>() + t * x.stride(0),
                  static_cast<size_t>(bytes));
    }
  });
}

void gather_rows(OpContext& ctx, const Tensor& x, const Tensor& rows, const Tensor& y) {
  HADAL_CHECK(x.rank() == 2 && y.rank() == 2 && x.dtype() == DType::kF32 && y.dtype() == DType::kF32);
  HADAL_CHECK(rows.dtype() == DType::kI32 && rows.dim(0) == y.dim(0) && x.dim(1) == y.dim(1))
      << x.shape_string() << rows.shape_string() << y.shape_string();
  const int64_t bytes = x.dim(1) * 4;
  ctx.stream.pool().parallel_for(y.dim(0), row_grain(y.dim(0), bytes), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t t = rows.ptr<int32_t>()[i];
      HADAL_CHECK(t >= 0 && t < x.dim(0)) << "row " << t << " of " << x.dim(0);
      std::memcpy(y.ptr<float>() + i * y.stride(0), x.ptr<float>() + t * x.stride(0),
                  static_cast<size_t>(bytes));
    }
  });
}

void fill_zero(OpContext& ctx, const Tensor& x) {
  HADAL_CHECK(x.dtype() == DType::kF32 && x.is_contiguous()) << x.shape_string();
  const int64_t bytes = x.num_bytes();
  ctx.stream.pool().parallel_for(bytes, row_grain(bytes, 1), [&](int64_t begin, int64_t end, int) {
    std::memset(x.ptr<std::byte>() + begin, 0, static_cast<size_t>(end - begin));
  });
}

}  // namespace hadal
