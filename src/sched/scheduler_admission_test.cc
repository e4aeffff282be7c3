// Who starts: queue bounds, order, priorities, domains.
#include <gmock/gmock.h>

#include <set>

#include "sched/scheduler_harness.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;

TEST(SchedulerAdmission, TheQueueIsBounded) {
  SchedulerConfig config = small_config();
  config.max_queued = 2;
  config.max_running = 1;
  SchedulerHarness h(config);
  h.submit(prompt_of(4), 3);
  h.step();  // it runs: it is not in the queue any more
  h.submit(prompt_of(4), 3);
  h.submit(prompt_of(4), 3);
  const Status full = h.scheduler.submit(h.make(prompt_of(4), 3));
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(full.to_string(), HasSubstr("2 requests are waiting"));
  h.run();
  EXPECT_EQ(h.finish_order.size(), 3u);
}

TEST(SchedulerAdmission, ImpossibleRequestsAreRefused) {
  SchedulerHarness h;
  EXPECT_EQ(h.scheduler.submit(h.make(prompt_of(250), 3)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(h.scheduler.idle());
}

TEST(SchedulerAdmission, FirstComeFirstServed) {
  SchedulerConfig config = small_config();
  config.max_running = 1;
  SchedulerHarness h(config);
  std::vector<uint64_t> order;
  for (int i = 0; i < 5; ++i) order.push_back(h.submit(prompt_of(4, i), 2));
  h.run();
  EXPECT_EQ(h.finish_order, order);
}

TEST(SchedulerAdmission, HigherPriorityGoesFirst) {
  SchedulerConfig config = small_config();
  config.max_running = 1;
  SchedulerHarness h(config);
  std::vector<uint64_t> ids;
  for (const int32_t priority : {0, -1, 2, 0, 2}) {
    Request request = h.make(prompt_of(4, 10 * priority + 50), 2);
    request.priority = priority;
    ids.push_back(h.submit(request));
  }
  h.run();
  EXPECT_EQ(h.finish_order, (std::vector<uint64_t>{ids[2], ids[4], ids[0], ids[3], ids[1]}));
}

TEST(SchedulerAdmission, UrgentRequestsCannotStarveAnOldOne) {
  SchedulerConfig config = small_config();
  config.max_running = 1;
  config.priority_step = std::chrono::milliseconds(100);
  SchedulerHarness h(config);
  const uint64_t running = h.submit(prompt_of(4), 2);
  h.plan();
  const uint64_t old = h.submit(prompt_of(4, 50), 2);
  int before_old = 0;
  for (int i = 0; i < 400 && !h.answers[old].end; ++i) {
    Request urgent = h.make(prompt_of(4, 100 + i), 2);  // one arrives for each one that ends
    urgent.priority = 1;
    h.submit(urgent);
    while (h.finish_order.size() < static_cast<size_t>(i + 1)) h.step();
    ++before_old;
  }
  EXPECT_TRUE(h.answers[old].end.has_value());
  EXPECT_GT(before_old, 50);
  EXPECT_LT(before_old, 110);  // 100 ms at one arrival per millisecond
  h.run();
  h.expect_right(running);
}

TEST(SchedulerAdmission, TheHeadOfTheLineIsNotOvertaken) {
  SchedulerConfig config = small_config();
  config.num_blocks = 12;
  SchedulerHarness h(config);
  const uint64_t big = h.submit(prompt_of(28), 12);  // 7 blocks, grows to 10
  h.step();
  const uint64_t bigger = h.submit(prompt_of(30, 100), 2);  // 8 blocks: must wait
  const uint64_t small = h.submit(prompt_of(3, 300), 2);    // would fit
  h.run();
  EXPECT_EQ(h.finish_order, (std::vector<uint64_t>{big, bigger, small}));
  for (const uint64_t id : {big, bigger, small}) h.expect_right(id);
}

TEST(SchedulerAdmission, KeepsABlockForEachRunningSequence) {
  SchedulerConfig config = small_config();
  config.num_blocks = 10;
  SchedulerHarness h(config);
  h.submit(prompt_of(15), 20);  // 4 blocks
  h.step();
  const uint64_t second = h.submit(prompt_of(23, 100), 2);  // 6 blocks: all that is left, so not yet
  h.step();
  EXPECT_EQ(h.scheduler.stats().num_running, 1);
  EXPECT_EQ(h.scheduler.stats().num_queued, 1);
  h.run();
  h.expect_right(second);
  EXPECT_EQ(h.scheduler.stats().num_preemptions, 0u);
}

TEST(SchedulerAdmission, AloneARequestMayTakeEverything) {
  SchedulerConfig config = small_config();
  config.num_blocks = 5;
  SchedulerHarness h(config);
  const uint64_t a = h.submit(prompt_of(10), 11);  // exactly 20 cached tokens
  const uint64_t b = h.submit(prompt_of(10, 100), 11);
  h.run();
  h.expect_right(a);
  h.expect_right(b);
}

TEST(SchedulerAdmission, QueueTimeIsReported) {
  SchedulerHarness h;
  Request request = h.make(prompt_of(4), 1);
  h.submit(request);
  h.now = request.arrival + std::chrono::milliseconds(250);
  h.plan();
  h.now += std::chrono::seconds(1);
  h.run();
  EXPECT_EQ(h.answers[request.id].queue_time, std::chrono::milliseconds(250));
}

TEST(SchedulerDomains, TheLongestPrefixWinsThenTheLoad) {
  SchedulerConfig config = small_config();
  config.num_domains = 2;
  SchedulerHarness h(config);
  std::map<uint64_t, size_t> domain_of;
  h.on_plan = [&](const StepPlan& plan) {
    for (size_t d = 0; d < plan.domains.size(); ++d) {
      for (const PlanRow& row : plan.domains[d].rows) {
        const auto [it, added] = domain_of.emplace(row.sequence_id, d);
        EXPECT_EQ(it->second, d) << "a sequence lives in one domain";
      }
    }
  };
  const uint64_t a = h.submit(prompt_of(12), 20);
  const uint64_t b = h.submit(prompt_of(12, 100), 20);
  h.step();
  EXPECT_NE(domain_of[a], domain_of[b]);  // by load
  const uint64_t like_b = h.submit(prompt_of(14, 100), 20);
  h.step();
  h.step();
  EXPECT_EQ(domain_of[like_b], domain_of[b]);  // by prefix
  EXPECT_EQ(h.answers[like_b].cached_tokens, 12);
  const uint64_t other = h.submit(prompt_of(12, 300), 2);
  h.run();
  EXPECT_EQ(domain_of[other], domain_of[a]);  // it had fewer
  for (const auto& [id, request] : h.requests) h.expect_right(id);
}

TEST(SchedulerDomains, AFullDomainLeavesTheOther) {
  SchedulerConfig config = small_config();
  config.num_domains = 2;
  config.num_blocks = 10;
  SchedulerHarness h(config);
  std::set<size_t> used;
  h.on_plan = [&](const StepPlan& plan) {
    for (size_t d = 0; d < 2; ++d) {
      if (!plan.domains[d].rows.empty()) used.insert(d);
    }
  };
  h.submit(prompt_of(30), 8);
  h.step();
  h.submit(prompt_of(30), 8);  // same prompt, but no room beside the first one
  h.step();
  EXPECT_EQ(h.scheduler.stats().num_running, 2);
  h.run();
  EXPECT_EQ(used.size(), 2u);
  h.expect_right(1);
  h.expect_right(2);
}

TEST(SchedulerDomains, SamplesAreNumberedOverAllDomains) {
  SchedulerConfig config = small_config();
  config.num_domains = 3;
  SchedulerHarness h(config);
  for (int i = 0; i < 6; ++i) h.submit(prompt_of(5, 100 * i), 8);
  const auto plan = h.plan();
  EXPECT_EQ(plan->num_samples(), 6);
  h.run();
  for (const auto& [id, request] : h.requests) h.expect_right(id);
}

}  // namespace
}  // namespace hadal
