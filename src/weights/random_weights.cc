#include "weights/random_weights.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace hadal {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): a counter goes in, a well mixed word comes out.
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}
constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ull;

// FNV-1a, then mixed with the seed.
uint64_t stream_of(uint64_t seed, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return mix(hash + mix(seed + kGolden));
}

constexpr int kTableBits = 12;
constexpr int kTableSize = 1 << kTableBits;
constexpr int kPerWord = 5;  // table indices in one 64-bit word

// Inverse of the normal distribution by bisection on erfc: exact enough, and only done once per table.
double normal_quantile(double p) {
  double low = -8;
  double high = 8;
  for (int i = 0; i < 60; ++i) {
    const double mid = (low + high) / 2;
    (0.5 * std::erfc(-mid / std::sqrt(2.0)) < p ? low : high) = mid;
  }
  return low;
}

uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Finite values within f16's range.
uint16_t to_f16(float value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const float magnitude = std::fabs(value);
  HADAL_CHECK(magnitude <= 65504.0f);
  if (magnitude < 0x1p-14f)
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24f)));
  int exponent = 0;
  const float fraction = std::frexp(magnitude, &exponent);  // [0.5, 1)
  const auto mantissa = static_cast<int>(std::nearbyint((fraction * 2 - 1) * 1024));
  return static_cast<uint16_t>(sign | (((exponent + 14) << 10) + mantissa));
}

// e4m3fn: 4 exponent bits of bias 7, 3 of mantissa; nearest of its finite values.
uint8_t to_f8(float value) {
  uint8_t best = 0;
  float error = INFINITY;
  for (int code = 0; code < 0x7f; ++code) {
    const int exponent = code >> 3;
    const float mantissa = static_cast<float>(code & 7) / 8;
    const float number = exponent == 0 ? mantissa * 0x1p-6f : std::ldexp(1 + mantissa, exponent - 7);
    if (std::fabs(number - std::fabs(value)) < error) {
      error = std::fabs(number - std::fabs(value));
      best = static_cast<uint8_t>(code);
    }
  }
  return value < 0 ? best | 0x80 : best;
}

// Writes table[i] for `count` random 12-bit i.
template <typename T>
void fill_from_table(const std::array<T, kTableSize>& table, uint64_t stream, int64_t count,
                     std::byte* out_bytes) {
  T* out = reinterpret_cast<T*>(out_bytes);
  int64_t i = 0;
  uint64_t counter = stream;
  for (; i + kPerWord <= count; i += kPerWord) {
    uint64_t word = mix(counter += kGolden);
    for (int j = 0; j < kPerWord; ++j) {
      out[i + j] = table[word & (kTableSize - 1)];
      word >>= kTableBits;
    }
  }
  uint64_t word = mix(counter + kGolden);
  for (; i < count; ++i) {
    out[i] = table[word & (kTableSize - 1)];
    word >>= kTableBits;
  }
}

template <typename T, typename Convert>
std::array<T, kTableSize> make_table(float mean, float scale, Convert convert) {
  // The quantiles are symmetric: half of them are computed.
  std::array<T, kTableSize> table;
  for (int i = 0; i < kTableSize / 2; ++i) {
    const auto q = static_cast<float>(normal_quantile((i + 0.5) / kTableSize));
    table[static_cast<size_t>(i)] = convert(mean + scale * q);
    table[static_cast<size_t>(kTableSize - 1 - i)] = convert(mean - scale * q);
  }
  return table;
}

void fill_bytes(uint64_t stream, int64_t num_bytes, std::byte* out) {
  uint64_t counter = stream;
  for (; num_bytes > 0; num_bytes -= 8, out += 8) {
    const uint64_t word = mix(counter += kGolden);
    std::memcpy(out, &word, static_cast<size_t>(num_bytes < 8 ? num_bytes : 8));
  }
}

// Where a block's scales lie and what gives uniform quants the standard deviation 1 around 0.
struct BlockScales {
  double step;    // d that gives standard deviation 1
  double offset;  // the second scale (m or dmin) in units of d; 0: none
};
BlockScales block_scales(DType dtype) {
  const auto deviation = [](double levels) { return std::sqrt((levels * levels - 1) / 12); };
  switch (dtype) {
    case DType::kQ8_0:
      return {1 / deviation(256), 0};
    case DType::kQ4_0:
      return {1 / deviation(16), 0};
    case DType::kQ4_1:
      return {1 / deviation(16), -7.5};
    case DType::kQ5_0:
      return {1 / deviation(32), 0};
    case DType::kQ5_1:
      return {1 / deviation(32), -15.5};
    // k-quants multiply by a sub-scale of 32 (Q4_K, Q5_K) or 16 (Q6_K), see set_block.
    case DType::kQ4_K:
      return {1 / deviation(16) / 32, 7.5};
    case DType::kQ5_K:
      return {1 / deviation(32) / 32, 15.5};
    default:
      return {1 / deviation(64) / 16, 0};  // Q6_K
  }
}

void put_f16(std::byte* at, double value) {
  const uint16_t bits = to_f16(static_cast<float>(value));
  std::memcpy(at, &bits, sizeof bits);
}

// Overwrites the scales of one block whose bytes are all random (layouts: ggml's ggml-common.h).
void set_block(DType dtype, double d, double second, std::byte* block) {
  if (dtype == DType::kQ6_K) {  // ql 128, qh 64, int8 scales 16, d
    std::memset(block + 192, 16, 16);
    put_f16(block + 208, d);
    return;
  }
  put_f16(block, d);
  if (second != 0) put_f16(block + 2, second);
  if (dtype == DType::kQ4_K || dtype == DType::kQ5_K) {
    // Eight 6-bit scales and minima of 32 each: low six bits of the first four with the top two of the
    // others, then the low four bits of the others, which are 0.
    std::memset(block + 4, 0xa0, 8);
    std::memset(block + 12, 0, 4);
  }
}

void fill_blocks(DType dtype, uint64_t stream, float scale, int64_t count, std::byte* out) {
  const int64_t block_bytes = dtype_block_bytes(dtype);
  const int64_t blocks = count / dtype_block_len(dtype);
  fill_bytes(stream, blocks * block_bytes, out);
  const BlockScales scales = block_scales(dtype);
  const double d = scale * scales.step;
  for (int64_t b = 0; b < blocks; ++b) set_block(dtype, d, d * scales.offset, out + b * block_bytes);
}

}  // namespace

void fill_random(DType dtype, uint64_t seed, std::string_view name, float mean, float scale, int64_t count,
                 std::byte* out) {
  const uint64_t stream = stream_of(seed, name);
  switch (dtype) {
    case DType::kF32:
      return fill_from_table(make_table<float>(mean, scale, [](float v) { return v; }), stream, count, out);
    case DType::kF16:
      return fill_from_table(make_table<uint16_t>(mean, scale, to_f16), stream, count, out);
    case DType::kBF16:
      return fill_from_table(make_table<uint16_t>(mean, scale, to_bf16), stream, count, out);
    case DType::kF8E4M3:
      return fill_from_table(make_table<uint8_t>(0.0f, 1.0f, to_f8), stream, count, out);
    case DType::kI8:
    case DType::kU8:
    case DType::kI32:
    case DType::kI64:
      HADAL_CHECK(false) << "random weights of type " << dtype_name(dtype);
      return;
    default:
      fill_blocks(dtype, stream, scale, count, out);
  }
}

}  // namespace hadal
