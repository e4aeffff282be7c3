// StartPlan: what the flags left open, chosen from the model and the machine before anything is loaded; the
// same on every host of a group. Pure function; tested without a model.
#pragma once

#include <cstdint>
#include <string>

#include "config/settings.h"
#include "device/cpu_info.h"
#include "device/dtype.h"
#include "runtime/local_executor.h"
#include "weights/weight_source.h"

namespace hadal {

struct StartPlan {
  LocalExecutorOptions executor;
  int max_queued_requests = 1024;
  int chunked_prefill_size = 0;  // prompt tokens of a step; 0: as many as a step holds
  // Lines for the log: what was chosen and why.
  std::string context_note;
};

// The rules:
// - context: the model's own, but when --context-length does not say so, no more than fits into half of the
// memory that
//   weights leave free on this host (a laptop must start a 128k model), rounded down to a whole number of KV
//   blocks; never more than --max-total-tokens. Hosts of a group take the least of theirs (set_context).
// - steps: 512 tokens on a CPU: long enough for the matrix units, short enough that decodes do not wait a
// second.
// - running requests: 128.
// Errors: kInvalidArgument for a context beyond the model's; kResourceExhausted when weights, or the KV cache
// beside them, do not fit, by how much, and which flags help. The runtime looks again when it knows the exact
// sizes.
Result<StartPlan> plan_start(const Settings& settings, const ModelConfig& config, const CpuInfo& cpu,
                             int64_t weight_bytes, int64_t available_bytes);

// The context length that all hosts of the group can hold, and what follows from it.
void set_context(StartPlan& plan, const Settings& settings, int64_t context_length);

// KV bytes of one token over all layers and heads, before they are split over ranks.
int64_t kv_bytes_per_token(const ModelConfig& config, DType kv_dtype);

// "key=value" lines that must be equal on every host of a group. model_digest: of what describes the model.
std::string group_agreement(const Settings& settings, const ModelConfig& config, const StartPlan& plan,
                            const std::string& model_digest);

}  // namespace hadal
