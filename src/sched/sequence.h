// Sequence: the engine's mutable run of one request. Owned by the Scheduler; engine thread only.
//
// Its state is a variant, and the states that run own the blocks: Finished has no place for any, so a
// finished sequence cannot hold one.
//
//   Waiting    > admit > Prefilling > (last prompt chunk planned) > Decoding > finish > Finished
//   Prefilling, Decoding > preempt > Waiting (its tokens stay, its blocks go to the prefix tree)
//   Waiting, Prefilling > finish > Finished (cancelled, deadline, failed)
//
// Three lengths tell how far a running sequence is: num_computed <= num_planned <= tokens (+ those still
// being sampled).
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "kv/block_table.h"
#include "sched/request.h"
#include "sched/token_event.h"

namespace hadal {

// The order in which sequences are served: smaller first. A total order that never changes, which is what the
// proofs of progress rest on: priority, then arrival, then id (see SchedulerConfig::priority_step).
struct Rank {
  int64_t key = 0;
  uint64_t id = 0;
  friend auto operator<=>(const Rank&, const Rank&) = default;
};
Rank make_rank(const Request& request, std::chrono::nanoseconds priority_step);

// What a sequence owns while it has a slot.
struct Run {
  int32_t domain = 0;
  int32_t slot = 0;
  BlockTable table;
  int32_t num_planned = 0;   // tokens whose keys steps up to the one planned last compute
  int32_t num_computed = 0;  // the same for steps whose result is back
  int32_t num_in_tree = 0;   // leading blocks of `table` that are nodes of the prefix tree
};

struct Waiting {};
struct Prefilling {
  Run run;
  int32_t target = 0;  // tokens to compute before the next one is sampled: all that were known at admission
};
struct Decoding {
  Run run;
};
struct Finished {
  SequenceEnd end = SequenceEnd::kStop;
};

class Sequence {
 public:
  using State = std::variant<Waiting, Prefilling, Decoding, Finished>;

  Sequence(Request request, Rank rank, int64_t max_len);

  const Request& request() const { return request_; }
  uint64_t id() const { return request_.id; }
  const Rank& rank() const { return rank_; }
  // Prompt, then output as far as it came back.
  const std::vector<int32_t>& tokens() const { return tokens_; }
  int32_t len() const { return static_cast<int32_t>(tokens_.size()); }
  int32_t prompt_len() const { return request_.prompt_len(); }
  int32_t num_output() const { return len() - prompt_len(); }
  int64_t max_len() const { return max_len_; }

  template <typename S>
  bool is() const {
    return std::holds_alternative<S>(state_);
  }
  // Null unless Prefilling or Decoding.
  Run* run();
  const Run* run() const { return const_cast<Sequence*>(this)->run(); }
  Prefilling& prefilling() { return std::get<Prefilling>(state_); }

  // The transitions. An illegal one aborts, naming both states. preempt and finish return what the sequence
  // owned.
  void admit(Run run, TimePoint now);
  void start_decoding();
  std::optional<Run> preempt();
  std::optional<Run> finish(SequenceEnd end);

  // A token came back. The end it brings, if any: a stop, or the length.
  std::optional<SequenceEnd> append(int32_t token);

  // Tokens that the prefix tree may provide instead of computing them: never the last one (its logits are
  // needed), none whose logits or hidden states the request still asks for.
  int32_t max_reuse() const;
  bool wants_prompt_logprobs() const {
    return request_.sampling.num_prompt_logprobs >= 0 && prompt_logits_read_ < prompt_len();
  }

  // Steps in flight that have a row of this sequence, and those of them that sample.
  struct InFlight {
    int32_t rows = 0;
    int32_t samples = 0;
    uint64_t last_sample_step = 0;
    int32_t last_sample_index = -1;
  };
  InFlight& in_flight() { return in_flight_; }
  const InFlight& in_flight() const { return in_flight_; }
  void mark_prompt_logits_read(int32_t num_tokens) {
    prompt_logits_read_ = std::max(prompt_logits_read_, num_tokens);
  }

  bool started() const { return started_.has_value(); }
  void note_cached_tokens(int32_t n) { cached_tokens_ = n; }
  // An event with the fields that are the same for all of this sequence's.
  TokenEvent make_event() const;
  // The earliest time at which it must be ended; kNoDeadline: never.
  TimePoint deadline() const;

 private:
  bool is_stop(int32_t token) const;
  const char* state_name() const;

  const Request request_;
  const Rank rank_;
  const int64_t max_len_;  // prompt and output
  std::vector<int32_t> tokens_;
  State state_ = Waiting{};
  InFlight in_flight_;
  int32_t prompt_logits_read_ = 0;  // prompt tokens whose log-probabilities came back
  int32_t cached_tokens_ = 0;
  std::optional<TimePoint> started_;
};

}  // namespace hadal
