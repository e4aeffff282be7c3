// Starting, failing, draining, stopping; and storms of requests and cancels from many threads.
#include <random>

#include "engine/engine_test_kit.h"

namespace hadal {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kStormRequests = 3000;
#else
constexpr int kStormRequests = 10000;
#endif

TEST_F(EngineTest, NotStartedMeansUnavailable) {
  limits_ = fake_limits();
  tokenizer_ = std::make_shared<FakeTokenizer>(limits_.vocab_size, 128);
  executor_ = std::make_unique<FakeExecutor>(limits_, FakeExecutor::Options{});
  engine_ = std::move(Engine::make(limits_, {}, *executor_, tokenizer_, registry_)).value();
  EXPECT_EQ(engine_->stats().phase, EnginePhase::kStarting);
  const Result<RequestId> early = engine_->submit(make(5, 4), std::make_shared<CollectingSink>());
  ASSERT_FALSE(early.ok());
  EXPECT_EQ(early.error().code, ErrorCode::kUnavailable);
  engine_->stop();
  EXPECT_EQ(engine_->stats().phase, EnginePhase::kStopped);
}

TEST_F(EngineTest, DrainFinishesWhatIsOpen) {
  start();
  const auto sink = submit(make(5, 100));
  EXPECT_TRUE(engine_->drain(std::chrono::seconds(60)));
  EXPECT_EQ(sink->wait().finish, FinishReason::kLength);
  EXPECT_EQ(engine_->stats().phase, EnginePhase::kDraining);
  const Result<RequestId> late = engine_->submit(make(5, 4), std::make_shared<CollectingSink>());
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(late.error().message, HasSubstr("shutting down"));
}

TEST_F(EngineTest, StopAnswersWhatDrainCouldNotFinish) {
  start();
  executor_->hold();
  const auto running = submit(make(5, 100));
  EXPECT_FALSE(engine_->drain(milliseconds(10)));
  engine_->stop();
  const OutputDelta& last = running->wait();
  EXPECT_EQ(last.finish, FinishReason::kError);
  EXPECT_EQ(last.error->code, ErrorCode::kUnavailable);
  EXPECT_EQ(engine_->stats().phase, EnginePhase::kStopped);
  engine_->stop();  // twice is once
}

TEST_F(EngineTest, CancelForShutdownSaysSo) {
  start();
  executor_->hold();
  RequestId id = 0;
  const auto sink = submit(make(5, 100), &id);
  engine_->cancel(id, CancelReason::kShutdown);
  EXPECT_EQ(sink->wait().finish, FinishReason::kError);
  EXPECT_EQ(sink->wait().error->code, ErrorCode::kUnavailable);
}

TEST_F(EngineTest, CancelAllEndsEveryRequestAndRefusesNewOnes) {
  ExecutorLimits limits = fake_limits();
  limits.max_slots = 2;
  start(limits);
  executor_->hold();
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 6; ++i) sinks.push_back(submit(make(5, 100, 50 * i)));  // two run, four wait
  engine_->cancel_all(CancelReason::kShutdown);
  for (const auto& sink : sinks) {
    EXPECT_EQ(sink->wait().finish, FinishReason::kError);
    EXPECT_EQ(sink->wait().error->code, ErrorCode::kUnavailable);
  }
  EXPECT_FALSE(engine_->submit(make(5, 4), std::make_shared<CollectingSink>()).ok());
  EXPECT_THAT(registry_.to_text(), HasSubstr("hadal_cancellations_total{reason=\"shutdown\"} 6"));
  EXPECT_TRUE(engine_->drain(std::chrono::seconds(60)));
}

TEST_F(EngineTest, AFailedExecutorAnswersEverybody) {
  ExecutorLimits limits = fake_limits();
  limits.max_slots = 2;
  FakeExecutor::Options fake;
  fake.fail_at_step = 5;
  limits_ = limits;
  tokenizer_ = std::make_shared<FakeTokenizer>(limits.vocab_size, 128);
  executor_ = std::make_unique<FakeExecutor>(limits, fake);
  engine_ = std::move(Engine::make(limits, {}, *executor_, tokenizer_, registry_)).value();
  std::atomic<int> hooks = 0;
  engine_->set_failure_hook([&](const Error& error) {
    EXPECT_EQ(error.message, "rank 1 is gone");
    ++hooks;
  });
  executor_->hold();
  engine_->start();
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 6; ++i) sinks.push_back(submit(make(5, 100, 100 * i)));  // two run, four wait
  executor_->release();
  for (const auto& sink : sinks) {
    const OutputDelta& last = sink->wait();
    EXPECT_EQ(last.finish, FinishReason::kError);
    EXPECT_THAT(last.error->message, HasSubstr("rank 1 is gone"));
  }
  wait_for([](const EngineStats& stats) { return stats.phase == EnginePhase::kFailed; });
  EXPECT_EQ(engine_->stats().failure, "rank 1 is gone");
  const Result<RequestId> late = engine_->submit(make(5, 4), std::make_shared<CollectingSink>());
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::kUnavailable);
  engine_->stop();
  EXPECT_EQ(hooks.load(), 1);
  EXPECT_EQ(engine_->stats().phase, EnginePhase::kFailed);
}

TEST_F(EngineTest, TheHeartbeatTellsAStuckStepFromAnIdleEngine) {
  start();
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_EQ(engine_->stats().seconds_since_progress, 0);  // idle
  executor_->hold();
  const auto sink = submit(make(5, 4));
  executor_->wait_until_held();
  wait_for([](const EngineStats& stats) { return stats.seconds_since_progress > 0.05; });
  const auto other = submit(make(5, 4));  // new requests are no progress
  EXPECT_GT(engine_->stats().seconds_since_progress, 0.05);
  executor_->release();
  sink->wait();
  other->wait();
  wait_for([](const EngineStats& stats) { return stats.seconds_since_progress == 0; });
}

TEST_F(EngineTest, StatsCountBlocksAndRequests) {
  ExecutorLimits limits = fake_limits();
  limits.max_slots = 1;
  start(limits);
  EXPECT_EQ(engine_->stats().context_length, 400);
  EXPECT_EQ(engine_->stats().blocks_total, 512);
  executor_->hold();
  const auto first = submit(make(40, 4, 300));
  const auto second = submit(make(40, 4, 600));
  wait_for([](const EngineStats& stats) { return stats.num_running == 1 && stats.num_waiting == 1; });
  EXPECT_GE(engine_->stats().blocks_used, 10);
  executor_->release();
  first->wait();
  second->wait();
  wait_for([](const EngineStats& stats) { return stats.blocks_used == 0 && stats.blocks_cached >= 20; });
}

TEST_F(EngineTest, StoppingWithManyOpenRequestsAnswersAll) {
  start();
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 200; ++i) sinks.push_back(submit(make(5 + i % 40, 300, 7 * i)));
  engine_->stop();
  for (const auto& sink : sinks) EXPECT_TRUE(sink->finished());
}

// Submits and cancels from several threads at once. Every request gets one final delta, and nothing is left.
TEST_F(EngineTest, StormOfRequestsAThirdOfThemCancelled) {
  EngineOptions options;
  options.max_queued = 1 << 20;
  ExecutorLimits limits = fake_limits();
  limits.num_blocks = 160;  // 640 tokens: preemptions happen too
  start(limits, options);
  constexpr int kThreads = 4;
  std::vector<std::vector<std::shared_ptr<CollectingSink>>> sinks(kThreads);
  std::vector<std::vector<GenerateRequest>> requests(kThreads);
  std::vector<std::thread> clients;
  for (int t = 0; t < kThreads; ++t) {
    clients.emplace_back([&, t] {
      std::mt19937 rng(static_cast<uint32_t>(t));
      for (int i = 0; i < kStormRequests / kThreads; ++i) {
        GenerateRequest request =
            make(static_cast<int32_t>(1 + rng() % 60), static_cast<int32_t>(1 + rng() % 30),
                 static_cast<int32_t>(rng() % 5) * 100);
        request.sampling.seed = rng() % 3;
        if (rng() % 4 == 0) request.stop = {"9 "};
        RequestId id = 0;
        sinks[static_cast<size_t>(t)].push_back(submit(request, &id));
        requests[static_cast<size_t>(t)].push_back(request);
        if (i % 3 == 0) {
          if (rng() % 2) std::this_thread::yield();
          engine_->cancel(id, CancelReason::kClientGone);
        }
        if (i % 64 == 0) sinks[static_cast<size_t>(t)].back()->wait();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(engine_->drain(std::chrono::minutes(4)));
  int cancelled = 0;
  for (size_t t = 0; t < kThreads; ++t) {
    for (size_t i = 0; i < sinks[t].size(); ++i) {
      const OutputDelta& last = sinks[t][i]->wait();
      const std::string whole = text_of(expected(requests[t][i]));
      ASSERT_EQ(whole.find(sinks[t][i]->content()), 0u);
      if (last.finish == FinishReason::kCancelled) ++cancelled;
      if (last.finish == FinishReason::kLength) {
        EXPECT_EQ(sinks[t][i]->content(), whole);
      }
    }
  }
  EXPECT_GT(cancelled, 10);
  wait_for([](const EngineStats& stats) { return stats.num_running == 0 && stats.blocks_used == 0; });
  EXPECT_EQ(engine_->stats().num_waiting, 0);
}

}  // namespace
}  // namespace hadal
