// Random weights of every dtype and float64 references, for the tests of linear, embedding and moe_experts.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "device/cpu_info.h"
#include "kernels/op/linear.h"
#include "kernels/op/quant_block.h"

namespace hadal {

inline const std::vector<DType>& all_weight_dtypes() {
  static const std::vector<DType> kAll = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kF8E4M3,
                                          DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                                          DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};
  return kAll;
}

// The tiers that this machine runs, kScalar first.
inline std::vector<CpuTier> machine_tiers() {
  std::vector<CpuTier> tiers;
  for (int t = 0; t <= static_cast<int>(detect_cpu().tier); ++t) tiers.push_back(static_cast<CpuTier>(t));
  return tiers;
}

inline uint16_t random_f16(std::mt19937& rng, float magnitude) {
  // Exponent and mantissa at random below `magnitude`, a power of two.
  const int top = 15 + static_cast<int>(std::lround(std::log2(magnitude)));
  std::uniform_int_distribution<int> exponent(top - 3, top - 1);
  std::uniform_int_distribution<int> bits(0, 1023);
  std::uniform_int_distribution<int> sign(0, 1);
  return static_cast<uint16_t>((sign(rng) << 15) | (exponent(rng) << 10) | bits(rng));
}

// Bytes of `count` weights: random levels, finite scales.
inline std::vector<std::byte> random_weights(DType dtype, int64_t count, std::mt19937& rng) {
  std::vector<std::byte> data(static_cast<size_t>(dtype_bytes(dtype, count)));
  std::uniform_int_distribution<int> byte(0, 255);
  for (std::byte& b : data) b = static_cast<std::byte>(byte(rng));
  const auto put = [&data](size_t at, uint16_t v) { std::memcpy(data.data() + at, &v, 2); };
  const auto size = static_cast<size_t>(dtype_block_bytes(dtype));
  std::normal_distribution<float> normal(0, 0.1f);
  for (size_t i = 0; i < data.size(); i += size) {
    if (dtype == DType::kF32) {
      const float v = normal(rng);
      std::memcpy(data.data() + i, &v, 4);
    } else if (dtype == DType::kF16) {
      put(i, random_f16(rng, 0.25f));
    } else if (dtype == DType::kBF16) {
      put(i, f32_to_bf16(normal(rng)));
    } else if (dtype == DType::kF8E4M3) {
      if ((data[i] & std::byte{0x7f}) == std::byte{0x7f}) data[i] = std::byte{0x31};
    } else if (dtype == DType::kQ6_K) {
      put(i + 208, random_f16(rng, 1.0f / 1024));
    } else {
      const bool k_quant = dtype == DType::kQ4_K || dtype == DType::kQ5_K;
      put(i, random_f16(rng, k_quant ? 1.0f / 512 : 1.0f / 32));
      if (quant_has_min(dtype)) put(i + 2, random_f16(rng, k_quant ? 1.0f / 64 : 0.25f));
    }
  }
  return data;
}

inline std::vector<float> random_floats(int64_t count, std::mt19937& rng, float sigma = 1.0f) {
  std::normal_distribution<float> normal(0, sigma);
  std::vector<float> out(static_cast<size_t>(count));
  for (float& v : out) v = normal(rng);
  return out;
}

inline Arena make_arena(int64_t bytes) {
  return Arena(std::move(DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(bytes + 64))).value());
}

// A weight with its own memory, its packed form, and its values in float64.
struct TestWeight {
  int64_t n = 0;
  int64_t k = 0;
  DType dtype = DType::kF32;
  std::vector<std::byte> bytes;
  std::vector<float> scales;  // f8e4m3
  int64_t scale_columns = 0;
  int64_t row_offset = 0;
  int64_t col_offset = 0;

  LinearSource source() {
    LinearSource s;
    s.weight = Tensor(bytes.data(), dtype, {n, k});
    if (dtype == DType::kF8E4M3) {
      s.scale = Tensor(scales.data(), DType::kF32,
                       {static_cast<int64_t>(scales.size()) / scale_columns, scale_columns});
      s.scale_row_offset = row_offset;
      s.scale_col_offset = col_offset;
    }
    return s;
  }

  // Row-major [n, k]; FP8 scaled and rounded to bf16 as linear.h says.
  std::vector<double> values() const {
    std::vector<float> raw(static_cast<size_t>(n * k));
    dequantize(dtype, bytes.data(), n * k, raw.data());
    std::vector<double> out(raw.begin(), raw.end());
    if (dtype != DType::kF8E4M3) return out;
    for (int64_t i = 0; i < n * k; ++i) {
      const int64_t at = (row_offset + i / k) / 128 * scale_columns + (col_offset + i % k) / 128;
      out[static_cast<size_t>(i)] =
          bf16_to_f32(f32_to_bf16(raw[static_cast<size_t>(i)] * scales[static_cast<size_t>(at)]));
    }
    return out;
  }
};

inline TestWeight make_weight(DType dtype, int64_t n, int64_t k, std::mt19937& rng, int64_t row_offset = 0,
                              int64_t col_offset = 0) {
  TestWeight w{n, k, dtype, random_weights(dtype, n * k, rng), {}, 0, row_offset, col_offset};
  if (dtype == DType::kF8E4M3) {
    w.scale_columns = (col_offset + k + 127) / 128 + 1;
    w.scales = random_floats((row_offset + n + 127) / 128 * w.scale_columns, rng, 0.001f);
  }
  return w;
}

// x as the tier sees it: int8 levels times scales, bf16, or itself.
inline std::vector<double> seen_activations(CpuTier tier, DType dtype, const std::vector<float>& x) {
  std::vector<double> out(x.begin(), x.end());
  if (dtype_is_block(dtype)) {
    for (size_t b = 0; b < x.size(); b += 32) {
      float largest = 0;
      for (size_t i = b; i < b + 32; ++i) largest = std::max(largest, std::fabs(x[i]));
      const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
      for (size_t i = b; i < b + 32; ++i) out[i] = std::nearbyint(x[i] * inverse) * (largest / 127.0f);
    }
  } else if ((dtype == DType::kBF16 || dtype == DType::kF8E4M3) && tier >= CpuTier::kAvx512Bf16) {
    for (size_t i = 0; i < x.size(); ++i) out[i] = bf16_to_f32(f32_to_bf16(x[i]));
  }
  return out;
}

}  // namespace hadal
