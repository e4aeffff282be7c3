#include "kernels/op/copy.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace hadal {
namespace {

class CopyTest : public ::testing::TestWithParam<std::pair<int64_t, int64_t>> {
 protected:
  CopyTest() : stream_(Stream::cpu(2)), arena_(DeviceBuffer()), ctx_{*stream_, arena_} {
    std::mt19937 rng(std::random_device{}());
    const auto [rows, columns] = GetParam();
    x_.resize(static_cast<size_t>(rows * (columns + 3)));
    for (float& value : x_) value = static_cast<float>(rng());
    y_.assign(static_cast<size_t>(rows * (columns + 5)), -1.0f);
  }
  std::unique_ptr<Stream> stream_;
  Arena arena_;
  OpContext ctx_;
  std::vector<float> x_;
  std::vector<float> y_;
};

TEST_P(CopyTest, CopiesOnlyTheWindow) {
  const auto [rows, columns] = GetParam();
  const Tensor x = Tensor(x_.data(), DType::kF32, {rows, columns + 3}).columns(2, columns);
  const Tensor y = Tensor(y_.data(), DType::kF32, {rows, columns + 5}).columns(1, columns);
  copy_strided(ctx_, x, y);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns + 5; ++c) {
      const bool inside = c >= 1 && c < columns + 1;
      const float want = inside ? x_[static_cast<size_t>(r * (columns + 3) + c + 1)] : -1.0f;
      ASSERT_EQ(y_[static_cast<size_t>(r * (columns + 5) + c)], want) << r << " " << c;
    }
  }
}

TEST_P(CopyTest, GathersRowsInTheirOrder) {
  const auto [rows, columns] = GetParam();
  std::vector<int32_t> ids;
  for (int64_t r = 0; r < rows; ++r) ids.push_back(static_cast<int32_t>((r * 7 + 3) % rows));
  const Tensor x = Tensor(x_.data(), DType::kF32, {rows, columns + 3}).columns(0, columns);
  const Tensor y(y_.data(), DType::kF32, {rows, columns});
  gather_rows(ctx_, x, Tensor(ids.data(), DType::kI32, {rows}), y);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      ASSERT_EQ(y_[static_cast<size_t>(r * columns + c)],
                x_[static_cast<size_t>(ids[static_cast<size_t>(r)] * (columns + 3) + c)]);
    }
  }
}

TEST_P(CopyTest, ZerosAll) {
  const auto [rows, columns] = GetParam();
  fill_zero(ctx_, Tensor(y_.data(), DType::kF32, {rows, columns}));
  for (int64_t i = 0; i < rows * columns; ++i) ASSERT_EQ(y_[static_cast<size_t>(i)], 0.0f);
  for (size_t i = static_cast<size_t>(rows * columns); i < y_.size(); ++i) ASSERT_EQ(y_[i], -1.0f);
}

INSTANTIATE_TEST_SUITE_P(Shapes, CopyTest,
                         ::testing::Values(std::pair<int64_t, int64_t>{1, 1},
                                           std::pair<int64_t, int64_t>{5, 33},
                                           std::pair<int64_t, int64_t>{700, 129}));

}  // namespace
}  // namespace hadal
