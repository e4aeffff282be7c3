#include "runtime/step_feeder.h"

#include <algorithm>

namespace hadal {

Result<int> StepFeeder::add(FeedRequest request) {
  const bool embeds = request.pooling != Pooling::kNone;
  const auto tokens =
      static_cast<int64_t>(request.prompt.size()) + (embeds ? 0 : request.sampling.max_tokens);
  const int64_t blocks = (tokens + limits_.block_size - 1) / limits_.block_size;
  if (request.prompt.empty()) return invalid_argument("a prompt is empty");
  if (tokens > limits_.context_length || used_blocks_ + blocks > limits_.num_blocks ||
      sequences_.size() >= static_cast<size_t>(limits_.max_slots)) {
    return make_error(ErrorCode::kResourceExhausted, "no room for ", tokens, " more tokens: context ",
                      limits_.context_length, ", ", limits_.num_blocks - used_blocks_, " of ",
                      limits_.num_blocks, " blocks left, ", sequences_.size(), " of ", limits_.max_slots,
                      " slots used");
  }
  Sequence sequence;
  sequence.request = std::move(request);
  sequence.first_block = used_blocks_;
  sequence.num_blocks = static_cast<int32_t>(blocks);
  used_blocks_ += sequence.num_blocks;
  sequences_.push_back(std::move(sequence));
  return static_cast<int>(sequences_.size()) - 1;
}

bool StepFeeder::plan_sequence(int32_t index, int32_t& budget, StepPlan& plan, int32_t& num_samples) {
  Sequence& s = sequences_[static_cast<size_t>(index)];
  const auto prompt_len = static_cast<int32_t>(s.request.prompt.size());
  const bool embeds = s.request.pooling != Pooling::kNone;
  DomainPlan& domain = plan.domains[0];
  PlanRow row;
  row.sequence_id = static_cast<uint64_t>(index) + 1;
  row.slot = index;
  row.first_position = s.position;
  if (s.position < prompt_len) {
    row.num_tokens = std::min(budget, prompt_len - s.position);
    if (row.num_tokens == 0) return false;
    budget -= row.num_tokens;
    row.token_offset = static_cast<int32_t>(domain.token_ids.size());
    const auto begin = s.request.prompt.begin() + s.position;
    domain.token_ids.insert(domain.token_ids.end(), begin, begin + row.num_tokens);
    row.prompt_logprobs = s.request.prompt_logprobs;
    if (s.position + row.num_tokens < prompt_len) {
      row.next_prompt_token = s.request.prompt[static_cast<size_t>(s.position + row.num_tokens)];
    }
  } else {
    row.num_tokens = 1;
    if (chain_) {
      row.previous_sample = s.last_sample;
    } else {
      row.token_offset = static_cast<int32_t>(domain.token_ids.size());
      domain.token_ids.push_back(s.output.samples.back().token);
    }
  }
  if (!s.started) {
    s.started = true;
    SlotStart start;
    start.slot = index;
    start.sequence_id = row.sequence_id;
    start.prompt_len = prompt_len;
    start.sampling = s.request.sampling;
    start.pooling = s.request.pooling;
    if (s.request.sampling.has_penalties()) {
      start.prompt_set = static_cast<int32_t>(plan.prompt_sets.size());
      plan.prompt_sets.push_back(s.request.prompt);  // the slot makes its tokens distinct
    }
    plan.starts.push_back(std::move(start));
  }
  s.position += row.num_tokens;
  row.block_offset = static_cast<int32_t>(domain.block_ids.size());
  row.num_blocks = (s.position + limits_.block_size - 1) / limits_.block_size;
  for (int32_t b = 0; b < row.num_blocks; ++b) domain.block_ids.push_back(s.first_block + b);
  s.last_sample = -1;
  if (s.position >= prompt_len && !embeds) {
    row.sample_index = num_samples++;
    s.last_sample = row.sample_index;
    ++s.num_sampled;
  }
  s.ended = embeds ? s.position >= prompt_len : s.num_sampled >= s.request.sampling.max_tokens;
  domain.rows.push_back(row);
  return true;
}

std::optional<StepPlan> StepFeeder::next() {
  StepPlan plan;
  plan.step_id = step_id_ + 1;
  plan.domains.resize(1);
  int32_t num_samples = 0;
  int32_t decoding = 0;
  for (const Sequence& s : sequences_) {
    decoding += !s.ended && s.position >= static_cast<int32_t>(s.request.prompt.size()) ? 1 : 0;
  }
  int32_t budget = std::min(chunk_, limits_.max_tokens - decoding);
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (!sequences_[i].ended) plan_sequence(static_cast<int32_t>(i), budget, plan, num_samples);
  }
  if (plan.domains[0].rows.empty()) return std::nullopt;
  ++step_id_;
  return plan;
}

void StepFeeder::commit(const StepResult& result) {
  const auto output_of = [&](uint64_t id) -> FeedOutput& {
    return sequences_[static_cast<size_t>(id - 1)].output;
  };
  for (const Sample& sample : result.samples) output_of(sample.sequence_id).samples.push_back(sample);
  for (const PromptLogprobs& part : result.prompt_logprobs) {
    auto& all = output_of(part.sequence_id).prompt_logprobs;
    all.insert(all.end(), part.tokens.begin(), part.tokens.end());
  }
  for (const EmbeddingResult& e : result.embeddings) output_of(e.sequence_id).embedding = e.values;
}

}  // namespace hadal
