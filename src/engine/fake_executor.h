// FakeExecutor: a StepExecutor over FakeWorker with a thread of its own, for tests and for benchmarks of what
// is above the engine. Can be held (steps wait), slowed down, and made to fail.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/closable_queue.h"
#include "sched/fake_worker.h"
#include "step/step_executor.h"

namespace hadal {

class FakeExecutor final : public StepExecutor {
 public:
  struct Options {
    std::chrono::microseconds step_time{0};  // slept in each step
    uint64_t fail_at_step = 0;               // this step's result is an Error; 0: none
    bool verify_all = true;                  // see FakeWorker
  };
  FakeExecutor(const ExecutorLimits& limits, const Options& options);
  ~FakeExecutor() override;

  void start(ResultSink sink) override;
  void submit(std::shared_ptr<const StepPlan> plan) override;
  void stop() override;

  // Any thread. While held, steps do not finish; stop() releases them.
  void hold();
  void release();
  // Waits until a step has reached the hold.
  void wait_until_held();

 private:
  void run();
  void wait_for_release();

  const Options options_;
  FakeWorker worker_;  // run()'s
  ClosableQueue<std::shared_ptr<const StepPlan>> plans_;
  ResultSink sink_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool at_hold_ = false;
  std::thread thread_;
};

// Limits that suit tests.
ExecutorLimits fake_limits();

}  // namespace hadal
