#include "kernels/op/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/op/cpu_kernels.h"
#include "kernels/op/op_test_util.h"
#include "kernels/simd/half.h"

namespace hadal {
namespace {

class Elementwise : public testing::TestWithParam<CpuTier> {
 protected:
  TestRandom random_;
  TestContext test_{GetParam(), 2, 0};
};

TEST_P(Elementwise, RmsNormMatchesFloat64) {
  HADAL_SEED_TRACE(random_);
  for (const int64_t n : {1, 7, 8, 15, 16, 33, 64, 100, 576, 1536, 4097}) {
    const int64_t t = random_.integer(1, 70);
    const int64_t pad = random_.integer(0, 5);
    std::vector<float> x = random_.normals(t * (n + pad), 3.0f);
    std::vector<float> weight = random_.normals(n);
    std::vector<float> y(x.size(), 99.0f);
    const Tensor x_rows = tensor_of(x, {t, n + pad}).columns(0, n);
    const Tensor y_rows = tensor_of(y, {t, n + pad}).columns(0, n);
    rms_norm(test_.ctx(), x_rows, tensor_of(weight, {n}), 1e-5f, y_rows);
    for (int64_t r = 0; r < t; ++r) {
      const float* row = x.data() + r * (n + pad);
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += double{row[i]} * double{row[i]};
      const double scale = 1.0 / std::sqrt(sum / static_cast<double>(n) + 1e-5);
      for (int64_t i = 0; i < n; ++i) {
        const double expected = double{row[i]} * scale * double{weight[static_cast<size_t>(i)]};
        ASSERT_NEAR(y[static_cast<size_t>(r * (n + pad) + i)], expected, 2e-6 * std::abs(expected) + 1e-7)
            << n;
      }
      for (int64_t i = n; i < n + pad; ++i) ASSERT_EQ(y[static_cast<size_t>(r * (n + pad) + i)], 99.0f);
    }
    // In place gives the same bits.
    rms_norm(test_.ctx(), x_rows, tensor_of(weight, {n}), 1e-5f, x_rows);
    for (int64_t r = 0; r < t; ++r) {
      ASSERT_EQ(std::memcmp(x.data() + r * (n + pad), y.data() + r * (n + pad), static_cast<size_t>(n) * 4),
                0);
    }
  }
}

TEST_P(Elementwise, RopeMatchesFloat64InBothOrders) {
  HADAL_SEED_TRACE(random_);
  for (const bool interleaved : {false, true}) {
    for (const int64_t half : {1, 3, 4, 8, 16, 21, 32, 64}) {
      const int64_t t = random_.integer(1, 40);
      const int64_t heads = random_.integer(1, 5);
      const int64_t d = 2 * half + random_.integer(0, 1) * random_.integer(0, 9);
      const int64_t max_position = 50;
      const int64_t row = heads * d + random_.integer(0, 7);
      std::vector<float> x = random_.normals(t * row);
      std::vector<float> cos = random_.normals(max_position * half);
      std::vector<float> sin = random_.normals(max_position * half);
      std::vector<int32_t> positions(static_cast<size_t>(t));
      for (int32_t& p : positions) p = static_cast<int32_t>(random_.integer(0, max_position - 1));
      std::vector<float> before = x;
      rope(test_.ctx(), tensor_of(x, {t, row}).columns(0, heads * d).split_last(heads),
           tensor_of(positions, {t}), tensor_of(cos, {max_position, half}),
           tensor_of(sin, {max_position, half}), interleaved);
      std::vector<double> expected(before.begin(), before.end());
      for (int64_t token = 0; token < t; ++token) {
        for (int64_t h = 0; h < heads; ++h) {
          for (int64_t i = 0; i < half; ++i) {
            const auto base = static_cast<size_t>(token * row + h * d);
            const auto first = base + static_cast<size_t>(interleaved ? 2 * i : i);
            const auto second = base + static_cast<size_t>(interleaved ? 2 * i + 1 : i + half);
            const auto angle = static_cast<size_t>(positions[static_cast<size_t>(token)] * half + i);
            expected[first] =
                double{before[first]} * double{cos[angle]} - double{before[second]} * double{sin[angle]};
            expected[second] =
                double{before[second]} * double{cos[angle]} + double{before[first]} * double{sin[angle]};
          }
        }
      }
      for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], expected[i], 3e-6) << i << " half " << half;
    }
  }
}

TEST_P(Elementwise, SiluMulMatchesFloat64) {
  HADAL_SEED_TRACE(random_);
  for (const int64_t n : {1, 5, 16, 31, 64, 1536, 9000}) {
    const int64_t t = random_.integer(1, 9);
    std::vector<float> x = random_.normals(t * 2 * n, 5.0f);
    // Extremes: exp must neither overflow to NaN nor lose its sign.
    x[0] = 200.0f;
    x[static_cast<size_t>(2 * n * (t - 1))] = -200.0f;
    std::vector<float> y(static_cast<size_t>(t * n));
    silu_mul(test_.ctx(), tensor_of(x, {t, 2 * n}), tensor_of(y, {t, n}));
    for (int64_t r = 0; r < t; ++r) {
      for (int64_t i = 0; i < n; ++i) {
        const double gate = x[static_cast<size_t>(r * 2 * n + i)];
        const double up = x[static_cast<size_t>(r * 2 * n + n + i)];
        const double expected = gate / (1.0 + std::exp(-gate)) * up;
        ASSERT_NEAR(y[static_cast<size_t>(r * n + i)], expected, 2e-6 * std::abs(expected) + 1e-30) << gate;
      }
    }
  }
}

TEST_P(Elementwise, AddInplace) {
  HADAL_SEED_TRACE(random_);
  for (const int64_t n : {1, 17, 576, 40001}) {
    std::vector<float> a = random_.normals(3 * n);
    std::vector<float> b = random_.normals(3 * n);
    const std::vector<float> before = a;
    add_inplace(test_.ctx(), tensor_of(a, {3, n}), tensor_of(b, {3, n}));
    for (size_t i = 0; i < a.size(); ++i) ASSERT_EQ(a[i], before[i] + b[i]);
  }
}

TEST_P(Elementwise, ARowNeverSeesAnother) {
  HADAL_SEED_TRACE(random_);
  const int64_t t = 67;
  const int64_t n = 611;
  std::vector<float> x = random_.normals(t * n);
  std::vector<float> weight = random_.normals(n);
  std::vector<float> all(x.size());
  rms_norm(test_.ctx(), tensor_of(x, {t, n}), tensor_of(weight, {n}), 1e-6f, tensor_of(all, {t, n}));
  for (int64_t r = 0; r < t; ++r) {
    std::vector<float> one(x.begin() + r * n, x.begin() + (r + 1) * n);
    rms_norm(test_.ctx(), tensor_of(one, {1, n}), tensor_of(weight, {n}), 1e-6f, tensor_of(one, {1, n}));
    ASSERT_EQ(std::memcmp(one.data(), all.data() + r * n, static_cast<size_t>(n) * 4), 0) << r;
  }
}

// Every 16-bit pattern survives a round trip, and halves between neighbours round to even.
TEST_P(Elementwise, HalfConversionsRoundToNearestEven) {
  const ElementwiseKernels& kernels = cpu_kernels(GetParam()).elementwise;
  std::vector<float> values;
  std::vector<uint16_t> f16;
  for (uint32_t bits = 0; bits < 0x7c00u; ++bits) {
    const double low = double{f16_to_float(static_cast<uint16_t>(bits))};
    const double high = bits == 0x7bffu ? 65536.0 : double{f16_to_float(static_cast<uint16_t>(bits + 1))};
    const auto half_way = static_cast<float>((low + high) / 2);
    const auto up = static_cast<uint16_t>(bits + 1);
    const auto even = static_cast<uint16_t>((bits & 1u) != 0 ? bits + 1 : bits);
    for (const auto& [value, expected] : {std::pair{static_cast<float>(low), static_cast<uint16_t>(bits)},
                                          {half_way, even},
                                          {std::nextafter(half_way, 0.0f), static_cast<uint16_t>(bits)},
                                          {std::nextafter(half_way, 1e9f), up}}) {
      values.push_back(value);
      f16.push_back(expected);
      values.push_back(-value);
      f16.push_back(expected | 0x8000u);
    }
  }
  std::vector<uint16_t> got(values.size());
  kernels.to_f16(values.data(), static_cast<int64_t>(values.size()), got.data());
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(got[i], f16[i]) << values[i];

  values.clear();
  std::vector<uint16_t> bf16;
  for (uint32_t bits = 0; bits < 0x7f80u; ++bits) {
    const uint32_t wide = bits << 16;
    const auto even = static_cast<uint16_t>((bits & 1u) != 0 ? bits + 1 : bits);
    for (const auto& [value, expected] : {std::pair{wide, static_cast<uint16_t>(bits)},
                                          {wide | 0x8000u, even},
                                          {wide | 0x7fffu, static_cast<uint16_t>(bits)},
                                          {wide | 0x8001u, static_cast<uint16_t>(bits + 1)}}) {
      values.push_back(bits_to_float(value));
      bf16.push_back(expected);
      values.push_back(-bits_to_float(value));
      bf16.push_back(expected | 0x8000u);
    }
  }
  got.assign(values.size(), 0);
  kernels.to_bf16(values.data(), static_cast<int64_t>(values.size()), got.data());
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(got[i], bf16[i]) << values[i];
}

TEST_P(Elementwise, HalfConversionsKeepNanAndInfinity) {
  const ElementwiseKernels& kernels = cpu_kernels(GetParam()).elementwise;
  std::vector<float> values(37, std::nanf("1"));
  values[3] = INFINITY;
  values[20] = -INFINITY;
  values[36] = 1e30f;
  std::vector<uint16_t> got(values.size());
  kernels.to_f16(values.data(), 37, got.data());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(values[i])) {
      ASSERT_TRUE(std::isnan(f16_to_float(got[i]))) << i;
    } else {
      ASSERT_EQ(f16_to_float(got[i]), values[i] > 0 ? INFINITY : -INFINITY) << i;
    }
  }
  kernels.to_bf16(values.data(), 37, got.data());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(values[i])) {
      ASSERT_TRUE(std::isnan(bf16_to_float(got[i]))) << i;
    } else if (std::isinf(values[i])) {
      ASSERT_EQ(bf16_to_float(got[i]), values[i]) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Elementwise, testing::ValuesIn(test_tiers()),
                         [](const auto& p) { return std::string(cpu_tier_name(p.param)); });

}  // namespace
}  // namespace hadal
