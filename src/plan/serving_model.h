// From step times to what users see: time to the first token, time per token, tokens a second, at a number of
// concurrent requests that arrive as soon as others end (closed loop). Formulas: docs/plan.md. Pure; any
// thread.
#pragma once

#include <cstdint>

#include "plan/roofline.h"

namespace hadal {

struct Workload {
  double isl = 1024;       // tokens of a prompt
  double osl = 1024;       // tokens of an answer
  double concurrency = 0;  // requests in the whole system
};

struct Prediction {
  double ttft_ms = 0;
  double tpot_ms = 0;
  double output_tokens_s = 0;  // of the instance, or of all with prefill/decode
  double running = 0;          // requests that are decoding at once
  double waiting = 0;          // requests that wait for KV
  StepTime step;               // a decode step
  StepTime prompt;             // a prompt alone
  double prefill_share = 0;    // of the time
  Bottleneck bottleneck = Bottleneck::kMemory;
};

// One instance that does both. max_running: what its KV and limits allow.
Prediction predict_aggregated(const Roofline& instance, const Workload& workload, double max_running);

// prefills instances that read prompts, decodes that answer; KV of kv_bytes_per_prompt goes between.
struct SplitSystem {
  const Roofline* prefill = nullptr;
  int num_prefill = 1;
  const Roofline* decode = nullptr;
  int num_decode = 1;
  double max_running = 0;  // of one decode instance
  double transfer_ms = 0;  // of a prompt's KV
};
Prediction predict_split(const SplitSystem& system, const Workload& workload);

}  // namespace hadal
