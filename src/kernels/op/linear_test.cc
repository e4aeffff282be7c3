#include "kernels/op/linear.h"

#include <gtest/gtest.h>

#include <array>
#include <iostream>

#include "kernels/op/linear_test_util.h"

namespace hadal {
namespace {

class LinearTest : public ::testing::TestWithParam<CpuTier> {
 protected:
  void SetUp() override {
    if (GetParam() > detect_cpu().tier) GTEST_SKIP() << "this machine has no " << cpu_tier_name(GetParam());
    seed_ = std::random_device{}();
    rng_.seed(seed_);
  }
  PackedLinear pack(TestWeight& w) {
    const std::array<LinearSource, 1> sources = {w.source()};
    return std::move(PackedLinear::pack(*stream_, GetParam(), sources)).value();
  }
  // x [m, k] to y [m, n].
  std::vector<float> run(Stream& stream, const PackedLinear& w, const float* x, int64_t m) {
    std::vector<float> y(static_cast<size_t>(m * w.n()), -1.0f);
    Arena arena = make_arena(linear_arena_bytes(w, m));
    OpContext ctx{stream, arena, GetParam()};
    linear(ctx, Tensor(const_cast<float*>(x), DType::kF32, {m, w.k()}), w,
           Tensor(y.data(), DType::kF32, {m, w.n()}));
    return y;
  }
  void expect_near_float64(TestWeight& w, int64_t m, const std::string& what);

  std::unique_ptr<Stream> stream_ = Stream::cpu(2);
  unsigned seed_ = 0;
  std::mt19937 rng_;
};

void LinearTest::expect_near_float64(TestWeight& w, int64_t m, const std::string& what) {
  const std::vector<float> x = random_floats(m * w.k, rng_);
  const PackedLinear packed = pack(w);
  const std::vector<double> seen = seen_activations(packed.tier(), w.dtype, x);
  const std::vector<double> values = w.values();
  const std::vector<float> y = run(*stream_, packed, x.data(), m);
  for (int64_t r = 0; r < m; ++r) {
    for (int64_t c = 0; c < w.n; ++c) {
      double sum = 0;
      double magnitude = 0;
      for (int64_t i = 0; i < w.k; ++i) {
        const double product =
            seen[static_cast<size_t>(r * w.k + i)] * values[static_cast<size_t>(c * w.k + i)];
        sum += product;
        magnitude += std::fabs(product);
      }
      ASSERT_NEAR(y[static_cast<size_t>(r * w.n + c)], sum, 4e-6 * magnitude + 1e-6)
          << what << " " << dtype_name(w.dtype) << " M " << m << " N " << w.n << " K " << w.k << " row " << r
          << " column " << c << " seed " << seed_;
    }
  }
}

TEST_P(LinearTest, AgreesWithFloat64) {
  for (DType dtype : all_weight_dtypes()) {
    const int64_t block = dtype_block_len(dtype);
    for (int64_t n : {1, 31, 32, 70}) {
      for (int64_t k : {block, block == 1 ? 37 : 3 * block, block == 1 ? 300 : 5 * block}) {
        TestWeight w = make_weight(dtype, n, k, rng_);
        for (int64_t m : {1, 2, 5, 9, 33}) expect_near_float64(w, m, "plain");
      }
    }
    TestWeight large = make_weight(dtype, 40, 2304, rng_);
    for (int64_t m : {1, 6, 140}) expect_near_float64(large, m, "large");
  }
}

TEST_P(LinearTest, FindsFp8ScalesOfShards) {
  for (int64_t row : {0, 64, 100}) {
    for (int64_t column : {0, 64, 127, 384}) {
      TestWeight w = make_weight(DType::kF8E4M3, 150, 257, rng_, row, column);
      expect_near_float64(w, 3, "shard");
      expect_near_float64(w, 20, "shard");
    }
  }
}

TEST_P(LinearTest, EveryFp8CodeIsExact) {
  TestWeight w = make_weight(DType::kF8E4M3, 256, 128, rng_);
  for (int64_t r = 0; r < 256; ++r) {
    const bool nan = (r & 0x7f) == 0x7f;
    std::fill_n(w.bytes.begin() + r * 128, 128, static_cast<std::byte>(nan ? 0 : r));
  }
  std::fill(w.scales.begin(), w.scales.end(), 1.0f);
  const PackedLinear packed = pack(w);
  std::vector<float> x(128, 0.0f);
  x[77] = 1.0f;
  const std::vector<float> y = run(*stream_, packed, x.data(), 1);
  const std::vector<double> values = w.values();
  for (size_t r = 0; r < 256; ++r) ASSERT_EQ(y[r], static_cast<float>(values[r * 128])) << r;
}

// Bit for bit the same row whatever M, position in the batch and thread count.
TEST_P(LinearTest, IsBatchInvariant) {
  constexpr int64_t kRows = 320;  // of x, more than kLargeX bytes: panels in groups
  for (DType dtype : all_weight_dtypes()) {
    TestWeight w = make_weight(dtype, 167, 768, rng_);
    const PackedLinear packed = pack(w);
    const std::vector<float> x = random_floats(kRows * w.k, rng_);
    std::vector<float> alone;
    const auto one = Stream::cpu(1);
    for (int64_t r = 0; r < kRows; ++r) {
      const std::vector<float> y = run(*one, packed, x.data() + r * w.k, 1);
      alone.insert(alone.end(), y.begin(), y.end());
    }
    for (int threads = 1; threads <= 4; ++threads) {
      const auto stream = Stream::cpu(threads);
      for (int64_t m :
           {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{7}, int64_t{16}, int64_t{33}, int64_t{64}, kRows}) {
        for (int64_t first : {int64_t{0}, (kRows - m) / 2, kRows - m}) {
          const std::vector<float> y = run(*stream, packed, x.data() + first * w.k, m);
          ASSERT_EQ(0, std::memcmp(y.data(), alone.data() + first * w.n, y.size() * 4))
              << dtype_name(dtype) << " M " << m << " first " << first << " threads " << threads << " seed "
              << seed_;
        }
      }
    }
  }
}

TEST_P(LinearTest, MoreRowsThanAreStagedAtOnce) {
  for (DType dtype : {DType::kF32, DType::kBF16, DType::kQ4_K}) {
    TestWeight w = make_weight(dtype, 33, 256, rng_);
    expect_near_float64(w, 1100, "many rows");
  }
}

TEST_P(LinearTest, StacksSourcesAddsBiasAndAccumulatesIntoStridedRows) {
  for (DType dtype : all_weight_dtypes()) {
    for (int64_t m : {1, 4, 40}) {
      TestWeight a = make_weight(dtype, 45, 512, rng_);
      TestWeight b = make_weight(dtype, 20, 512, rng_);
      const std::array<LinearSource, 2> sources = {a.source(), b.source()};
      const PackedLinear stacked = std::move(PackedLinear::pack(*stream_, GetParam(), sources)).value();
      ASSERT_EQ(stacked.n(), 65);
      std::vector<float> x = random_floats(m * 520, rng_);
      const std::vector<float> bias = random_floats(65, rng_);
      std::vector<float> y = random_floats(m * 70, rng_);
      const std::vector<float> before = y;
      const Tensor x_view = Tensor(x.data(), DType::kF32, {m, 520}).columns(3, 512);
      const Tensor y_view = Tensor(y.data(), DType::kF32, {m, 70}).columns(2, 65);
      Arena arena = make_arena(linear_arena_bytes(stacked, m));
      OpContext ctx{*stream_, arena, GetParam()};
      LinearOptions options;
      options.bias = Tensor(const_cast<float*>(bias.data()), DType::kF32, {65});
      options.accumulate = true;
      linear(ctx, x_view, stacked, y_view, options);
      for (int64_t r = 0; r < m; ++r) {
        const std::vector<float> from_a = run(*stream_, pack(a), x.data() + r * 520 + 3, 1);
        const std::vector<float> from_b = run(*stream_, pack(b), x.data() + r * 520 + 3, 1);
        for (int64_t c = 0; c < 70; ++c) {
          const auto at = static_cast<size_t>(r * 70 + c);
          float expected = before[at];
          if (c >= 2 && c < 67) {
            const auto column = static_cast<size_t>(c - 2);
            const float product = column < 45 ? from_a[column] : from_b[column - 45];
            expected = before[at] + (product + bias[column]);
          }
          ASSERT_FLOAT_EQ(y[at], expected) << dtype_name(dtype) << " row " << r << " column " << c;
        }
      }
    }
  }
}

// Zeros, tiny and large values in one row: each block of 32 has its own scale.
TEST_P(LinearTest, QuantisesBlocksOfAnySize) {
  TestWeight w = make_weight(DType::kQ8_0, 32, 128, rng_);
  const PackedLinear packed = pack(w);
  std::vector<float> x = random_floats(128, rng_);
  for (size_t i = 0; i < 32; ++i) {
    x[i] = 0;
    x[32 + i] *= 1e-35f;
    x[64 + i] *= 1e6f;
  }
  const std::vector<float> y = run(*stream_, packed, x.data(), 1);
  const std::vector<double> seen = seen_activations(packed.tier(), w.dtype, x);
  const std::vector<double> values = w.values();
  for (size_t c = 0; c < 32; ++c) {
    double sum = 0;
    for (size_t i = 0; i < 128; ++i) sum += seen[i] * values[c * 128 + i];
    ASSERT_NEAR(y[c], sum, 1e-5 * 1e6) << c;
  }
}

TEST_P(LinearTest, NoRowsIsNoWork) {
  TestWeight w = make_weight(DType::kQ4_1, 32, 64, rng_);
  const float x = 0;
  EXPECT_TRUE(run(*stream_, pack(w), &x, 0).empty());
}

TEST_P(LinearTest, PackedBytesAreAboutTheSourceBytes) {
  for (DType dtype : all_weight_dtypes()) {
    TestWeight w = make_weight(dtype, 576, 1536, rng_);
    const PackedLinear packed = pack(w);
    EXPECT_LE(static_cast<double>(packed.num_bytes()), 1.04 * static_cast<double>(w.bytes.size()))
        << dtype_name(dtype);
  }
}

TEST_P(LinearTest, RefusesWhatItCannotPack) {
  const auto code = [this](std::vector<LinearSource> sources) {
    const auto result = PackedLinear::pack(*stream_, GetParam(), sources);
    EXPECT_FALSE(result.ok());
    return result.ok() ? ErrorCode::kInternal : result.error().code;
  };
  TestWeight a = make_weight(DType::kQ4_0, 4, 64, rng_);
  TestWeight b = make_weight(DType::kQ4_1, 4, 64, rng_);
  TestWeight c = make_weight(DType::kQ4_0, 4, 32, rng_);
  EXPECT_EQ(code({a.source(), b.source()}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({a.source(), c.source()}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({}), ErrorCode::kInvalidArgument);
  TestWeight f8 = make_weight(DType::kF8E4M3, 4, 64, rng_);
  LinearSource no_scale = f8.source();
  no_scale.scale = Tensor();
  EXPECT_EQ(code({no_scale}), ErrorCode::kInvalidArgument);
  LinearSource past_scale = f8.source();
  past_scale.scale_row_offset = 128;
  EXPECT_EQ(code({past_scale}), ErrorCode::kInvalidArgument);
  int32_t number = 0;
  EXPECT_EQ(code({LinearSource{Tensor(&number, DType::kI32, {1, 1}), Tensor(), 0, 0}}),
            ErrorCode::kUnsupported);
}

INSTANTIATE_TEST_SUITE_P(Tiers, LinearTest,
                         ::testing::Values(CpuTier::kScalar, CpuTier::kAvx2, CpuTier::kAvx512,
                                           CpuTier::kAvx512Vnni, CpuTier::kAvx512Bf16, CpuTier::kAmx),
                         [](const auto& test) { return std::string(cpu_tier_name(test.param)); });

}  // namespace
}  // namespace hadal
