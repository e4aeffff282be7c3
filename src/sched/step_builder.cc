#include "sched/step_builder.h"

#include <algorithm>

#include "base/check.h"

namespace hadal {
namespace {

bool samples_next(const Sequence& sequence) {
  return sequence.request().pooling == Pooling::kNone;
}

}  // namespace

StepBuilder::StepBuilder(const SchedulerConfig& config, uint64_t step_id, const StepPlan* like)
    : config_(config), plan_(std::make_shared<StepPlan>()) {
  plan_->step_id = step_id;
  plan_->domains.resize(static_cast<size_t>(config.num_domains));
  const int32_t chunk =
      config.chunked_prefill_size > 0 ? config.chunked_prefill_size : config.max_step_tokens;
  budgets_.assign(static_cast<size_t>(config.num_domains),
                  {config.max_step_tokens, chunk, config.max_step_samples});
  if (like == nullptr) return;
  for (size_t d = 0; d < plan_->domains.size(); ++d) {
    const DomainPlan& before = like->domains[d];
    plan_->domains[d].rows.reserve(before.rows.size() + 8);
    plan_->domains[d].block_ids.reserve(before.block_ids.size() + before.rows.size() + 64);
  }
}

PlanRow& StepBuilder::add_row(Sequence& sequence, int32_t num_tokens) {
  Run& run = *sequence.run();
  DomainPlan& domain = plan_->domains[static_cast<size_t>(run.domain)];
  Budget& budget = budgets_[static_cast<size_t>(run.domain)];
  budget.tokens -= num_tokens;
  HADAL_CHECK(budget.tokens >= 0 && num_tokens > 0)
      << "a row of " << num_tokens << " tokens is over the step's budget";
  PlanRow& row = domain.rows.emplace_back();
  row.sequence_id = sequence.id();
  row.slot = run.slot;
  row.first_position = run.num_planned;
  row.num_tokens = num_tokens;
  run.num_planned += num_tokens;
  row.block_offset = static_cast<int32_t>(domain.block_ids.size());
  row.num_blocks = (run.num_planned + config_.block_size - 1) / config_.block_size;
  HADAL_CHECK(row.num_blocks <= run.table.size())
      << "sequence " << sequence.id() << " plans " << run.num_planned << " tokens on " << run.table.size()
      << " blocks";
  const auto ids = run.table.ids().first(static_cast<size_t>(row.num_blocks));
  domain.block_ids.insert(domain.block_ids.end(), ids.begin(), ids.end());
  ++sequence.in_flight().rows;
  ++num_rows_;
  return row;
}

void StepBuilder::add_sample(Sequence& sequence, PlanRow& row) {
  row.sample_index = num_samples_++;
  Sequence::InFlight& in_flight = sequence.in_flight();
  ++in_flight.samples;
  in_flight.last_sample_step = plan_->step_id;
  in_flight.last_sample_index = row.sample_index;
}

void StepBuilder::add_decode(Sequence& sequence) {
  const Sequence::InFlight before = sequence.in_flight();
  PlanRow& row = add_row(sequence, 1);
  DomainPlan& domain = plan_->domains[static_cast<size_t>(sequence.run()->domain)];
  if (before.samples > 0) {
    row.previous_sample = before.last_sample_index;
  } else {
    row.token_offset = static_cast<int32_t>(domain.token_ids.size());
    domain.token_ids.push_back(sequence.tokens().back());
  }
  --budgets_[static_cast<size_t>(sequence.run()->domain)].samples;
  add_sample(sequence, row);
}

int32_t StepBuilder::prompt_chunk(const Sequence& sequence, int32_t domain, int32_t first,
                                  int32_t target) const {
  const Budget& budget = budgets_[static_cast<size_t>(domain)];
  const int32_t chunk = std::min({target - first, budget.tokens, budget.prompt_tokens});
  if (chunk <= 0) return 0;
  // The last chunk samples: without room for that, all but its last token can be computed.
  const bool samples = first + chunk == target && samples_next(sequence);
  return samples && budget.samples == 0 ? chunk - 1 : chunk;
}

void StepBuilder::add_prompt_chunk(Sequence& sequence) {
  const Prefilling& state = sequence.prefilling();
  const int32_t domain_index = state.run.domain;
  const int32_t first = state.run.num_planned;
  const int32_t chunk = prompt_chunk(sequence, domain_index, first, state.target);
  if (chunk <= 0) return;
  DomainPlan& domain = plan_->domains[static_cast<size_t>(domain_index)];
  Budget& budget = budgets_[static_cast<size_t>(domain_index)];
  PlanRow& row = add_row(sequence, chunk);
  budget.prompt_tokens -= chunk;
  row.token_offset = static_cast<int32_t>(domain.token_ids.size());
  const auto begin = sequence.tokens().begin() + first;
  domain.token_ids.insert(domain.token_ids.end(), begin, begin + chunk);
  if (sequence.wants_prompt_logprobs()) {
    row.prompt_logprobs = true;
    const int32_t next = first + chunk;
    row.next_prompt_token = next < sequence.prompt_len() ? sequence.tokens()[static_cast<size_t>(next)] : -1;
  }
  if (first + chunk < state.target) return;
  if (samples_next(sequence)) {
    --budget.samples;
    add_sample(sequence, row);
  }
  sequence.start_decoding();
}

void StepBuilder::add_start(const Sequence& sequence) {
  SlotStart& start = plan_->starts.emplace_back();
  start.slot = sequence.run()->slot;
  start.sequence_id = sequence.id();
  start.prompt_len = sequence.prompt_len();
  start.sampling = sequence.request().sampling;
  start.pooling = sequence.request().pooling;
  start_ids_ += static_cast<int64_t>(2 * start.sampling.logit_bias.size() + start.sampling.end_ids.size() +
                                     start.sampling.stop_token_ids.size());
  if (!start.sampling.has_penalties()) return;
  start.prompt_set = prompt_set_of(sequence);
  std::vector<int32_t> output(sequence.tokens().begin() + sequence.prompt_len(), sequence.tokens().end());
  std::sort(output.begin(), output.end());
  for (const int32_t token : output) {
    if (start.output_counts.empty() || start.output_counts.back().first != token)
      start.output_counts.emplace_back(token, 0);
    ++start.output_counts.back().second;
  }
  start_ids_ += static_cast<int64_t>(output.size());
}

// The siblings of a fork group have one prompt: its tokens are sorted and sent once.
int32_t StepBuilder::prompt_set_of(const Sequence& sequence) {
  const std::vector<int32_t>* prompt = sequence.request().prompt_ids.get();
  const auto known = std::find(set_prompts_.rbegin(), set_prompts_.rend(), prompt);
  if (known != set_prompts_.rend()) return static_cast<int32_t>(set_prompts_.rend() - known) - 1;
  std::vector<int32_t>& set = plan_->prompt_sets.emplace_back(*prompt);
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  set_prompts_.push_back(prompt);
  start_ids_ += static_cast<int64_t>(prompt->size());
  return static_cast<int32_t>(set_prompts_.size()) - 1;
}

std::shared_ptr<const StepPlan> StepBuilder::finish(std::vector<int32_t> ended_slots) {
  plan_->ended_slots = std::move(ended_slots);
  return std::move(plan_);
}

}  // namespace hadal
