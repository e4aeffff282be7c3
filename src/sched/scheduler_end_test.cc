// How sequences end: tokens, lengths, cancels, deadlines, failures.
#include "sched/scheduler_harness.h"

namespace hadal {
namespace {

using std::chrono::milliseconds;

TEST(SchedulerEnd, EndTokenStopTokenAndMinTokens) {
  SchedulerHarness h;
  Request plain = h.make(prompt_of(6), 12);
  const std::vector<int32_t> tokens = h.expected(plain);
  plain.sampling.end_ids = {tokens[4]};
  const uint64_t by_end = h.submit(plain);

  Request ignoring = h.make(prompt_of(6), 12);
  ignoring.sampling.end_ids = {tokens[4]};
  ignoring.sampling.ignore_eos = true;
  const uint64_t ignored = h.submit(ignoring);

  Request stop = h.make(prompt_of(6), 12);
  stop.sampling.stop_token_ids = {tokens[2]};
  stop.sampling.ignore_eos = true;
  const uint64_t by_stop = h.submit(stop);

  Request min = h.make(prompt_of(6), 12);
  min.sampling.end_ids = {tokens[1]};
  min.sampling.min_tokens = 7;
  const uint64_t late = h.submit(min);

  h.run();
  for (const uint64_t id : {by_end, ignored, by_stop, late}) h.expect_right(id);
  EXPECT_EQ(h.answers[by_end].end, SequenceEnd::kStop);
  EXPECT_EQ(h.answers[by_end].matched_token, tokens[4]);
  EXPECT_EQ(h.answers[by_end].tokens.size(), 5u);
  EXPECT_EQ(h.answers[ignored].end, SequenceEnd::kLength);
  EXPECT_EQ(h.answers[ignored].tokens.size(), 12u);
  EXPECT_EQ(h.answers[ignored].matched_token, std::nullopt);
  EXPECT_EQ(h.answers[by_stop].matched_token, tokens[2]);
  EXPECT_GE(h.answers[late].tokens.size(), 7u);
}

TEST(SchedulerEnd, TheContextLengthCutsTheAnswer) {
  SchedulerConfig config = small_config();
  config.context_length = 20;
  SchedulerHarness h(config);
  const uint64_t id = h.submit(prompt_of(15), 100);
  h.run();
  EXPECT_EQ(h.answers[id].end, SequenceEnd::kLength);
  EXPECT_EQ(h.answers[id].tokens.size(), 5u);
  h.expect_right(id);
}

TEST(SchedulerEnd, CancelWhileWaiting) {
  SchedulerHarness h;
  const uint64_t id = h.submit(prompt_of(6), 5);
  h.scheduler.cancel(id);
  h.take_events();
  EXPECT_EQ(h.answers[id].end, SequenceEnd::kCancelled);
  EXPECT_TRUE(h.scheduler.idle());
  EXPECT_EQ(h.plan(), nullptr);
}

TEST(SchedulerEnd, CancelFreesTheBlocksWithinOneStep) {
  SchedulerHarness h;
  const uint64_t a = h.submit(prompt_of(16), 50);
  const uint64_t b = h.submit(prompt_of(16, 100), 50);
  h.step();
  const int32_t before = h.scheduler.stats().blocks_used;
  h.scheduler.cancel(a);
  h.take_events();
  EXPECT_EQ(h.answers[a].end, SequenceEnd::kCancelled);
  EXPECT_EQ(h.scheduler.stats().num_running, 1);
  EXPECT_EQ(h.scheduler.stats().blocks_used, before);  // the step in flight still names them
  h.commit();
  EXPECT_LE(h.scheduler.stats().blocks_used, before - 4);
  h.run();
  h.expect_right(b);
  const std::vector<int32_t> whole = h.expected(h.requests[a]);
  EXPECT_TRUE(std::equal(h.answers[a].tokens.begin(), h.answers[a].tokens.end(), whole.begin()));
}

TEST(SchedulerEnd, CancelWhilePrefilling) {
  SchedulerConfig config = small_config();
  config.chunked_prefill_size = 8;
  SchedulerHarness h(config);
  const uint64_t id = h.submit(prompt_of(40), 5);
  h.step();
  h.scheduler.cancel(id);
  h.run();
  EXPECT_EQ(h.answers[id].end, SequenceEnd::kCancelled);
  EXPECT_EQ(h.scheduler.stats().blocks_used, 0);
  EXPECT_GT(h.scheduler.stats().blocks_cached, 0);  // what was computed can be used again
}

TEST(SchedulerEnd, CancelWithNothingInFlightFreesAtOnce) {
  SchedulerConfig config = small_config();
  config.max_steps_in_flight = 1;
  SchedulerHarness h(config);
  const uint64_t id = h.submit(prompt_of(16), 50);
  h.step();
  h.scheduler.cancel(id);
  EXPECT_EQ(h.scheduler.stats().blocks_used, 0);
  h.take_events();
  EXPECT_TRUE(h.scheduler.idle());
}

TEST(SchedulerEnd, UnknownAndEndedIdsAreIgnored) {
  SchedulerHarness h;
  h.scheduler.cancel(99);
  const uint64_t id = h.submit(prompt_of(6), 1);
  h.run();
  h.scheduler.cancel(id);
  h.take_events();
  EXPECT_EQ(h.answers[id].end, SequenceEnd::kLength);
}

TEST(SchedulerEnd, TheQueueDeadlineEndsWhatHasNotStarted) {
  SchedulerConfig config = small_config();
  config.max_running = 1;
  SchedulerHarness h(config);
  Request first = h.make(prompt_of(6), 20);
  first.queue_deadline = h.now + milliseconds(50);
  h.submit(first);
  h.step();
  Request second = h.make(prompt_of(6, 100), 5);
  second.queue_deadline = h.now + milliseconds(30);
  h.submit(second);
  EXPECT_EQ(h.scheduler.next_deadline(), second.queue_deadline);  // the first has started: its own is over
  h.scheduler.expire(second.queue_deadline - milliseconds(1));
  h.take_events();
  EXPECT_FALSE(h.answers[second.id].end.has_value());
  h.scheduler.expire(second.queue_deadline);
  h.take_events();
  EXPECT_EQ(h.answers[second.id].end, SequenceEnd::kQueueTimeout);
  EXPECT_EQ(h.scheduler.next_deadline(), std::nullopt);
  h.run();
  h.expect_right(first.id);
}

TEST(SchedulerEnd, TheTotalDeadlineEndsWhatRuns) {
  SchedulerHarness h;
  Request request = h.make(prompt_of(6), 50);
  request.total_deadline = h.now + milliseconds(100);
  h.submit(request);
  for (int i = 0; i < 5; ++i) h.step();
  EXPECT_EQ(h.scheduler.next_deadline(), request.total_deadline);
  h.scheduler.expire(request.total_deadline);
  h.take_events();
  EXPECT_EQ(h.answers[request.id].end, SequenceEnd::kDeadline);
  EXPECT_EQ(h.answers[request.id].tokens.size(), 5u);
  h.run();
  EXPECT_EQ(h.scheduler.stats().blocks_used, 0);
}

TEST(SchedulerEnd, TheTotalDeadlineCountsInTheQueueToo) {
  SchedulerConfig config = small_config();
  config.max_running = 1;
  SchedulerHarness h(config);
  h.submit(prompt_of(6), 20);
  h.step();
  Request waiting = h.make(prompt_of(6, 100), 5);
  waiting.total_deadline = h.now + milliseconds(30);
  waiting.queue_deadline = h.now + milliseconds(60);
  h.submit(waiting);
  EXPECT_EQ(h.scheduler.next_deadline(), waiting.total_deadline);
  h.scheduler.expire(h.now + milliseconds(31));
  h.take_events();
  EXPECT_EQ(h.answers[waiting.id].end, SequenceEnd::kDeadline);
  h.run();
}

TEST(SchedulerEnd, APreemptedSequenceHasNoQueueDeadline) {
  SchedulerConfig config = small_config();
  config.num_blocks = 10;
  SchedulerHarness h(config);
  h.submit(prompt_of(8), 25);
  Request second = h.make(prompt_of(8, 100), 25);
  second.queue_deadline = h.now + milliseconds(30);
  h.submit(second);
  h.step();
  h.now += std::chrono::hours(1);
  while (!h.scheduler.idle()) {
    h.scheduler.expire(h.now);
    h.step();
  }
  EXPECT_GT(h.scheduler.stats().num_preemptions, 0u);
  h.expect_right(second.id);
}

TEST(SchedulerEnd, AbortEndsEverythingWithTheError) {
  SchedulerConfig config = small_config();
  config.max_running = 2;
  SchedulerHarness h(config);
  for (int i = 0; i < 4; ++i) h.submit(prompt_of(6, 100 * i), 20);
  Request forked = h.make(prompt_of(6), 5);
  forked.fork_group = 1;
  h.submit(forked);
  h.step();
  h.plan();
  h.scheduler.abort(make_error(ErrorCode::kUnavailable, "rank 3 is gone"));
  h.drop_results();
  h.take_events();
  EXPECT_TRUE(h.scheduler.idle());
  EXPECT_EQ(h.scheduler.stats().blocks_used, 0);
  h.scheduler.check_integrity();
  for (const auto& [id, request] : h.requests) {
    EXPECT_EQ(h.answers[id].end, SequenceEnd::kFailed);
    ASSERT_TRUE(h.answers[id].error.has_value());
    EXPECT_EQ(h.answers[id].error->message, "rank 3 is gone");
  }
  EXPECT_EQ(h.finish_order.size(), 5u);
}

TEST(SchedulerEnd, NamesOfTheEnds) {
  EXPECT_EQ(sequence_end_name(SequenceEnd::kStop), "stop");
  EXPECT_EQ(sequence_end_name(SequenceEnd::kQueueTimeout), "queue_timeout");
  EXPECT_EQ(sequence_end_name(SequenceEnd::kFailed), "failed");
}

TEST(SchedulerEnd, LogitsThatAreNoNumbersEndThatRequestAlone) {
  SchedulerHarness h;
  const uint64_t broken = h.submit(prompt_of(9), 8);
  const uint64_t fine = h.submit(prompt_of(9, 100), 8);
  const auto first = h.scheduler.plan(h.now);
  StepResult result = h.worker.run(*first);
  for (Sample& sample : result.samples) sample.invalid = sample.sequence_id == broken;
  h.scheduler.commit(std::move(result));
  h.take_events();
  EXPECT_EQ(h.answers[broken].end, SequenceEnd::kFailed);
  ASSERT_TRUE(h.answers[broken].error.has_value());
  EXPECT_NE(h.answers[broken].error->message.find("NaN"), std::string::npos);
  EXPECT_TRUE(h.answers[broken].tokens.empty());
  h.run();
  h.expect_right(fine);
  EXPECT_EQ(h.scheduler.stats().blocks_used, 0);
  const uint64_t again = h.submit(prompt_of(9), 2);
  h.run();
  EXPECT_EQ(h.answers[again].cached_tokens, 0);  // broken keys are not shared
}

}  // namespace
}  // namespace hadal
