// bf16 in 12 bits: every weight must come back as it was, whichever kernel reads it.
#include "kernels/op/linear_compact.h"

#include <gtest/gtest.h>

#include <array>

#include "kernels/op/linear_test_util.h"

namespace hadal {
namespace {

class LinearCompactTest : public ::testing::TestWithParam<CpuTier> {
 protected:
  void SetUp() override {
    if (GetParam() > detect_cpu().tier) GTEST_SKIP() << "this machine has no " << cpu_tier_name(GetParam());
    seed_ = std::random_device{}();
    rng_.seed(seed_);
  }
  PackedLinear pack(std::span<const LinearSource> sources) {
    return std::move(PackedLinear::pack(*stream_, GetParam(), sources)).value();
  }
  PackedLinear pack(TestWeight& w) {
    const std::array<LinearSource, 1> sources = {w.source()};
    return pack(sources);
  }
  void put(TestWeight& w, int64_t row, int64_t column, uint16_t bits) {
    std::memcpy(w.bytes.data() + (row * w.k + column) * 2, &bits, 2);
  }
  // A few weights far from the others, and the values that are not normal numbers.
  void put_strangers(TestWeight& w, int count) {
    std::uniform_int_distribution<int64_t> row(0, w.n - 1);
    std::uniform_int_distribution<int64_t> column(0, w.k - 1);
    const uint16_t strangers[] = {f32_to_bf16(3e30f),   f32_to_bf16(-2e-30f), 0x0000, 0x8000,
                                  f32_to_bf16(-700.0f), f32_to_bf16(1e-9f)};
    for (int i = 0; i < count; ++i) put(w, row(rng_), column(rng_), strangers[i % 6]);
  }
  // Rows of the identity as x give the columns of W, each product exact, in calls of m rows.
  void expect_exact(const TestWeight& w, const PackedLinear& packed, int64_t m) {
    const std::vector<double> values = w.values();
    Arena arena = make_arena(linear_arena_bytes(packed, m));
    OpContext ctx{*stream_, arena, GetParam()};
    for (int64_t first = 0; first < w.k; first += m) {
      std::vector<float> x(static_cast<size_t>(m * w.k));
      std::vector<float> y(static_cast<size_t>(m * w.n), -1.0f);
      const int64_t rows = std::min(m, w.k - first);
      for (int64_t r = 0; r < rows; ++r) x[static_cast<size_t>(r * w.k + first + r)] = 1.0f;
      linear(ctx, Tensor(x.data(), DType::kF32, {m, w.k}), packed, Tensor(y.data(), DType::kF32, {m, w.n}));
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < w.n; ++c) {
          ASSERT_EQ(y[static_cast<size_t>(r * w.n + c)], values[static_cast<size_t>(c * w.k + first + r)])
              << "row " << c << " column " << first + r << " K " << w.k << " M " << m << " seed " << seed_;
        }
      }
    }
  }

  std::unique_ptr<Stream> stream_ = Stream::cpu(2);
  unsigned seed_ = 0;
  std::mt19937 rng_;
};

TEST_P(LinearCompactTest, KeepsEveryWeight) {
  for (int64_t k : {1, 30, 33, 96, 700}) {
    for (int64_t n : {1, 31, 32, 45, 130}) {
      TestWeight w = make_weight(DType::kBF16, n, k, rng_);
      put_strangers(w, static_cast<int>(n * k / 1000));
      const PackedLinear packed = pack(w);
      for (int64_t m : {1, 2, 12, 13, 70}) expect_exact(w, packed, m);
    }
  }
}

TEST_P(LinearCompactTest, SavesAQuarter) {
  TestWeight w = make_weight(DType::kBF16, 256, 1536, rng_);
  put_strangers(w, 20);
  const PackedLinear packed = pack(w);
  ASSERT_TRUE(packed.compact());
  EXPECT_LT(packed.num_bytes(), w.n * w.k * 2 * 77 / 100);
}

TEST_P(LinearCompactTest, KeepsScatteredExponentsAsTheyAre) {
  TestWeight w = make_weight(DType::kBF16, 64, 320, rng_);
  std::uniform_int_distribution<int> exponent(1, 200);
  for (int64_t r = 0; r < w.n; ++r) {
    for (int64_t c = 0; c < w.k; ++c) put(w, r, c, static_cast<uint16_t>(exponent(rng_) << 7));
  }
  const PackedLinear packed = pack(w);
  EXPECT_FALSE(packed.compact());
  expect_exact(w, packed, 1);
}

TEST_P(LinearCompactTest, StacksSources) {
  TestWeight a = make_weight(DType::kBF16, 40, 128, rng_);
  TestWeight b = make_weight(DType::kBF16, 50, 128, rng_);
  put_strangers(b, 5);
  const std::array<LinearSource, 2> sources = {a.source(), b.source()};
  const PackedLinear packed = pack(sources);
  TestWeight both = a;
  both.n = a.n + b.n;
  both.bytes.insert(both.bytes.end(), b.bytes.begin(), b.bytes.end());
  expect_exact(both, packed, 1);
  expect_exact(both, packed, 64);
}

INSTANTIATE_TEST_SUITE_P(Tiers, LinearCompactTest, ::testing::Values(CpuTier::kAvx512Bf16, CpuTier::kAmx),
                         [](const auto& param) { return std::string(cpu_tier_name(param.param)); });

}  // namespace
}  // namespace hadal
