// Worker: one rank: a thread with its stream, communicator, model, KV cache and runner. It loads, is given
// its KV cache, then runs step plans in order. Made, driven and stopped by LocalExecutor (or a follower's
// loop); what it owns is touched by its thread only.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <variant>

#include "base/closable_queue.h"
#include "runtime/memory_plan.h"
#include "runtime/model_runner.h"
#include "step/step_executor.h"

namespace hadal {

struct WorkerOptions {
  ModelOptions model;  // its shard is set from the communicator
  int num_threads = 1;
  int first_cpu = -1;  // threads are pinned from this CPU on; -1: not pinned
  StepLimits limits;   // num_blocks is set by prepare
};

class Worker {
 public:
  Worker(const WorkerOptions& options, std::unique_ptr<Communicator> comm);
  ~Worker();  // stops
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The calls below come from one thread, in this order. load and prepare run on the worker's thread: several
  // workers' futures are awaited together, because prepare talks to the other ranks.
  std::future<Result<RankMemory>> load(const ModelConfig& config, WeightSource& source);
  // Allocates the cache and the arena. num_blocks: what this host can give; the result is the least over all
  // ranks.
  std::future<Result<int64_t>> prepare(int64_t num_blocks);
  // sink: gets every result, or one Error after which plans are dropped; empty: only errors are acted on.
  void start(StepExecutor::ResultSink sink);
  // Never waits.
  void submit(std::shared_ptr<const StepPlan> plan);
  // Takes no more plans.
  void close() { jobs_.close(); }
  // Runs what was submitted, then ends the thread. No sink call after it returns. Idempotent.
  void stop();
  // Any thread: fails the collectives that the ranks are in or come to.
  void abort(const std::string& reason) { comm_->abort(reason); }

 private:
  using PlanPtr = std::shared_ptr<const StepPlan>;
  using Job = std::variant<PlanPtr, std::function<void()>>;

  void loop();
  void run_plan(const StepPlan& plan);
  Result<RankMemory> do_load(const ModelConfig& config, WeightSource& source);
  Result<int64_t> do_prepare(int64_t num_blocks);
  Result<int64_t> least_over_ranks(int64_t num_blocks);

  const WorkerOptions options_;
  const std::unique_ptr<Communicator> comm_;
  const std::unique_ptr<Stream> stream_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<ModelRunner> runner_;
  StepExecutor::ResultSink sink_;
  bool failed_ = false;
  ClosableQueue<Job> jobs_;
  std::thread thread_;
};

}  // namespace hadal
