// Element formats of weights, read one value or one block of 32 at a time: the plain, slow and obviously
// right way. The scalar kernels, the packer and dequantize() share it. Pure functions; any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "device/dtype.h"

namespace hadal {

inline float bf16_to_f32(uint16_t v) {
  return std::bit_cast<float>(static_cast<uint32_t>(v) << 16);
}
// Round to nearest even; NaN stays NaN.
uint16_t f32_to_bf16(float v);
float f16_to_f32(uint16_t v);
// OCP FP8 E4M3 "fn": bias 7, no infinity, 0x7f and 0xff are NaN.
float f8e4m3_to_f32(uint8_t v);

template <typename T>
T load_unaligned(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// 32 consecutive quantised weights: w[i] = scale[i / 16] * (q[i] - quant_offset(dtype)) + min.
// The two scales differ in q6_k only.
struct QuantBlock {
  uint8_t q[32];
  float scale[2];
  float min;
};

// What q holds minus this is the signed level: 0 for the types that have a minimum.
int quant_offset(DType dtype);
// True for q4_1, q5_1, q4_k, q5_k.
bool quant_has_min(DType dtype);

// The q4_k and q5_k 6-bit scale and minimum of sub-block `index` in 0..7, from their 12 bytes (ggml's k-quant
// layout).
struct ScaleMin {
  uint8_t scale;
  uint8_t min;
};
ScaleMin k_quant_scale_min(const std::byte* packed, int index);

// Block of 32 number `index` of a row that starts at `row` (for k-quants, 8 of them make one 256-block).
void read_quant_block(DType dtype, const std::byte* row, int64_t index, QuantBlock& out);

}  // namespace hadal
