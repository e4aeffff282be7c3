#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "kernels/op/linear_test_util.h"

namespace hadal {
namespace {

DType dtype_named(const std::string& name) {
  for (DType dtype : all_weight_dtypes()) {
    if (dtype_name(dtype) == name) return dtype;
  }
  ADD_FAILURE() << name;
  return DType::kF32;
}

// Values made by the gguf package and torch: tools/golden/dequant.py.
TEST(Dequantize, EqualsReference) {
  std::ifstream file(HADAL_SOURCE_DIR "/src/kernels/testdata/dequant.txt");
  ASSERT_TRUE(file.good());
  std::string line;
  int num_types = 0;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    std::string name;
    std::string hex;
    in >> name >> hex;
    const DType dtype = dtype_named(name);
    std::vector<std::byte> bytes;
    for (size_t i = 0; i < hex.size(); i += 2)
      bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    const auto count = static_cast<int64_t>(bytes.size()) / dtype_block_bytes(dtype) * dtype_block_len(dtype);
    std::vector<float> values(static_cast<size_t>(count));
    dequantize(dtype, bytes.data(), count, values.data());
    for (float v : values) {
      float expected = 0;
      ASSERT_TRUE(in >> expected) << name;
      ASSERT_NEAR(v, expected, 1e-6 * std::fabs(expected) + 1e-9) << name;
    }
    ++num_types;
  }
  EXPECT_EQ(num_types, 10);
}

TEST(Dequantize, RoundsToBf16LikeIeee) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // tie to even
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
}

TEST(Embedding, ReadsRowsAndGivesZerosOutsideTheShard) {
  std::mt19937 rng(std::random_device{}());
  const auto stream = Stream::cpu(2);
  Arena arena = make_arena(1024);
  OpContext ctx{*stream, arena};
  for (DType dtype : all_weight_dtypes()) {
    if (dtype == DType::kF8E4M3) continue;
    TestWeight table = make_weight(dtype, 10, 512, rng);
    const std::vector<double> values = table.values();
    std::vector<int32_t> ids = {103, 99, 100, 109, 110, 105};
    std::vector<float> y(ids.size() * 512, 7.0f);
    embedding(ctx, Tensor(ids.data(), DType::kI32, {6}), table.source().weight, 100,
              Tensor(y.data(), DType::kF32, {6, 512}));
    for (size_t t = 0; t < ids.size(); ++t) {
      const bool inside = ids[t] >= 100 && ids[t] < 110;
      for (size_t i = 0; i < 512; ++i) {
        const double expected = inside ? values[static_cast<size_t>(ids[t] - 100) * 512 + i] : 0;
        ASSERT_EQ(y[t * 512 + i], static_cast<float>(expected)) << dtype_name(dtype) << " id " << ids[t];
      }
    }
  }
}

}  // namespace
}  // namespace hadal
