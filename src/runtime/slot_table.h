// SlotTable: what the runtime remembers of each running sequence between steps: its sampling parameters, the
// counts that penalties need, and sums for pooled embeddings. Slots are numbered by the scheduler. Owned by
// ModelRunner; worker thread only.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernels/op/sample.h"
#include "step/step_plan.h"

namespace hadal {

// Tokens of one sequence with how often they came, sorted by token id.
class TokenCounts {
 public:
  // prompt_set: the prompt's distinct tokens; output_counts: (token, how often). Cheap when ascending.
  void reset(std::span<const int32_t> prompt_set, std::span<const std::pair<int32_t, int32_t>> output_counts);
  void clear() { counts_.clear(); }
  void add_output(int32_t token);
  std::span<const TokenCount> counts() const { return counts_; }

 private:
  std::vector<TokenCount> counts_;
};

struct Slot {
  bool running = false;
  uint64_t sequence_id = 0;
  int32_t prompt_len = 0;
  SamplingParams sampling;
  Pooling pooling = Pooling::kNone;
  TokenCounts counts;               // empty unless a penalty is set
  std::vector<int32_t> end_tokens;  // banned before min_tokens
  std::vector<double> pooled;       // kMean: sum of hidden states so far
  int64_t num_pooled = 0;
};

class SlotTable {
 public:
  explicit SlotTable(int max_slots) : slots_(static_cast<size_t>(max_slots)) {}
  // Frees and fills slots as the plan says. Errors: kDataLoss for a slot out of range.
  Status apply(const StepPlan& plan);
  // The slot if this sequence runs in it, else nullptr.
  Slot* find(int32_t slot, uint64_t sequence_id);

 private:
  std::vector<Slot> slots_;
};

// How the sampler draws the token at `position` of the slot's sequence from row `logits_row`.
// The result borrows from the slot.
SampleRow sample_row_of(const Slot& slot, int32_t logits_row, int64_t position);

}  // namespace hadal
