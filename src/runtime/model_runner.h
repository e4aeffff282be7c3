// ModelRunner: runs step plans on one rank: plan to ForwardBatch, model, sampler, result. Keeps what lives
// between steps: slots, the last step's samples (which the next plan may refer to before the engine has seen
// them). Owned by the Worker; worker thread only. All ranks of a group run the same plans in the same order;
// rank 0 samples and tells the others.
#pragma once

#include <memory>
#include <vector>

#include "models/model.h"
#include "runtime/slot_table.h"
#include "runtime/step_batch.h"
#include "step/step_plan.h"
#include "step/step_result.h"

namespace hadal {

class ModelRunner {
 public:
  // Arena that a worst-case step of these limits needs.
  static int64_t arena_bytes(const Model& model, const StepLimits& limits, int num_threads);

  // Borrows all three for its life. The arena is allocated here.
  static Result<std::unique_ptr<ModelRunner>> make(Model& model, KvStorage kv, Stream& stream,
                                                   Communicator& comm, CpuTier cpu_tier,
                                                   const StepLimits& limits, int num_threads);

  // Runs domain 0 of the plan. An Error means the group is lost.
  // Complete on rank 0; on other ranks samples hold tokens only, prompt log-probabilities are empty.
  Result<StepResult> run(const StepPlan& plan);

  const StepLimits& limits() const { return limits_; }
  size_t arena_high_water() const { return arena_.high_water(); }

 private:
  ModelRunner(Model& model, KvStorage kv, Stream& stream, Communicator& comm, CpuTier cpu_tier,
              const StepLimits& limits, DeviceBuffer arena);

  Status choose_outputs(const StepPlan& plan, const DomainPlan& domain);
  Status sample_rows(const DomainPlan& domain, const StepBatch& batch, const Tensor& hidden,
                     StepResult& result);
  Result<Tensor> gather_sampled(const DomainPlan& domain, const StepBatch& batch, const Tensor& hidden);
  Status sample_tile(const Tensor& hidden, int64_t first, int64_t count);
  Status share_tokens(int64_t count);
  Status prompt_logprobs(const DomainPlan& domain, const PlanRow& row, const Tensor& hidden, int num_top,
                         StepResult& result);
  void pool(const PlanRow& row, Slot& slot, const Tensor& hidden, StepResult& result);

  Model& model_;
  KvStorage kv_;
  Communicator& comm_;
  const StepLimits limits_;
  Arena arena_;
  ForwardContext context_;
  SlotTable slots_;
  std::vector<int32_t> previous_samples_;  // of the last step that ran
  // Per step, kept for their capacity.
  std::vector<Slot*> row_slots_;
  std::vector<RowOutputs> row_outputs_;
  std::vector<int32_t> row_of_sample_;
  std::vector<SampleRow> sample_rows_;
  std::vector<SampleOutput> sample_outputs_;
};

}  // namespace hadal
