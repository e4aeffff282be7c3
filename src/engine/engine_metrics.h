// EngineMetrics: the engine's Prometheus metrics. Owned by Engine. Counters of requests, text and latency are
// the output thread's, those of steps, queue and cache the engine thread's; each histogram has one writer,
// and none is contended.
#pragma once

#include <array>
#include <string_view>

#include "base/metrics.h"
#include "engine/engine_api.h"

namespace hadal {

struct EngineMetrics {
  explicit EngineMetrics(MetricsRegistry& registry);

  Counter& requests(FinishReason outcome) { return outcomes[static_cast<size_t>(outcome)]; }
  Counter& cancellations(CancelReason reason) { return cancels[static_cast<size_t>(reason)]; }

  std::array<Counter, 5> outcomes;  // by FinishReason
  Counter refused;
  std::array<Counter, 5> cancels;  // by CancelReason
  Counter prompt_tokens;
  Counter cached_tokens;
  Counter generated_tokens;
  Counter preemptions;
  Counter steps;
  Gauge running;
  Gauge waiting;
  Gauge blocks_total;
  Gauge blocks_used;
  Gauge blocks_cached;
  Histogram queue_time;
  Histogram time_to_first_token;
  Histogram inter_token;
  Histogram end_to_end;
  Histogram step_time;
};

std::string_view cancel_reason_name(
    CancelReason reason);  // "client_gone", "stop_string", "deadline", "shutdown", "sibling_failed"

}  // namespace hadal
