#include "sched/sequence.h"

#include <gtest/gtest.h>

#include "kv/block_pool.h"

namespace hadal {
namespace {

Request make_request(std::vector<int32_t> prompt, int32_t max_tokens = 10) {
  Request request;
  request.id = 7;
  request.prompt_ids = std::make_shared<const std::vector<int32_t>>(std::move(prompt));
  request.sampling.max_tokens = max_tokens;
  return request;
}
Sequence make_sequence(const Request& request) {
  return Sequence(request, make_rank(request, std::chrono::seconds(60)),
                  request.prompt_len() + request.sampling.max_tokens);
}
const TimePoint kNow = TimePoint(std::chrono::hours(1));

TEST(Sequence, RunsThroughItsStates) {
  BlockPool pool(4);
  Sequence s = make_sequence(make_request({1, 2, 3}));
  EXPECT_TRUE(s.is<Waiting>());
  EXPECT_EQ(s.run(), nullptr);
  hadal::Run run;
  run.table.push_back(pool.allocate());
  s.admit(std::move(run), kNow);
  ASSERT_TRUE(s.is<Prefilling>());
  EXPECT_EQ(s.prefilling().target, 3);
  s.start_decoding();
  ASSERT_TRUE(s.is<Decoding>());
  EXPECT_EQ(s.run()->table.size(), 1);
  {
    const std::optional<hadal::Run> owned = s.preempt();
    EXPECT_TRUE(s.is<Waiting>());
    EXPECT_EQ(owned->table.size(), 1);
    EXPECT_EQ(pool.num_free(), 3);
  }
  EXPECT_EQ(pool.num_free(), 4);
  EXPECT_FALSE(s.finish(SequenceEnd::kCancelled).has_value());
  EXPECT_TRUE(s.is<Finished>());
}

TEST(Sequence, FinishingGivesItsBlocksAway) {
  BlockPool pool(4);
  Sequence s = make_sequence(make_request({1}));
  hadal::Run run;
  run.table.push_back(pool.allocate());
  s.admit(std::move(run), kNow);
  s.finish(SequenceEnd::kStop);  // the returned Run dies here
  EXPECT_EQ(pool.num_free(), 4);
}

TEST(SequenceDeathTest, IllegalTransitionsNameTheState) {
  Sequence s = make_sequence(make_request({1}));
  EXPECT_DEATH(s.start_decoding(), "starts to decode while it is waiting");
  EXPECT_DEATH(s.preempt(), "which is waiting");
  s.admit(hadal::Run(), kNow);
  EXPECT_DEATH(s.admit(hadal::Run(), kNow), "which is prefilling");
  s.finish(SequenceEnd::kStop);
  EXPECT_DEATH(s.finish(SequenceEnd::kStop), "finishes twice");
  Sequence busy = make_sequence(make_request({1}));
  busy.in_flight().rows = 2;
  EXPECT_DEATH(busy.admit(hadal::Run(), kNow), "2 rows in flight");
}

TEST(Sequence, EndsAtTheLength) {
  Sequence s = make_sequence(make_request({1, 2}, 3));
  EXPECT_EQ(s.append(5), std::nullopt);
  EXPECT_EQ(s.append(5), std::nullopt);
  EXPECT_EQ(s.append(5), SequenceEnd::kLength);
  EXPECT_EQ(s.num_output(), 3);
}

TEST(Sequence, EndTokenWinsOverTheLength) {
  Request request = make_request({1}, 1);
  request.sampling.end_ids = {5};
  Sequence s = make_sequence(request);
  EXPECT_EQ(s.append(5), SequenceEnd::kStop);
}

TEST(Sequence, IgnoreEosLeavesStopTokens) {
  Request request = make_request({1});
  request.sampling.end_ids = {5};
  request.sampling.stop_token_ids = {6};
  request.sampling.ignore_eos = true;
  Sequence s = make_sequence(request);
  EXPECT_EQ(s.append(5), std::nullopt);
  EXPECT_EQ(s.append(6), SequenceEnd::kStop);
}

TEST(Sequence, MinTokensHoldsTheEndBack) {
  Request request = make_request({1});
  request.sampling.end_ids = {5};
  request.sampling.stop_token_ids = {6};
  request.sampling.min_tokens = 2;
  Sequence s = make_sequence(request);
  EXPECT_EQ(s.append(5), std::nullopt);
  EXPECT_EQ(s.append(6), std::nullopt);
  EXPECT_EQ(s.append(5), SequenceEnd::kStop);
}

TEST(Sequence, ReuseLeavesTheLastToken) {
  EXPECT_EQ(make_sequence(make_request({1, 2, 3})).max_reuse(), 2);
  Request mean = make_request({1, 2, 3});
  mean.pooling = Pooling::kMean;
  EXPECT_EQ(make_sequence(mean).max_reuse(), 0);
  Request last = make_request({1, 2, 3});
  last.pooling = Pooling::kLast;
  EXPECT_EQ(make_sequence(last).max_reuse(), 2);
}

TEST(Sequence, PromptLogprobsReuseOnlyWhatWasRead) {
  Request request = make_request({1, 2, 3, 4});
  request.sampling.num_prompt_logprobs = 0;
  Sequence s = make_sequence(request);
  EXPECT_TRUE(s.wants_prompt_logprobs());
  EXPECT_EQ(s.max_reuse(), 0);
  s.mark_prompt_logits_read(2);
  EXPECT_EQ(s.max_reuse(), 2);
  s.mark_prompt_logits_read(1);  // an older row: nothing is unread
  EXPECT_EQ(s.max_reuse(), 2);
  s.mark_prompt_logits_read(4);
  EXPECT_FALSE(s.wants_prompt_logprobs());
  EXPECT_EQ(s.max_reuse(), 3);
}

TEST(Sequence, QueueDeadlineEndsWithTheStart) {
  Request request = make_request({1});
  request.arrival = kNow - std::chrono::seconds(2);
  request.queue_deadline = kNow + std::chrono::seconds(1);
  request.total_deadline = kNow + std::chrono::seconds(5);
  Sequence s = make_sequence(request);
  EXPECT_EQ(s.deadline(), request.queue_deadline);
  s.admit(hadal::Run(), kNow);
  EXPECT_EQ(s.deadline(), request.total_deadline);
  EXPECT_EQ(s.make_event().queue_time, std::chrono::seconds(2));
}

Rank rank_of(int64_t arrival_seconds, int32_t priority, uint64_t id) {
  Request request = make_request({1});
  request.id = id;
  request.priority = priority;
  request.arrival = TimePoint(std::chrono::seconds(arrival_seconds));
  return make_rank(request, std::chrono::seconds(60));
}

TEST(Rank, PriorityThenArrivalThenId) {
  EXPECT_LT(rank_of(100, 0, 1), rank_of(101, 0, 2));
  EXPECT_LT(rank_of(100, 0, 1), rank_of(100, 0, 2));
  EXPECT_LT(rank_of(150, 1, 2), rank_of(100, 0, 1));  // 50 s later, one level higher
  EXPECT_LT(rank_of(100, 0, 1), rank_of(170, 1, 2));  // 70 s later: the old one has waited long enough
  EXPECT_LT(rank_of(200, 2, 2), rank_of(100, 0, 1));
  EXPECT_LT(rank_of(100, 0, 2), rank_of(100, -1, 1));
}

TEST(Rank, ExtremePrioritiesDoNotOverflow) {
  EXPECT_LT(rank_of(1000000, INT32_MAX, 2), rank_of(1, 0, 1));
  EXPECT_LT(rank_of(1000000, 0, 2), rank_of(1, INT32_MIN, 1));
}

}  // namespace
}  // namespace hadal
