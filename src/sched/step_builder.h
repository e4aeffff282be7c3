// StepBuilder: writes one StepPlan and keeps its budgets: tokens, prompt tokens and sampled rows per domain.
// Lives inside Scheduler::plan; engine thread only. It marks the sequences' rows as in flight.
#pragma once

#include <memory>
#include <vector>

#include "sched/scheduler_config.h"
#include "sched/sequence.h"
#include "step/step_plan.h"

namespace hadal {

class StepBuilder {
 public:
  // like: the plan before, whose sizes are a good guess; may be null.
  StepBuilder(const SchedulerConfig& config, uint64_t step_id, const StepPlan* like);

  uint64_t step_id() const { return plan_->step_id; }
  bool empty() const { return num_rows_ == 0; }
  bool has_prompt_room(int32_t domain) const {
    const Budget& b = budgets_[static_cast<size_t>(domain)];
    return b.tokens > 0 && b.prompt_tokens > 0;
  }

  // One token of a decoding sequence; its table reaches far enough.
  void add_decode(Sequence& sequence);
  // How many tokens from `first` on may be computed in this step; 0: none. target: as in Prefilling.
  int32_t prompt_chunk(const Sequence& sequence, int32_t domain, int32_t first, int32_t target) const;
  // The next prompt_chunk() tokens of a prefilling sequence; starts it decoding when they are the last ones.
  // Nothing when the budget is used up.
  void add_prompt_chunk(Sequence& sequence);
  // The sequence enters its slot in this step.
  void add_start(const Sequence& sequence);
  // What the sequences that start in one step bring along (penalty and bias tokens) is bounded: a plan goes
  // over the network, and starting must not stop those that run.
  bool has_start_room() const { return start_ids_ < kMaxStartIds; }

  std::shared_ptr<const StepPlan> finish(std::vector<int32_t> ended_slots);

 private:
  struct Budget {
    int32_t tokens = 0;
    int32_t prompt_tokens = 0;
    int32_t samples = 0;
  };
  static constexpr int64_t kMaxStartIds = int64_t{1} << 18;

  int32_t prompt_set_of(const Sequence& sequence);
  PlanRow& add_row(Sequence& sequence, int32_t num_tokens);
  void add_sample(Sequence& sequence, PlanRow& row);

  const SchedulerConfig& config_;
  std::shared_ptr<StepPlan> plan_;
  std::vector<Budget> budgets_;  // [num_domains]
  int32_t num_rows_ = 0;
  int32_t num_samples_ = 0;
  int64_t start_ids_ = 0;                                 // in what add_start wrote
  std::vector<const std::vector<int32_t>*> set_prompts_;  // whose tokens plan_->prompt_sets[i] are
};

}  // namespace hadal
