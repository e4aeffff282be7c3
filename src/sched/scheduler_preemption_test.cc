// Running out of blocks: who gives way, and that it goes on where it stopped.
#include <algorithm>

#include "sched/scheduler_harness.h"

namespace hadal {
namespace {

SchedulerConfig tight_config(int32_t num_blocks, int32_t steps_in_flight = 2) {
  SchedulerConfig config = small_config();
  config.num_blocks = num_blocks;
  config.max_steps_in_flight = steps_in_flight;
  return config;
}

TEST(SchedulerPreemption, AllAnswersAreRightUnderPressure) {
  for (const int32_t depth : {1, 2, 3}) {
    SchedulerHarness h(tight_config(14, depth));
    for (int i = 0; i < 6; ++i) h.submit(prompt_of(5 + i, 100 * i), 30);
    h.run();
    EXPECT_GT(h.scheduler.stats().num_preemptions, 0u);
    for (const auto& [id, request] : h.requests) h.expect_right(id);
    EXPECT_EQ(h.scheduler.stats().blocks_used, 0);
  }
}

TEST(SchedulerPreemption, TheLatestArrivalGivesWay) {
  SchedulerHarness h(tight_config(10, 1));
  const uint64_t first = h.submit(prompt_of(8), 25);
  const uint64_t second = h.submit(prompt_of(8, 100), 25);
  h.run();
  EXPECT_GT(h.scheduler.stats().num_preemptions, 0u);
  EXPECT_EQ(h.finish_order, (std::vector<uint64_t>{first, second}));
  h.expect_right(first);
  h.expect_right(second);
}

TEST(SchedulerPreemption, TheLowestPriorityGivesWayFirst) {
  SchedulerHarness h(tight_config(10, 1));
  Request low = h.make(prompt_of(8), 25);
  low.priority = -1;
  h.submit(low);
  const uint64_t high = h.submit(prompt_of(8, 100), 25);  // arrives later
  h.run();
  EXPECT_EQ(h.finish_order, (std::vector<uint64_t>{high, low.id}));
  h.expect_right(low.id);
  h.expect_right(high);
}

// The tokens that the worker computes tell how much was found again.
TEST(SchedulerPreemption, ResumingReadsWhatIsStillInTheTree) {
  const auto tokens_run = [](bool prefix_cache) {
    SchedulerConfig config = tight_config(16, 1);
    config.prefix_cache = prefix_cache;
    SchedulerHarness h(config);
    h.submit(prompt_of(8), 25);
    h.submit(prompt_of(24, 100), 20);
    h.run();
    EXPECT_GT(h.scheduler.stats().num_preemptions, 0u);
    for (const auto& [id, request] : h.requests) h.expect_right(id);
    return h.worker.num_tokens_run();
  };
  const int64_t needed = 8 + 24 + 24 + 19;
  EXPECT_LT(tokens_run(true), needed + 16);
  EXPECT_GT(tokens_run(false), needed + 24);
}

TEST(SchedulerPreemption, ChunksInFlightAreKeptToo) {
  // The victim is preempted while a chunk of its prompt is in flight: that chunk is not computed again.
  SchedulerConfig config = tight_config(13, 2);
  config.chunked_prefill_size = 8;
  SchedulerHarness h(config);
  h.submit(prompt_of(7), 14);
  h.step();
  h.step();
  h.submit(prompt_of(36, 100), 2);
  std::map<std::pair<uint64_t, int32_t>, int> runs;  // how often each position was computed
  h.on_plan = [&](const StepPlan& plan) {
    for (const PlanRow& row : plan.domains[0].rows) {
      for (int32_t i = 0; i < row.num_tokens; ++i) ++runs[{row.sequence_id, row.first_position + i}];
    }
  };
  h.run();
  for (const auto& [id, request] : h.requests) h.expect_right(id);
  int again = 0;
  for (const auto& [position, count] : runs) again += count - 1;
  EXPECT_LE(again, 8);
}

TEST(SchedulerPreemption, BlocksInFlightAreNotReusedBeforeTheResult) {
  SchedulerHarness h(tight_config(8, 2));
  h.submit(prompt_of(10), 20);
  h.submit(prompt_of(10, 100), 20);
  std::deque<std::pair<uint64_t, std::vector<int32_t>>> in_flight;  // step id, blocks read or written
  bool stalled = false;
  while (!h.scheduler.idle()) {
    while (const auto plan = h.plan()) {
      const DomainPlan& d = plan->domains[0];
      // A block that a sequence gave back is nobody else's while a step that names it is in flight:
      // FakeWorker runs in order and could not tell, so look at the ids.
      for (const auto& [step_id, blocks] : in_flight) {
        for (const PlanRow& row : d.rows) {
          const bool fresh = row.first_position % 4 == 0 && row.num_tokens == 1;
          const int32_t last = d.block_ids[static_cast<size_t>(row.block_offset + row.num_blocks - 1)];
          if (fresh) {
            EXPECT_EQ(std::count(blocks.begin(), blocks.end(), last), 0) << "step " << step_id;
          }
        }
      }
      in_flight.emplace_back(plan->step_id, d.block_ids);
    }
    stalled = stalled || h.scheduler.num_in_flight() == 1;
    ASSERT_TRUE(h.commit());
    in_flight.pop_front();
    h.scheduler.check_integrity();
  }
  EXPECT_TRUE(stalled);
  EXPECT_GT(h.scheduler.stats().num_preemptions, 0u);
  h.expect_right(1);
  h.expect_right(2);
}

TEST(SchedulerPreemption, ATokenSampledWhilePreemptedCounts) {
  // With two steps in flight the victim's last token comes back after it lost its blocks.
  SchedulerHarness h(tight_config(9, 2));
  h.submit(prompt_of(8), 20);
  h.submit(prompt_of(8, 100), 20);
  bool seen = false;
  for (int i = 0; i < 1000 && !h.scheduler.idle(); ++i) {
    const uint64_t before = h.scheduler.stats().num_preemptions;
    const size_t tokens = h.answers[2].tokens.size();
    while (h.plan() != nullptr) {
    }
    const bool preempted = h.scheduler.stats().num_preemptions > before;
    h.commit();
    seen = seen || (preempted && h.answers[2].tokens.size() > tokens);
  }
  EXPECT_TRUE(seen);
  h.expect_right(1);
  h.expect_right(2);
}

Request with_priority(SchedulerHarness& h, int32_t priority, int32_t prompt_len, int32_t max_tokens,
                      int first) {
  Request request = h.make(prompt_of(prompt_len, first), max_tokens);
  request.priority = priority;
  return request;
}

TEST(SchedulerPreemption, AnUrgentRequestTakesTheSlotOfALowerPriority) {
  for (const int32_t depth : {1, 2, 3}) {
    SchedulerConfig config = tight_config(64, depth);
    config.max_running = 2;
    SchedulerHarness h(config);
    const uint64_t low = h.submit(with_priority(h, 0, 8, 30, 0));
    const uint64_t lower = h.submit(with_priority(h, -1, 8, 30, 100));
    h.step();
    h.step();
    const uint64_t urgent = h.submit(with_priority(h, 1, 8, 5, 200));
    const uint64_t second = h.submit(with_priority(h, 1, 8, 40, 300));
    h.step();
    h.step();
    h.step();
    h.step();
    EXPECT_EQ(h.scheduler.stats().num_preemptions, 2u);
    h.run();
    EXPECT_EQ(h.finish_order, (std::vector<uint64_t>{urgent, low, second, lower}));
    EXPECT_EQ(h.scheduler.stats().num_preemptions, 2u);
    for (const auto& [id, request] : h.requests) h.expect_right(id);
  }
}

TEST(SchedulerPreemption, AnUrgentRequestTakesNoMoreBlocksThanItNeeds) {
  SchedulerHarness h(tight_config(18, 2));
  std::vector<uint64_t> low;
  for (int i = 0; i < 3; ++i) low.push_back(h.submit(with_priority(h, 0, 15, 10, 100 * i)));  // 4 blocks each
  h.step();
  const uint64_t urgent = h.submit(with_priority(h, 1, 19, 2, 700));  // 5 blocks
  for (int i = 0; i < 4; ++i) h.step();
  EXPECT_EQ(h.scheduler.stats().num_preemptions, 1u);  // the latest's
  h.run();
  EXPECT_EQ(h.finish_order.front(), urgent);
  EXPECT_EQ(h.finish_order.back(), low[2]);
  for (const auto& [id, request] : h.requests) h.expect_right(id);
}

TEST(SchedulerPreemption, NobodyGivesWayInVain) {
  SchedulerHarness h(tight_config(16, 1));
  const uint64_t big = h.submit(with_priority(h, 1, 40, 8, 0));  // 10 blocks, and not to be had
  const uint64_t low = h.submit(with_priority(h, 0, 8, 8, 100));
  h.step();
  const uint64_t urgent = h.submit(with_priority(h, 1, 40, 2, 300));
  h.step();
  h.step();
  EXPECT_EQ(h.scheduler.stats().num_preemptions, 0u);
  h.run();
  EXPECT_EQ(h.finish_order.back(), urgent);
  for (const uint64_t id : {big, low, urgent}) h.expect_right(id);
}

TEST(SchedulerPreemption, EqualPriorityAndOldRequestsKeepTheirSlots) {
  SchedulerConfig config = tight_config(64, 2);
  config.max_running = 1;
  config.priority_step = std::chrono::milliseconds(100);
  SchedulerHarness h(config);
  const uint64_t old = h.submit(with_priority(h, 0, 8, 20, 0));
  h.step();
  const uint64_t equal = h.submit(with_priority(h, 0, 8, 20, 100));
  h.now += std::chrono::milliseconds(150);
  const uint64_t urgent = h.submit(with_priority(h, 1, 8, 5, 200));  // worth 100 ms, not 150
  h.run();
  EXPECT_EQ(h.finish_order, (std::vector<uint64_t>{old, equal, urgent}));
  EXPECT_EQ(h.scheduler.stats().num_preemptions, 0u);
}

// An urgent one arrives in every step: what was preempted still ends, in its order.
TEST(SchedulerPreemption, AStreamOfUrgentRequestsStarvesNobody) {
  SchedulerConfig config = tight_config(24, 2);
  config.max_running = 3;
  config.priority_step = std::chrono::milliseconds(40);
  SchedulerHarness h(config);
  std::vector<uint64_t> low;
  for (int i = 0; i < 4; ++i) low.push_back(h.submit(with_priority(h, 0, 12, 25, 50 * i)));
  for (int i = 0; i < 300; ++i) {
    if (h.scheduler.stats().num_waiting < 10) h.submit(with_priority(h, 1 + i % 3, 5, 4, 300 + i));
    h.step();
    h.scheduler.check_integrity();
  }
  for (const uint64_t id : low) EXPECT_TRUE(h.answers[id].end.has_value()) << id;
  h.run();
  std::vector<uint64_t> order;
  for (const uint64_t id : h.finish_order) {
    if (std::count(low.begin(), low.end(), id) > 0) order.push_back(id);
  }
  EXPECT_EQ(order, low);
  EXPECT_GT(h.scheduler.stats().num_preemptions, 3u);
  for (const auto& [id, request] : h.requests) h.expect_right(id);
}

TEST(SchedulerPreemption, PenaltiesTakeTheOutputAlong) {
  SchedulerHarness h(tight_config(10, 1));
  h.submit(prompt_of(8), 25);
  Request second = h.make(prompt_of(8, 100), 25);
  second.sampling.presence_penalty = 1;
  h.submit(second);
  int starts = 0;
  h.on_plan = [&](const StepPlan& plan) {
    for (const SlotStart& start : plan.starts) {
      if (start.sequence_id != second.id) continue;
      EXPECT_EQ(plan.prompt_sets.at(static_cast<size_t>(start.prompt_set)), prompt_of(8, 100));
      std::map<int32_t, int32_t> counts;
      for (const int32_t token : h.answers[second.id].tokens) ++counts[token];
      EXPECT_EQ((std::map<int32_t, int32_t>(start.output_counts.begin(), start.output_counts.end())), counts);
      ++starts;
    }
  };
  h.run();
  EXPECT_GT(starts, 1);
}

TEST(SchedulerPreemption, PromptLogprobsAreCompleteAfterwards) {
  SchedulerConfig config = tight_config(13, 2);
  config.chunked_prefill_size = 5;
  SchedulerHarness h(config);
  h.submit(prompt_of(7), 20);
  h.step();
  Request request = h.make(prompt_of(36, 100), 3);
  request.sampling.num_prompt_logprobs = 0;
  h.submit(request);
  h.run();
  EXPECT_GT(h.scheduler.stats().num_preemptions, 0u);
  const Answer& answer = h.answers[request.id];
  ASSERT_EQ(answer.prompt_logprobs.size(), 35u);
  for (const auto& [index, logprob] : answer.prompt_logprobs) {
    EXPECT_EQ(logprob, fake_prompt_logprob(*request.prompt_ids, index));
  }
  h.expect_right(request.id);
}

TEST(SchedulerPreemption, MeanPoolingStartsOver) {
  SchedulerConfig config = tight_config(13, 1);
  config.chunked_prefill_size = 2;
  SchedulerHarness h(config);
  h.submit(prompt_of(7), 20);
  h.step();
  Request request = h.make(prompt_of(36, 100), 1);
  request.pooling = Pooling::kMean;
  h.submit(request);
  h.run();  // FakeWorker aborts when the mean misses a token or counts one twice
  EXPECT_GT(h.scheduler.stats().num_preemptions, 0u);
  EXPECT_EQ(h.answers[request.id].end, SequenceEnd::kEmbedded);
}

TEST(SchedulerPreemption, ManyLongAnswersInASmallPoolAllEnd) {
  SchedulerConfig config = tight_config(20, 2);
  config.max_running = 16;
  config.max_step_samples = 32;
  SchedulerHarness h(config);
  h.check_every_step = false;
  for (int i = 0; i < 60; ++i) h.submit(prompt_of(1 + i % 9, 16 * i), 60);
  h.run();
  EXPECT_GT(h.scheduler.stats().num_preemptions, 20u);
  for (const auto& [id, request] : h.requests) h.expect_right(id);
}

}  // namespace
}  // namespace hadal
