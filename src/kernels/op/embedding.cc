// dequantize and embedding: rows of a table in the checkpoint's own bytes.
#include <algorithm>

#include "base/check.h"
#include "kernels/op/linear.h"
#include "kernels/op/quant_block.h"

namespace hadal {

void dequantize(DType dtype, const std::byte* source, int64_t count, float* out) {
  if (dtype_is_block(dtype)) {
    HADAL_CHECK(count % dtype_block_len(dtype) == 0) << count << " elements of " << dtype_name(dtype);
    QuantBlock block;
    const int offset = quant_offset(dtype);
    for (int64_t b = 0; b < count / 32; ++b) {
      read_quant_block(dtype, source, b, block);
      for (int i = 0; i < 32; ++i) {
        out[b * 32 + i] = block.scale[i / 16] * static_cast<float>(block.q[i] - offset) + block.min;
      }
    }
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    switch (dtype) {
      case DType::kF32:
        out[i] = load_unaligned<float>(source + i * 4);
        break;
      case DType::kF16:
        out[i] = f16_to_f32(load_unaligned<uint16_t>(source + i * 2));
        break;
      case DType::kBF16:
        out[i] = bf16_to_f32(load_unaligned<uint16_t>(source + i * 2));
        break;
      case DType::kF8E4M3:
        out[i] = f8e4m3_to_f32(static_cast<uint8_t>(source[i]));
        break;
      default:
        HADAL_CHECK(false) << "cannot dequantise " << dtype_name(dtype);
    }
  }
}

void embedding(OpContext& ctx, const Tensor& ids, const Tensor& table, int64_t row_offset, const Tensor& y) {
  HADAL_CHECK(ids.dtype() == DType::kI32 && table.rank() == 2 && y.rank() == 2);
  HADAL_CHECK(y.dim(0) == ids.dim(0) && y.dim(1) == table.dim(1))
      << y.shape_string() << " " << table.shape_string();
  const int64_t width = table.dim(1);
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, width));
  ctx.stream.pool().parallel_for(ids.dim(0), grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      float* out = y.ptr<float>() + t * y.stride(0);
      const int64_t row = ids.ptr<int32_t>()[t] - row_offset;
      if (row < 0 || row >= table.dim(0)) {
        std::fill(out, out + width, 0.0f);
      } else {
        const auto* source =
            static_cast<const std::byte*>(table.data()) + dtype_bytes(table.dtype(), row * width);
        dequantize(table.dtype(), source, width, out);
      }
    }
  });
}

}  // namespace hadal
