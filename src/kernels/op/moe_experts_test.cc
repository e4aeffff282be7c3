#include <gtest/gtest.h>

#include <array>

#include "kernels/op/linear_test_util.h"
#include "kernels/op/moe.h"

namespace hadal {
namespace {

constexpr int64_t kHidden = 256;
constexpr int64_t kWidth = 256;
constexpr int kExperts = 5;
constexpr int kTopK = 3;

class MoeExpertsTest : public ::testing::TestWithParam<CpuTier> {
 protected:
  void SetUp() override {
    if (GetParam() > detect_cpu().tier) GTEST_SKIP() << "this machine has no " << cpu_tier_name(GetParam());
    rng_.seed(std::random_device{}());
  }
  void make_experts(DType dtype) {
    gate_up_weights_.clear();
    down_weights_.clear();
    gate_up_.clear();
    down_.clear();
    for (int e = 0; e < kExperts; ++e) {
      gate_up_weights_.push_back(make_weight(dtype, 2 * kWidth, kHidden, rng_));
      down_weights_.push_back(make_weight(dtype, kHidden, kWidth, rng_));
      if (e == 1) scatter_exponents(gate_up_weights_.back());
      gate_up_.push_back(pack(gate_up_weights_.back()));
      down_.push_back(pack(down_weights_.back()));
    }
  }
  // bf16 that cannot be compact, among experts that are.
  void scatter_exponents(TestWeight& w) {
    if (w.dtype != DType::kBF16) return;
    for (size_t i = 0; i < w.bytes.size(); i += 8) w.bytes[i + 1] = w.bytes[i] & std::byte{0x1f};
  }
  PackedLinear pack(TestWeight& w) {
    const std::array<LinearSource, 1> sources = {w.source()};
    return std::move(PackedLinear::pack(*stream_, GetParam(), sources)).value();
  }
  void route(int64_t num_tokens, int first_expert) {
    x_ = random_floats(num_tokens * kHidden, rng_);
    weights_ = random_floats(num_tokens * kTopK, rng_, 0.5f);
    ids_.clear();
    for (int64_t t = 0; t < num_tokens; ++t) {
      // Distinct experts of a model with more of them than this rank holds.
      std::array<int32_t, kExperts + 4> all{};
      for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i) + first_expert - 2;
      std::shuffle(all.begin(), all.end(), rng_);
      ids_.insert(ids_.end(), all.begin(), all.begin() + kTopK);
    }
  }
  std::vector<float> run(Stream& stream, int64_t first, int64_t m, int first_expert,
                         const std::vector<float>& y0) {
    std::vector<float> y(y0.begin() + first * kHidden, y0.begin() + (first + m) * kHidden);
    Arena arena = make_arena(moe_arena_bytes(gate_up_, down_, m, kTopK));
    OpContext ctx{stream, arena, GetParam()};
    moe_experts(ctx, Tensor(x_.data() + first * kHidden, DType::kF32, {m, kHidden}),
                Tensor(ids_.data() + first * kTopK, DType::kI32, {m, kTopK}),
                Tensor(weights_.data() + first * kTopK, DType::kF32, {m, kTopK}), gate_up_, down_,
                first_expert, Tensor(y.data(), DType::kF32, {m, kHidden}));
    return y;
  }
  // One token through one expert, with linear() itself.
  std::vector<float> one_expert(size_t e, const float* x) {
    std::vector<float> h(2 * kWidth);
    std::vector<float> out(kHidden);
    Arena arena = make_arena(1 << 20);
    OpContext ctx{*stream_, arena, GetParam()};
    linear(ctx, Tensor(const_cast<float*>(x), DType::kF32, {1, kHidden}), gate_up_[e],
           Tensor(h.data(), DType::kF32, {1, 2 * kWidth}));
    for (size_t i = 0; i < kWidth; ++i) {
      h[i] = static_cast<float>(h[i] / (1.0 + std::exp(-static_cast<double>(h[i]))) * h[kWidth + i]);
    }
    linear(ctx, Tensor(h.data(), DType::kF32, {1, kWidth}), down_[e],
           Tensor(out.data(), DType::kF32, {1, kHidden}));
    return out;
  }

  std::unique_ptr<Stream> stream_ = Stream::cpu(2);
  std::mt19937 rng_;
  std::vector<TestWeight> gate_up_weights_, down_weights_;
  std::vector<PackedLinear> gate_up_, down_;
  std::vector<float> x_, weights_;
  std::vector<int32_t> ids_;
};

TEST_P(MoeExpertsTest, AddsTheChosenExperts) {
  constexpr int kFirst = 3;
  for (DType dtype : {DType::kF32, DType::kBF16, DType::kF8E4M3, DType::kQ8_0, DType::kQ4_K}) {
    make_experts(dtype);
    const int64_t m = 37;
    route(m, kFirst);
    const std::vector<float> y0 = random_floats(m * kHidden, rng_);
    const std::vector<float> y = run(*stream_, 0, m, kFirst, y0);
    for (int64_t t = 0; t < m; ++t) {
      std::vector<double> expected(y0.begin() + t * kHidden, y0.begin() + (t + 1) * kHidden);
      double largest = 1;
      for (int j = 0; j < kTopK; ++j) {
        const int e = ids_[static_cast<size_t>(t * kTopK + j)] - kFirst;
        if (e < 0 || e >= kExperts) continue;
        const std::vector<float> out = one_expert(static_cast<size_t>(e), x_.data() + t * kHidden);
        for (size_t i = 0; i < kHidden; ++i) {
          expected[i] += static_cast<double>(weights_[static_cast<size_t>(t * kTopK + j)]) * out[i];
          largest = std::max(largest, std::fabs(expected[i]));
        }
      }
      // One level of x's rounding (bf16 or int8) may flip where silu differs in its last bit.
      const double tolerance = largest * (dtype == DType::kF32 ? 1e-5 : 2e-2);
      for (size_t i = 0; i < kHidden; ++i) {
        ASSERT_NEAR(y[static_cast<size_t>(t * kHidden) + i], expected[i], tolerance)
            << dtype_name(dtype) << " token " << t;
      }
    }
  }
}

TEST_P(MoeExpertsTest, IsBatchInvariant) {
  constexpr int64_t kRows = 70;
  for (DType dtype : {DType::kF16, DType::kBF16, DType::kF8E4M3, DType::kQ4_0, DType::kQ6_K}) {
    make_experts(dtype);
    route(kRows, 0);
    const std::vector<float> y0 = random_floats(kRows * kHidden, rng_);
    const std::vector<float> all = run(*stream_, 0, kRows, 0, y0);
    for (int threads : {1, 3}) {
      const auto stream = Stream::cpu(threads);
      for (int64_t m : {1, 4, 33}) {
        for (int64_t first : {int64_t{0}, int64_t{11}, kRows - m}) {
          const std::vector<float> y = run(*stream, first, m, 0, y0);
          ASSERT_EQ(0, std::memcmp(y.data(), all.data() + first * kHidden, y.size() * 4))
              << dtype_name(dtype) << " M " << m;
        }
      }
    }
  }
}

TEST_P(MoeExpertsTest, NoLocalExpertLeavesTheSum) {
  make_experts(DType::kBF16);
  route(3, 0);
  std::fill(ids_.begin(), ids_.end(), 100);
  const std::vector<float> y0 = random_floats(3 * kHidden, rng_);
  EXPECT_EQ(run(*stream_, 0, 3, 0, y0), y0);
}

INSTANTIATE_TEST_SUITE_P(Tiers, MoeExpertsTest,
                         ::testing::Values(CpuTier::kScalar, CpuTier::kAvx2, CpuTier::kAvx512,
                                           CpuTier::kAvx512Vnni, CpuTier::kAvx512Bf16, CpuTier::kAmx),
                         [](const auto& test) { return std::string(cpu_tier_name(test.param)); });

}  // namespace
}  // namespace hadal
