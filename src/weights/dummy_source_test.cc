#include "weights/dummy_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <thread>

#include "weights/random_weights.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;
using Shape = std::vector<int64_t>;

std::string bytes_of(const WeightTensor& t) {
  return {static_cast<const char*>(t.tensor.data()), static_cast<size_t>(t.tensor.num_bytes())};
}

struct Moments {
  double mean = 0;
  double deviation = 0;
};
Moments moments(const std::vector<double>& values) {
  Moments m;
  for (const double v : values) m.mean += v / static_cast<double>(values.size());
  for (const double v : values)
    m.deviation += (v - m.mean) * (v - m.mean) / static_cast<double>(values.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

double f16_at(const uint8_t* p) {
  const int bits = p[0] | p[1] << 8;
  const int exponent = (bits >> 10) & 31;
  const double mantissa = bits & 1023;
  const double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -value : value;
}

double f8_at(uint8_t code) {
  const int exponent = (code >> 3) & 15;
  const double value = exponent == 0 ? std::ldexp(code & 7, -9) : std::ldexp(8 + (code & 7), exponent - 10);
  return (code & 0x80) != 0 ? -value : value;
}

// Six-bit scale and minimum j of a K-quant's 12 bytes (ggml's k-quants layout).
void k_scale(const uint8_t* q, int j, int* scale, int* minimum) {
  if (j < 4) {
    *scale = q[j] & 63;
    *minimum = q[j + 4] & 63;
  } else {
    *scale = (q[j + 4] & 15) | (q[j - 4] >> 6) << 4;
    *minimum = (q[j + 4] >> 4) | (q[j] >> 6) << 4;
  }
}

// Values of one block, written from the format's description and in no order that matters here.
std::vector<double> block_values(DType dtype, const uint8_t* b) {
  std::vector<double> out;
  const double d = f16_at(b);
  int scale = 0;
  int minimum = 0;
  switch (dtype) {
    case DType::kQ8_0:
      for (int i = 0; i < 32; ++i) out.push_back(d * static_cast<int8_t>(b[2 + i]));
      break;
    case DType::kQ4_0:
      for (int i = 0; i < 32; ++i) out.push_back(d * (((b[2 + i / 2] >> (4 * (i % 2))) & 15) - 8));
      break;
    case DType::kQ4_1:
      for (int i = 0; i < 32; ++i) out.push_back(d * ((b[4 + i / 2] >> (4 * (i % 2))) & 15) + f16_at(b + 2));
      break;
    case DType::kQ5_0:
    case DType::kQ5_1: {
      const int head = dtype == DType::kQ5_0 ? 2 : 4;
      for (int i = 0; i < 32; ++i) {
        const int low = (b[head + 4 + i % 16] >> (4 * (i / 16))) & 15;
        const int q = low | ((b[head + i / 8] >> (i % 8)) & 1) << 4;
        out.push_back(dtype == DType::kQ5_0 ? d * (q - 16) : d * q + f16_at(b + 2));
      }
      break;
    }
    case DType::kQ4_K:
    case DType::kQ5_K:
      for (int i = 0; i < 256; ++i) {
        k_scale(b + 4, i / 32, &scale, &minimum);
        const uint8_t* low = b + (dtype == DType::kQ4_K ? 16 : 48);
        int q = (low[i / 64 * 32 + i % 32] >> (4 * (i / 32 % 2))) & 15;
        if (dtype == DType::kQ5_K) q |= ((b[16 + i % 32] >> (i / 32)) & 1) << 4;
        out.push_back(d * scale * q - f16_at(b + 2) * minimum);
      }
      break;
    default:  // Q6_K
      for (int i = 0; i < 256; ++i) {
        const int low = (b[i / 128 * 64 + i % 64] >> (4 * (i / 64 % 2))) & 15;
        const int high = (b[128 + i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4))) & 3;
        out.push_back(f16_at(b + 208) * static_cast<int8_t>(b[192 + i / 16]) * ((low | high << 4) - 32));
      }
  }
  return out;
}

std::vector<double> values_of(DType dtype, const std::byte* data, int64_t count) {
  const auto* b = reinterpret_cast<const uint8_t*>(data);
  std::vector<double> out;
  if (dtype_is_block(dtype)) {
    for (int64_t i = 0; i < count / dtype_block_len(dtype); ++i, b += dtype_block_bytes(dtype)) {
      for (const double v : block_values(dtype, b)) out.push_back(v);
    }
    return out;
  }
  for (int64_t i = 0; i < count; ++i, b += dtype_block_bytes(dtype)) {
    if (dtype == DType::kF32) {
      float value = 0;
      std::memcpy(&value, b, 4);
      out.push_back(value);
    } else if (dtype == DType::kBF16) {
      out.push_back(std::bit_cast<float>(static_cast<uint32_t>(b[0] | b[1] << 8) << 16));
    } else {
      out.push_back(dtype == DType::kF16 ? f16_at(b) : f8_at(b[0]));
    }
  }
  return out;
}

class RandomWeights : public ::testing::TestWithParam<DType> {};

TEST_P(RandomWeights, HaveTheMomentsAskedFor) {
  const DType dtype = GetParam();
  constexpr int64_t kCount = 256 * 512;
  std::vector<std::byte> data(static_cast<size_t>(dtype_bytes(dtype, kCount)));
  fill_random(dtype, 1, "w", 0.0f, 0.02f, 0, kCount, data.data());
  const double want = dtype == DType::kF8E4M3 ? double{kF8RandomDeviation}
                      : dtype_is_block(dtype) ? 0.02
                                              : 0x1p-7 * 2.4152;
  const auto values = values_of(dtype, data.data(), kCount);
  ASSERT_EQ(static_cast<int64_t>(values.size()), kCount);
  const Moments m = moments(values);
  EXPECT_NEAR(m.deviation, want, 0.03 * want);
  // Formats without an offset have codes -8..7: their mean is half a step below zero.
  EXPECT_NEAR(m.mean, 0.0, 0.12 * want);
  for (const double v : values) ASSERT_TRUE(std::isfinite(v));
  // Neighbours are independent.
  double covariance = 0;
  for (size_t i = 1; i < values.size(); ++i) covariance += (values[i] - m.mean) * (values[i - 1] - m.mean);
  EXPECT_NEAR(covariance / static_cast<double>(kCount) / (want * want), 0.0, 0.02);
}
INSTANTIATE_TEST_SUITE_P(Types, RandomWeights,
                         ::testing::Values(DType::kF32, DType::kF16, DType::kBF16, DType::kF8E4M3,
                                           DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                                           DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K),
                         [](const auto& type) { return std::string(dtype_name(type.param)); });

// Threads cut a tensor anywhere on its grain: the bytes are the same.
TEST_P(RandomWeights, PartsEqualTheWhole) {
  const DType dtype = GetParam();
  const int64_t grain = random_grain(dtype);
  const int64_t count = 300 * grain + (dtype_is_block(dtype) ? dtype_block_len(dtype) : 3);
  for (const float mean : {0.0f, 1.0f}) {
    if (mean != 0.0f && dtype_is_block(dtype)) continue;
    std::vector<std::byte> whole(static_cast<size_t>(dtype_bytes(dtype, count)));
    std::vector<std::byte> parts(whole.size());
    fill_random(dtype, 5, "w", mean, 0.02f, 0, count, whole.data());
    int64_t step = grain;
    for (int64_t at = 0; at < count; at += step, step = step * 3 % (100 * grain)) {
      fill_random(dtype, 5, "w", mean, 0.02f, at, std::min(step, count - at),
                  parts.data() + dtype_bytes(dtype, at));
    }
    EXPECT_EQ(parts, whole) << mean;
  }
}

TEST(RandomWeightsBound, MagnitudesAreBoundedAndBothSignsCome) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF8E4M3}) {
    constexpr int64_t kCount = 1 << 16;
    std::vector<std::byte> data(static_cast<size_t>(dtype_bytes(dtype, kCount)));
    fill_random(dtype, 3, "w", 0.0f, 0.02f, 0, kCount, data.data());
    const double low = dtype == DType::kF8E4M3 ? 0.5 : 0x1p-7;
    int64_t negative = 0;
    for (const double v : values_of(dtype, data.data(), kCount)) {
      ASSERT_GE(std::abs(v), low);
      ASSERT_LT(std::abs(v), 4 * low);
      negative += v < 0 ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(negative) / kCount, 0.5, 0.01) << dtype_name(dtype);
  }
}

TEST(DummySource, ThreadsGiveTheSameBytes) {
  const ModelConfig config;
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kQ4_1, DType::kQ6_K}) {
    DummySource one(config, 7, dtype, 1);
    DummySource three(config, 7, dtype, 3);
    const Shape shape = {1031, 1280};
    const std::string want = bytes_of(*one.read("a.weight", shape));
    EXPECT_EQ(bytes_of(*three.read("a.weight", shape)), want) << dtype_name(dtype);
    // Again, into memory that was used before.
    EXPECT_EQ(bytes_of(*three.read("a.weight", shape)), want) << dtype_name(dtype);
  }
}

TEST(DummySource, ATensorOutlivesItsSource) {
  auto source = std::make_unique<DummySource>(ModelConfig{}, 1, DType::kBF16);
  const auto kept = source->read("a.weight", Shape{64, 64});
  const auto other = source->read("b.weight", Shape{64, 64});
  const std::string before = bytes_of(*kept);
  source.reset();
  EXPECT_EQ(bytes_of(*kept), before);
}

TEST(DummySource, DependsOnSeedAndNameOnly) {
  const ModelConfig config;
  DummySource one(config, 7, DType::kBF16);
  DummySource two(config, 7, DType::kBF16);
  DummySource other(config, 8, DType::kBF16);
  const Shape shape = {33, 65};
  const std::string a = bytes_of(*one.read("a.weight", shape));
  ASSERT_TRUE(two.read("b.weight", shape).ok());
  EXPECT_EQ(bytes_of(*two.read("a.weight", shape)), a);
  EXPECT_NE(bytes_of(*two.read("b.weight", shape)), a);
  EXPECT_NE(bytes_of(*other.read("a.weight", shape)), a);
  std::string threaded;
  std::thread([&] { threaded = bytes_of(*two.read("a.weight", shape)); }).join();
  EXPECT_EQ(threaded, a);
  EXPECT_EQ(bytes_of(one.read_matrix("a", 33, 65)->weight), a);
}

TEST(DummySource, NormsAreNearOne) {
  DummySource source(ModelConfig{}, 1, DType::kQ4_0);
  auto norm = source.read_f32("model.norm.weight", 4096);
  ASSERT_TRUE(norm.ok()) << norm.error().message;
  const Moments m = moments({norm->begin(), norm->end()});
  EXPECT_NEAR(m.mean, 1.0, 0.01);
  EXPECT_NEAR(m.deviation, 0.02, 0.005);
  auto bias = source.read_f32("x.bias", 4096);
  EXPECT_NEAR(moments({bias->begin(), bias->end()}).mean, 0.0, 0.005);
}

TEST(DummySource, QuantisesWhereRowsAreWholeBlocks) {
  DummySource source(ModelConfig{}, 1, DType::kQ4_K);
  EXPECT_EQ(source.read_matrix("a", 2, 512)->weight.tensor.dtype(), DType::kQ4_K);
  EXPECT_EQ(source.read_matrix("b", 2, 576)->weight.tensor.dtype(), DType::kBF16);
  EXPECT_FALSE(source.has("a.weight"));
  EXPECT_TRUE(source.unread().empty());
  // Each name counts once, however many ranks read it.
  ASSERT_TRUE(source.read_matrix("a", 2, 512).ok());
  EXPECT_EQ(source.read_bytes(), 2 * 512 / 256 * 144 + 2 * 576 * 2);
}

TEST(DummySource, MakesFp8BlocksWhereTheConfigHasThem) {
  ModelConfig config;
  config.fp8_blocks = true;
  DummySource source(config, 1, DType::kBF16);
  auto matrix = source.read_matrix("model.layers.0.mlp.up_proj", 130, 256);
  ASSERT_TRUE(matrix.ok());
  EXPECT_EQ(matrix->weight.tensor.dtype(), DType::kF8E4M3);
  EXPECT_EQ(matrix->scale.tensor.shape_string(), "[2, 2]");
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(matrix->scale.tensor.ptr<float>()[i], 0.02f, 0.01f);
  // What DeepSeek publishes in bf16.
  EXPECT_EQ(source.read_matrix("model.embed_tokens", 4, 256)->weight.tensor.dtype(), DType::kBF16);
  EXPECT_EQ(source.read_matrix("lm_head", 4, 256)->weight.tensor.dtype(), DType::kBF16);
  EXPECT_EQ(source.read("model.layers.0.input_layernorm.weight", Shape{256})->tensor.dtype(), DType::kBF16);
  EXPECT_EQ(source.read("model.layers.3.mlp.gate.e_score_correction_bias", Shape{8})->tensor.dtype(),
            DType::kF32);
  EXPECT_EQ(source.read_matrix("model.layers.0.mlp.gate", 4, 256)->weight.tensor.dtype(), DType::kBF16);
  EXPECT_EQ(source.read("model.embed_tokens.weight", Shape{4, 256})->tensor.dtype(), DType::kBF16);
}

TEST(DummySource, ImpossibleShapesAreErrors) {
  DummySource source(ModelConfig{}, 1, DType::kBF16);
  EXPECT_FALSE(source.read("a", Shape{}).ok());
  EXPECT_FALSE(source.read("a", Shape{0, 4}).ok());
  EXPECT_FALSE(source.read("a", Shape{-1}).ok());
  EXPECT_FALSE(source.read("a", Shape{int64_t{1} << 40, int64_t{1} << 40}).ok());
  EXPECT_THAT(source.read("a", Shape{int64_t{1} << 30, int64_t{1} << 28}).error().message,
              HasSubstr("\"a\""));
}

}  // namespace
}  // namespace hadal
