#include "plan/serving_model.h"

#include <algorithm>
#include <cmath>

namespace hadal {
namespace {

constexpr double kMostLoad = 0.95;  // of prefill instances, beyond which queues grow without bound

// Mean wait of a queue with one server and equal service times (Pollaczek and Khinchine), in units of the
// service.
double queue_factor(double load) {
  load = std::min(load, kMostLoad);
  return load / (2 * (1 - load));
}

// Requests of one length that began together end together, and their successors' prompts queue: this share of
// half a wave. (InferenceX, R1 on 8x H200, 64 requests: TTFT 360 ms at 1k and 2,246 ms at 8k prompts.)
constexpr double kWave = 0.25;

// Requests that wait for KV: each waits for (waiting / running) lifetimes of those that run.
double wait_ms(double waiting, double running, double lifetime_ms) {
  return waiting > 0 ? waiting / running * lifetime_ms : 0;
}

}  // namespace

Prediction predict_aggregated(const Roofline& instance, const Workload& w, double max_running) {
  Prediction out;
  const double running = std::max(1.0, std::min(w.concurrency, max_running));
  out.running = running;
  out.waiting = std::max(0.0, w.concurrency - running);
  out.step = instance.decode(running, w.isl + w.osl / 2);
  // Idle groups of DP attention are idle: at low load a prompt is alone.
  const int groups = std::min<int>(instance.layout().dp_attention, static_cast<int>(std::ceil(running)));
  out.prompt = instance.prefill(w.isl, std::max(1, groups / 4));
  const double step_ms = out.step.total() / 1e3;
  const double prompt_ms = out.prompt.total() / 1e3;
  // Groups of DP attention step together: those that have no new prompt wait for those that do.
  const int prompts_a_step = static_cast<int>(std::clamp(running / w.osl, 1.0, double(instance.layout().dp_attention)));
  const double service_ms = std::min(prompt_ms, instance.prefill_seconds_per_prompt(w.isl, prompts_a_step) * 1e3);
  // Every osl steps each sequence gives way to a new prompt, which the others wait for.
  const double prefill_ms = (running - 1) / w.osl * service_ms;
  out.tpot_ms = step_ms + prefill_ms;
  out.prefill_share = prefill_ms / out.tpot_ms;
  const double wave_ms = kWave * (running - 1) / 2 * service_ms;
  const double first_ms = prompt_ms + queue_factor(out.prefill_share) * service_ms + wave_ms + step_ms / 2;
  const double lifetime_ms = first_ms + (w.osl - 1) * out.tpot_ms;
  out.ttft_ms = first_ms + wait_ms(out.waiting, running, lifetime_ms);
  out.output_tokens_s = running * w.osl / lifetime_ms * 1e3;
  out.bottleneck = out.step.bottleneck();
  if (out.prefill_share > 0.5) out.bottleneck = Bottleneck::kPrefill;
  if (out.waiting > 0) out.bottleneck = Bottleneck::kKvCapacity;
  return out;
}

Prediction predict_split(const SplitSystem& s, const Workload& w) {
  Prediction out;
  out.prompt = s.prefill->prefill(w.isl, 1);
  const double prompt_ms = out.prompt.total() / 1e3;
  const double service_ms = s.prefill->prefill_seconds_per_prompt(w.isl) * 1e3 / s.num_prefill;
  double running = std::max(1.0, std::min(w.concurrency / s.num_decode, s.max_running));
  const bool full = w.concurrency / s.num_decode > s.max_running;
  double step_ms = 0;
  double load = 0;
  // Decode cannot run more than prefill feeds: the batch shrinks until the two rates meet.
  for (int i = 0; i < 40; ++i) {
    out.step = s.decode->decode(running, w.isl + w.osl / 2);
    step_ms = out.step.total() / 1e3;
    load = running * s.num_decode / (w.osl * step_ms) * service_ms;
    if (load <= kMostLoad) break;
    running = std::max(1.0, running * std::max(0.5, kMostLoad / load));
    if (running <= 1.0) break;
  }
  out.running = running * s.num_decode;
  out.waiting = std::max(0.0, w.concurrency - out.running);
  out.tpot_ms = step_ms;
  out.prefill_share = load;
  const double wave_ms = kWave * (out.running - 1) / 2 * service_ms;
  const double first_ms = prompt_ms + queue_factor(load) * service_ms + wave_ms + s.transfer_ms + step_ms;
  const double lifetime_ms = first_ms + (w.osl - 1) * out.tpot_ms;
  const double rate = std::min(out.running / lifetime_ms, kMostLoad / service_ms);
  out.ttft_ms = std::max(first_ms, w.concurrency / rate - (w.osl - 1) * out.tpot_ms);
  out.output_tokens_s = rate * w.osl * 1e3;
  out.bottleneck = out.step.bottleneck();
  if (load > 0.9) out.bottleneck = Bottleneck::kPrefill;
  if (full && load <= 0.9) out.bottleneck = Bottleneck::kKvCapacity;
  return out;
}

}  // namespace hadal
