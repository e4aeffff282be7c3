#include "models/read_ahead_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/map_source_test_util.h"

namespace hadal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ReadAheadSourceTest : public ::testing::Test {
 protected:
  ReadAheadSourceTest() {
    const float one = 1.0f;
    for (int layer = 0; layer < 4; ++layer) {
      const std::string p = "model.layers." + std::to_string(layer) + ".";
      for (const char* rest : {"norm.weight", "a.weight", layer < 2 ? "dense.weight" : "moe.weight"}) {
        const bool norm = std::string(rest) == "norm.weight";
        inner_.add(p + rest, DType::kF32, norm ? std::vector<int64_t>{1} : std::vector<int64_t>{1, 1}, &one);
      }
    }
  }
  void read_layer(ReadAheadSource& source, int layer) {
    const std::string p = "model.layers." + std::to_string(layer) + ".";
    source.begin_layer(layer);
    ASSERT_TRUE(source.read_f32(p + "norm.weight", 1).ok());
    ASSERT_TRUE(source.read_matrix(p + "a", 1, 1).ok());
    ASSERT_TRUE(source.read_matrix(p + "a", 1, 1).ok());
    ASSERT_TRUE(source.read_matrix(p + (layer < 2 ? "dense" : "moe"), 1, 1).ok());
  }
  MapSource inner_;
};

TEST_F(ReadAheadSourceTest, NamesTheFollowingLayersOnceEachAndOnlyWhatExists) {
  ReadAheadSource source(inner_, 4, true);
  read_layer(source, 0);
  EXPECT_THAT(inner_.prefetched, IsEmpty());
  read_layer(source, 1);
  EXPECT_THAT(inner_.prefetched, ElementsAre("model.layers.1.norm.weight", "model.layers.1.a.weight",
                                             "model.layers.1.dense.weight", "model.layers.2.norm.weight",
                                             "model.layers.2.a.weight", "model.layers.3.norm.weight",
                                             "model.layers.3.a.weight"));
  inner_.prefetched.clear();
  read_layer(source, 2);
  read_layer(source, 3);
  EXPECT_THAT(inner_.prefetched, IsEmpty());
  EXPECT_THAT(source.unread(), IsEmpty());
}

TEST_F(ReadAheadSourceTest, DisabledOnlyPassesThrough) {
  ReadAheadSource source(inner_, 4, false);
  for (int layer = 0; layer < 4; ++layer) read_layer(source, layer);
  EXPECT_THAT(inner_.prefetched, IsEmpty());
}

}  // namespace
}  // namespace hadal
