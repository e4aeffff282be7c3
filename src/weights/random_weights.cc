#include "weights/random_weights.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace hadal {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ull;

// SplitMix64 (Steele, Lea, Flood 2014): a counter goes in, a well mixed word comes out.
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Word `index` of a stream by one multiplication (wyrand, Wang Yi 2019): weights come at memory speed.
uint64_t word_at(uint64_t stream, uint64_t index) {
  const uint64_t counter = stream + index * 0xa0761d6478bd642full;
  const auto product = static_cast<unsigned __int128>(counter) * (counter ^ 0xe7037ed1a0b428dbull);
  return static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product);
}

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

// Writes elements [begin, begin + count): element i is table[a random 12-bit number].
template <typename T>
void fill_from_table(const std::array<T, kTableSize>& table, uint64_t stream, int64_t begin, int64_t count,
                     std::byte* out_bytes) {
  T* out = reinterpret_cast<T*>(out_bytes);
  for (int64_t i = 0; i < count; ++i) {
    const auto element = static_cast<uint64_t>(begin + i);
    const uint64_t word = word_at(stream, element / kPerWord);
    out[i] = table[(word >> (element % kPerWord * kTableBits)) & (kTableSize - 1)];
  }
}

// How a 64-bit random word becomes weights: sign and mantissa of each lane stay random, and one random bit
// chooses between two exponents. That costs three operations for eight bytes, has no conversion in it, and
// bounds every magnitude.
struct FloatLanes {
  uint64_t keep;      // the random bits: sign, mantissa, lowest bit of the exponent
  uint64_t exponent;  // added to the magnitude of every lane
};

uint64_t repeat(uint64_t lane, int bits) {
  uint64_t word = 0;
  for (int at = 0; at < 64; at += bits) word |= lane << at;
  return word;
}

// Magnitudes [2^e, 2^(e + 2)), exponents alike probable: their deviation is 2^e times this, to a percent.
constexpr double kLaneDeviation = 2.4152;  // sqrt((7/3 + 4 * 7/3) / 2)

FloatLanes float_lanes(int bits, int mantissa_bits, int bias, double deviation) {
  const int exponent = static_cast<int>(std::lround(std::log2(deviation / kLaneDeviation))) + bias;
  HADAL_CHECK(exponent > 0) << "random weights of deviation " << deviation;
  const uint64_t sign = uint64_t{1} << (bits - 1);
  const uint64_t magnitude = (uint64_t{2} << mantissa_bits) - 1;
  return {repeat(sign | magnitude, bits), repeat(static_cast<uint64_t>(exponent) << mantissa_bits, bits)};
}

// Bytes [8 * first_word, 8 * first_word + num_bytes) of the stream. Lanes do not carry into their neighbours:
// the kept magnitude plus the exponent stays below the sign, which is random in both.
void fill_lanes(const FloatLanes& lanes, uint64_t sign, uint64_t stream, uint64_t first_word,
                int64_t num_bytes, std::byte* out) {
  for (; num_bytes >= 8; num_bytes -= 8, out += 8) {
    const uint64_t word = word_at(stream, first_word++) & lanes.keep;
    const uint64_t value = ((word & ~sign) + lanes.exponent) | (word & sign);
    std::memcpy(out, &value, 8);
  }
  if (num_bytes == 0) return;
  const uint64_t word = word_at(stream, first_word) & lanes.keep;
  const uint64_t value = ((word & ~sign) + lanes.exponent) | (word & sign);
  std::memcpy(out, &value, static_cast<size_t>(num_bytes));
}

// Quantiles of the upper half, from the middle outwards.
std::array<float, kTableSize / 2> half_quantiles() {
  std::array<float, kTableSize / 2> out;
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<float>(normal_quantile(0.5 + (static_cast<double>(i) + 0.5) / kTableSize));
  }
  return out;
}

template <typename T, typename Convert>
std::array<T, kTableSize> make_table(float mean, float scale, Convert convert) {
  static const std::array<float, kTableSize / 2> kHalf = half_quantiles();
  std::array<T, kTableSize> table;
  for (size_t i = 0; i < kHalf.size(); ++i) {
    table[2 * i] = convert(mean + scale * kHalf[i]);
    table[2 * i + 1] = convert(mean - scale * kHalf[i]);
  }
  return table;
}

void fill_bytes(uint64_t stream, uint64_t first_word, int64_t num_bytes, std::byte* out) {
  for (; num_bytes > 0; num_bytes -= 8, out += 8) {
    const uint64_t word = word_at(stream, first_word++);
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

// Overwrites the scales of one block whose bytes are all random (layouts: ggml's ggml-common.h).
void set_block(DType dtype, uint16_t d, uint16_t second, bool has_second, std::byte* block) {
  if (dtype == DType::kQ6_K) {  // ql 128, qh 64, int8 scales 16, d
    std::memset(block + 192, 16, 16);
    std::memcpy(block + 208, &d, sizeof d);
    return;
  }
  std::memcpy(block, &d, sizeof d);
  if (has_second) std::memcpy(block + 2, &second, sizeof second);
  if (dtype == DType::kQ4_K || dtype == DType::kQ5_K) {
    // Eight 6-bit scales and minima of 32 each: low six bits of the first four with the top two of the
    // others, then the low four bits of the others, which are 0.
    std::memset(block + 4, 0xa0, 8);
    std::memset(block + 12, 0, 4);
  }
}

// Elements [begin, begin + count), both whole blocks, begin a multiple of 8 blocks.
void fill_blocks(DType dtype, uint64_t stream, float scale, int64_t begin, int64_t count, std::byte* out) {
  constexpr int64_t kBlocksAtOnce = 64;  // their bytes are still in cache when the scales are set
  const int64_t block_bytes = dtype_block_bytes(dtype);
  const int64_t blocks = count / dtype_block_len(dtype);
  const BlockScales scales = block_scales(dtype);
  const double step = static_cast<double>(scale) * scales.step;
  const uint16_t d = to_f16(static_cast<float>(step));
  const uint16_t second = to_f16(static_cast<float>(step * scales.offset));
  auto word = static_cast<uint64_t>(begin / dtype_block_len(dtype) * block_bytes / 8);
  for (int64_t done = 0; done < blocks; done += kBlocksAtOnce) {
    const int64_t some = std::min(kBlocksAtOnce, blocks - done);
    fill_bytes(stream, word, some * block_bytes, out);
    word += static_cast<uint64_t>(some * block_bytes / 8);
    for (int64_t b = 0; b < some; ++b, out += block_bytes)
      set_block(dtype, d, second, scales.offset != 0, out);
  }
}

// Elements [begin, begin + count) of a plain dtype around 0; begin a multiple of 8.
void fill_plain(DType dtype, uint64_t stream, float scale, int64_t begin, int64_t count, std::byte* out) {
  const int bits = static_cast<int>(dtype_block_bytes(dtype)) * 8;
  FloatLanes lanes{};
  if (dtype == DType::kF32) lanes = float_lanes(bits, 23, 127, scale);
  if (dtype == DType::kBF16) lanes = float_lanes(bits, 7, 127, scale);
  if (dtype == DType::kF16) lanes = float_lanes(bits, 10, 15, scale);
  if (dtype == DType::kF8E4M3) lanes = float_lanes(bits, 3, 7, kF8RandomDeviation);
  const uint64_t sign = repeat(uint64_t{1} << (bits - 1), bits);
  fill_lanes(lanes, sign, stream, static_cast<uint64_t>(dtype_bytes(dtype, begin) / 8),
             dtype_bytes(dtype, count), out);
}

}  // namespace

void fill_random(DType dtype, uint64_t seed, std::string_view name, float mean, float scale, int64_t begin,
                 int64_t count, std::byte* out) {
  HADAL_CHECK(begin % random_grain(dtype) == 0) << begin;
  const uint64_t stream = stream_of(seed, name);
  switch (dtype) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kF8E4M3:
      break;
    case DType::kI8:
    case DType::kU8:
    case DType::kI32:
    case DType::kI64:
      HADAL_CHECK(false) << "random weights of type " << dtype_name(dtype);
      return;
    default:
      return fill_blocks(dtype, stream, scale, begin, count, out);
  }
  if (mean == 0.0f || dtype == DType::kF8E4M3) return fill_plain(dtype, stream, scale, begin, count, out);
  if (dtype == DType::kF32) {
    const auto same = [](float v) { return v; };
    return fill_from_table(make_table<float>(mean, scale, same), stream, begin, count, out);
  }
  const auto table = make_table<uint16_t>(mean, scale, dtype == DType::kF16 ? to_f16 : to_bf16);
  fill_from_table(table, stream, begin, count, out);
}

int64_t random_grain(DType dtype) {
  return int64_t{8} * dtype_block_len(dtype);
}

}  // namespace hadal
