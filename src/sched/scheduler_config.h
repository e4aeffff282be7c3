// SchedulerConfig: the scheduler's limits. Made once from ExecutorLimits and the flags, then const; any
// thread may read.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.h"
#include "sched/request.h"

namespace hadal {

struct SchedulerConfig {
  int32_t num_domains = 1;
  int32_t num_blocks = 0;  // per domain
  int32_t block_size = 32;
  int32_t max_running = 0;       // sequences with a slot, over all domains
  int32_t max_queued = 0;        // requests that have not started yet; 0: no bound here
  int32_t max_step_tokens = 0;   // per step and domain
  int32_t max_step_samples = 0;  // sampled rows per step and domain
  int32_t chunked_prefill_size =
      0;  // prompt tokens per step and domain; 0: as many as max_step_tokens allows
  int32_t max_steps_in_flight = 2;
  int64_t context_length = 0;  // longest sequence, prompt and answer together
  int32_t vocab_size = 0;      // 0: token ids are not checked
  bool prefix_cache = true;
  uint64_t hash_seed = 0;  // random in a server: prompts must not be able to choose their hash
  // What one level of priority is worth: a request goes before all that are a level lower and arrived at most
  // this much earlier. Finite, so that a stream of urgent requests cannot starve the others for ever.
  std::chrono::nanoseconds priority_step = std::chrono::seconds(60);

  int64_t max_sequence_tokens() const { return int64_t{num_blocks} * block_size; }
};

// kInvalidArgument naming the field.
Status validate_scheduler_config(const SchedulerConfig& config);

// Whether this request can ever be served: prompt not empty, ids within the vocabulary, shorter than the
// context, and its longest possible run fits into an empty pool. kInvalidArgument says by how much it is
// over. Any thread.
Status check_request(const SchedulerConfig& config, const Request& request);

// The length at which the request's answer is cut: prompt + max_tokens, the context length at the most.
// Embeddings: the prompt.
int64_t max_total_len(const SchedulerConfig& config, const Request& request);

}  // namespace hadal
