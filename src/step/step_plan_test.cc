#include "step/step_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace hadal {
namespace {

class PlanMaker {
 public:
  explicit PlanMaker(uint64_t seed) : rng_(seed) {}

  StepPlan make() {
    StepPlan plan;
    plan.step_id = rng_();
    plan.starts.resize(rng_() % 3);
    for (SlotStart& start : plan.starts) fill(start);
    plan.prompt_sets.resize(2);
    for (auto& set : plan.prompt_sets) set = ids();
    plan.ended_slots = ids();
    plan.domains.resize(1 + rng_() % 2);
    for (DomainPlan& domain : plan.domains) fill(domain);
    return plan;
  }

 private:
  int32_t number() { return static_cast<int32_t>(rng_()); }
  float real() { return static_cast<float>(rng_() % 1000) / 7.0f; }
  std::vector<int32_t> ids() {
    std::vector<int32_t> out(rng_() % 5);
    for (int32_t& id : out) id = number();
    return out;
  }
  void fill(SlotStart& start) {
    start.slot = number();
    start.sequence_id = rng_();
    start.prompt_len = number();
    start.pooling = static_cast<Pooling>(rng_() % 3);
    start.prompt_set = static_cast<int32_t>(rng_() % 3) - 1;
    start.output_counts.resize(rng_() % 4);
    for (auto& [token, count] : start.output_counts) {
      token = number();
      count = number();
    }
    SamplingParams& p = start.sampling;
    for (float* value : {&p.temperature, &p.top_p, &p.min_p, &p.repetition_penalty, &p.presence_penalty,
                         &p.frequency_penalty}) {
      *value = real();
    }
    for (int32_t* value : {&p.top_k, &p.max_tokens, &p.min_tokens, &p.num_logprobs, &p.num_prompt_logprobs}) {
      *value = number();
    }
    p.seed = rng_();
    p.ignore_eos = rng_() % 2 == 1;
    p.end_ids = ids();
    p.stop_token_ids = ids();
    p.logit_bias.resize(rng_() % 3);
    for (auto& [token, bias] : p.logit_bias) {
      token = number();
      bias = real();
    }
  }
  void fill(DomainPlan& domain) {
    domain.token_ids = ids();
    domain.block_ids = ids();
    domain.rows.resize(rng_() % 4);
    for (PlanRow& row : domain.rows) {
      row.sequence_id = rng_();
      for (int32_t* value :
           {&row.slot, &row.first_position, &row.num_tokens, &row.token_offset, &row.previous_sample,
            &row.block_offset, &row.num_blocks, &row.sample_index, &row.next_prompt_token}) {
        *value = number();
      }
      row.prompt_logprobs = rng_() % 2 == 1;
    }
  }
  std::mt19937_64 rng_;
};

TEST(StepPlanTest, CountsTokensAndSamplesOfAllDomains) {
  StepPlan plan;
  plan.domains.resize(2);
  plan.domains[0].rows.resize(2);
  plan.domains[0].rows[0].num_tokens = 5;
  plan.domains[0].rows[1].num_tokens = 1;
  plan.domains[0].rows[1].sample_index = 0;
  plan.domains[1].rows.resize(1);
  plan.domains[1].rows[0].num_tokens = 3;
  plan.domains[1].rows[0].sample_index = 1;
  EXPECT_EQ(plan.num_tokens(), 9);
  EXPECT_EQ(plan.num_samples(), 2);
  EXPECT_EQ(StepPlan().num_tokens(), 0);
}

TEST(StepPlanTest, EveryFieldSurvivesTheFrame) {
  StepPlan plan;
  plan.step_id = 7;
  plan.starts.resize(1);
  SlotStart& start = plan.starts[0];
  start.slot = 3;
  start.sequence_id = 99;
  start.prompt_len = 12;
  start.pooling = Pooling::kLast;
  start.prompt_set = 1;
  start.output_counts = {{3, 2}};
  plan.prompt_sets = {{}, {1, 2}};
  start.sampling.temperature = 0.5f;
  start.sampling.top_k = 40;
  start.sampling.logit_bias = {{5, -1.5f}};
  start.sampling.seed = 0xfeedfacecafebeef;
  start.sampling.ignore_eos = true;
  start.sampling.end_ids = {2};
  start.sampling.stop_token_ids = {8, 9};
  start.sampling.num_prompt_logprobs = 4;
  plan.ended_slots = {3, 4};
  plan.domains.resize(1);
  PlanRow row;
  row.sequence_id = 99;
  row.slot = 3;
  row.first_position = 10;
  row.num_tokens = 2;
  row.token_offset = 0;
  row.block_offset = 1;
  row.num_blocks = 1;
  row.sample_index = 0;
  row.prompt_logprobs = true;
  row.next_prompt_token = 17;
  plan.domains[0].rows = {row};
  plan.domains[0].token_ids = {11, 12};
  plan.domains[0].block_ids = {6, 7};

  const auto parsed = parse_step_plan(serialize_step_plan(plan));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->step_id, 7u);
  const SlotStart& s = parsed->starts.at(0);
  EXPECT_EQ(s.slot, 3);
  EXPECT_EQ(s.sequence_id, 99u);
  EXPECT_EQ(s.prompt_len, 12);
  EXPECT_EQ(s.pooling, Pooling::kLast);
  EXPECT_EQ(s.prompt_set, 1);
  EXPECT_EQ(s.output_counts, start.output_counts);
  EXPECT_EQ(parsed->prompt_sets, plan.prompt_sets);
  EXPECT_EQ(s.sampling.temperature, 0.5f);
  EXPECT_EQ(s.sampling.top_k, 40);
  EXPECT_EQ(s.sampling.logit_bias, start.sampling.logit_bias);
  EXPECT_EQ(s.sampling.seed, 0xfeedfacecafebeef);
  EXPECT_TRUE(s.sampling.ignore_eos);
  EXPECT_EQ(s.sampling.end_ids, start.sampling.end_ids);
  EXPECT_EQ(s.sampling.stop_token_ids, start.sampling.stop_token_ids);
  EXPECT_EQ(s.sampling.num_prompt_logprobs, 4);
  EXPECT_EQ(parsed->ended_slots, plan.ended_slots);
  const PlanRow& r = parsed->domains.at(0).rows.at(0);
  EXPECT_EQ(r.slot, 3);
  EXPECT_EQ(r.first_position, 10);
  EXPECT_EQ(r.num_tokens, 2);
  EXPECT_EQ(r.token_offset, 0);
  EXPECT_EQ(r.previous_sample, -1);
  EXPECT_EQ(r.block_offset, 1);
  EXPECT_EQ(r.num_blocks, 1);
  EXPECT_EQ(r.sample_index, 0);
  EXPECT_TRUE(r.prompt_logprobs);
  EXPECT_EQ(r.next_prompt_token, 17);
  EXPECT_EQ(parsed->domains[0].token_ids, plan.domains[0].token_ids);
  EXPECT_EQ(parsed->domains[0].block_ids, plan.domains[0].block_ids);
}

TEST(StepPlanTest, RandomPlansRoundTrip) {
  PlanMaker maker(std::random_device{}());
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = serialize_step_plan(maker.make());
    const auto parsed = parse_step_plan(bytes);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_EQ(serialize_step_plan(*parsed), bytes);
  }
}

TEST(StepPlanTest, EveryTruncationAndATailAreRefused) {
  PlanMaker maker(5);
  const std::string bytes = serialize_step_plan(maker.make());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto parsed = parse_step_plan(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(parsed.ok()) << size;
    EXPECT_EQ(parsed.error().code, ErrorCode::kDataLoss);
  }
  EXPECT_FALSE(parse_step_plan(bytes + "x").ok());
}

TEST(StepPlanTest, HugeCountsFailBeforeAnythingIsAllocated) {
  std::string bytes = serialize_step_plan(StepPlan());
  // The count of `starts` follows the magic and the step id.
  for (size_t i = 12; i < 16; ++i) bytes[i] = '\xff';
  const auto parsed = parse_step_plan(bytes);
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().code, ErrorCode::kDataLoss);
}

TEST(StepPlanTest, RandomDamageNeverCrashes) {
  std::mt19937_64 rng(std::random_device{}());
  PlanMaker maker(rng());
  for (int i = 0; i < 500; ++i) {
    std::string bytes = serialize_step_plan(maker.make());
    for (int k = 0; k < 3; ++k) bytes[rng() % bytes.size()] = static_cast<char>(rng());
    const auto parsed = parse_step_plan(bytes);
    if (parsed.ok()) {
      EXPECT_EQ(serialize_step_plan(*parsed), bytes);
    }
  }
}

}  // namespace
}  // namespace hadal
