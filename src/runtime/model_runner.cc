#include "runtime/model_runner.h"

#include <algorithm>
#include <chrono>

#include "kernels/op/copy.h"
#include "layers/load_context.h"

namespace hadal {
namespace {

// Logits are made for this many rows at a time: a few megabytes of arena at any vocabulary, and still a full
// tile of work for the matrix product.
constexpr int64_t kLogitsRows = 64;

int64_t logits_rows_at_once(const StepLimits& limits) {
  return std::min<int64_t>(kLogitsRows, std::max(limits.max_tokens, limits.max_samples));
}

std::vector<TopLogprob> top_of(const SampleOutput& output) {
  std::vector<TopLogprob> top;
  top.reserve(output.top.size());
  for (const TokenLogprob& entry : output.top) top.push_back({entry.token, entry.logprob});
  return top;
}

}  // namespace

int64_t ModelRunner::arena_bytes(const Model& model, const StepLimits& limits, int num_threads) {
  const int64_t rows = logits_rows_at_once(limits);
  const int64_t model_bytes = model.arena_bytes(limits.max_tokens, rows, limits.context_length, num_threads);
  // Sampling runs beside the logits and hidden states that model_bytes counts; sampled rows may be gathered
  // first.
  const int64_t sampling = sample_arena_bytes(num_threads, limits.vocab_size) +
                           arena_f32_bytes(int64_t{limits.max_samples} * limits.hidden_size) +
                           3 * arena_f32_bytes(limits.max_samples);
  return step_batch_arena_bytes(limits) + model_bytes + sampling;
}

Result<std::unique_ptr<ModelRunner>> ModelRunner::make(Model& model, KvStorage kv, Stream& stream,
                                                       Communicator& comm, CpuTier cpu_tier,
                                                       const StepLimits& limits, int num_threads) {
  HADAL_ASSIGN(
      DeviceBuffer buffer,
      DeviceBuffer::allocate(stream.device(), static_cast<size_t>(arena_bytes(model, limits, num_threads))));
  return std::unique_ptr<ModelRunner>(
      new ModelRunner(model, std::move(kv), stream, comm, cpu_tier, limits, std::move(buffer)));
}

ModelRunner::ModelRunner(Model& model, KvStorage kv, Stream& stream, Communicator& comm, CpuTier cpu_tier,
                         const StepLimits& limits, DeviceBuffer arena)
    : model_(model),
      kv_(std::move(kv)),
      comm_(comm),
      limits_(limits),
      arena_(std::move(arena)),
      context_{OpContext{stream, arena_, cpu_tier}, comm_, kv_},
      slots_(limits.max_slots) {
  const auto rows = static_cast<size_t>(limits.max_slots);
  row_slots_.reserve(rows);
  row_outputs_.reserve(rows);
  row_of_sample_.reserve(static_cast<size_t>(limits.max_samples));
  sample_rows_.reserve(static_cast<size_t>(kLogitsRows));
  sample_outputs_.resize(static_cast<size_t>(std::max<int64_t>(limits.max_samples, kLogitsRows)));
}

Result<StepResult> ModelRunner::run(const StepPlan& plan) {
  const auto began = std::chrono::steady_clock::now();
  arena_.reset();
  if (plan.domains.size() != 1) {
    return make_error(ErrorCode::kDataLoss, "step ", plan.step_id, " has ", plan.domains.size(),
                      " domains, not 1");
  }
  const DomainPlan& domain = plan.domains[0];
  HADAL_RETURN_IF_ERROR(check_step(plan, domain, limits_, previous_samples_.size()));
  HADAL_RETURN_IF_ERROR(slots_.apply(plan));
  HADAL_RETURN_IF_ERROR(choose_outputs(plan, domain));
  StepResult result;
  result.step_id = plan.step_id;
  if (!domain.rows.empty()) {
    const StepBatch batch =
        build_step_batch(arena_, domain, row_outputs_, previous_samples_, limits_.block_size);
    HADAL_ASSIGN(const Tensor hidden, model_.hidden(context_, batch.forward, false));
    for (size_t r = 0; r < domain.rows.size(); ++r) {
      const PlanRow& row = domain.rows[r];
      Slot& slot = *row_slots_[r];
      const Tensor rows = hidden.rows(batch.hidden[r].first, batch.hidden[r].count);
      if (row.prompt_logprobs) {
        HADAL_RETURN_IF_ERROR(
            prompt_logprobs(domain, row, rows, std::max(slot.sampling.num_prompt_logprobs, 0), result));
      }
      if (slot.pooling != Pooling::kNone) pool(row, slot, rows, result);
    }
    HADAL_RETURN_IF_ERROR(sample_rows(domain, batch, hidden, result));
  } else {
    previous_samples_.clear();
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return result;
}

Status ModelRunner::choose_outputs(const StepPlan& plan, const DomainPlan& domain) {
  row_slots_.clear();
  row_outputs_.clear();
  for (const PlanRow& row : domain.rows) {
    Slot* slot = slots_.find(row.slot, row.sequence_id);
    if (slot == nullptr) {
      return make_error(ErrorCode::kDataLoss, "step ", plan.step_id, ": sequence ", row.sequence_id,
                        " does not run in slot ", row.slot);
    }
    RowOutputs outputs = RowOutputs::kSample;
    if (row.prompt_logprobs || slot->pooling == Pooling::kMean) {
      outputs = RowOutputs::kAll;
    } else if (slot->pooling == Pooling::kLast && row.first_position + row.num_tokens >= slot->prompt_len) {
      outputs = RowOutputs::kLast;
    }
    row_slots_.push_back(slot);
    row_outputs_.push_back(outputs);
  }
  return {};
}

Result<Tensor> ModelRunner::gather_sampled(const DomainPlan& domain, const StepBatch& batch,
                                           const Tensor& hidden) {
  row_of_sample_.clear();
  for (size_t r = 0; r < domain.rows.size(); ++r) {
    if (domain.rows[r].sample_index >= 0) row_of_sample_.push_back(0);
  }
  for (size_t r = 0; r < domain.rows.size(); ++r) {
    const int32_t index = domain.rows[r].sample_index;
    if (index >= 0) row_of_sample_[static_cast<size_t>(index)] = static_cast<int32_t>(r);
  }
  const auto count = static_cast<int64_t>(row_of_sample_.size());
  const Tensor rows = arena_.alloc(DType::kI32, {count});
  bool in_place = true;
  for (int64_t i = 0; i < count; ++i) {
    const RowHidden& at = batch.hidden[static_cast<size_t>(row_of_sample_[static_cast<size_t>(i)])];
    rows.ptr<int32_t>()[i] = at.first + at.count - 1;
    in_place = in_place && rows.ptr<int32_t>()[i] == i;
  }
  if (in_place) return hidden.rows(0, count);
  const Tensor sampled = arena_.alloc(DType::kF32, {count, hidden.dim(1)});
  gather_rows(context_.op, hidden, rows, sampled);
  return sampled;
}

Status ModelRunner::sample_rows(const DomainPlan& domain, const StepBatch& batch, const Tensor& hidden,
                                StepResult& result) {
  HADAL_ASSIGN(const Tensor sampled, gather_sampled(domain, batch, hidden));
  const int64_t count = sampled.dim(0);
  const int64_t tile = logits_rows_at_once(limits_);
  for (int64_t first = 0; first < count; first += tile) {
    sample_rows_.clear();
    for (int64_t i = first; i < std::min(first + tile, count); ++i) {
      const auto r = static_cast<size_t>(row_of_sample_[static_cast<size_t>(i)]);
      const PlanRow& row = domain.rows[r];
      sample_rows_.push_back(sample_row_of(*row_slots_[r], static_cast<int32_t>(i - first),
                                           int64_t{row.first_position} + row.num_tokens));
    }
    HADAL_RETURN_IF_ERROR(sample_tile(sampled, first, std::min(tile, count - first)));
  }
  HADAL_RETURN_IF_ERROR(share_tokens(count));
  result.samples.resize(static_cast<size_t>(count));
  previous_samples_.resize(static_cast<size_t>(count));
  for (size_t i = 0; i < result.samples.size(); ++i) {
    const auto r = static_cast<size_t>(row_of_sample_[i]);
    Slot& slot = *row_slots_[r];
    Sample& sample = result.samples[i];
    const SampleOutput& output = sample_outputs_[i];
    sample.sequence_id = domain.rows[r].sequence_id;
    sample.token = output.token;
    sample.invalid = comm_.rank() == 0 && !output.finite;
    if (slot.sampling.num_logprobs >= 0) {
      sample.logprob = output.logprob;
      sample.top = top_of(output);
    }
    previous_samples_[i] = output.token;
    if (slot.sampling.has_penalties()) slot.counts.add_output(output.token);
  }
  return {};
}

Status ModelRunner::sample_tile(const Tensor& hidden, int64_t first, int64_t count) {
  Arena::Scope scope(arena_);
  HADAL_ASSIGN(const Tensor logits, model_.logits(context_, hidden.rows(first, count)));
  if (comm_.rank() != 0) return {};
  sample(context_.op, logits, sample_rows_,
         std::span(sample_outputs_).subspan(static_cast<size_t>(first), static_cast<size_t>(count)));
  return {};
}

Status ModelRunner::share_tokens(int64_t count) {
  if (comm_.size() == 1 || count == 0) return {};
  Arena::Scope scope(arena_);
  const Tensor tokens = arena_.alloc(DType::kI32, {count});
  for (int64_t i = 0; i < count; ++i)
    tokens.ptr<int32_t>()[i] = sample_outputs_[static_cast<size_t>(i)].token;
  HADAL_RETURN_IF_ERROR(comm_.broadcast(context_.op.stream, tokens, 0));
  for (int64_t i = 0; i < count; ++i)
    sample_outputs_[static_cast<size_t>(i)].token = tokens.ptr<int32_t>()[i];
  return {};
}

Status ModelRunner::prompt_logprobs(const DomainPlan& domain, const PlanRow& row, const Tensor& hidden,
                                    int num_top, StepResult& result) {
  // The token after each of the row's: the row's own next, and next_prompt_token after the last.
  std::vector<int32_t> next;
  if (row.token_offset >= 0) {
    const auto begin = domain.token_ids.begin() + row.token_offset;
    next.assign(begin + 1, begin + row.num_tokens);
  }
  if (row.next_prompt_token >= 0) next.push_back(row.next_prompt_token);
  for (const int32_t token : next) {
    if (token >= limits_.vocab_size) {
      return make_error(ErrorCode::kDataLoss, "prompt token ", token, " is not in the vocabulary");
    }
  }
  PromptLogprobs out;
  out.sequence_id = row.sequence_id;
  out.first_position = row.first_position;
  const auto count = static_cast<int64_t>(next.size());
  const int64_t tile = logits_rows_at_once(limits_);
  for (int64_t first = 0; first < count; first += tile) {
    Arena::Scope scope(arena_);
    const int64_t rows = std::min(tile, count - first);
    HADAL_ASSIGN(const Tensor logits, model_.logits(context_, hidden.rows(first, rows)));
    if (comm_.rank() != 0) continue;
    const auto outputs = std::span(sample_outputs_).first(static_cast<size_t>(rows));
    token_logprobs(context_.op, logits,
                   std::span(next).subspan(static_cast<size_t>(first), static_cast<size_t>(rows)), num_top,
                   outputs);
    for (const SampleOutput& output : outputs) {
      out.tokens.push_back({row.sequence_id, output.token, output.logprob, top_of(output)});
    }
  }
  if (comm_.rank() == 0) result.prompt_logprobs.push_back(std::move(out));
  return {};
}

void ModelRunner::pool(const PlanRow& row, Slot& slot, const Tensor& hidden, StepResult& result) {
  const int64_t width = hidden.dim(1);
  const bool ends = row.first_position + row.num_tokens >= slot.prompt_len;
  if (slot.pooling == Pooling::kMean) {
    slot.pooled.resize(static_cast<size_t>(width), 0.0);
    for (int64_t t = 0; t < hidden.dim(0); ++t) {
      const float* values = hidden.ptr<float>() + t * width;
      for (int64_t i = 0; i < width; ++i) slot.pooled[static_cast<size_t>(i)] += values[i];
    }
    slot.num_pooled += hidden.dim(0);
  }
  if (!ends || hidden.dim(0) == 0) return;
  EmbeddingResult out;
  out.sequence_id = row.sequence_id;
  out.values.resize(static_cast<size_t>(width));
  const float* last = hidden.ptr<float>() + (hidden.dim(0) - 1) * width;
  for (int64_t i = 0; i < width; ++i) {
    const auto at = static_cast<size_t>(i);
    out.values[at] = slot.pooling == Pooling::kMean
                         ? static_cast<float>(slot.pooled[at] / static_cast<double>(slot.num_pooled))
                         : last[i];
  }
  result.embeddings.push_back(std::move(out));
}

}  // namespace hadal
