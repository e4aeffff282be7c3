// DummyEngine: an EngineApi without a model: every step gives each running request one token at a set pace.
// For the server's tests, the dummy server and sse_bench. One thread of its own plays the engine's output
// thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/closable_queue.h"
#include "engine/engine_api.h"
#include "server/served_model.h"

namespace hadal {

struct DummyEngineOptions {
  std::chrono::microseconds step{0};  // pause between steps; 0: none
  int32_t answer_tokens = 1000;       // an answer ends itself ("stop") after this many, unless ignore_eos
  int32_t reasoning_tokens = 3;       // of these, reasoning, where the request splits it
  size_t max_waiting = 100'000;       // running requests above which submit is refused
  int64_t context_length = 65536;
  int32_t hidden_size = 8;
  // Each token's text is the steady clock in nanoseconds and a space, for measuring delays; else words of a
  // sentence.
  bool timestamps = false;
  size_t max_running = 1'000'000;  // the rest wait
  std::string fail_message;        // not empty: every request ends with this error after two tokens
  std::optional<FinishReason> end_after_two;  // or for this reason
};

class DummyEngine : public EngineApi {
 public:
  explicit DummyEngine(const DummyEngineOptions& options);
  ~DummyEngine() override;

  Result<RequestId> submit(GenerateRequest request, std::shared_ptr<OutputSink> sink) override;
  void cancel(RequestId id, CancelReason reason) override;
  void cancel_all(CancelReason reason) override;
  EngineStats stats() const override;
  void set_step_end_hook(std::function<void()> hook) override { hook_ = std::move(hook); }

  // For tests. Any thread.
  void set_phase(EnginePhase phase) { phase_ = phase; }
  void set_stalled_seconds(double seconds) { stalled_ = seconds; }
  int64_t num_submitted() const { return next_id_.load(); }
  int64_t num_cancelled() const { return num_cancelled_.load(); }
  int64_t num_running() const { return num_running_.load(); }
  // Every request that was submitted, newest last, where `keep` was set first.
  void keep_requests() { keep_ = true; }
  std::vector<GenerateRequest> take_requests();

 private:
  struct Command {
    RequestId id = 0;
    bool is_cancel = false;
    bool all = false;  // a cancel of every request
    GenerateRequest request;
    std::shared_ptr<OutputSink> sink;
  };
  struct Running {
    GenerateRequest request;
    std::shared_ptr<OutputSink> sink;
    int32_t num_tokens = 0;
    std::string text;  // so far, for stop strings
    Usage usage;
  };
  void run();
  void accept(Command&& command);
  void step();
  // True when the request is done.
  bool advance(RequestId id, Running& running, const std::string& stamp);
  void end(RequestId id, Running& running, FinishReason reason, std::optional<Error> error = {});
  OutputDelta next_delta(RequestId id, Running& running, const std::string& stamp) const;
  void apply_stops(const Running& running, OutputDelta& delta) const;

  const DummyEngineOptions options_;
  std::function<void()> hook_;
  ClosableQueue<Command> inbox_;
  ClosableQueue<GenerateRequest> kept_;
  std::unordered_map<RequestId, Running> running_;
  std::atomic<uint64_t> next_id_{0};
  std::atomic<int64_t> num_running_{0};
  std::atomic<int64_t> num_cancelled_{0};
  std::atomic<EnginePhase> phase_{EnginePhase::kRunning};
  std::atomic<double> stalled_{0};
  std::atomic<bool> keep_{false};
  std::thread thread_;
};

// A ServedModel over the engine: DummyTokenizer, a plain chat format, name "dummy".
// The format: "role: content\n" per message, then "assistant:"; a system message "fail" makes it fail, and
// the variable "enable_thinking" opens <think>.
ServedModel make_dummy_model(DummyEngine& engine, const DummyEngineOptions& options);

}  // namespace hadal
