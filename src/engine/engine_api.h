// EngineApi: what the server and `hadal chat` know of the engine. Implemented by Engine and by tests' fakes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "step/sampling_params.h"
#include "step/step_plan.h"
#include "step/step_result.h"
#include "text/reasoning_parser.h"

namespace hadal {

using RequestId = uint64_t;

enum class FinishReason : uint8_t {
  kStop,       // end token, stop token or stop string
  kLength,     // max_tokens or the context length
  kCancelled,  // client gone, or Engine::cancel
  kDeadline,   // total deadline passed while running
  kError,      // OutputDelta::error says why
};
std::string_view finish_reason_name(FinishReason reason);  // "stop", "length", "abort", "timeout", "error"

enum class CancelReason : uint8_t {
  kClientGone,
  kStopString,
  kDeadline,
  kShutdown,       // the answer ends with kUnavailable
  kSiblingFailed,  // another part of the same HTTP request was refused or failed
};

// Immutable user order. Sizes and ranges were checked by the caller; the engine checks what only it knows
// (context length, vocabulary, queue).
struct GenerateRequest {
  std::string request_id;                                  // for logs
  std::shared_ptr<const std::vector<int32_t>> prompt_ids;  // not empty
  SamplingParams sampling;
  std::vector<std::string> stop;
  bool include_stop = false;
  bool skip_special_tokens = true;
  ReasoningKind reasoning = ReasoningKind::kNone;
  bool prompt_opens_reasoning = false;   // the prompt ends with <think>
  bool prompt_inside_reasoning = false;  // or with reasoning that it leaves open
  Pooling pooling = Pooling::kNone;      // not kNone: an embedding request
  int32_t priority = 0;                  // higher first
  // When the order came in, before it was tokenized: deadlines, rank and latencies count from here. The
  // clock's epoch: from submit.
  std::chrono::steady_clock::time_point arrival{};
  std::chrono::milliseconds queue_timeout{0};  // 0: the engine's default
  std::chrono::milliseconds total_timeout{0};  // 0: the engine's default
  std::string cache_salt;                      // requests share cached prefixes only within one salt
  // Requests with the same non-zero group have the same prompt (n > 1): the scheduler prefills it once.
  uint64_t fork_group = 0;
};

struct Usage {
  int32_t prompt_tokens = 0;
  int32_t cached_tokens = 0;
  int32_t completion_tokens = 0;
  int32_t reasoning_tokens = 0;
};

// One generated token as it is reported.
struct TokenInfo {
  int32_t id = 0;
  float logprob = 0;
  std::vector<TopLogprob> top;
};

// What one step adds to one request's answer. A request's deltas end with exactly one that has `finish`.
struct OutputDelta {
  RequestId id = 0;
  std::string content;
  std::string reasoning;
  std::vector<TokenInfo> tokens;         // log-probabilities filled when asked
  std::vector<TokenInfo> prompt_tokens;  // prompt log-probabilities, all at once, when asked
  std::vector<float> embedding;
  std::optional<FinishReason> finish;
  std::optional<Error> error;
  std::string matched_stop;              // stop string, or empty
  std::optional<int32_t> matched_token;  // stop or end token
  Usage usage;                           // so far; final with `finish`
};

// Where a request's deltas go. Called on the engine's output thread; must not block or throw.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  virtual void on_delta(OutputDelta&& delta) = 0;
};

enum class EnginePhase : uint8_t { kStarting, kRunning, kDraining, kFailed, kStopped };

struct EngineStats {
  EnginePhase phase = EnginePhase::kStarting;
  std::string failure;  // kFailed: why
  int32_t num_running = 0;
  int32_t num_waiting = 0;
  int32_t blocks_total = 0;
  int32_t blocks_used = 0;            // held by sequences
  int32_t blocks_cached = 0;          // held by the prefix tree alone
  double seconds_since_progress = 0;  // the scheduler's heartbeat; small when idle too
  int64_t context_length = 0;
};

class EngineApi {
 public:
  virtual ~EngineApi() = default;
  // Any thread, never waits. Errors: kResourceExhausted (queue full), kUnavailable (draining or failed),
  // kInvalidArgument (too long for the model, the message says by how much).
  virtual Result<RequestId> submit(GenerateRequest request, std::shared_ptr<OutputSink> sink) = 0;
  // Any thread. Unknown or finished ids are ignored. The sink still gets its final delta.
  virtual void cancel(RequestId id, CancelReason reason) = 0;
  // Any thread: cancels every open request; each sink still gets its final delta. With kShutdown nothing is
  // admitted afterwards.
  virtual void cancel_all(CancelReason reason) = 0;
  virtual EngineStats stats() const = 0;  // any thread, microseconds
  // Called on the output thread after the deltas of each step were handed out: sinks may batch until then.
  // Set once before the first submit.
  virtual void set_step_end_hook(std::function<void()> hook) = 0;
};

}  // namespace hadal
