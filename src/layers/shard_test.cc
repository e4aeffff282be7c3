#include "layers/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace hadal {
namespace {

TEST(ShardRangeTest, RanksCoverTheWholeInOrderAtUnits) {
  std::mt19937 rng(std::random_device{}());
  for (int round = 0; round < 2000; ++round) {
    const int64_t total = 1 + static_cast<int64_t>(rng() % 1000);
    const int64_t unit = 1 + static_cast<int64_t>(rng() % 40);
    const int size = 1 + static_cast<int>(rng() % 9);
    int64_t next = 0;
    int64_t largest = 0;
    int64_t smallest = total;
    for (int rank = 0; rank < size; ++rank) {
      const ShardRange range = shard_range(total, unit, size, rank);
      ASSERT_EQ(range.begin, next);
      ASSERT_TRUE(range.begin % unit == 0 || range.count == 0);
      next = range.end();
      largest = std::max(largest, range.count);
      smallest = std::min(smallest, range.count);
    }
    ASSERT_EQ(next, total);
    ASSERT_LE(largest - smallest, 2 * unit);
    ASSERT_EQ(shard_range(total, unit, size, 0).count, largest) << "rank 0 has the largest share";
  }
}

TEST(ShardHeadsTest, EveryQueryHeadIsOnOneRankWithItsKeyValueHead) {
  for (int kv_heads = 1; kv_heads <= 8; ++kv_heads) {
    for (int group = 1; group <= 8; ++group) {
      for (int size = 1; size <= 16; ++size) {
        std::vector<int> seen(static_cast<size_t>(kv_heads * group), 0);
        for (int rank = 0; rank < size; ++rank) {
          const auto heads = shard_heads(kv_heads * group, kv_heads, size, rank);
          if (!heads.ok()) {
            EXPECT_EQ(heads.error().code, ErrorCode::kUnsupported);
            EXPECT_GT(size, kv_heads);
            break;
          }
          ASSERT_GT(heads->q.count, 0);
          ASSERT_GT(heads->kv.count, 0);
          ASSERT_EQ(heads->q.count % heads->kv.count, 0);
          const int64_t local_group = heads->q.count / heads->kv.count;
          for (int64_t h = 0; h < heads->q.count; ++h) {
            ++seen[static_cast<size_t>(heads->q.begin + h)];
            ASSERT_EQ((heads->q.begin + h) / group, heads->kv.begin + h / local_group);
          }
          if (rank == size - 1) {
            EXPECT_THAT(seen, testing::Each(1)) << kv_heads << "x" << group << " over " << size;
          }
        }
      }
    }
  }
}

TEST(ShardHeadsTest, ErrorsNameTheSizesThatWork) {
  const auto heads = shard_heads(9, 3, 4, 0);
  ASSERT_FALSE(heads.ok());
  EXPECT_THAT(heads.error().message, testing::HasSubstr("1, 2, 3"));
  // SmolLM2-135M: 9 heads in 3 groups run on two ranks, 6 and 3.
  EXPECT_EQ(shard_heads(9, 3, 2, 0)->q.count, 6);
  EXPECT_EQ(shard_heads(9, 3, 2, 1)->q.count, 3);
}

TEST(CheckShardsTest, NamesWhatCannotBeSplit) {
  ModelConfig config;
  config.num_attention_heads = 64;
  config.num_key_value_heads = 64;
  config.intermediate_size = 128;
  config.vocab_size = 1000;
  EXPECT_TRUE(check_shards(config, 64).ok());
  EXPECT_FALSE(check_shards(config, 65).ok());
  EXPECT_FALSE(check_shards(config, 0).ok());
  config.moe.emplace();
  config.moe->moe_intermediate_size = 16;
  EXPECT_THAT(check_shards(config, 32).to_string(), testing::HasSubstr("moe_intermediate_size 16"));
}

}  // namespace
}  // namespace hadal
