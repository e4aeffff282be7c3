#include "runtime/slot_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace hadal {
namespace {

TEST(TokenCountsTest, MatchesAMapOnRandomStreams) {
  std::mt19937 rng(std::random_device{}());
  for (int round = 0; round < 50; ++round) {
    std::vector<int32_t> prompt(rng() % 40);
    std::vector<int32_t> output(rng() % 20);
    for (int32_t& token : prompt) token = static_cast<int32_t>(rng() % 30);
    for (int32_t& token : output) token = static_cast<int32_t>(rng() % 30);
    std::map<int32_t, TokenCount> want;
    for (int32_t token : prompt) want[token].in_prompt = true;
    for (int32_t token : output) ++want[token].in_output;
    TokenCounts counts;
    std::vector<std::pair<int32_t, int32_t>> output_counts;  // repeated and out of order as they may be
    for (int32_t token : output) output_counts.emplace_back(token, 1);
    counts.reset(prompt, output_counts);
    for (int i = 0; i < 30; ++i) {
      const auto token = static_cast<int32_t>(rng() % 40);
      counts.add_output(token);
      ++want[token].in_output;
    }
    ASSERT_EQ(counts.counts().size(), want.size());
    size_t i = 0;
    for (const auto& [token, count] : want) {
      EXPECT_EQ(counts.counts()[i].token, token);
      EXPECT_EQ(counts.counts()[i].in_output, count.in_output);
      EXPECT_EQ(counts.counts()[i].in_prompt, count.in_prompt);
      ++i;
    }
  }
}

SlotStart start_of(int32_t slot, uint64_t sequence) {
  SlotStart start;
  start.slot = slot;
  start.sequence_id = sequence;
  start.prompt_len = 10;
  return start;
}

TEST(SlotTableTest, StartsEndsAndReusesSlots) {
  SlotTable table(2);
  StepPlan plan;
  plan.starts = {start_of(1, 7)};
  ASSERT_TRUE(table.apply(plan).ok());
  EXPECT_NE(table.find(1, 7), nullptr);
  EXPECT_EQ(table.find(1, 8), nullptr);
  EXPECT_EQ(table.find(0, 7), nullptr);
  EXPECT_EQ(table.find(2, 7), nullptr);
  EXPECT_EQ(table.find(-1, 7), nullptr);
  plan.ended_slots = {1};
  plan.starts = {start_of(1, 8)};
  ASSERT_TRUE(table.apply(plan).ok());
  EXPECT_EQ(table.find(1, 7), nullptr);
  EXPECT_NE(table.find(1, 8), nullptr);
  plan.starts.clear();
  ASSERT_TRUE(table.apply(plan).ok());
  EXPECT_EQ(table.find(1, 8), nullptr);
}

TEST(SlotTableTest, SlotsOutOfRangeAreErrors) {
  SlotTable table(2);
  StepPlan plan;
  plan.starts = {start_of(2, 7)};
  EXPECT_FALSE(table.apply(plan).ok());
  plan.starts.clear();
  plan.ended_slots = {-1};
  EXPECT_FALSE(table.apply(plan).ok());
}

TEST(SlotTableTest, CountsOnlyWherePenaltiesNeedThem) {
  SlotTable table(2);
  StepPlan plan;
  plan.starts = {start_of(0, 1), start_of(1, 2)};
  plan.prompt_sets = {{4, 5}};
  for (SlotStart& start : plan.starts) start.prompt_set = 0;
  plan.starts[1].sampling.presence_penalty = 0.5f;
  ASSERT_TRUE(table.apply(plan).ok());
  EXPECT_EQ(table.find(0, 1)->counts.counts().size(), 0u);
  EXPECT_EQ(table.find(1, 2)->counts.counts().size(), 2u);
  plan.starts[1].prompt_set = 1;
  EXPECT_FALSE(table.apply(plan).ok());
}

TEST(SlotTableTest, EndTokensAreBannedBeforeMinTokens) {
  SlotTable table(1);
  StepPlan plan;
  plan.starts = {start_of(0, 1)};
  SamplingParams& sampling = plan.starts[0].sampling;
  sampling.min_tokens = 3;
  sampling.end_ids = {2};
  sampling.stop_token_ids = {9};
  sampling.top_k = -1;
  ASSERT_TRUE(table.apply(plan).ok());
  const Slot& slot = *table.find(0, 1);
  // The prompt has 10 tokens: positions 10, 11 and 12 are the first three of the answer.
  EXPECT_EQ(sample_row_of(slot, 0, 12).banned.size(), 2u);
  EXPECT_EQ(sample_row_of(slot, 0, 13).banned.size(), 0u);
  EXPECT_EQ(sample_row_of(slot, 0, 12).top_k, 0);
  plan.starts[0].sampling.ignore_eos = true;
  ASSERT_TRUE(table.apply(plan).ok());
  const SampleRow row = sample_row_of(slot, 5, 12);
  ASSERT_EQ(row.banned.size(), 1u);
  EXPECT_EQ(row.banned[0], 9);
  EXPECT_EQ(row.logits_row, 5);
  EXPECT_EQ(row.position, 12);
}

}  // namespace
}  // namespace hadal
