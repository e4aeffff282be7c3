// Scheduler: decides what every step runs. Pure bookkeeping: no device, no thread, no clock of its own.
// Owned by Engine; engine thread only. Use: submit / cancel / expire at any time; plan() until it returns
// null; commit() with each result, in step order; take_events() after any of them.
//
// The rules
// - Step: decoding sequences first, one token each; then the next prompt chunks of prefilling ones; then
// sequences from the
//   queue. Within each group by Rank. Bounds: max_step_tokens, chunked_prefill_size (prompt tokens),
//   max_step_samples.
// - Rank: priority, then arrival (Sequence's Rank). One level of priority is worth `priority_step` of earlier
// arrival, so a
//   request is overtaken only by requests that arrive within a bounded time: nobody starves.
// - Admission is head of line: when the first of the queue does not fit, nobody behind it starts. It fits
// when a domain has
//   blocks, free or evictable, for its whole prompt (less what the prefix tree provides), and one more for
//   each sequence that runs there. Blocks for the whole prompt are taken at once, so a prefilling sequence
//   never lacks any. With several domains: the longest cached prefix wins, then the fewest running sequences.
// - When the first of the queue lacks a slot or blocks and sequences of strictly lower priority and later
// rank run,
//   these are preempted, lowest priority and latest arrival first, as many as it takes; none when all of them
//   would not do. Rank decides too, so that a preempted sequence never comes to stand before the one it gave
//   way to.
// - A decoding sequence that needs a block when none is left preempts the one of lowest rank in its domain
// (lowest priority,
//   latest arrival), maybe itself. The victim keeps its tokens and goes back to the queue; its full blocks
//   stay in the prefix tree until somebody needs them, and resuming matches what is left.
// - A running sequence can always decode in the step it is ready: at most min(max_step_samples,
// max_step_tokens - 1)
//   sequences run in a domain. The one token left over keeps prompts moving.
//
// Why every request ends (given that steps come back)
// - check_request() admits only what fits into an empty pool, worst case. Let S be the unfinished request of
// lowest Rank.
//   Running, S is never a victim of another sequence; when it needs a block, everything else in its domain
//   may be preempted for it, at the latest with the steps in flight all blocks come back, so it gets the
//   block and proceeds: at most max_tokens steps to its end. Waiting, S is the head of the queue; as long as
//   others run they proceed by the same argument and end, and with nobody running it fits. Ranks never
//   change, so this holds for the next S, and so for all.
// - Every live request emits exactly one event with `end`.
//
// Overlap: up to max_steps_in_flight plans are out. A row whose token is still being sampled names the sample
// of the step before. A sequence that ends at commit(N) may have a row in N + 1: its result is ignored, its
// blocks stay in the InFlightStep until N + 1 is back.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "kv/kv_domain.h"
#include "sched/fork_groups.h"
#include "sched/in_flight_step.h"
#include "sched/scheduler_config.h"
#include "sched/sequence.h"
#include "sched/step_builder.h"
#include "step/step_result.h"

namespace hadal {

struct SchedulerStats {
  int32_t num_running = 0;  // with a slot
  int32_t num_waiting = 0;  // without one: new, held for a fork group, or preempted
  int32_t num_queued = 0;   // of these, not started yet
  int32_t blocks_total = 0;
  int32_t blocks_used = 0;       // held by sequences and steps in flight
  int32_t blocks_cached = 0;     // held by the prefix tree alone
  uint64_t num_preemptions = 0;  // since the start
};

class Scheduler {
 public:
  // config: valid (validate_scheduler_config).
  explicit Scheduler(const SchedulerConfig& config);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler();

  // Errors: those of check_request; kResourceExhausted when max_queued requests wait.
  Status submit(Request request);
  // Ends the request now; its blocks are free when the steps in flight are back. Unknown or ended ids are
  // ignored.
  void cancel(uint64_t id, SequenceEnd reason = SequenceEnd::kCancelled,
              std::optional<Error> error = std::nullopt);
  // Ends what is past its deadline.
  void expire(TimePoint now);
  // When expire() has something to do; nothing when no request has a deadline.
  std::optional<TimePoint> next_deadline() const;

  // The next step, or null: too many steps are in flight, or there is nothing to run before a result is back.
  std::shared_ptr<const StepPlan> plan(TimePoint now);
  // The oldest step in flight is back.
  void commit(StepResult result);
  // The workers are gone: ends every request with `error` and forgets the steps in flight.
  void abort(const Error& error);

  // What happened since the last call, in order; `events` is cleared first.
  void take_events(std::vector<TokenEvent>& events);

  bool idle() const { return sequences_.empty() && in_flight_.empty(); }
  int32_t num_in_flight() const { return static_cast<int32_t>(in_flight_.size()); }
  SchedulerStats stats() const;
  const SchedulerConfig& config() const { return config_; }
  // Aborts when blocks, slots, queues or counts disagree. For tests; slow.
  void check_integrity() const;

 private:
  struct Domain {
    std::unique_ptr<KvDomain> kv;
    std::vector<Sequence*> running;  // by rank
  };
  struct Blocked {  // the head of the queue that did not fit, and what has been given back until then
    Rank rank;
    uint64_t num_releases = 0;
  };

  // scheduler.cc: requests and results.
  Sequence* find(uint64_t id);
  void enqueue(Sequence& sequence);
  void set_deadline(const Sequence& sequence, TimePoint before);
  void end(Sequence& sequence, TokenEvent event, SequenceEnd end);
  void leave(Sequence& sequence, std::optional<Run> run);
  void commit_row(const PlanRow& row, StepResult& result);
  void insert_computed(const Sequence& sequence, Run& run, int32_t num_computed,
                       std::vector<BlockRef>& replaced);
  void keep_replaced(std::vector<BlockRef>& replaced);
  bool joins_fork_group(const Sequence& sequence) const;

  // scheduler_plan.cc: planning.
  void plan_decodes(int32_t domain, StepBuilder& builder);
  bool ready_to_decode(const Sequence& sequence, uint64_t step_id) const;
  bool ensure_block(Sequence& sequence, std::optional<int32_t>& returning);
  int32_t num_returning(int32_t domain) const;
  int32_t num_exclusive(const Run& run) const;
  void preempt(Sequence& sequence);
  void preempt_for_head();
  bool make_room_in(int32_t domain, const Sequence& head);
  void open_fork_group(const Sequence& sequence);
  void admit_waiting(TimePoint now, StepBuilder& builder);
  bool try_admit(Sequence& sequence, TimePoint now, StepBuilder& builder);
  bool try_admit_to(Sequence& sequence, int32_t domain, TimePoint now, StepBuilder& builder);
  std::vector<int32_t> domains_by_preference(const Sequence& sequence) const;
  int32_t reusable_blocks(const Sequence& sequence) const;
  int32_t blocks_for(int32_t num_tokens) const {
    return (num_tokens + config_.block_size - 1) / config_.block_size;
  }
  Domain& domain(int32_t index) { return domains_[static_cast<size_t>(index)]; }
  const Domain& domain(int32_t index) const { return domains_[static_cast<size_t>(index)]; }

  const SchedulerConfig config_;
  const int32_t max_running_per_domain_;
  std::vector<Domain> domains_;
  std::unordered_map<uint64_t, std::unique_ptr<Sequence>> sequences_;
  std::map<Rank, Sequence*> waiting_;
  ForkGroups fork_groups_;
  std::set<std::pair<TimePoint, uint64_t>> deadlines_;
  std::shared_ptr<const StepPlan> last_plan_;  // its sizes are the next one's guess
  std::deque<InFlightStep> in_flight_;         // oldest first; after domains_: its blocks go back first
  std::vector<int32_t> free_slots_;
  std::vector<int32_t> ended_slots_;  // to be named in the next plan
  std::vector<TokenEvent> events_;
  std::optional<Blocked> blocked_;
  uint64_t num_releases_ = 0;  // grows whenever a queue head that did not fit may fit now
  uint64_t next_step_id_ = 1;
  int32_t num_queued_ = 0;
  uint64_t num_preemptions_ = 0;
  bool preempted_in_plan_ = false;
};

}  // namespace hadal
