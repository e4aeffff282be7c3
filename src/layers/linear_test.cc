// Sharded loading: the ranks' parts put together are the whole matrix, for every dtype and for FP8 scale
// grids.
#include "layers/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>

#include "layers/map_source_test_util.h"

namespace hadal {
namespace {

class LinearLayerTest : public ::testing::Test {
 protected:
  LinearLayerTest()
      : stream_(Stream::cpu(1)),
        arena_(std::move(DeviceBuffer::allocate(DeviceType::kCpu, size_t{16} << 20)).value()),
        ctx_{*stream_, arena_, CpuTier::kScalar},
        rng_(std::random_device{}()) {}

  LoadContext load(int rank, int size) { return {*stream_, source_, CpuTier::kScalar, rank, size}; }

  std::vector<float> random_values(int64_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> out(static_cast<size_t>(count));
    for (float& value : out) value = normal(rng_);
    return out;
  }
  // Finite e4m3 bytes.
  std::vector<uint8_t> random_fp8(int64_t count) {
    std::vector<uint8_t> out(static_cast<size_t>(count));
    for (uint8_t& byte : out) {
      byte = static_cast<uint8_t>(rng_());
      if ((byte & 0x7f) == 0x7f) byte = 0x38;
    }
    return out;
  }
  std::vector<float> forward(const Linear& linear, const std::vector<float>& x, int64_t m) {
    std::vector<float> y(static_cast<size_t>(m * linear.n()), 0.0f);
    Arena::Scope scope(arena_);
    linear.forward(ctx_, Tensor(const_cast<float*>(x.data()), DType::kF32, {m, linear.k()}),
                   Tensor(y.data(), DType::kF32, {m, linear.n()}));
    return y;
  }

  MapSource source_;
  std::unique_ptr<Stream> stream_;
  Arena arena_;
  OpContext ctx_;
  std::mt19937 rng_;
};

constexpr int64_t kN = 300;
constexpr int64_t kK = 320;
constexpr int64_t kM = 3;

TEST_F(LinearLayerTest, RowShardsAreTheWholesRows) {
  for (const DType dtype : {DType::kF32, DType::kF8E4M3}) {
    if (dtype == DType::kF32) {
      source_.add("w.weight", dtype, {kN, kK}, random_values(kN * kK).data());
    } else {
      source_.add("w.weight", dtype, {kN, kK}, random_fp8(kN * kK).data());
      source_.add("w.weight_scale_inv", DType::kF32, {3, 3}, random_values(9).data());
    }
    source_.add("w.bias", DType::kF32, {kN}, random_values(kN).data());
    const std::vector<float> x = random_values(kM * kK);
    const auto whole = Linear::load(load(0, 1), MatrixPart::whole("w", kN, kK, true));
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    const std::vector<float> want = forward(*whole, x, kM);
    for (int rank = 0; rank < 3; ++rank) {
      const ShardRange rows = shard_range(kN, 7, 3, rank);
      const auto part = Linear::load(load(rank, 3), MatrixPart::by_rows("w", kN, kK, rows, true));
      ASSERT_TRUE(part.ok()) << part.error().message;
      const std::vector<float> got = forward(*part, x, kM);
      for (int64_t m = 0; m < kM; ++m) {
        for (int64_t i = 0; i < rows.count; ++i) {
          ASSERT_EQ(got[static_cast<size_t>(m * rows.count + i)],
                    want[static_cast<size_t>(m * kN + rows.begin + i)]);
        }
      }
    }
  }
}

TEST_F(LinearLayerTest, ColumnShardsSumToTheWhole) {
  for (const DType dtype : {DType::kF32, DType::kF8E4M3}) {
    if (dtype == DType::kF32) {
      source_.add("w.weight", dtype, {kN, kK}, random_values(kN * kK).data());
    } else {
      source_.add("w.weight", dtype, {kN, kK}, random_fp8(kN * kK).data());
      source_.add("w.weight_scale_inv", DType::kF32, {3, 3}, random_values(9).data());
    }
    source_.add("w.bias", DType::kF32, {kN}, random_values(kN).data());
    const std::vector<float> x = random_values(kM * kK);
    const auto whole = Linear::load(load(0, 1), MatrixPart::whole("w", kN, kK, true));
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    const std::vector<float> want = forward(*whole, x, kM);
    std::vector<double> sum(want.size(), 0.0);
    for (int rank = 0; rank < 3; ++rank) {
      const ShardRange columns = shard_range(kK, 20, 3, rank);
      const auto part = Linear::load(load(rank, 3), MatrixPart::by_columns("w", kN, kK, columns, true));
      ASSERT_TRUE(part.ok()) << part.error().message;
      std::vector<float> mine;
      for (int64_t m = 0; m < kM; ++m) {
        const auto begin = x.begin() + m * kK + columns.begin;
        mine.insert(mine.end(), begin, begin + columns.count);
      }
      const std::vector<float> got = forward(*part, mine, kM);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += got[i];
    }
    double largest = 0;
    for (const float value : want) largest = std::max<double>(largest, std::abs(value));
    for (size_t i = 0; i < sum.size(); ++i) ASSERT_NEAR(sum[i], want[i], 1e-5 * largest) << dtype_name(dtype);
  }
}

TEST_F(LinearLayerTest, StacksPartsOfDifferentDtypes) {
  source_.add("a.weight", DType::kF32, {8, 64}, random_values(8 * 64).data());
  source_.add("b.weight", DType::kF32, {4, 64}, random_values(4 * 64).data());
  const std::vector<uint16_t> halves(6 * 64, 0x3c00);  // 1.0 in f16
  source_.add("c.weight", DType::kF16, {6, 64}, halves.data());
  source_.add("b.bias", DType::kF32, {4}, random_values(4).data());
  const std::array<MatrixPart, 3> parts = {MatrixPart::whole("a", 8, 64), MatrixPart::whole("b", 4, 64, true),
                                           MatrixPart::whole("c", 6, 64)};
  const auto stacked = Linear::load(load(0, 1), parts);
  ASSERT_TRUE(stacked.ok()) << stacked.error().message;
  EXPECT_EQ(stacked->n(), 18);
  const std::vector<float> x = random_values(2 * 64);
  const std::vector<float> got = forward(*stacked, x, 2);
  int64_t at = 0;
  for (const MatrixPart& part : parts) {
    const auto alone = Linear::load(load(0, 1), part);
    const std::vector<float> want = forward(*alone, x, 2);
    for (int64_t m = 0; m < 2; ++m) {
      for (int64_t i = 0; i < part.n; ++i) {
        EXPECT_EQ(got[static_cast<size_t>(m * 18 + at + i)], want[static_cast<size_t>(m * part.n + i)]);
      }
    }
    at += part.n;
  }
  EXPECT_TRUE(source_.unread().empty());
}

TEST_F(LinearLayerTest, CutsInsideQuantisedBlocksAreRefused) {
  const std::vector<uint8_t> blocks(4 * 64 / 32 * 34);
  source_.add("w.weight", DType::kQ8_0, {4, 64}, blocks.data());
  EXPECT_TRUE(Linear::load(load(0, 2), MatrixPart::by_columns("w", 4, 64, {32, 32})).ok());
  const auto cut = Linear::load(load(0, 2), MatrixPart::by_columns("w", 4, 64, {16, 48}));
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(cut.error().message, testing::HasSubstr("tensor w"));
}

TEST_F(LinearLayerTest, ReadErrorsNameTheTensor) {
  const auto missing = Linear::load(load(0, 1), MatrixPart::whole("model.nothing", 4, 4));
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().message, testing::HasSubstr("model.nothing"));
}

TEST_F(LinearLayerTest, ValuesSurviveConversion) {
  // Every f16 and bf16 value that f32 arithmetic may meet: exact halves, subnormals, the largest, ties.
  const std::vector<float> exact = {0.0f,           -1.5f, 65504.0f, 6.103515625e-05f, 5.960464477539063e-08f,
                                    0.333251953125f};
  EXPECT_EQ(shard_values(make_shard(exact, 2, 3, DType::kF16)), exact);
  EXPECT_EQ(shard_values(make_shard(exact, 3, 2, DType::kF32)), exact);
  const std::vector<float> rounded =
      shard_values(make_shard(std::vector<float>{2049.0f, 2051.0f, 1e6f}, 1, 3, DType::kF16));
  EXPECT_EQ(rounded[0], 2048.0f);
  EXPECT_EQ(rounded[1], 2052.0f);
  EXPECT_TRUE(std::isinf(rounded[2]));
  const std::vector<float> bf16 =
      shard_values(make_shard(std::vector<float>{257.0f, 259.0f}, 1, 2, DType::kBF16));
  EXPECT_EQ(bf16[0], 256.0f);
  EXPECT_EQ(bf16[1], 260.0f);
}

}  // namespace
}  // namespace hadal
