// RequestOutput: turns one request's tokens into text: incremental decoding, then stop strings, then the
// reasoning split. Stop strings are looked for in the whole text, reasoning included, as SGLang does. A token
// is reported together with the first of its text: with stop strings it waits while its text may be one's
// beginning, and is left out when none of its text is part of the answer. Made by Engine::submit on the
// caller's thread; afterwards the output thread's alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine_api.h"
#include "sched/token_event.h"
#include "text/incremental_decoder.h"
#include "text/reasoning_parser.h"
#include "text/stop_matcher.h"

namespace hadal {

class RequestOutput {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  RequestOutput(RequestId id, const GenerateRequest& request, TimePoint arrival,
                std::shared_ptr<const Tokenizer> tokenizer, std::shared_ptr<OutputSink> sink);

  RequestId id() const { return id_; }
  OutputSink& sink() const { return *sink_; }
  TimePoint arrival() const { return arrival_; }
  // A delta with `finish` was made: the request is answered, whatever events follow.
  bool finished() const { return finished_; }

  // The delta that the event brings; nothing for a part of the prompt's log-probabilities, or once finished.
  // A delta with `finish` for an event without `end` means that a stop string was found: the sequence is to
  // be cancelled.
  std::optional<OutputDelta> apply(TokenEvent event);

 private:
  void collect_prompt_logprobs(TokenEvent& event);
  void add_sample(TokenEvent& event, OutputDelta& delta);
  void add_text(std::string_view text, OutputDelta& delta);
  void report_tokens(bool all, OutputDelta& delta);
  void count_reasoning(const OutputDelta& delta);
  void finish(const TokenEvent& event, OutputDelta& delta);
  void finish_text(OutputDelta& delta);

  const RequestId id_;
  const TimePoint arrival_;
  const std::shared_ptr<OutputSink> sink_;
  const std::vector<std::string> stop_;
  const bool include_stop_;
  const int32_t min_tokens_;  // stop strings are looked for in what comes after these
  IncrementalDecoder decoder_;
  StopMatcher matcher_;
  ReasoningParser reasoning_;
  std::vector<TokenInfo> prompt_tokens_;  // of the prompt's tokens but the first; until the first delta
  struct HeldToken {
    TokenInfo info;
    size_t start;  // of its text, in bytes of all that was decoded
  };
  std::vector<HeldToken> held_;  // sampled, not yet reported
  size_t decoded_len_ = 0;
  size_t safe_len_ = 0;  // of it, what has come through the stop matcher
  Usage usage_;
  int32_t tokens_before_content_ = 0;
  bool any_reasoning_ = false;
  bool any_content_ = false;
  bool finished_ = false;
  std::string raw_;   // scratch: decoded, not yet through the stop matcher
  std::string safe_;  // scratch: through it
};

}  // namespace hadal
