// A row of activations that is no number must not come out of a quantised layer as one.
#include <gtest/gtest.h>

#include <array>

#include "kernels/op/linear_test_util.h"

namespace hadal {
namespace {

TEST(LinearNan, RowsWithNanGiveNanAndOthersStay) {
  std::mt19937 rng(std::random_device{}());
  const auto stream = Stream::cpu(2);
  constexpr int64_t kN = 40;
  constexpr int64_t kK = 512;
  for (const CpuTier tier : machine_tiers()) {
    for (const DType dtype : all_weight_dtypes()) {
      TestWeight weight = make_weight(dtype, kN, kK, rng);
      const std::array<LinearSource, 1> sources = {weight.source()};
      const PackedLinear packed = std::move(PackedLinear::pack(*stream, tier, sources)).value();
      for (const int64_t m : {int64_t{1}, int64_t{3}, int64_t{17}}) {
        std::vector<float> x = random_floats(m * kK, rng);
        const auto run = [&] {
          std::vector<float> y(static_cast<size_t>(m * kN), -1.0f);
          Arena arena = make_arena(linear_arena_bytes(packed, m));
          OpContext ctx{*stream, arena, tier};
          linear(ctx, Tensor(x.data(), DType::kF32, {m, kK}), packed, Tensor(y.data(), DType::kF32, {m, kN}));
          return y;
        };
        const std::vector<float> before = run();
        const int64_t bad = m / 2;
        // One in a block of numbers, and a block of nothing else.
        x[static_cast<size_t>(bad * kK + 37)] = NAN;
        for (int64_t i = 64; i < 96; ++i) x[static_cast<size_t>(bad * kK + i)] = -NAN;
        const std::vector<float> after = run();
        for (int64_t i = 0; i < m * kN; ++i) {
          const auto at = static_cast<size_t>(i);
          if (i / kN == bad) {
            ASSERT_TRUE(std::isnan(after[at])) << cpu_tier_name(tier) << " " << dtype_name(dtype) << " " << m;
          } else {
            ASSERT_EQ(after[at], before[at]) << cpu_tier_name(tier) << " " << dtype_name(dtype) << " " << m;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace hadal
