#include "device/tensor.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(Tensor, ViewsShareMemoryAndKeepStrides) {
  float data[24];
  const Tensor t(data, DType::kF32, {4, 6});
  EXPECT_EQ(t.num_bytes(), 96);
  EXPECT_EQ(t.rows(1, 2).ptr<float>(), data + 6);
  const Tensor c = t.columns(2, 3);
  EXPECT_EQ(c.ptr<float>(), data + 2);
  EXPECT_EQ(c.stride(0), 6);
  EXPECT_FALSE(c.is_contiguous());
  EXPECT_EQ(c.rows(2, 1).ptr<float>(), data + 14);
  EXPECT_EQ(t.reshape({2, 12}).dim(-1), 12);
  EXPECT_EQ(t.shape_string(), "[4, 6]");
}

TEST(Tensor, BlockTypesCountBytesByBlock) {
  std::byte data[2 * 2 * 144];
  const Tensor t(data, DType::kQ4_K, {2, 512});
  EXPECT_EQ(t.num_bytes(), 2 * 2 * 144);
  EXPECT_EQ(static_cast<std::byte*>(t.rows(1, 1).data()), data + 288);
}

TEST(TensorDeathTest, RowsOutOfRangeAbort) {
  float data[4];
  const Tensor t(data, DType::kF32, {2, 2});
  EXPECT_DEATH((void)t.rows(1, 2), "broken invariant");
}

}  // namespace
}  // namespace hadal
