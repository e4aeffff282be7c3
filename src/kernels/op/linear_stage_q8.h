// Staging of x for the quantised types: int8 levels per 32 columns, their scale, and the sums that the
// kernels want (RowKind::kQ8). One rule for all tiers; V gives largest() and quantize().
#pragma once

#include <cstring>
#include <limits>

#include "kernels/op/linear_panels.h"
#include "kernels/op/quant_block.h"

namespace hadal {
namespace {

// Below this a block counts as zeros: 127 / largest would overflow.
constexpr float kSmallestBlock = 1e-30f;

// Unsigned, because the sums of a row with NaN in it are arbitrary.
inline int32_t offset_sum(int32_t offset, int32_t sum) {
  return static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * static_cast<uint32_t>(sum));
}

// Whether one of 32 floats is NaN. Integer compares: largest() drops NaN, as hardware maxima do.
inline bool any_nan(const float* x) {
  uint32_t bits[32];
  std::memcpy(bits, x, sizeof bits);
  uint32_t found = 0;
  for (int i = 0; i < 32; ++i) found |= 0x7f800000u - (bits[i] & 0x7fffffffu);  // negative: above infinity
  return (found >> 31) != 0;
}

template <class V>
void stage_q8_row(const LinearLayout& layout, const float* x, std::byte* row) {
  auto* q = reinterpret_cast<int8_t*>(row);
  auto* scales = reinterpret_cast<float*>(row + layout.scale_offset);
  auto* min_sums = reinterpret_cast<float*>(row + layout.sum_offset);
  auto* offset_sums = reinterpret_cast<int32_t*>(row + layout.sum_offset);
  const bool has_minimum = quant_has_min(layout.dtype);
  const bool halves = layout.dtype == DType::kQ6_K;
  const int32_t offset = quant_offset(layout.dtype);
  for (int64_t b = 0; b < layout.k / 32; ++b) {
    const float largest = V::largest(x + b * 32);
    const bool zero = largest < kSmallestBlock;
    int32_t sums[2];  // of each half
    V::quantize(x + b * 32, zero ? 0.0f : 127.0f / largest, q + b * 32, sums);
    scales[b] = zero ? 0.0f : largest / 127.0f;
    // Levels cannot hold NaN; the scale makes the row's results NaN.
    if (any_nan(x + b * 32)) scales[b] = std::numeric_limits<float>::quiet_NaN();
    if (has_minimum) {
      min_sums[b] = scales[b] * (static_cast<float>(sums[0]) + static_cast<float>(sums[1]));
    } else if (halves) {
      offset_sums[b * 2] = offset_sum(offset, sums[0]);
      offset_sums[b * 2 + 1] = offset_sum(offset, sums[1]);
    } else {
      offset_sums[b] = offset_sum(
          offset, static_cast<int32_t>(static_cast<uint32_t>(sums[0]) + static_cast<uint32_t>(sums[1])));
    }
  }
}

}  // namespace
}  // namespace hadal
