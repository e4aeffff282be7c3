#include "runtime/slot_table.h"

#include <algorithm>

namespace hadal {

void TokenCounts::reset(std::span<const int32_t> prompt_set,
                        std::span<const std::pair<int32_t, int32_t>> output_counts) {
  counts_.clear();
  counts_.reserve(prompt_set.size() + output_counts.size());
  for (int32_t token : prompt_set) counts_.push_back({token, 0, true});
  for (const auto& [token, count] : output_counts) counts_.push_back({token, count, false});
  const auto by_token = [](const TokenCount& a, const TokenCount& b) { return a.token < b.token; };
  if (!std::is_sorted(counts_.begin(), counts_.end(), by_token))
    std::sort(counts_.begin(), counts_.end(), by_token);
  size_t kept = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (kept > 0 && counts_[kept - 1].token == counts_[i].token) {
      counts_[kept - 1].in_output += counts_[i].in_output;
      counts_[kept - 1].in_prompt |= counts_[i].in_prompt;
    } else {
      counts_[kept++] = counts_[i];
    }
  }
  counts_.resize(kept);
}

void TokenCounts::add_output(int32_t token) {
  const auto at = std::lower_bound(counts_.begin(), counts_.end(), token,
                                   [](const TokenCount& count, int32_t id) { return count.token < id; });
  if (at != counts_.end() && at->token == token) {
    ++at->in_output;
  } else {
    counts_.insert(at, {token, 1, false});
  }
}

Status SlotTable::apply(const StepPlan& plan) {
  const auto max_slots = static_cast<int32_t>(slots_.size());
  for (const int32_t slot : plan.ended_slots) {
    if (slot < 0 || slot >= max_slots) {
      return make_error(ErrorCode::kDataLoss, "step ", plan.step_id, " ends slot ", slot, " of ", max_slots);
    }
    slots_[static_cast<size_t>(slot)].running = false;
  }
  for (const SlotStart& start : plan.starts) {
    if (start.slot < 0 || start.slot >= max_slots) {
      return make_error(ErrorCode::kDataLoss, "step ", plan.step_id, " starts slot ", start.slot, " of ",
                        max_slots);
    }
    Slot& slot = slots_[static_cast<size_t>(start.slot)];
    slot.running = true;
    slot.sequence_id = start.sequence_id;
    slot.prompt_len = start.prompt_len;
    slot.sampling = start.sampling;
    slot.pooling = start.pooling;
    slot.pooled.clear();
    slot.num_pooled = 0;
    slot.counts.clear();
    if (start.sampling.has_penalties()) {
      const auto set = static_cast<size_t>(start.prompt_set);
      if (start.prompt_set >= 0 && set >= plan.prompt_sets.size()) {
        return make_error(ErrorCode::kDataLoss, "step ", plan.step_id, " names prompt set ", set, " of ",
                          plan.prompt_sets.size());
      }
      slot.counts.reset(start.prompt_set >= 0 ? std::span<const int32_t>(plan.prompt_sets[set])
                                              : std::span<const int32_t>(),
                        start.output_counts);
    }
    slot.end_tokens.clear();
    if (start.sampling.min_tokens > 0) {
      slot.end_tokens = start.sampling.stop_token_ids;
      if (!start.sampling.ignore_eos) {
        slot.end_tokens.insert(slot.end_tokens.end(), start.sampling.end_ids.begin(),
                               start.sampling.end_ids.end());
      }
    }
  }
  return {};
}

Slot* SlotTable::find(int32_t slot, uint64_t sequence_id) {
  if (slot < 0 || static_cast<size_t>(slot) >= slots_.size()) return nullptr;
  Slot& found = slots_[static_cast<size_t>(slot)];
  return found.running && found.sequence_id == sequence_id ? &found : nullptr;
}

SampleRow sample_row_of(const Slot& slot, int32_t logits_row, int64_t position) {
  const SamplingParams& p = slot.sampling;
  SampleRow row;
  row.logits_row = logits_row;
  row.temperature = p.temperature;
  row.top_k = std::max(p.top_k, 0);
  row.top_p = p.top_p;
  row.min_p = p.min_p;
  row.repetition_penalty = p.repetition_penalty;
  row.presence_penalty = p.presence_penalty;
  row.frequency_penalty = p.frequency_penalty;
  row.seed = p.seed;
  row.position = position;
  row.counts = slot.counts.counts();
  row.logit_bias = p.logit_bias;
  // Tokens generated so far: those between the prompt's end and the sampled position.
  if (position - slot.prompt_len < p.min_tokens) row.banned = slot.end_tokens;
  row.num_top_logprobs = p.num_logprobs;
  return row;
}

}  // namespace hadal
