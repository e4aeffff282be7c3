// Engine: owner of the scheduling loop. Takes requests from any thread, plans steps for the executor and
// hands text out. Built by main after the executor has loaded its model; destroyed before it. start() once,
// stop() (or the destructor) once.
//
// Threads: the engine thread owns the Scheduler and waits in one place, the Inbox (requests, cancels, step
// results, the next deadline). The output thread owns the decoding state of every request. Sinks are called
// on the output thread only.
//
// Every accepted request gets exactly one final delta: when it ends, when it is cancelled or late, when the
// executor fails (kError, and the engine refuses new ones), and when the engine stops (kError, "shutting
// down").
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/closable_queue.h"
#include "base/metrics.h"
#include "engine/engine_api.h"
#include "engine/engine_metrics.h"
#include "engine/engine_options.h"
#include "engine/inbox.h"
#include "engine/output_processor.h"
#include "sched/scheduler.h"
#include "step/step_executor.h"
#include "text/tokenizer.h"

namespace hadal {

class Engine final : public EngineApi {
 public:
  // executor: not started; it and the registry must outlive the engine.
  // Errors: kInvalidArgument for limits that cannot work.
  static Result<std::unique_ptr<Engine>> make(const ExecutorLimits& limits, const EngineOptions& options,
                                              StepExecutor& executor,
                                              std::shared_ptr<const Tokenizer> tokenizer,
                                              MetricsRegistry& registry);
  ~Engine() override;

  // Called once on the engine thread when the executor has failed, after the open requests were told. Set
  // before start.
  void set_failure_hook(std::function<void(const Error&)> hook) { failure_hook_ = std::move(hook); }
  void set_step_end_hook(std::function<void()> hook) override { step_end_hook_ = std::move(hook); }

  void start();
  // Admits nothing more and waits until every open request has its final delta, `timeout` at most. True: all
  // have.
  bool drain(std::chrono::milliseconds timeout);
  // Ends what is left, stops the executor, joins the threads. Idempotent; main thread.
  void stop();

  Result<RequestId> submit(GenerateRequest request, std::shared_ptr<OutputSink> sink) override;
  void cancel(RequestId id, CancelReason reason) override { inbox_.cancel(id, reason); }
  void cancel_all(CancelReason reason) override;
  EngineStats stats() const override;

 private:
  Engine(const SchedulerConfig& config, const EngineOptions& options, StepExecutor& executor,
         std::shared_ptr<const Tokenizer> tokenizer, MetricsRegistry& registry);

  Request make_request(const GenerateRequest& request) const;

  // Engine thread.
  void run_engine();
  void take(std::optional<TimePoint> deadline);
  void on_result(Result<StepResult> result, TimePoint now);
  void on_submit(SubmitOrder order);
  void on_cancel(const CancelOrder& order);
  void plan_steps(TimePoint now);
  void fail(const Error& error);
  void shut_down();
  void hand_out();
  void publish();

  // Output thread.
  void run_output();

  const SchedulerConfig config_;
  const EngineOptions options_;
  StepExecutor& executor_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  EngineMetrics metrics_;
  std::function<void()> step_end_hook_;
  std::function<void(const Error&)> failure_hook_;
  std::atomic<RequestId> next_id_{1};
  Inbox inbox_;
  ClosableQueue<OutputBatch> output_queue_;

  // Engine thread's.
  Scheduler scheduler_;
  OutputProcessor outputs_;  // the output thread's
  InboxBatch batch_;
  OutputBatch out_;
  std::vector<TokenEvent> events_;
  uint64_t num_taken_ = 0;
  uint64_t num_preemptions_ = 0;
  std::optional<Error> failure_;
  TimePoint last_progress_;

  // What stats() reports: written by the engine thread after each turn, and by main on its way down.
  struct Board {
    EngineStats stats;
    TimePoint last_progress;
    bool busy = false;
  };
  mutable std::mutex board_mutex_;
  Board board_;
  bool stopped_ = false;  // main thread's
  std::thread engine_thread_;
  std::thread output_thread_;
};

}  // namespace hadal
