// What the engine's tests share: a sink that collects a request's deltas, and an engine over a FakeExecutor.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/fake_executor.h"
#include "engine/fake_tokenizer.h"

namespace hadal {

class CollectingSink final : public OutputSink {
 public:
  void on_delta(OutputDelta&& delta) override {
    {
      std::lock_guard lock(mutex_);
      EXPECT_FALSE(final_.has_value()) << "a delta after the final one";
      content_ += delta.content;
      reasoning_ += delta.reasoning;
      for (TokenInfo& token : delta.tokens) tokens_.push_back(std::move(token));
      if (!delta.prompt_tokens.empty()) {
        EXPECT_EQ(num_deltas_, 0) << "prompt log-probabilities come first";
        prompt_tokens_ = std::move(delta.prompt_tokens);
      }
      ++num_deltas_;
      if (delta.finish && on_final) on_final();
      if (delta.finish) final_ = std::move(delta);
    }
    changed_.notify_all();
  }

  // Waits; a test that hangs here is ended by its time limit.
  const OutputDelta& wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return final_.has_value(); });
    return *final_;
  }
  void wait_for_tokens(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return tokens_.size() >= count || final_.has_value(); });
  }
  std::function<void()> on_final;  // on the output thread; set before the submit

  bool finished() {
    std::lock_guard lock(mutex_);
    return final_.has_value();
  }
  // After wait().
  const std::string& content() const { return content_; }
  const std::string& reasoning() const { return reasoning_; }
  const std::vector<TokenInfo>& prompt_tokens() const { return prompt_tokens_; }
  int num_deltas() const { return num_deltas_; }
  std::vector<int32_t> token_ids() const {
    std::vector<int32_t> ids;
    for (const TokenInfo& token : tokens_) ids.push_back(token.id);
    return ids;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string content_;
  std::string reasoning_;
  std::vector<TokenInfo> tokens_;
  std::vector<TokenInfo> prompt_tokens_;
  std::optional<OutputDelta> final_;
  int num_deltas_ = 0;
};

class EngineTest : public ::testing::Test {
 protected:
  void start(const ExecutorLimits& limits, const EngineOptions& options = {},
             FakeExecutor::Options fake = {}) {
    limits_ = limits;
    tokenizer_ = std::make_shared<FakeTokenizer>(limits.vocab_size, 128);
    executor_ = std::make_unique<FakeExecutor>(limits, fake);
    auto engine = Engine::make(limits, options, *executor_, tokenizer_, registry_);
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    engine_ = std::move(engine).value();
    engine_->start();
  }
  void start() { start(fake_limits()); }
  void TearDown() override {
    if (engine_ == nullptr) return;
    engine_->stop();
    EXPECT_EQ(engine_->stats().blocks_used, 0);
  }

  GenerateRequest make(int32_t prompt_len, int32_t max_tokens, int32_t first = 2) const {
    std::vector<int32_t> prompt;
    for (int32_t i = 0; i < prompt_len; ++i) prompt.push_back((first + i) % limits_.vocab_size);
    GenerateRequest request;
    request.prompt_ids = std::make_shared<const std::vector<int32_t>>(std::move(prompt));
    request.sampling.max_tokens = max_tokens;
    return request;
  }
  std::vector<int32_t> expected(const GenerateRequest& request) const {
    return fake_answer(*request.prompt_ids, request.sampling, limits_.vocab_size, limits_.context_length);
  }
  std::string text_of(const std::vector<int32_t>& ids) const { return tokenizer_->decode(ids, true); }
  std::shared_ptr<CollectingSink> submit(const GenerateRequest& request, RequestId* id = nullptr,
                                         std::function<void()> on_final = nullptr) {
    auto sink = std::make_shared<CollectingSink>();
    sink->on_final = std::move(on_final);
    const Result<RequestId> result = engine_->submit(request, sink);
    EXPECT_TRUE(result.ok()) << result.status().to_string();
    if (id != nullptr && result.ok()) *id = *result;
    return sink;
  }
  // Waits until stats() shows it; polling is for tests only.
  template <typename F>
  void wait_for(F&& condition) {
    while (!condition(engine_->stats())) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  ExecutorLimits limits_ = fake_limits();
  std::shared_ptr<const Tokenizer> tokenizer_;
  MetricsRegistry registry_;
  std::unique_ptr<FakeExecutor> executor_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace hadal
