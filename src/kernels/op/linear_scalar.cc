// The scalar tier: every dtype in its own words, the oracle of the others. Panels are single rows in source
// layout.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "kernels/op/linear_kernels.h"
#include "kernels/op/linear_stage_q8.h"
#include "kernels/op/quant_block.h"

namespace hadal {
namespace {

float plain_value(const LinearLayout& layout, const std::byte* row, int64_t i) {
  switch (layout.dtype) {
    case DType::kF32:
      return load_unaligned<float>(row + i * 4);
    case DType::kF16:
      return f16_to_f32(load_unaligned<uint16_t>(row + i * 2));
    case DType::kBF16:
      return bf16_to_f32(load_unaligned<uint16_t>(row + i * 2));
    case DType::kF8E4M3: {
      const int64_t num_scales = layout.k_padded / kF8Chunk;
      const float scale = load_unaligned<float>(row + i / kF8Chunk * 4);
      const float value = f8e4m3_to_f32(static_cast<uint8_t>(row[num_scales * 4 + i])) * scale;
      return bf16_to_f32(f32_to_bf16(value));
    }
    default:
      HADAL_CHECK(false) << dtype_name(layout.dtype);
  }
  return 0;
}

float plain_dot(const LinearLayout& layout, const std::byte* row, const std::byte* x) {
  float sum = 0;
  for (int64_t i = 0; i < layout.k_padded; ++i) {
    sum += plain_value(layout, row, i) * load_unaligned<float>(x + i * 4);
  }
  return sum;
}

// One 32-block: integer dot products, exact, then scaled and added in f32.
float quant_block_dot(const LinearLayout& layout, const QuantBlock& w, const std::byte* x, int64_t block,
                      float sum) {
  const auto* q = reinterpret_cast<const int8_t*>(x + block * 32);
  const float x_scale = load_unaligned<float>(x + layout.scale_offset + block * 4);
  const bool halves = layout.dtype == DType::kQ6_K;
  const std::byte* sums = x + layout.sum_offset;
  const int length = halves ? 16 : 32;
  for (int part = 0; part < 32 / length; ++part) {
    int32_t dot =
        quant_has_min(layout.dtype) ? 0 : load_unaligned<int32_t>(sums + (block * (32 / length) + part) * 4);
    for (int i = part * length; i < (part + 1) * length; ++i) dot += w.q[i] * q[i];
    sum += static_cast<float>(dot) * (w.scale[part] * x_scale);
  }
  if (quant_has_min(layout.dtype)) sum += w.min * load_unaligned<float>(sums + block * 4);
  return sum;
}

float quant_dot(const LinearLayout& layout, const std::byte* row, const std::byte* x) {
  float sum = 0;
  QuantBlock block;
  for (int64_t b = 0; b < layout.k / 32; ++b) {
    read_quant_block(layout.dtype, row, b, block);
    sum = quant_block_dot(layout, block, x, b, sum);
  }
  return sum;
}

void run_scalar(const PanelJob& job) {
  const LinearLayout& layout = *job.layout;
  for (int64_t c = 0; c < std::min(job.num_panels, job.num_columns); ++c) {
    const std::byte* row = job.panels + c * layout.panel_bytes;
    for (int64_t r = 0; r < job.num_rows; ++r) {
      const std::byte* x = job.x + r * job.x_stride;
      float sum = layout.row_kind == RowKind::kQ8 ? quant_dot(layout, row, x) : plain_dot(layout, row, x);
      if (job.bias != nullptr) sum += job.bias[c];
      float& y = job.y[r * job.y_stride + c];
      y = job.accumulate ? y + sum : sum;
    }
  }
}

void stage_bf16(const LinearLayout& layout, const float* x, std::byte* row) {
  auto* out = reinterpret_cast<uint16_t*>(row);
  std::fill(out, out + layout.k_padded, uint16_t{0});
  for (int64_t i = 0; i < layout.k; ++i) out[layout.k_shift + i] = f32_to_bf16(x[i]);
}

struct Scalar {
  static float largest(const float* x) {
    float largest = 0;
    for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
    return largest;
  }
  static void quantize(const float* x, float inverse, int8_t* q, int32_t* sums) {
    sums[0] = sums[1] = 0;
    for (int i = 0; i < 32; ++i) {
      q[i] = static_cast<int8_t>(std::nearbyint(std::clamp(x[i] * inverse, -127.0f, 127.0f)));
      sums[i / 16] += q[i];
    }
  }
};

LinearKernels make_scalar_kernels() {
  LinearKernels kernels;
  for (PanelFn& fn : kernels.panels) fn = run_scalar;
  kernels.stage_bf16 = stage_bf16;
  kernels.stage_q8 = stage_q8_row<Scalar>;
  return kernels;
}

}  // namespace

const LinearKernels* scalar_linear_kernels() {
  static const LinearKernels kKernels = make_scalar_kernels();
  return &kKernels;
}

}  // namespace hadal
