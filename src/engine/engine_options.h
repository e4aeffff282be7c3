// EngineOptions: what the flags say about the engine; with ExecutorLimits they give the scheduler's limits.
#pragma once

#include <chrono>

#include "sched/scheduler_config.h"
#include "step/step_executor.h"

namespace hadal {

struct EngineOptions {
  int32_t max_running = 0;           // --max-running-requests; 0: as many as the executor has slots for
  int32_t max_queued = 1024;         // --max-queued-requests: beyond those that find a free slot
  int32_t chunked_prefill_size = 0;  // --chunked-prefill-size; 0: a whole step
  bool prefix_cache = true;          // not --disable-radix-cache
  std::chrono::milliseconds queue_timeout{0};  // of requests that name none; 0: no bound
  std::chrono::milliseconds total_timeout{0};
  uint64_t hash_seed = 0;  // random in a server
};

// Errors: kInvalidArgument naming the limit that is missing.
Result<SchedulerConfig> make_scheduler_config(const ExecutorLimits& limits, const EngineOptions& options);

}  // namespace hadal
