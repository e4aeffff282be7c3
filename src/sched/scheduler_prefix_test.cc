// Prefix reuse: what is shared, what is counted, who must not share.
#include "sched/scheduler_harness.h"

namespace hadal {
namespace {

class SchedulerPrefix : public ::testing::Test {
 protected:
  uint64_t run_one(Request request) {
    const uint64_t id = h_.submit(std::move(request));
    h_.run();
    return id;
  }
  int32_t cached(uint64_t id) { return h_.answers[id].cached_tokens; }
  // Blocks of each sequence's newest row.
  void watch_blocks() {
    h_.on_plan = [this](const StepPlan& plan) {
      const DomainPlan& d = plan.domains[0];
      for (const PlanRow& row : d.rows) {
        const auto begin = d.block_ids.begin() + row.block_offset;
        blocks_[row.sequence_id].assign(begin, begin + row.num_blocks);
        first_positions_.emplace(row.sequence_id, row.first_position);
      }
    };
  }

  SchedulerHarness h_;
  std::map<uint64_t, std::vector<int32_t>> blocks_;
  std::map<uint64_t, int32_t> first_positions_;  // of the first row
};

TEST_F(SchedulerPrefix, HitsAreCountedPerRequest) {
  const uint64_t first = run_one(h_.make(prompt_of(21), 3));
  const uint64_t same = run_one(h_.make(prompt_of(21), 3));
  std::vector<int32_t> other = prompt_of(21);
  other[9] = 999;
  const uint64_t partly = run_one(h_.make(other, 3));
  EXPECT_EQ(cached(first), 0);
  EXPECT_EQ(cached(same), 20);
  EXPECT_EQ(cached(partly), 8);
  for (const uint64_t id : {first, same, partly}) h_.expect_right(id);
}

TEST_F(SchedulerPrefix, TheLastPromptTokenIsAlwaysComputed) {
  run_one(h_.make(prompt_of(20), 3));
  const uint64_t same = run_one(h_.make(prompt_of(20), 3));  // five full blocks in the tree
  EXPECT_EQ(cached(same), 16);
  h_.expect_right(same);
  const uint64_t single = run_one(h_.make(prompt_of(1), 3));
  EXPECT_EQ(cached(single), 0);
}

TEST_F(SchedulerPrefix, AnAnswerIsReusedByTheNextTurn) {
  const uint64_t first = run_one(h_.make(prompt_of(10), 12));
  std::vector<int32_t> next = prompt_of(10);
  next.insert(next.end(), h_.answers[first].tokens.begin(), h_.answers[first].tokens.end());
  next.push_back(5);
  const uint64_t second = run_one(h_.make(next, 3));
  EXPECT_EQ(cached(second), 20);  // 10 + 12 tokens, of which the last one's key was never computed
  h_.expect_right(second);
}

TEST_F(SchedulerPrefix, OnlyFullBlocksAreShared) {
  watch_blocks();
  const uint64_t a = h_.submit(prompt_of(10), 20);
  h_.step();
  h_.step();
  const uint64_t b = h_.submit(prompt_of(10), 20);
  h_.step();
  h_.step();
  ASSERT_GE(blocks_[b].size(), 3u);
  EXPECT_EQ(first_positions_[b], 8);
  EXPECT_EQ(blocks_[a][0], blocks_[b][0]);
  EXPECT_EQ(blocks_[a][1], blocks_[b][1]);
  EXPECT_NE(blocks_[a][2], blocks_[b][2]);
  h_.run();
  h_.expect_right(a);
  h_.expect_right(b);
}

TEST_F(SchedulerPrefix, PromptsComputedSideBySideEndUpShared) {
  watch_blocks();
  const uint64_t a = h_.submit(prompt_of(12), 20);
  const uint64_t b = h_.submit(prompt_of(12), 20);  // same step: neither finds the other's blocks
  while (h_.num_steps < 8) h_.step();
  EXPECT_EQ(first_positions_[b], 0);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(blocks_[a][i], blocks_[b][i]);
  h_.run();
  h_.expect_right(a);
  h_.expect_right(b);
}

TEST_F(SchedulerPrefix, SaltsDoNotShare) {
  Request alice = h_.make(prompt_of(20), 3);
  alice.cache_salt = "alice";
  Request bob = h_.make(prompt_of(20), 3);
  bob.cache_salt = "bob";
  Request alice_again = h_.make(prompt_of(20), 3);
  alice_again.cache_salt = "alice";
  EXPECT_EQ(cached(run_one(alice)), 0);
  EXPECT_EQ(cached(run_one(bob)), 0);
  EXPECT_EQ(cached(run_one(alice_again)), 16);
}

TEST_F(SchedulerPrefix, PromptLogprobsComputeTheWholePrompt) {
  run_one(h_.make(prompt_of(20), 3));
  Request request = h_.make(prompt_of(20), 3);
  request.sampling.num_prompt_logprobs = 2;
  const uint64_t id = run_one(request);
  EXPECT_EQ(cached(id), 0);
  ASSERT_EQ(h_.answers[id].prompt_logprobs.size(), 19u);
  for (const auto& [index, logprob] : h_.answers[id].prompt_logprobs) {
    EXPECT_EQ(logprob, fake_prompt_logprob(*request.prompt_ids, index));
  }
  h_.expect_right(id);
}

TEST_F(SchedulerPrefix, PromptLogprobsNeedNoMoreStepsThanThePrompt) {
  SchedulerConfig config = small_config();
  config.max_step_samples = 6;
  SchedulerHarness h(config);
  std::vector<uint64_t> ids;
  int32_t longest = 0;
  h.on_plan = [&](const StepPlan& plan) {
    for (const PlanRow& row : plan.domains[0].rows) longest = std::max(longest, row.num_tokens);
  };
  for (int i = 0; i < 4; ++i) {
    Request request = h.make(prompt_of(17, 100 * i), 6);
    if (i % 2) request.sampling.num_prompt_logprobs = 0;
    ids.push_back(h.submit(request));
  }
  h.run();
  EXPECT_EQ(longest, 17);
  for (size_t i = 0; i < ids.size(); ++i) {
    h.expect_right(ids[i]);
    EXPECT_EQ(h.answers[ids[i]].prompt_logprobs.size(), i % 2 ? 16u : 0u);
  }
}

TEST_F(SchedulerPrefix, EmbeddingsSampleNothing) {
  Request mean = h_.make(prompt_of(10), 1);
  mean.pooling = Pooling::kMean;
  const uint64_t a = run_one(mean);
  ASSERT_EQ(h_.answers[a].embedding.size(), 1u);
  EXPECT_FLOAT_EQ(h_.answers[a].embedding[0], 4.5f);
  EXPECT_EQ(h_.answers[a].end, SequenceEnd::kEmbedded);
  EXPECT_TRUE(h_.answers[a].tokens.empty());
  const uint64_t again = run_one([&] {
    Request r = h_.make(prompt_of(10), 1);
    r.pooling = Pooling::kMean;
    return r;
  }());
  EXPECT_EQ(cached(again), 0);  // every hidden state is needed
  EXPECT_EQ(h_.answers[again].embedding, h_.answers[a].embedding);
  Request last = h_.make(prompt_of(10), 1);
  last.pooling = Pooling::kLast;
  EXPECT_EQ(cached(run_one(last)), 8);  // the last one is enough
}

TEST_F(SchedulerPrefix, LongEmbeddingsAreChunked) {
  SchedulerConfig config = small_config();
  config.chunked_prefill_size = 7;
  SchedulerHarness h(config);
  Request request = h.make(prompt_of(41), 1);
  request.pooling = Pooling::kMean;
  h.submit(request);
  h.run();
  EXPECT_FLOAT_EQ(h.answers[request.id].embedding.at(0), 20.0f);
}

TEST_F(SchedulerPrefix, ForkedRequestsComputeThePromptOnce) {
  std::vector<uint64_t> ids;
  for (uint64_t i = 0; i < 4; ++i) {
    Request request = h_.make(prompt_of(42), 5);
    request.fork_group = 1;
    request.sampling.seed = i;
    ids.push_back(h_.submit(request));
  }
  EXPECT_EQ(h_.scheduler.stats().num_waiting, 4);
  h_.run();
  EXPECT_EQ(cached(ids[0]), 0);
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(cached(ids[i]), 40);
  for (const uint64_t id : ids) h_.expect_right(id);
  EXPECT_NE(h_.answers[ids[0]].tokens, h_.answers[ids[1]].tokens);
  EXPECT_EQ(h_.worker.num_tokens_run(), 42 + 3 * 2 + 4 * 4);
}

TEST_F(SchedulerPrefix, HeldSiblingsDoNotHoldOthersUp) {
  SchedulerConfig config = small_config();
  config.chunked_prefill_size = 8;
  SchedulerHarness h(config);
  for (uint64_t i = 0; i < 2; ++i) {
    Request request = h.make(prompt_of(60), 2);
    request.fork_group = 1;
    h.submit(request);
  }
  const uint64_t other = h.submit(prompt_of(4, 300), 1);
  h.run();
  EXPECT_EQ(h.finish_order.size(), 3u);
  EXPECT_LT(std::find(h.finish_order.begin(), h.finish_order.end(), other) - h.finish_order.begin(), 2);
}

TEST_F(SchedulerPrefix, ASiblingTakesOverFromACancelledLeader) {
  SchedulerConfig config = small_config();
  config.chunked_prefill_size = 8;
  SchedulerHarness h(config);
  std::vector<uint64_t> ids;
  for (uint64_t i = 0; i < 3; ++i) {
    Request request = h.make(prompt_of(42), 5);
    request.fork_group = 7;
    request.sampling.seed = i;
    ids.push_back(h.submit(request));
  }
  h.step();
  h.scheduler.cancel(ids[0]);
  h.run();
  EXPECT_EQ(h.answers[ids[0]].end, SequenceEnd::kCancelled);
  h.expect_right(ids[1]);
  h.expect_right(ids[2]);
  EXPECT_EQ(h.answers[ids[2]].cached_tokens, 40);
}

TEST_F(SchedulerPrefix, SiblingsOfAPreemptedLeaderStartWhenItsPromptIsThere) {
  SchedulerConfig config = small_config();
  config.max_running = 2;
  SchedulerHarness h(config);
  const auto at_priority = [&](std::vector<int32_t> prompt, int32_t max_tokens, int32_t priority) {
    Request request = h.make(std::move(prompt), max_tokens);
    request.priority = priority;
    return request;
  };
  h.submit(at_priority(prompt_of(5, 500), 8, 1));
  Request leader = at_priority(prompt_of(16), 60, 0);  // whole blocks
  leader.fork_group = 1;
  Request sibling = at_priority(prompt_of(16), 2, 0);
  sibling.fork_group = 1;
  h.submit(leader);
  h.submit(sibling);
  h.plan();  // with the leader's whole prompt
  h.submit(at_priority(prompt_of(5, 700), 8, 1));
  h.plan();  // the leader gives way while its prompt is being computed
  EXPECT_EQ(h.scheduler.stats().num_preemptions, 1u);
  h.run();
  ASSERT_EQ(h.finish_order.size(), 4u);
  EXPECT_EQ(h.finish_order.back(), leader.id);
  h.expect_right(leader.id);
  h.expect_right(sibling.id);
}

TEST_F(SchedulerPrefix, BlocksThatTheTreeReplacedLetTheHeadIn) {
  SchedulerConfig config = small_config();
  config.num_blocks = 13;
  SchedulerHarness h(config);
  h.submit(prompt_of(12), 30);
  h.submit(prompt_of(12), 30);  // computes the same three blocks side by side
  h.plan();
  h.plan();
  h.commit();  // one copy of them comes back with the second step
  const uint64_t third = h.submit(prompt_of(20, 300), 2);
  h.plan();
  EXPECT_EQ(h.scheduler.stats().num_queued, 1);
  h.commit();
  h.plan();
  EXPECT_EQ(h.scheduler.stats().num_queued, 0);
  h.run();
  h.expect_right(third);
}

TEST_F(SchedulerPrefix, ShortPromptsDoNotWaitForSiblings) {
  for (int i = 0; i < 3; ++i) {
    Request request = h_.make(prompt_of(4), 5);
    request.fork_group = 1;
    h_.submit(request);
  }
  const auto plan = h_.plan();
  EXPECT_EQ(plan->domains[0].rows.size(), 3u);  // there is no full block to share
  h_.run();
}

TEST_F(SchedulerPrefix, WithoutThePrefixCacheNothingIsKept) {
  SchedulerConfig config = small_config();
  config.prefix_cache = false;
  SchedulerHarness h(config);
  for (int i = 0; i < 2; ++i) {
    const uint64_t id = h.submit(prompt_of(20), 3);
    h.run();
    EXPECT_EQ(h.answers[id].cached_tokens, 0);
  }
  EXPECT_EQ(h.scheduler.stats().blocks_cached, 0);
}

TEST_F(SchedulerPrefix, OldPrefixesMakeRoom) {
  for (int i = 0; i < 40; ++i) {
    const uint64_t id = run_one(h_.make(prompt_of(30, 13 * i), 4));
    h_.expect_right(id);
  }
  const SchedulerStats stats = h_.scheduler.stats();
  EXPECT_EQ(stats.blocks_used, 0);
  EXPECT_GT(stats.blocks_cached, 56);
  EXPECT_EQ(stats.num_preemptions, 0u);
}

}  // namespace
}  // namespace hadal
