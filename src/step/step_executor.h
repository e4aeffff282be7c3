// StepExecutor: the engine's view of the workers that run its plans: local ranks, a group of hosts, or a
// test's fake.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "step/step_plan.h"
#include "step/step_result.h"

namespace hadal {

class StepExecutor {
 public:
  // Called on an executor's thread, in step order, once per plan; an Error is fatal: the group is lost.
  // Must return at once.
  using ResultSink = std::function<void(Result<StepResult>)>;

  virtual ~StepExecutor() = default;
  // Engine thread. start comes first, once. submit never waits: at most max_steps_in_flight plans are
  // outstanding.
  virtual void start(ResultSink sink) = 0;
  virtual void submit(std::shared_ptr<const StepPlan> plan) = 0;
  // Ends the workers after the plans already submitted; no sink call after it returns. Idempotent.
  virtual void stop() = 0;
};

// What the runtime tells the engine after loading.
struct ExecutorLimits {
  int32_t num_blocks = 0;   // KV blocks per domain, the minimum over ranks
  int32_t block_size = 32;  // tokens per block
  int32_t num_domains = 1;
  int32_t max_step_tokens = 0;   // tokens per step and domain that the arena was sized for
  int32_t max_step_samples = 0;  // sampled rows per step and domain
  int32_t max_slots = 0;         // sequences running at once
  int64_t context_length = 0;    // longest sequence
  int32_t vocab_size = 0;
  int32_t max_steps_in_flight = 2;
};

}  // namespace hadal
