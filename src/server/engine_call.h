// EngineCall: one HTTP request that runs on the engine as one or more sequences ("slots"), from submission to
// the last byte of its answer. A kind of answer is a subclass.
//
// Threads: submit_all() on a tokenizer thread; deliver() and all formatting on the output thread;
// abandon() on the exchange's io thread. They share only atomics; everything else passes as values
// through the exchange. Kept alive by its sinks (the engine) and its exchange's callback.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine_api.h"
#include "net/http_server.h"
#include "server/api_error.h"
#include "server/output_batcher.h"
#include "server/served_model.h"

namespace hadal {

struct CallEnvironment {
  std::shared_ptr<HttpExchange> exchange;
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<OutputBatcher> batcher;
  HttpHeaders headers;  // of every answer to this exchange: CORS, request id
  int retry_after_seconds = 1;
  int max_parallel = 128;
};

class EngineCall : public StepWriter, public std::enable_shared_from_this<EngineCall> {
 public:
  explicit EngineCall(CallEnvironment environment);

  // Submits the orders, at most max_parallel at once. Called once.
  void submit_all(std::vector<GenerateRequest> orders);
  // Nobody waits for the answer: cancels everything that was or will be submitted. Any thread.
  void abandon(CancelReason reason) { cancel_all(reason); }
  HttpWrite take_write() override;

 protected:
  // Output thread. Deltas of one slot come in order, the last has `finish`; on_all_done follows the last of
  // all.
  virtual void on_delta(size_t slot, OutputDelta&& delta) = 0;
  virtual void on_all_done() = 0;
  // Whether the answer is streamed.
  virtual bool streams() const = 0;

  const ServedModel& model() const { return *environment_.model; }
  // Bytes of the stream; changed(), to have them sent at the end of the step.
  std::string& stream_bytes() { return stream_bytes_; }
  void changed();
  void end_stream();
  void respond_json(std::string body);
  // Ends the answer with an error: a response where nothing was sent, else an event after the bytes `unsent`.
  // Any thread.
  void fail(const ApiError& error, std::string unsent = "", JsonObject log = {});
  void note_usage(const Usage& usage) { usage_ = usage; }
  size_t num_slots() const { return orders_.size(); }

 private:
  friend class SlotSink;
  void deliver(size_t slot, OutputDelta&& delta);
  void fail_slot(size_t slot, OutputDelta&& delta, const ApiError& error);
  HttpResponse event_head() const;
  bool submit_next();
  void cancel_all(CancelReason reason);
  JsonObject log_fields() const;

  static constexpr uint64_t kNoId = ~uint64_t{0};
  CallEnvironment environment_;
  std::vector<GenerateRequest> orders_;  // each is moved out by the thread that claims it
  std::vector<std::atomic<uint64_t>> ids_;
  std::atomic<size_t> next_order_{0};
  std::atomic<int> cancelled_{-1};  // CancelReason, or -1
  std::atomic<bool> failed_{false};

  // Output thread.
  std::string stream_bytes_;
  bool in_batch_ = false;
  bool started_ = false;  // the head of the stream was handed over
  bool ended_ = false;
  std::unique_ptr<HttpResponse> response_;
  size_t num_done_ = 0;
  Usage usage_;
  std::string finish_;
  const std::chrono::steady_clock::time_point created_ = std::chrono::steady_clock::now();
  std::optional<double> first_token_seconds_;
};

}  // namespace hadal
