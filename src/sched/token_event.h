// TokenEvent: what one step, or the end, brings to one sequence. Made by the Scheduler, read by the engine's
// output thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "step/step_result.h"

namespace hadal {

// Why a sequence ended.
enum class SequenceEnd : uint8_t {
  kStop,          // end token or stop token
  kLength,        // max_tokens or the context length
  kEmbedded,      // an embedding request's vector is there
  kCancelled,     // Scheduler::cancel
  kQueueTimeout,  // queue deadline: it never started
  kDeadline,      // total deadline
  kFailed,        // TokenEvent::error says why
};
std::string_view sequence_end_name(SequenceEnd end);

struct TokenEvent {
  uint64_t id = 0;
  std::optional<Sample> sample;
  std::vector<Sample> prompt_logprobs;  // of the prompt's tokens from prompt_logprobs_from on
  int32_t prompt_logprobs_from = 0;     // index in the prompt; at least 1. Ranges may repeat after preemption
  std::vector<float> embedding;
  std::optional<SequenceEnd> end;        // with it: the sequence's last event
  std::optional<int32_t> matched_token;  // kStop: the token that ended the answer; equals `sample`
  std::optional<Error> error;
  int32_t cached_tokens = 0;               // of the prompt, found in the prefix tree when it first started
  std::chrono::nanoseconds queue_time{0};  // from arrival to first start; 0 before
};

}  // namespace hadal
