// LocalExecutor: the StepExecutor of one process: loads the model on this host's ranks (one Worker thread
// each), plans memory, and runs plans on all of them. With ranks on other hosts too, each host has one; their
// communicators reach each other. Owned by main (through the Engine); methods on the engine thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "runtime/memory_plan.h"
#include "runtime/worker.h"
#include "step/step_executor.h"
#include "weights/weight_source.h"

namespace hadal {

struct LocalExecutorOptions {
  DType kv_dtype = DType::kF16;
  int block_size = 32;
  int64_t context_length = 0;    // 0: the model's max_position_embeddings
  int max_running_requests = 0;  // slots; must be positive
  int max_step_tokens = 0;       // of one step; must be positive and at least max_running_requests
  int64_t max_total_tokens = 0;  // KV tokens; 0: the default rule of memory_plan.h
  int num_threads = 1;           // over all ranks of this host, at least one each
  bool pin_threads = false;
  CpuTier cpu_tier = CpuTier::kScalar;
  bool mla_absorb = true;
  int64_t available_bytes = 0;  // 0: asked from the system
  // Called once, between loading and the ranks' first collective: waits for ranks on other hosts, which may
  // load much longer than a collective may take. Empty: nobody else loads.
  std::function<Status()> wait_for_others;
};

class LocalExecutor final : public StepExecutor {
 public:
  // communicators: one per rank of this host, of one group. Waits until the model is loaded and every rank is
  // ready; source is no longer needed after. Errors: the source's; kUnsupported (shards); kResourceExhausted
  // (memory), all naming what to change.
  static Result<std::unique_ptr<LocalExecutor>> make(
      const ModelConfig& config, WeightSource& source, const LocalExecutorOptions& options,
      std::vector<std::unique_ptr<Communicator>> communicators);
  ~LocalExecutor() override;

  void start(ResultSink sink) override;
  void submit(std::shared_ptr<const StepPlan> plan) override;
  void stop() override;

  const ExecutorLimits& limits() const { return limits_; }
  const MemoryPlan& memory_plan() const { return memory_plan_; }
  // The plan as a table, printed at start.
  const std::string& memory_report() const { return memory_report_; }
  // Any thread: makes the ranks' collectives fail with `reason` (another host was lost).
  void abort(const std::string& reason);

 private:
  LocalExecutor() = default;
  Status load(const ModelConfig& config, WeightSource& source, std::vector<RankMemory>& ranks);
  Status prepare(int64_t num_blocks);

  std::vector<std::unique_ptr<Worker>> workers_;
  ExecutorLimits limits_;
  MemoryPlan memory_plan_;
  std::string memory_report_;
  bool stopped_ = false;
};

}  // namespace hadal
