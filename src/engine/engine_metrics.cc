#include "engine/engine_metrics.h"

#include <string>

namespace hadal {
namespace {

Counter outcome_counter(MetricsRegistry& registry, std::string_view outcome) {
  return registry.counter("hadal_requests_total", "Requests answered, by outcome",
                          {{"outcome", std::string(outcome)}});
}

Counter cancel_counter(MetricsRegistry& registry, CancelReason reason) {
  return registry.counter("hadal_cancellations_total", "Requests cancelled before their end, by reason",
                          {{"reason", std::string(cancel_reason_name(reason))}});
}

std::array<Counter, 5> outcome_counters(MetricsRegistry& registry) {
  const auto make = [&](FinishReason reason) {
    return outcome_counter(registry, finish_reason_name(reason));
  };
  return {make(FinishReason::kStop), make(FinishReason::kLength), make(FinishReason::kCancelled),
          make(FinishReason::kDeadline), make(FinishReason::kError)};
}

std::array<Counter, 5> cancel_counters(MetricsRegistry& registry) {
  const auto make = [&](CancelReason reason) { return cancel_counter(registry, reason); };
  return {make(CancelReason::kClientGone), make(CancelReason::kStopString), make(CancelReason::kDeadline),
          make(CancelReason::kShutdown), make(CancelReason::kSiblingFailed)};
}

constexpr double kLongest = 600;  // seconds: the last bound of the request histograms

}  // namespace

std::string_view cancel_reason_name(CancelReason reason) {
  constexpr std::array<std::string_view, 5> kNames{"client_gone", "stop_string", "deadline", "shutdown",
                                                   "sibling_failed"};
  return kNames[static_cast<size_t>(reason)];
}

EngineMetrics::EngineMetrics(MetricsRegistry& r)
    : outcomes(outcome_counters(r)),
      refused(outcome_counter(r, "refused")),
      cancels(cancel_counters(r)),
      prompt_tokens(r.counter("hadal_prompt_tokens_total", "Prompt tokens of requests that started")),
      cached_tokens(r.counter("hadal_cached_tokens_total", "Prompt tokens found in the prefix cache")),
      generated_tokens(r.counter("hadal_generated_tokens_total", "Tokens sampled for requests")),
      preemptions(
          r.counter("hadal_preemptions_total", "Sequences put back to the queue for want of KV blocks")),
      steps(r.counter("hadal_steps_total", "Steps run")),
      running(r.gauge("hadal_running_requests", "Requests that run now")),
      waiting(r.gauge("hadal_waiting_requests", "Requests that wait now, preempted ones included")),
      blocks_total(r.gauge("hadal_kv_blocks", "KV blocks by use", {{"state", "total"}})),
      blocks_used(r.gauge("hadal_kv_blocks", "KV blocks by use", {{"state", "used"}})),
      blocks_cached(r.gauge("hadal_kv_blocks", "KV blocks by use", {{"state", "cached"}})),
      queue_time(
          r.histogram("hadal_queue_seconds", "From arrival to the first step", latency_buckets(kLongest))),
      time_to_first_token(r.histogram("hadal_time_to_first_token_seconds", "From arrival to the first token",
                                      latency_buckets(kLongest))),
      inter_token(
          r.histogram("hadal_inter_token_seconds", "Between two tokens of a request", latency_buckets(60))),
      end_to_end(r.histogram("hadal_request_seconds", "From arrival to the end", latency_buckets(3600))),
      step_time(r.histogram("hadal_step_seconds", "One step on the workers", latency_buckets(60))) {}

}  // namespace hadal
