#include "kernels/op/quant_block.h"

#include <limits>

#include "base/check.h"

namespace hadal {
namespace {

// Byte offsets inside the blocks of GGUF's quantised types (ggml's block structs).
struct Q4KLayout {
  static constexpr int kScales = 4, kQs = 16;
};
struct Q5KLayout {
  static constexpr int kQh = 16, kQs = 48;
};
struct Q6KLayout {
  static constexpr int kQh = 128, kScales = 192, kD = 208;
};

uint8_t u8(std::byte b) {
  return static_cast<uint8_t>(b);
}
float half_at(const std::byte* p) {
  return f16_to_f32(load_unaligned<uint16_t>(p));
}

void read_nibbles(const std::byte* qs, uint8_t* q) {
  for (int i = 0; i < 16; ++i) {
    q[i] = u8(qs[i]) & 15;
    q[i + 16] = u8(qs[i]) >> 4;
  }
}

void add_fifth_bits(const std::byte* qh, uint8_t* q) {
  const uint32_t bits = load_unaligned<uint32_t>(qh);
  for (int i = 0; i < 32; ++i) q[i] = static_cast<uint8_t>(q[i] | (((bits >> i) & 1u) << 4));
}

// q4_k and q5_k: 64 weights share 32 bytes, low nibbles first.
void read_k_nibbles(const std::byte* qs, int sub, uint8_t* q) {
  const std::byte* bytes = qs + (sub / 2) * 32;
  for (int i = 0; i < 32; ++i) q[i] = (sub & 1) == 0 ? u8(bytes[i]) & 15 : u8(bytes[i]) >> 4;
}

void read_k_scales(const std::byte* block, int sub, QuantBlock& out) {
  const ScaleMin sm = k_quant_scale_min(block + Q4KLayout::kScales, sub);
  out.scale[0] = out.scale[1] = half_at(block) * static_cast<float>(sm.scale);
  out.min = -(half_at(block + 2) * static_cast<float>(sm.min));
}

// q6_k: halves of 128 weights; 32 at a time share low-nibble bytes pairwise and high-bit bytes four ways.
void read_q6_k(const std::byte* block, int sub, QuantBlock& out) {
  const int half = sub / 4;
  const int quarter = sub % 4;
  const std::byte* ql = block + half * 64 + (quarter & 1) * 32;
  const std::byte* qh = block + Q6KLayout::kQh + half * 32;
  for (int i = 0; i < 32; ++i) {
    const int low = quarter < 2 ? u8(ql[i]) & 15 : u8(ql[i]) >> 4;
    const int high = (u8(qh[i]) >> (2 * quarter)) & 3;
    out.q[i] = static_cast<uint8_t>(low | (high << 4));
  }
  const float d = half_at(block + Q6KLayout::kD);
  for (int i = 0; i < 2; ++i) {
    out.scale[i] = d * static_cast<float>(static_cast<int8_t>(u8(block[Q6KLayout::kScales + sub * 2 + i])));
  }
  out.min = 0;
}

}  // namespace

uint16_t f32_to_bf16(float v) {
  const uint32_t bits = std::bit_cast<uint32_t>(v);
  if (v != v) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float f16_to_f32(uint16_t v) {
  const uint32_t sign = static_cast<uint32_t>(v & 0x8000u) << 16;
  const uint32_t magnitude = v & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  // Exponents move from bias 15 to 127 by an exact multiplication, which also normalises subnormals.
  const float value = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}

float f8e4m3_to_f32(uint8_t v) {
  const uint32_t magnitude = v & 0x7fu;
  if (magnitude == 0x7fu) return std::numeric_limits<float>::quiet_NaN();
  const float value = std::bit_cast<float>(magnitude << 20) * 0x1p120f;
  return (v & 0x80u) != 0 ? -value : value;
}

int quant_offset(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:
      return 128;
    case DType::kQ4_0:
      return 8;
    case DType::kQ5_0:
      return 16;
    case DType::kQ6_K:
      return 32;
    default:
      return 0;
  }
}

bool quant_has_min(DType dtype) {
  return dtype == DType::kQ4_1 || dtype == DType::kQ5_1 || dtype == DType::kQ4_K || dtype == DType::kQ5_K;
}

ScaleMin k_quant_scale_min(const std::byte* packed, int index) {
  const auto at = [packed](int i) { return static_cast<int>(u8(packed[i])); };
  if (index < 4) return {static_cast<uint8_t>(at(index) & 63), static_cast<uint8_t>(at(index + 4) & 63)};
  return {static_cast<uint8_t>((at(index + 4) & 15) | ((at(index - 4) >> 6) << 4)),
          static_cast<uint8_t>((at(index + 4) >> 4) | ((at(index) >> 6) << 4))};
}

void read_quant_block(DType dtype, const std::byte* row, int64_t index, QuantBlock& out) {
  const int per_block = dtype_block_len(dtype) / 32;
  const std::byte* block = row + index / per_block * dtype_block_bytes(dtype);
  const int sub = static_cast<int>(index % per_block);
  if (per_block == 1) out.scale[0] = out.scale[1] = half_at(block);
  out.min = quant_has_min(dtype) && per_block == 1 ? half_at(block + 2) : 0.0f;
  switch (dtype) {
    case DType::kQ8_0:
      for (int i = 0; i < 32; ++i) out.q[i] = u8(block[2 + i]) ^ 0x80;
      return;
    case DType::kQ4_0:
      return read_nibbles(block + 2, out.q);
    case DType::kQ4_1:
      return read_nibbles(block + 4, out.q);
    case DType::kQ5_0:
      read_nibbles(block + 6, out.q);
      return add_fifth_bits(block + 2, out.q);
    case DType::kQ5_1:
      read_nibbles(block + 8, out.q);
      return add_fifth_bits(block + 4, out.q);
    case DType::kQ4_K:
      read_k_scales(block, sub, out);
      return read_k_nibbles(block + Q4KLayout::kQs, sub, out.q);
    case DType::kQ5_K:
      read_k_scales(block, sub, out);
      read_k_nibbles(block + Q5KLayout::kQs, sub, out.q);
      for (int i = 0; i < 32; ++i) {
        const int bit = (u8(block[Q5KLayout::kQh + i]) >> sub) & 1;
        out.q[i] = static_cast<uint8_t>(out.q[i] | (bit << 4));
      }
      return;
    case DType::kQ6_K:
      return read_q6_k(block, sub, out);
    default:
      HADAL_CHECK(false) << dtype_name(dtype) << " is not a block type";
  }
}

}  // namespace hadal
