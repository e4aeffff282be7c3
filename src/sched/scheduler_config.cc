#include "sched/scheduler_config.h"

#include <algorithm>

namespace hadal {
namespace {

Status check_prompt_ids(const SchedulerConfig& config, const std::vector<int32_t>& ids) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || (config.vocab_size > 0 && ids[i] >= config.vocab_size)) {
      return invalid_argument("prompt token ", i, " is ", ids[i], "; token ids of this model are 0 to ",
                              config.vocab_size - 1);
    }
  }
  return Status();
}

}  // namespace

Status validate_scheduler_config(const SchedulerConfig& c) {
  const auto positive = [](const char* name, int64_t value) {
    return value > 0 ? Status()
                     : Status(invalid_argument("scheduler: ", name, " is ", value, ", must be positive"));
  };
  HADAL_RETURN_IF_ERROR(positive("num_domains", c.num_domains));
  HADAL_RETURN_IF_ERROR(positive("num_blocks", c.num_blocks));
  HADAL_RETURN_IF_ERROR(positive("block_size", c.block_size));
  HADAL_RETURN_IF_ERROR(positive("max_running", c.max_running));
  HADAL_RETURN_IF_ERROR(positive("max_step_samples", c.max_step_samples));
  HADAL_RETURN_IF_ERROR(positive("max_steps_in_flight", c.max_steps_in_flight));
  HADAL_RETURN_IF_ERROR(positive("context_length", c.context_length));
  if (c.max_step_tokens < 2) {
    return invalid_argument("scheduler: max_step_tokens is ", c.max_step_tokens,
                            ", must be at least 2 (one decoding sequence and one prompt token)");
  }
  if (c.max_queued < 0 || c.chunked_prefill_size < 0 || c.priority_step.count() < 0) {
    return invalid_argument(
        "scheduler: max_queued, chunked_prefill_size and priority_step must not be negative");
  }
  return Status();
}

int64_t max_total_len(const SchedulerConfig& config, const Request& request) {
  if (request.pooling != Pooling::kNone) return request.prompt_len();
  return std::min<int64_t>(int64_t{request.prompt_len()} + request.sampling.max_tokens,
                           config.context_length);
}

Status check_request(const SchedulerConfig& config, const Request& request) {
  if (request.prompt_ids == nullptr || request.prompt_ids->empty())
    return invalid_argument("the prompt is empty");
  if (request.sampling.max_tokens < 1 && request.pooling == Pooling::kNone) {
    return invalid_argument("max_tokens is ", request.sampling.max_tokens, ", must be at least 1");
  }
  const int64_t prompt_len = request.prompt_len();
  const int64_t room = config.context_length - (request.pooling == Pooling::kNone ? 1 : 0);
  if (prompt_len > room) {
    return invalid_argument(
        "the prompt has ", prompt_len, " tokens, ", prompt_len - room,
        " more than fit: the model's context length is ", config.context_length,
        request.pooling == Pooling::kNone ? " tokens and the answer needs at least one" : " tokens");
  }
  // The last token sampled is never put into the cache.
  const int64_t cached = std::max(prompt_len, max_total_len(config, request) - 1);
  const int64_t blocks = (cached + config.block_size - 1) / config.block_size;
  if (blocks > config.num_blocks) {
    return invalid_argument("prompt (", prompt_len, " tokens) and answer (up to ",
                            request.sampling.max_tokens, ") can need ", cached, " tokens of KV cache, ",
                            cached - config.max_sequence_tokens(), " more than the whole cache holds (",
                            config.max_sequence_tokens(), "): lower max_tokens or shorten the prompt");
  }
  return check_prompt_ids(config, *request.prompt_ids);
}

}  // namespace hadal
