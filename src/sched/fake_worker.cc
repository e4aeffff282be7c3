#include "sched/fake_worker.h"

#include <algorithm>

#include "base/check.h"

namespace hadal {
namespace {

constexpr uint64_t kStart = 0x243f6a8885a308d3ull;

uint64_t mix(uint64_t hash, uint64_t value) {
  uint64_t x = hash ^ (value + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2));
  x ^= x >> 31;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 29;
  return x;
}

bool has_id(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// output_index: how many tokens the answer has before this one. As a real sampler, bans end tokens before
// min_tokens.
int32_t fake_token(uint64_t history, const SamplingParams& sampling, int32_t output_index,
                   int32_t vocab_size) {
  for (uint64_t attempt = 0;; ++attempt) {
    const uint64_t draw = mix(mix(history, sampling.seed), attempt);
    const auto token = static_cast<int32_t>(draw % static_cast<uint64_t>(vocab_size));
    const bool ends = has_id(sampling.end_ids, token) || has_id(sampling.stop_token_ids, token);
    if (output_index >= sampling.min_tokens || !ends) return token;
  }
}

float logprob_of(uint64_t history, int32_t token) {
  return -static_cast<float>(mix(history, static_cast<uint64_t>(token)) % 1000) / 100.0f;
}

}  // namespace

std::vector<int32_t> fake_answer(const std::vector<int32_t>& prompt, const SamplingParams& sampling,
                                 int32_t vocab_size, int64_t max_len) {
  uint64_t hash = kStart;
  for (const int32_t token : prompt) hash = mix(hash, static_cast<uint64_t>(token));
  std::vector<int32_t> answer;
  while (true) {
    const auto index = static_cast<int32_t>(answer.size());
    const int32_t token = fake_token(hash, sampling, index, vocab_size);
    answer.push_back(token);
    hash = mix(hash, static_cast<uint64_t>(token));
    const bool may_stop = index >= sampling.min_tokens;
    if (may_stop && has_id(sampling.stop_token_ids, token)) return answer;
    if (may_stop && !sampling.ignore_eos && has_id(sampling.end_ids, token)) return answer;
    if (index + 1 >= sampling.max_tokens || static_cast<int64_t>(prompt.size() + answer.size()) >= max_len)
      return answer;
  }
}

float fake_prompt_logprob(const std::vector<int32_t>& prompt, int32_t index) {
  uint64_t hash = kStart;
  for (int32_t i = 0; i < index; ++i) hash = mix(hash, static_cast<uint64_t>(prompt[static_cast<size_t>(i)]));
  return logprob_of(hash, prompt[static_cast<size_t>(index)]);
}

FakeWorker::FakeWorker(const Options& options) : options_(options) {
  const auto num_domains = static_cast<size_t>(options.num_domains);
  cells_.assign(num_domains, std::vector<Cell>(static_cast<size_t>(options.num_blocks * options.block_size)));
  writers_.assign(num_domains, std::vector<Writer>(static_cast<size_t>(options.num_blocks)));
  slots_.resize(static_cast<size_t>(options.num_slots));
}

StepResult FakeWorker::run(const StepPlan& plan) {
  HADAL_CHECK(plan.step_id == last_step_id_ + 1)
      << "step " << plan.step_id << " after step " << last_step_id_;
  start_slots(plan);
  StepResult result;
  result.step_id = plan.step_id;
  int32_t num_samples = 0;
  for (const DomainPlan& d : plan.domains) {
    check_budget(d);
    for (const PlanRow& row : d.rows) num_samples += row.sample_index >= 0 ? 1 : 0;
  }
  HADAL_CHECK(num_samples == plan.num_samples())
      << num_samples << " rows sample, the plan says " << plan.num_samples();
  result.samples.resize(static_cast<size_t>(num_samples));
  for (size_t d = 0; d < plan.domains.size(); ++d) mark_writers(plan, d);
  for (size_t d = 0; d < plan.domains.size(); ++d) {
    for (const PlanRow& row : plan.domains[d].rows) run_row(plan, d, row, result);
  }
  last_step_id_ = plan.step_id;
  num_tokens_run_ += plan.num_tokens();
  last_samples_.clear();
  for (const Sample& sample : result.samples) {
    HADAL_CHECK(sample.sequence_id != 0) << "a sample index is missing in step " << plan.step_id;
    last_samples_.push_back(sample.token);
  }
  return result;
}

void FakeWorker::start_slots(const StepPlan& plan) {
  for (const int32_t slot : plan.ended_slots) {
    Slot& s = slots_.at(static_cast<size_t>(slot));
    HADAL_CHECK(s.used) << "slot " << slot << " ends but is not in use";
    s.used = false;
  }
  for (const SlotStart& start : plan.starts) {
    Slot& s = slots_.at(static_cast<size_t>(start.slot));
    HADAL_CHECK(!s.used) << "slot " << start.slot << " starts but is in use";
    s = Slot{true, start, 0, 0};
  }
}

void FakeWorker::check_budget(const DomainPlan& plan) const {
  int32_t tokens = 0;
  int32_t logits = 0;
  for (const PlanRow& row : plan.rows) {
    tokens += row.num_tokens;
    logits += row.sample_index >= 0 ? 1 : 0;
  }
  HADAL_CHECK(tokens <= options_.max_step_tokens) << tokens << " tokens in a step";
  HADAL_CHECK(logits <= options_.max_step_samples) << logits << " samples in a step";
}

void FakeWorker::mark_writers(const StepPlan& plan, size_t domain) {
  const DomainPlan& d = plan.domains[domain];
  for (const PlanRow& row : d.rows) {
    const int32_t last = row.first_position + row.num_tokens - 1;
    HADAL_CHECK(row.num_blocks > last / options_.block_size)
        << "sequence " << row.sequence_id << " lacks blocks";
    for (int32_t b = row.first_position / options_.block_size; b <= last / options_.block_size; ++b) {
      const int32_t id = d.block_ids.at(static_cast<size_t>(row.block_offset + b));
      Writer& writer = writers_[domain].at(static_cast<size_t>(id));
      HADAL_CHECK(writer.step_id != plan.step_id) << "two rows write block " << id;
      writer = {plan.step_id, row.sequence_id};
    }
  }
}

FakeWorker::Cell& FakeWorker::cell(const DomainPlan& plan, size_t domain, const PlanRow& row,
                                   int32_t position) {
  const int32_t id = plan.block_ids[static_cast<size_t>(row.block_offset + position / options_.block_size)];
  return cells_[domain][static_cast<size_t>(id * options_.block_size + position % options_.block_size)];
}

uint64_t FakeWorker::read_history(const StepPlan& plan, size_t domain, const PlanRow& row) {
  const DomainPlan& d = plan.domains[domain];
  uint64_t hash = kStart;
  int32_t position = options_.verify_all ? 0 : std::max(0, row.first_position - 1);
  for (; position < row.first_position; ++position) {
    const Cell& c = cell(d, domain, row, position);
    const int32_t id = d.block_ids[static_cast<size_t>(row.block_offset + position / options_.block_size)];
    const Writer& writer = writers_[domain].at(static_cast<size_t>(id));
    HADAL_CHECK(writer.step_id != plan.step_id || writer.sequence_id == row.sequence_id)
        << "sequence " << row.sequence_id << " reads block " << id << " while " << writer.sequence_id
        << " writes it";
    hash = options_.verify_all ? mix(hash, static_cast<uint64_t>(c.token)) : c.hash;
    HADAL_CHECK(c.position == position && c.hash == hash)
        << "step " << plan.step_id << ": sequence " << row.sequence_id << " finds in block " << id
        << " the key of position " << c.position << " instead of " << position << ", or of another prefix";
  }
  return hash;
}

int32_t FakeWorker::row_token(const DomainPlan& plan, const PlanRow& row, int32_t i) const {
  if (row.token_offset >= 0) return plan.token_ids.at(static_cast<size_t>(row.token_offset + i));
  HADAL_CHECK(row.num_tokens == 1) << "a row of " << row.num_tokens << " tokens has only the previous sample";
  return last_samples_.at(static_cast<size_t>(row.previous_sample));
}

void FakeWorker::run_row(const StepPlan& plan, size_t domain, const PlanRow& row, StepResult& result) {
  const DomainPlan& d = plan.domains[domain];
  Slot& slot = slots_.at(static_cast<size_t>(row.slot));
  HADAL_CHECK(slot.used && slot.start.sequence_id == row.sequence_id)
      << "sequence " << row.sequence_id << " runs in slot " << row.slot << " of " << slot.start.sequence_id;
  uint64_t hash = read_history(plan, domain, row);
  PromptLogprobs part{row.sequence_id, row.first_position, {}};
  for (int32_t i = 0; i < row.num_tokens; ++i) {
    const int32_t token = row_token(d, row, i);
    HADAL_CHECK(token >= 0 && token < options_.vocab_size) << "token " << token;
    hash = mix(hash, static_cast<uint64_t>(token));
    cell(d, domain, row, row.first_position + i) = {token, row.first_position + i, hash};
    slot.pooled_sum += token;
    ++slot.pooled_count;
    if (row.prompt_logprobs) add_prompt_logprob(d, row, i, hash, part);
  }
  if (row.prompt_logprobs) result.prompt_logprobs.push_back(std::move(part));
  if (slot.start.pooling != Pooling::kNone) return pool(slot, row, hash, result);
  if (row.sample_index < 0) return;
  Sample& sample = result.samples.at(static_cast<size_t>(row.sample_index));
  HADAL_CHECK(sample.sequence_id == 0) << "two rows have sample index " << row.sample_index;
  sample.sequence_id = row.sequence_id;
  const int32_t output_index = row.first_position + row.num_tokens - slot.start.prompt_len;
  sample.token = fake_token(hash, slot.start.sampling, output_index, options_.vocab_size);
  sample.logprob = logprob_of(hash, sample.token);
}

void FakeWorker::add_prompt_logprob(const DomainPlan& plan, const PlanRow& row, int32_t i, uint64_t hash,
                                    PromptLogprobs& part) {
  const int32_t next = i + 1 < row.num_tokens ? row_token(plan, row, i + 1) : row.next_prompt_token;
  if (next < 0) return;
  Sample sample;
  sample.sequence_id = row.sequence_id;
  sample.token = next;
  sample.logprob = logprob_of(hash, next);
  part.tokens.push_back(std::move(sample));
}

void FakeWorker::pool(Slot& slot, const PlanRow& row, uint64_t hash, StepResult& result) {
  HADAL_CHECK(row.sample_index < 0) << "an embedding request samples";
  if (row.first_position + row.num_tokens < slot.start.prompt_len) return;
  EmbeddingResult embedding{row.sequence_id, {}};
  if (slot.start.pooling == Pooling::kMean) {
    HADAL_CHECK(slot.pooled_count == slot.start.prompt_len)
        << "the mean runs over " << slot.pooled_count << " of " << slot.start.prompt_len << " tokens";
    embedding.values = {static_cast<float>(slot.pooled_sum) / static_cast<float>(slot.pooled_count)};
  } else {
    embedding.values = {static_cast<float>(hash % 1000)};
  }
  result.embeddings.push_back(std::move(embedding));
}

}  // namespace hadal
