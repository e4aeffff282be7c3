#include "engine/request_output.h"

#include <array>

namespace hadal {
namespace {

TokenInfo to_info(Sample&& sample) {
  TokenInfo info;
  info.id = sample.token;
  info.logprob = sample.logprob;
  info.top = std::move(sample.top);
  return info;
}

FinishReason reason_of(SequenceEnd end) {
  switch (end) {
    case SequenceEnd::kStop:
    case SequenceEnd::kEmbedded:
      return FinishReason::kStop;
    case SequenceEnd::kLength:
      return FinishReason::kLength;
    case SequenceEnd::kCancelled:
      return FinishReason::kCancelled;
    case SequenceEnd::kQueueTimeout:
    case SequenceEnd::kDeadline:
      return FinishReason::kDeadline;
    case SequenceEnd::kFailed:
      break;
  }
  return FinishReason::kError;
}

}  // namespace

std::string_view finish_reason_name(FinishReason reason) {
  constexpr std::array<std::string_view, 5> kNames{"stop", "length", "abort", "timeout", "error"};
  return kNames[static_cast<size_t>(reason)];
}

RequestOutput::RequestOutput(RequestId id, const GenerateRequest& request, TimePoint arrival,
                             std::shared_ptr<const Tokenizer> tokenizer, std::shared_ptr<OutputSink> sink)
    : id_(id),
      arrival_(arrival),
      sink_(std::move(sink)),
      stop_(request.stop),
      include_stop_(request.include_stop),
      min_tokens_(request.sampling.min_tokens),
      decoder_(std::move(tokenizer), request.skip_special_tokens),
      matcher_(request.stop, request.include_stop),
      reasoning_(request.reasoning, request.prompt_opens_reasoning, request.prompt_inside_reasoning) {
  usage_.prompt_tokens = static_cast<int32_t>(request.prompt_ids->size());
  if (request.sampling.num_prompt_logprobs >= 0) prompt_tokens_.resize(request.prompt_ids->size() - 1);
}

std::optional<OutputDelta> RequestOutput::apply(TokenEvent event) {
  if (finished_) return std::nullopt;
  usage_.cached_tokens = event.cached_tokens;
  collect_prompt_logprobs(event);
  if (!event.sample && !event.end) return std::nullopt;
  OutputDelta delta;
  delta.id = id_;
  if (event.sample) {
    delta.prompt_tokens = std::move(prompt_tokens_);
    prompt_tokens_.clear();
    add_sample(event, delta);
  }
  delta.embedding = std::move(event.embedding);
  if (event.end && !finished_) finish(event, delta);
  count_reasoning(delta);
  delta.usage = usage_;
  return delta;
}

void RequestOutput::collect_prompt_logprobs(TokenEvent& event) {
  // By position, since a preempted prompt may report some of its tokens twice.
  auto index = static_cast<size_t>(event.prompt_logprobs_from) - 1;
  for (Sample& sample : event.prompt_logprobs) {
    if (index < prompt_tokens_.size()) prompt_tokens_[index] = to_info(std::move(sample));
    ++index;
  }
}

void RequestOutput::add_sample(TokenEvent& event, OutputDelta& delta) {
  ++usage_.completion_tokens;
  // The token that ends the answer is counted, but is no part of it unless the stop is to be included.
  if (event.matched_token && !include_stop_) return;
  raw_.clear();
  decoder_.push(event.sample->token, raw_);
  held_.push_back({to_info(std::move(*event.sample)), decoded_len_});
  decoded_len_ += raw_.size();
  add_text(raw_, delta);
  report_tokens(stop_.empty(), delta);
  if (!any_content_) ++tokens_before_content_;
}

// A token counts as reasoning when no content had come by then, if there was any reasoning.
void RequestOutput::count_reasoning(const OutputDelta& delta) {
  any_reasoning_ = any_reasoning_ || !delta.reasoning.empty();
  if (any_reasoning_) usage_.reasoning_tokens = tokens_before_content_;
}

// Text that the model wrote: through the stop matcher and the reasoning parser into the delta.
void RequestOutput::add_text(std::string_view text, OutputDelta& delta) {
  if (usage_.completion_tokens <= min_tokens_) {
    reasoning_.push(text, delta.reasoning, delta.content);
    any_content_ = any_content_ || !delta.content.empty();
    return;
  }
  safe_.clear();
  const bool stopped = matcher_.push(text, safe_);
  safe_len_ += safe_.size();
  reasoning_.push(safe_, delta.reasoning, delta.content);
  if (stopped) {
    reasoning_.finish(delta.reasoning, delta.content);
    delta.finish = FinishReason::kStop;
    delta.matched_stop = stop_[*matcher_.matched()];
    finished_ = true;
  }
  any_content_ = any_content_ || !delta.content.empty();
}

// Moves the tokens that have text in the answer, or all, into the delta.
void RequestOutput::report_tokens(bool all, OutputDelta& delta) {
  size_t count = 0;
  while (count < held_.size() && (all || held_[count].start < safe_len_)) {
    delta.tokens.push_back(std::move(held_[count++].info));
  }
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(count));
}

void RequestOutput::finish(const TokenEvent& event, OutputDelta& delta) {
  finish_text(delta);
  if (finished_) return;  // what was held back ended in a stop string
  finished_ = true;
  delta.finish = reason_of(*event.end);
  delta.matched_token = event.matched_token;
  delta.error = event.error;
  if (delta.error || usage_.completion_tokens > 0) return;
  const auto waited =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - arrival_);
  if (event.end == SequenceEnd::kQueueTimeout) {
    delta.error = make_error(ErrorCode::kDeadlineExceeded, "the request waited ", waited.count(),
                             " ms in the queue and did not start in time");
  } else if (event.end == SequenceEnd::kDeadline) {
    delta.error = make_error(ErrorCode::kDeadlineExceeded, "the request's time was over after ",
                             waited.count(), " ms, before its first token");
  }
}

// The output has ended: what decoder, matcher and parser hold back comes out.
void RequestOutput::finish_text(OutputDelta& delta) {
  raw_.clear();
  decoder_.finish(raw_);
  decoded_len_ += raw_.size();
  if (!raw_.empty()) add_text(raw_, delta);
  if (finished_) {
    report_tokens(false, delta);
    return;
  }
  safe_.clear();
  matcher_.finish(safe_);
  safe_len_ += safe_.size();
  report_tokens(!matcher_.matched(), delta);
  if (matcher_.matched()) {  // a match that a longer one could have replaced
    delta.matched_stop = stop_[*matcher_.matched()];
  }
  reasoning_.push(safe_, delta.reasoning, delta.content);
  reasoning_.finish(delta.reasoning, delta.content);
  if (matcher_.matched()) {
    delta.finish = FinishReason::kStop;
    finished_ = true;
  }
}

}  // namespace hadal
