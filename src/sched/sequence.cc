#include "sched/sequence.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace hadal {
namespace {

bool contains(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

std::string_view sequence_end_name(SequenceEnd end) {
  constexpr std::array<std::string_view, 7> kNames{"stop",          "length",   "embedded", "cancelled",
                                                   "queue_timeout", "deadline", "failed"};
  return kNames[static_cast<size_t>(end)];
}

Rank make_rank(const Request& request, std::chrono::nanoseconds priority_step) {
  // Clamped so that the product stays far from overflow: a million levels is more than anyone can mean.
  const int64_t priority = std::clamp(request.priority, -1000000, 1000000);
  const int64_t step = std::min<int64_t>(priority_step.count(), 3600ll * 1000000000);
  const auto arrival =
      std::chrono::duration_cast<std::chrono::nanoseconds>(request.arrival.time_since_epoch()).count();
  return Rank{arrival - priority * step, request.id};
}

Sequence::Sequence(Request request, Rank rank, int64_t max_len)
    : request_(std::move(request)), rank_(rank), max_len_(max_len), tokens_(*request_.prompt_ids) {}

Run* Sequence::run() {
  if (auto* prefilling = std::get_if<Prefilling>(&state_)) return &prefilling->run;
  if (auto* decoding = std::get_if<Decoding>(&state_)) return &decoding->run;
  return nullptr;
}

const char* Sequence::state_name() const {
  constexpr std::array<const char*, 4> kNames{"waiting", "prefilling", "decoding", "finished"};
  return kNames[state_.index()];
}

void Sequence::admit(Run run, TimePoint now) {
  HADAL_CHECK(is<Waiting>()) << "admitting sequence " << id() << ", which is " << state_name();
  HADAL_CHECK(in_flight_.rows == 0) << "admitting sequence " << id() << " with " << in_flight_.rows
                                    << " rows in flight";
  if (!started_) started_ = now;
  state_ = Prefilling{std::move(run), len()};
}

void Sequence::start_decoding() {
  HADAL_CHECK(is<Prefilling>()) << "sequence " << id() << " starts to decode while it is " << state_name();
  Run run = std::move(prefilling().run);
  state_ = Decoding{std::move(run)};
}

std::optional<Run> Sequence::preempt() {
  HADAL_CHECK(run() != nullptr) << "preempting sequence " << id() << ", which is " << state_name();
  std::optional<Run> owned(std::move(*run()));
  state_ = Waiting{};
  return owned;
}

std::optional<Run> Sequence::finish(SequenceEnd end) {
  HADAL_CHECK(!is<Finished>()) << "sequence " << id() << " finishes twice";
  std::optional<Run> owned;
  if (Run* r = run()) owned = std::move(*r);
  state_ = Finished{end};
  return owned;
}

bool Sequence::is_stop(int32_t token) const {
  const SamplingParams& s = request_.sampling;
  if (num_output() <= s.min_tokens)
    return false;  // the token just appended is still one of the first min_tokens
  return contains(s.stop_token_ids, token) || (!s.ignore_eos && contains(s.end_ids, token));
}

std::optional<SequenceEnd> Sequence::append(int32_t token) {
  tokens_.push_back(token);
  if (is_stop(token)) return SequenceEnd::kStop;
  if (len() >= max_len_) return SequenceEnd::kLength;
  return std::nullopt;
}

int32_t Sequence::max_reuse() const {
  if (request_.pooling == Pooling::kMean) return 0;  // the mean runs over every token's hidden state
  if (wants_prompt_logprobs()) return std::min(prompt_logits_read_, len() - 1);
  return len() - 1;
}

TokenEvent Sequence::make_event() const {
  TokenEvent event;
  event.id = id();
  event.cached_tokens = cached_tokens_;
  if (started_) event.queue_time = *started_ - request_.arrival;
  return event;
}

TimePoint Sequence::deadline() const {
  return started() ? request_.total_deadline : std::min(request_.queue_deadline, request_.total_deadline);
}

}  // namespace hadal
