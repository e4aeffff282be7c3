// StepPlan: what one step runs, as plain integers. Built by the Scheduler, const once built, run by every
// rank's Worker in step order, serialised to follower processes. Holds no reference: the engine's
// InFlightStep keeps the blocks alive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "step/sampling_params.h"

namespace hadal {

enum class Pooling : uint8_t { kNone, kMean, kLast };

// One sequence's share of the step: num_tokens consecutive tokens from first_position on.
struct PlanRow {
  uint64_t sequence_id = 0;
  int32_t slot =
      0;  // this sequence's place in the runtime's per-sequence state, in [0, max_running_requests)
  int32_t first_position = 0;  // = keys already in the cache
  int32_t num_tokens = 0;
  // Tokens: token_ids[token_offset, + num_tokens); or, when token_offset is -1, the one token that sample
  // `previous_sample` of the step before sampled (still on the device).
  int32_t token_offset = -1;
  int32_t previous_sample = -1;
  // Blocks of the whole sequence so far: block_ids[block_offset, + num_blocks), enough for first_position +
  // num_tokens.
  int32_t block_offset = 0;
  int32_t num_blocks = 0;
  // Index of this row's token in StepResult::samples; -1: nothing is sampled (a prefill chunk that is not the
  // last).
  int32_t sample_index = -1;
  // Prompt log-probabilities: logits of all this row's tokens are read. The token that follows the row's last
  // one in the prompt, or -1 when the row ends the prompt.
  bool prompt_logprobs = false;
  int32_t next_prompt_token = -1;
};

// A sequence enters a slot (new, or resumed after preemption) in this step.
struct SlotStart {
  int32_t slot = 0;
  uint64_t sequence_id = 0;
  int32_t prompt_len = 0;  // of the request's prompt: sampled positions count from here
  SamplingParams sampling;
  Pooling pooling = Pooling::kNone;  // embeddings: nothing is sampled; pooled hidden state at the last token
  // For penalties only: the prompt's tokens as an index into StepPlan::prompt_sets (-1: none), and the output
  // so far as (token, how often), ascending.
  int32_t prompt_set = -1;
  std::vector<std::pair<int32_t, int32_t>> output_counts;
};

// The rows of one KvDomain.
struct DomainPlan {
  std::vector<PlanRow> rows;
  std::vector<int32_t> token_ids;
  std::vector<int32_t> block_ids;
};

struct StepPlan {
  uint64_t step_id = 0;  // 1, 2, 3, ...
  std::vector<SlotStart> starts;
  std::vector<std::vector<int32_t>>
      prompt_sets;                   // the distinct tokens of a prompt, ascending; starts may share one
  std::vector<int32_t> ended_slots;  // freed before this step; may be started again by `starts`
  std::vector<DomainPlan> domains;   // one per KvDomain; one under plain tensor parallelism
  int64_t num_tokens() const;
  int32_t num_samples() const;
};

// Frames for followers: little-endian, versioned. parse checks every count against the bytes left
// (kDataLoss).
std::string serialize_step_plan(const StepPlan& plan);
Result<StepPlan> parse_step_plan(std::string_view bytes);

}  // namespace hadal
