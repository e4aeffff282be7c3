// StepFeeder: the simplest source of step plans: a fixed set of sequences, each with its own blocks,
// prefilled in chunks and then decoded together until max_tokens. For the probe, the benchmark and tests;
// servers have the Scheduler. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/step_batch.h"
#include "step/step_plan.h"
#include "step/step_result.h"

namespace hadal {

struct FeedRequest {
  std::vector<int32_t> prompt;
  SamplingParams sampling;
  Pooling pooling = Pooling::kNone;
  bool prompt_logprobs = false;
};

struct FeedOutput {
  std::vector<Sample> samples;
  std::vector<Sample> prompt_logprobs;
  std::vector<float> embedding;
};

class StepFeeder {
 public:
  // chunk: prompt tokens per step over all sequences. chain: decode rows refer to the step before's samples,
  // so that next may be called before commit; else each step needs the one before committed.
  StepFeeder(const StepLimits& limits, int32_t chunk, bool chain = true)
      : limits_(limits), chunk_(chunk), chain_(chain) {}

  // The sequence's index, which is its slot; its id is index + 1. Needs room for its prompt and max_tokens.
  // Errors: kResourceExhausted.
  Result<int> add(FeedRequest request);
  // The next step; none when all sequences have ended.
  std::optional<StepPlan> next();
  void commit(const StepResult& result);
  const FeedOutput& output(int index) const { return sequences_[static_cast<size_t>(index)].output; }

 private:
  struct Sequence {
    FeedRequest request;
    FeedOutput output;
    int32_t first_block = 0;
    int32_t num_blocks = 0;
    int32_t position = 0;      // tokens planned so far
    int32_t num_sampled = 0;   // samples planned so far
    int32_t last_sample = -1;  // its index in the step before
    bool started = false;
    bool ended = false;
  };
  bool plan_sequence(int32_t index, int32_t& budget, StepPlan& plan, int32_t& num_samples);

  const StepLimits limits_;
  const int32_t chunk_;
  const bool chain_;
  std::vector<Sequence> sequences_;
  int32_t used_blocks_ = 0;
  uint64_t step_id_ = 0;
};

}  // namespace hadal
