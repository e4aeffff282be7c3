// StepBatch: one domain's rows of a StepPlan, checked, as the arrays a model runs. Pure functions over the
// plan and the arena; worker thread only.
#pragma once

#include <cstdint>
#include <span>

#include "layers/forward_batch.h"
#include "step/step_plan.h"

namespace hadal {

// What the runtime was sized for.
struct StepLimits {
  int32_t max_slots = 0;
  int32_t max_tokens = 0;   // per step
  int32_t max_samples = 0;  // per step
  int64_t context_length = 0;
  int64_t num_blocks = 0;
  int32_t block_size = 32;
  int32_t vocab_size = 0;
  int32_t hidden_size = 0;
};

// Every index and count of the plan against the limits. Plans of followers come over a network: kDataLoss,
// never a crash. num_previous: samples of the step before.
Status check_step(const StepPlan& plan, const DomainPlan& domain, const StepLimits& limits,
                  size_t num_previous);

// Which of a row's tokens' hidden states are wanted beside that of a sampled last token.
enum class RowOutputs : uint8_t {
  kSample,  // the last token's if the row is sampled, else none
  kLast,    // the last token's
  kAll,
};

// Where the row's hidden states are in the model's output.
struct RowHidden {
  int32_t first = 0;
  int32_t count = 0;
};

struct StepBatch {
  ForwardBatch forward;
  std::span<const RowHidden> hidden;  // one per row
};

// outputs: one per row. Arrays live in the arena.
StepBatch build_step_batch(Arena& arena, const DomainPlan& domain, std::span<const RowOutputs> outputs,
                           std::span<const int32_t> previous_samples, int32_t block_size);

// Upper bound of what build_step_batch takes from the arena.
int64_t step_batch_arena_bytes(const StepLimits& limits);

}  // namespace hadal
