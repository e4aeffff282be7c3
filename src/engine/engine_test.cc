// One request, or a few: what comes out of the sinks.
#include "engine/engine_test_kit.h"

namespace hadal {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

TEST_F(EngineTest, AnswersARequest) {
  start();
  const GenerateRequest request = make(10, 8, 300);
  const auto sink = submit(request);
  const OutputDelta& last = sink->wait();
  EXPECT_EQ(last.finish, FinishReason::kLength);
  EXPECT_FALSE(last.error.has_value());
  EXPECT_EQ(sink->token_ids(), expected(request));
  EXPECT_EQ(sink->content(), text_of(expected(request)));
  EXPECT_EQ(last.usage.prompt_tokens, 10);
  EXPECT_EQ(last.usage.completion_tokens, 8);
  EXPECT_EQ(last.usage.cached_tokens, 0);
  EXPECT_EQ(sink->num_deltas(), 8);
}

TEST_F(EngineTest, EndTokenIsCountedButNotShown) {
  start();
  GenerateRequest request = make(10, 8, 300);
  const std::vector<int32_t> tokens = expected(request);
  request.sampling.end_ids = {tokens[3]};
  const auto sink = submit(request);
  const OutputDelta& last = sink->wait();
  EXPECT_EQ(last.finish, FinishReason::kStop);
  EXPECT_EQ(last.matched_token, tokens[3]);
  EXPECT_EQ(last.usage.completion_tokens, 4);
  EXPECT_EQ(sink->content(), text_of({tokens.begin(), tokens.begin() + 3}));
  request.include_stop = true;
  const auto with_stop = submit(request);
  with_stop->wait();
  EXPECT_EQ(with_stop->content(), text_of({tokens.begin(), tokens.begin() + 4}));
}

TEST_F(EngineTest, StopStringsEndTheAnswerAcrossTokens) {
  start();
  GenerateRequest request = make(10, 30, 300);
  const std::string whole = text_of(expected(request));
  const size_t at = whole.find(" w", 20) + 3;  // from the middle of one token into the next
  request.stop = {"never", whole.substr(at, 6)};
  const auto sink = submit(request);
  const OutputDelta& last = sink->wait();
  EXPECT_EQ(last.finish, FinishReason::kStop);
  EXPECT_EQ(last.matched_stop, request.stop[1]);
  EXPECT_EQ(sink->content(), whole.substr(0, whole.find(request.stop[1])));
  EXPECT_LT(last.usage.completion_tokens, 30);
  wait_for([](const EngineStats& stats) { return stats.num_running == 0 && stats.blocks_used == 0; });
}

TEST_F(EngineTest, TextHeldBackForAStopStringComesOutAtTheEnd) {
  start();
  GenerateRequest request = make(10, 5, 300);
  const std::string whole = text_of(expected(request));
  request.stop = {whole.substr(whole.size() - 3) + "more"};
  const auto sink = submit(request);
  EXPECT_EQ(sink->wait().finish, FinishReason::kLength);
  EXPECT_EQ(sink->content(), whole);
}

TEST_F(EngineTest, CachedTokensAreReported) {
  start();
  submit(make(21, 2, 300))->wait();
  EXPECT_EQ(submit(make(21, 2, 300))->wait().usage.cached_tokens, 20);
}

TEST_F(EngineTest, PromptLogprobsComeWithTheFirstDelta) {
  start();
  GenerateRequest request = make(12, 3, 300);
  request.sampling.num_prompt_logprobs = 0;
  const auto sink = submit(request);
  sink->wait();
  ASSERT_EQ(sink->prompt_tokens().size(), 11u);
  for (int32_t i = 1; i < 12; ++i) {
    const TokenInfo& info = sink->prompt_tokens()[static_cast<size_t>(i) - 1];
    EXPECT_EQ(info.id, (*request.prompt_ids)[static_cast<size_t>(i)]);
    EXPECT_EQ(info.logprob, fake_prompt_logprob(*request.prompt_ids, i));
  }
}

TEST_F(EngineTest, EmbeddingsComeInOneDelta) {
  start();
  GenerateRequest request = make(5, 1, 10);
  request.pooling = Pooling::kMean;
  const auto sink = submit(request);
  const OutputDelta& last = sink->wait();
  EXPECT_EQ(last.finish, FinishReason::kStop);
  EXPECT_EQ(last.embedding, std::vector<float>{12.0f});
  EXPECT_EQ(last.usage.prompt_tokens, 5);
  EXPECT_EQ(last.usage.completion_tokens, 0);
  EXPECT_EQ(sink->num_deltas(), 1);
}

TEST_F(EngineTest, ForkedRequestsShareThePrompt) {
  start();
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  GenerateRequest request = make(41, 4, 300);
  request.fork_group = 1;
  for (uint64_t i = 0; i < 3; ++i) {
    request.sampling.seed = i;
    sinks.push_back(submit(request));
  }
  EXPECT_EQ(sinks[0]->wait().usage.cached_tokens, 0);
  EXPECT_EQ(sinks[1]->wait().usage.cached_tokens, 40);
  EXPECT_EQ(sinks[2]->wait().usage.cached_tokens, 40);
}

TEST_F(EngineTest, ImpossibleRequestsAreRefusedAtOnce) {
  start();
  const auto sink = std::make_shared<CollectingSink>();
  const Result<RequestId> long_prompt = engine_->submit(make(500, 1), sink);
  ASSERT_FALSE(long_prompt.ok());
  EXPECT_EQ(long_prompt.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(long_prompt.error().message, HasSubstr("101 more than fit"));
  EXPECT_FALSE(sink->finished());
  EXPECT_THAT(registry_.to_text(), HasSubstr("hadal_requests_total{outcome=\"refused\"} 1"));
}

TEST_F(EngineTest, TheQueueIsBounded) {
  ExecutorLimits limits = fake_limits();
  limits.max_slots = 1;
  EngineOptions options;
  options.max_queued = 2;
  start(limits, options);
  executor_->hold();
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  sinks.push_back(submit(make(5, 4)));
  wait_for([](const EngineStats& stats) { return stats.num_running == 1; });
  sinks.push_back(submit(make(5, 4)));
  sinks.push_back(submit(make(5, 4)));
  const Result<RequestId> full = engine_->submit(make(5, 4), std::make_shared<CollectingSink>());
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kResourceExhausted);
  executor_->release();
  for (const auto& sink : sinks) EXPECT_EQ(sink->wait().finish, FinishReason::kLength);
}

TEST_F(EngineTest, CancelAnswersAtOnceAndFreesTheBlocks) {
  start();
  executor_->hold();
  RequestId id = 0;
  const auto sink = submit(make(40, 50), &id);
  executor_->wait_until_held();
  engine_->cancel(id, CancelReason::kClientGone);
  engine_->cancel(id, CancelReason::kClientGone);
  engine_->cancel(id + 100, CancelReason::kClientGone);
  EXPECT_EQ(sink->wait().finish, FinishReason::kCancelled);  // though the step still runs
  executor_->release();
  wait_for([](const EngineStats& stats) { return stats.blocks_used == 0; });
  EXPECT_THAT(registry_.to_text(), HasSubstr("hadal_cancellations_total{reason=\"client_gone\"} 1"));
}

TEST_F(EngineTest, DeadlinesWakeTheEngine) {
  start();
  executor_->hold();
  GenerateRequest total = make(5, 4);
  total.total_timeout = milliseconds(20);
  const auto late = submit(total);
  EXPECT_EQ(late->wait().finish, FinishReason::kDeadline);  // nothing else happens meanwhile
  ASSERT_TRUE(late->wait().error.has_value());
  EXPECT_EQ(late->wait().error->code, ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(late->wait().error->message, HasSubstr("before its first token"));
  EXPECT_THAT(registry_.to_text(), HasSubstr("hadal_cancellations_total{reason=\"deadline\"} 1"));
}

TEST_F(EngineTest, DeadlinesCountFromTheArrivalThatTheOrderNames) {
  start();
  executor_->hold();
  GenerateRequest old = make(5, 4);
  old.arrival = std::chrono::steady_clock::now() - std::chrono::hours(1);
  old.total_timeout = std::chrono::minutes(59);
  EXPECT_EQ(submit(old)->wait().finish, FinishReason::kDeadline);
  executor_->release();
  old.total_timeout = std::chrono::hours(2);
  EXPECT_EQ(submit(old)->wait().finish, FinishReason::kLength);
}

TEST_F(EngineTest, DefaultQueueTimeoutEndsWhatDoesNotStart) {
  ExecutorLimits limits = fake_limits();
  limits.max_slots = 1;
  EngineOptions options;
  options.queue_timeout = milliseconds(20);
  start(limits, options);
  executor_->hold();
  const auto running = submit(make(5, 4));
  wait_for([](const EngineStats& stats) { return stats.num_running == 1; });
  const auto waiting = submit(make(5, 4));
  EXPECT_EQ(waiting->wait().finish, FinishReason::kDeadline);
  EXPECT_THAT(waiting->wait().error->message, HasSubstr("in the queue"));
  executor_->release();
  EXPECT_EQ(running->wait().finish, FinishReason::kLength);
}

TEST_F(EngineTest, ARunningRequestPastItsDeadlineKeepsItsText) {
  FakeExecutor::Options slow;
  slow.step_time = std::chrono::milliseconds(2);
  start(fake_limits(), {}, slow);
  GenerateRequest request = make(5, 390, 300);
  request.total_timeout = milliseconds(150);
  const auto sink = submit(request);
  const OutputDelta& last = sink->wait();
  EXPECT_EQ(last.finish, FinishReason::kDeadline);
  if (last.usage.completion_tokens > 0) {
    EXPECT_FALSE(last.error.has_value());
    EXPECT_EQ(text_of(expected(request)).find(sink->content()), 0u);
  }
}

TEST_F(EngineTest, PrioritiesReachTheScheduler) {
  ExecutorLimits limits = fake_limits();
  limits.max_slots = 1;
  start(limits);
  executor_->hold();
  const auto first = submit(make(5, 4));
  wait_for([](const EngineStats& stats) { return stats.num_running == 1; });
  GenerateRequest low = make(5, 40, 300);
  low.priority = -1;
  std::string order;
  const auto last = submit(low, nullptr, [&] { order += "low "; });
  const auto urgent = submit(make(5, 4, 500), nullptr, [&] { order += "urgent "; });
  executor_->release();
  urgent->wait();
  last->wait();
  engine_->stop();
  EXPECT_EQ(order, "urgent low ");
}

TEST_F(EngineTest, TheHookFollowsEachBatch) {
  limits_ = fake_limits();
  tokenizer_ = std::make_shared<FakeTokenizer>(limits_.vocab_size, 128);
  executor_ = std::make_unique<FakeExecutor>(limits_, FakeExecutor::Options{});
  engine_ = std::move(Engine::make(limits_, {}, *executor_, tokenizer_, registry_)).value();
  std::atomic<int> calls = 0;
  engine_->set_step_end_hook([&] { ++calls; });
  engine_->start();
  submit(make(5, 6))->wait();
  engine_->stop();
  EXPECT_GE(calls.load(), 3);  // a turn may bring the tokens of two steps
}

TEST_F(EngineTest, BadLimitsAreRefused) {
  ExecutorLimits limits = fake_limits();
  limits.num_blocks = 0;
  FakeExecutor executor(fake_limits(), {});
  const auto engine = Engine::make(limits, {}, executor, nullptr, registry_);
  ASSERT_FALSE(engine.ok());
  EXPECT_THAT(engine.error().message, HasSubstr("num_blocks"));
}

TEST_F(EngineTest, MetricsTellWhatHappened) {
  start();
  submit(make(21, 5, 300))->wait();
  submit(make(21, 5, 300))->wait();
  engine_->stop();
  const std::string text = registry_.to_text();
  for (const char* line :
       {"hadal_requests_total{outcome=\"length\"} 2", "hadal_prompt_tokens_total 42",
        "hadal_cached_tokens_total 20", "hadal_generated_tokens_total 10",
        "hadal_time_to_first_token_seconds_count 2", "hadal_inter_token_seconds_count 8",
        "hadal_request_seconds_count 2", "hadal_queue_seconds_count 2", "hadal_running_requests 0",
        "hadal_kv_blocks{state=\"total\"} 512", "hadal_kv_blocks{state=\"used\"} 0",
        "hadal_preemptions_total 0", "hadal_step_seconds_bucket{le=\"0.001\"}",
        "hadal_step_seconds_bucket{le=\"0.002\"}"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace hadal
