#include "engine/engine_options.h"

#include <algorithm>

namespace hadal {

Result<SchedulerConfig> make_scheduler_config(const ExecutorLimits& limits, const EngineOptions& options) {
  SchedulerConfig config;
  config.num_domains = limits.num_domains;
  config.num_blocks = limits.num_blocks;
  config.block_size = limits.block_size;
  config.max_running =
      options.max_running > 0 ? std::min(options.max_running, limits.max_slots) : limits.max_slots;
  config.max_queued = 0;  // the inbox bounds the queue, so that submit can answer at once
  config.max_step_tokens = limits.max_step_tokens;
  config.max_step_samples = limits.max_step_samples;
  config.chunked_prefill_size = options.chunked_prefill_size;
  config.max_steps_in_flight = limits.max_steps_in_flight;
  config.context_length = limits.context_length;
  config.vocab_size = limits.vocab_size;
  config.prefix_cache = options.prefix_cache;
  config.hash_seed = options.hash_seed;
  HADAL_RETURN_IF_ERROR(validate_scheduler_config(config));
  return config;
}

}  // namespace hadal
