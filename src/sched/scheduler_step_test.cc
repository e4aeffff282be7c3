// What a step holds: chunks, budgets, order, overlap, slots.
#include "sched/scheduler_harness.h"

namespace hadal {
namespace {

const std::vector<PlanRow>& rows_of(const std::shared_ptr<const StepPlan>& plan) {
  return plan->domains.at(0).rows;
}

TEST(SchedulerStep, OneRequestIsAnswered) {
  SchedulerHarness h;
  const uint64_t id = h.submit(prompt_of(10), 5);
  h.run();
  h.expect_right(id);
  EXPECT_EQ(h.answers[id].end, SequenceEnd::kLength);
  EXPECT_EQ(h.num_steps, 5);  // the prompt, then four tokens
}

TEST(SchedulerStep, NothingToDoPlansNothing) {
  SchedulerHarness h;
  EXPECT_EQ(h.plan(), nullptr);
  EXPECT_TRUE(h.scheduler.idle());
  EXPECT_EQ(h.scheduler.next_deadline(), std::nullopt);
}

TEST(SchedulerStep, LongPromptsAreCutIntoChunks) {
  SchedulerConfig config = small_config();
  config.chunked_prefill_size = 16;
  SchedulerHarness h(config);
  const uint64_t id = h.submit(prompt_of(40), 2);
  std::vector<int32_t> sizes;
  std::vector<int32_t> samples;
  h.on_plan = [&](const StepPlan& plan) {
    sizes.push_back(plan.domains[0].rows[0].num_tokens);
    samples.push_back(plan.domains[0].rows[0].sample_index);
  };
  h.run();
  EXPECT_EQ(sizes, (std::vector<int32_t>{16, 16, 8, 1}));
  EXPECT_EQ(samples, (std::vector<int32_t>{-1, -1, 0, 0}));
  h.expect_right(id);
}

TEST(SchedulerStep, DecodesComeFirstAndPromptsFillTheRest) {
  SchedulerConfig config = small_config();
  config.max_step_tokens = 20;
  SchedulerHarness h(config);
  const uint64_t a = h.submit(prompt_of(8), 30);
  const uint64_t b = h.submit(prompt_of(8, 100), 30);
  h.step();
  const uint64_t c = h.submit(prompt_of(50, 200), 3);
  h.step();
  const auto plan = h.plan();
  ASSERT_NE(plan, nullptr);
  const auto& rows = rows_of(plan);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].sequence_id, a);
  EXPECT_EQ(rows[1].sequence_id, b);
  EXPECT_EQ(rows[2].sequence_id, c);
  EXPECT_EQ(rows[2].num_tokens, 18);
  EXPECT_EQ(plan->num_tokens(), 20);
  h.run();
  for (const uint64_t id : {a, b, c}) h.expect_right(id);
}

TEST(SchedulerStep, ChunkSizeBoundsAllPromptsOfAStepTogether) {
  SchedulerConfig config = small_config();
  config.chunked_prefill_size = 12;
  SchedulerHarness h(config);
  h.submit(prompt_of(8), 1);
  h.submit(prompt_of(20, 100), 1);
  const auto plan = h.plan();
  ASSERT_EQ(rows_of(plan).size(), 2u);
  EXPECT_EQ(rows_of(plan)[0].num_tokens, 8);
  EXPECT_EQ(rows_of(plan)[1].num_tokens, 4);
  h.run();
}

TEST(SchedulerStep, TheOlderPromptIsFinishedFirst) {
  SchedulerConfig config = small_config();
  config.chunked_prefill_size = 10;
  SchedulerHarness h(config);
  const uint64_t a = h.submit(prompt_of(25), 1);
  const uint64_t b = h.submit(prompt_of(25, 100), 1);
  h.run();
  EXPECT_EQ(h.finish_order, (std::vector<uint64_t>{a, b}));
  EXPECT_EQ(h.num_steps, 5);
}

TEST(SchedulerStep, MaxRunningBoundsTheSlots) {
  SchedulerConfig config = small_config();
  config.max_running = 3;
  SchedulerHarness h(config);
  for (int i = 0; i < 7; ++i) h.submit(prompt_of(4, i * 50), 4);
  int32_t most = 0;
  h.on_plan = [&](const StepPlan&) { most = std::max(most, h.scheduler.stats().num_running); };
  h.run();
  EXPECT_EQ(most, 3);
  for (const auto& [id, request] : h.requests) h.expect_right(id);
}

TEST(SchedulerStep, MaxStepSamplesBoundsTheRows) {
  SchedulerConfig config = small_config();
  config.max_step_samples = 2;  // the worker aborts on more
  SchedulerHarness h(config);
  for (int i = 0; i < 6; ++i) h.submit(prompt_of(4, i * 50), 6);
  h.run();
  for (const auto& [id, request] : h.requests) h.expect_right(id);
}

TEST(SchedulerStep, ATinyTokenBudgetStillMakesProgress) {
  SchedulerConfig config = small_config();
  config.max_step_tokens = 2;
  SchedulerHarness h(config);
  for (int i = 0; i < 3; ++i) h.submit(prompt_of(9, i * 50), 5);
  h.run();
  for (const auto& [id, request] : h.requests) h.expect_right(id);
}

TEST(SchedulerStep, NextStepReadsTheTokenOnTheDevice) {
  SchedulerHarness h;
  h.submit(prompt_of(6), 4);
  const auto first = h.plan();
  const auto second = h.plan();  // before the first one's result
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(h.plan(), nullptr);  // two are in flight
  const PlanRow& row = rows_of(second)[0];
  EXPECT_EQ(row.token_offset, -1);
  EXPECT_EQ(row.previous_sample, 0);
  EXPECT_EQ(row.first_position, 6);
  EXPECT_TRUE(second->domains[0].token_ids.empty());
  h.run();
  h.expect_right(1);
}

TEST(SchedulerStep, WithoutOverlapTheTokenIsInThePlan) {
  SchedulerConfig config = small_config();
  config.max_steps_in_flight = 1;
  SchedulerHarness h(config);
  h.submit(prompt_of(6), 4);
  h.step();
  const auto second = h.plan();
  const PlanRow& row = rows_of(second)[0];
  EXPECT_EQ(row.token_offset, 0);
  EXPECT_EQ(second->domains[0].token_ids, h.answers[1].tokens);
  h.run();
  h.expect_right(1);
}

TEST(SchedulerStep, ManyStepsInFlightGiveTheSameTokens) {
  for (const int32_t depth : {1, 2, 3, 5}) {
    SchedulerConfig config = small_config();
    config.max_steps_in_flight = depth;
    SchedulerHarness h(config);
    for (int i = 0; i < 5; ++i) h.submit(prompt_of(11 + i, i * 50), 9);
    h.run();
    for (const auto& [id, request] : h.requests) h.expect_right(id);
  }
}

TEST(SchedulerStep, NoRowBeyondTheLastToken) {
  SchedulerHarness h;
  h.submit(prompt_of(6), 2);
  EXPECT_NE(h.plan(), nullptr);
  EXPECT_NE(h.plan(), nullptr);
  h.commit();
  EXPECT_EQ(h.plan(), nullptr);  // the second token is being sampled, a third is not wanted
  h.run();
  EXPECT_EQ(h.num_steps, 2);
}

TEST(SchedulerStep, ARowAfterTheEndIsDiscarded) {
  SchedulerHarness h;
  Request request = h.make(prompt_of(6), 10);
  request.sampling.end_ids = {h.expected(request)[0]};
  const uint64_t id = h.submit(request);
  h.plan();
  const auto second = h.plan();
  ASSERT_EQ(rows_of(second).size(), 1u);
  h.commit();  // the first token is the end
  EXPECT_EQ(h.answers[id].end, SequenceEnd::kStop);
  EXPECT_GT(h.scheduler.stats().blocks_used, 0);  // step 2 still runs on its blocks
  EXPECT_FALSE(h.scheduler.idle());
  h.commit();
  EXPECT_EQ(h.scheduler.stats().blocks_used, 0);
  EXPECT_EQ(h.answers[id].tokens.size(), 1u);
  EXPECT_TRUE(h.scheduler.idle());
}

TEST(SchedulerStep, SlotsAreStartedAndEndedOnce) {
  SchedulerConfig config = small_config();
  config.max_running = 1;
  SchedulerHarness h(config);
  Request request = h.make(prompt_of(6), 2);
  request.sampling.temperature = 0.5f;
  request.sampling.top_k = 9;
  h.submit(request);
  h.submit(prompt_of(7, 300), 1);
  const auto first = h.plan();
  ASSERT_EQ(first->starts.size(), 1u);
  EXPECT_EQ(first->starts[0].sequence_id, request.id);
  EXPECT_EQ(first->starts[0].prompt_len, 6);
  EXPECT_EQ(first->starts[0].sampling.top_k, 9);
  EXPECT_EQ(first->starts[0].prompt_set, -1);
  EXPECT_TRUE(first->ended_slots.empty());
  const auto second = h.plan();
  EXPECT_TRUE(second->starts.empty());
  h.commit();
  h.commit();
  const auto third = h.plan();
  EXPECT_EQ(third->ended_slots, (std::vector<int32_t>{0}));
  ASSERT_EQ(third->starts.size(), 1u);
  EXPECT_EQ(third->starts[0].slot, 0);
  h.run();
}

TEST(SchedulerStep, PenaltiesTakeTheTokensAlong) {
  SchedulerHarness h;
  Request request = h.make(prompt_of(6), 2);
  request.sampling.frequency_penalty = 0.1f;
  h.submit(request);
  const auto plan = h.plan();
  ASSERT_EQ(plan->starts[0].prompt_set, 0);
  EXPECT_EQ(plan->prompt_sets, std::vector<std::vector<int32_t>>{prompt_of(6)});
  EXPECT_TRUE(plan->starts[0].output_counts.empty());
  h.run();
}

TEST(SchedulerStep, SiblingsShareTheirPromptsTokens) {
  SchedulerConfig config = small_config();
  config.max_step_tokens = 200;
  SchedulerHarness h(config);
  Request request = h.make(std::vector<int32_t>(50, 5), 2);
  request.sampling.repetition_penalty = 1.1f;
  request.fork_group = 3;
  const auto prompt = request.prompt_ids;
  for (int i = 0; i < 4; ++i) {
    Request copy = request;
    if (i > 0) copy.id = h.make({1}, 1).id;
    copy.prompt_ids = prompt;
    h.submit(copy);
  }
  size_t most_starts = 0;
  h.on_plan = [&](const StepPlan& plan) {
    most_starts = std::max(most_starts, plan.starts.size());
    if (plan.starts.empty()) return;
    EXPECT_EQ(plan.prompt_sets, std::vector<std::vector<int32_t>>{{5}});
    EXPECT_LT(serialize_step_plan(plan).size(), 2000u);
  };
  h.run();
  EXPECT_GE(most_starts, 3u);
  for (const auto& [id, r] : h.requests) h.expect_right(id);
}

TEST(SchedulerStep, WhatStartsInOneStepIsBounded) {
  SchedulerConfig config = small_config();
  config.num_blocks = 4000;
  config.block_size = 1000;
  config.max_running = 100;
  config.max_step_tokens = 4000000;
  config.max_step_samples = 200;
  config.context_length = 30000;
  config.vocab_size = 30000;
  SchedulerHarness h(config, false);
  h.check_every_step = false;
  std::vector<int32_t> prompt(20000);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int32_t>(i);
  for (int i = 0; i < 60; ++i) {
    prompt[0] = i;
    Request request = h.make(prompt, 2);
    request.sampling.frequency_penalty = 0.5f;
    h.submit(request);
  }
  h.on_plan = [&](const StepPlan& plan) { EXPECT_LE(plan.starts.size(), 14u); };
  h.run();
  EXPECT_EQ(h.finish_order.size(), 60u);
}

TEST(SchedulerStep, RowsNameJustTheBlocksTheyNeed) {
  SchedulerConfig config = small_config();
  config.chunked_prefill_size = 6;
  SchedulerHarness h(config);
  h.submit(prompt_of(14), 1);
  std::vector<int32_t> blocks;
  h.on_plan = [&](const StepPlan& plan) { blocks.push_back(plan.domains[0].rows[0].num_blocks); };
  h.run();
  EXPECT_EQ(blocks, (std::vector<int32_t>{2, 3, 4}));
}

TEST(SchedulerDeathTest, ResultsComeInOrder) {
  SchedulerHarness h;
  h.submit(prompt_of(6), 4);
  h.plan();
  StepResult result;
  result.step_id = 2;
  EXPECT_DEATH(h.scheduler.commit(result), "not that of the oldest step");
  result.step_id = 1;
  EXPECT_DEATH(h.scheduler.commit(result), "has no sample 0");
}

}  // namespace
}  // namespace hadal
