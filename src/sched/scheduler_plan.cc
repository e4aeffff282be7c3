// The planning half of Scheduler: which rows the next step has.
#include <algorithm>

#include "sched/scheduler.h"

namespace hadal {

std::shared_ptr<const StepPlan> Scheduler::plan(TimePoint now) {
  if (num_in_flight() >= config_.max_steps_in_flight) return nullptr;
  preempt_for_head();  // before any row is planned: a row's blocks must stay
  StepBuilder builder(config_, next_step_id_, last_plan_.get());
  preempted_in_plan_ = false;
  for (int32_t d = 0; d < config_.num_domains; ++d) plan_decodes(d, builder);
  for (const Domain& d : domains_) {
    for (Sequence* sequence : d.running) {
      if (sequence->is<Prefilling>()) builder.add_prompt_chunk(*sequence);
    }
  }
  // A step that had to take blocks from one sequence gives none to another.
  if (!preempted_in_plan_) admit_waiting(now, builder);
  if (builder.empty()) {
    HADAL_CHECK(!in_flight_.empty() || sequences_.empty())
        << sequences_.size() << " sequences, " << waiting_.size() << " waiting, and none can run";
    return nullptr;
  }
  ++next_step_id_;
  InFlightStep& step = in_flight_.emplace_back();
  step.plan = builder.finish(std::move(ended_slots_));
  ended_slots_.clear();
  last_plan_ = step.plan;
  return step.plan;
}

bool Scheduler::ready_to_decode(const Sequence& sequence, uint64_t step_id) const {
  if (!sequence.is<Decoding>() || sequence.request().pooling != Pooling::kNone) return false;
  const Sequence::InFlight& in_flight = sequence.in_flight();
  if (sequence.len() + in_flight.samples >= sequence.max_len())
    return false;  // its last token is being sampled
  return in_flight.samples == 0 || in_flight.last_sample_step + 1 == step_id;
}

void Scheduler::plan_decodes(int32_t d, StepBuilder& builder) {
  std::optional<int32_t> returning;
  const std::vector<Sequence*>& running = domain(d).running;
  // By index: ensure_block removes sequences from the end, at the most up to this one.
  for (size_t i = 0; i < running.size(); ++i) {
    Sequence& sequence = *running[i];
    if (!ready_to_decode(sequence, builder.step_id())) continue;
    if (ensure_block(sequence, returning)) builder.add_decode(sequence);
  }
}

// Whether the sequence's table has room for one more token. False: it sits this step out, or was preempted.
// returning: blocks that come back with the steps in flight and are not spoken for; counted when first
// needed.
bool Scheduler::ensure_block(Sequence& sequence, std::optional<int32_t>& returning) {
  Run& run = *sequence.run();
  if (run.num_planned < run.table.size() * config_.block_size) return true;
  Domain& d = domain(run.domain);
  const int32_t domain_index = run.domain;
  while (true) {
    if (BlockRef block = d.kv->allocate()) {
      run.table.push_back(std::move(block));
      return true;
    }
    if (!returning) returning = num_returning(domain_index);
    if (*returning > 0) {
      --*returning;
      return false;
    }
    Sequence& victim = *d.running.back();
    if (victim.in_flight().rows > 0) *returning += num_exclusive(*victim.run());
    preempt(victim);
    if (&victim == &sequence) return false;
  }
}

int32_t Scheduler::num_exclusive(const Run& run) const {
  const BlockPool& pool = domain(run.domain).kv->pool;
  int32_t count = 0;
  for (const BlockId id : run.table.ids()) {
    if (pool.ref_count(id) == (pool.is_cached(id) ? 2 : 1)) ++count;
  }
  return count;
}

int32_t Scheduler::num_returning(int32_t domain_index) const {
  int32_t count = 0;
  for (const InFlightStep& step : in_flight_) {
    for (const InFlightStep::Left& left : step.left) {
      if (left.run.domain == domain_index) count += num_exclusive(left.run);
    }
  }
  return count;
}

void Scheduler::preempt(Sequence& sequence) {
  leave(sequence, sequence.preempt());
  waiting_.emplace(sequence.rank(), &sequence);
  ++num_preemptions_;
  preempted_in_plan_ = true;
}

namespace {

// Rank counts as well as priority: see the rules.
bool gives_way(const Sequence& running, const Sequence& head) {
  return running.request().priority < head.request().priority && head.rank() < running.rank();
}

}  // namespace

void Scheduler::preempt_for_head() {
  if (waiting_.empty()) return;
  const Sequence& head = *waiting_.begin()->second;
  if (head.in_flight().rows > 0) return;
  const bool any = std::any_of(domains_.begin(), domains_.end(), [&](const Domain& d) {
    // Running sequences are in order of rank, so the usual queue is done with after one look.
    for (auto it = d.running.rbegin(); it != d.running.rend() && head.rank() < (*it)->rank(); ++it) {
      if (gives_way(**it, head)) return true;
    }
    return false;
  });
  if (!any) return;
  for (const int32_t d : domains_by_preference(head)) {
    if (make_room_in(d, head)) return;
  }
}

// True: the head fits into this domain now, or will when the steps in flight are back.
bool Scheduler::make_room_in(int32_t domain_index, const Sequence& head) {
  Domain& d = domain(domain_index);
  std::vector<Sequence*> victims;
  for (Sequence* sequence : d.running) {
    if (gives_way(*sequence, head)) victims.push_back(sequence);
  }
  std::sort(victims.begin(), victims.end(), [](const Sequence* a, const Sequence* b) {
    const int32_t pa = a->request().priority;
    const int32_t pb = b->request().priority;
    return pa != pb ? pa < pb : b->rank() < a->rank();
  });
  size_t taken = 0;
  {
    BlockTable table;  // holds what the head would share, so that nobody's loss counts it as a gain
    const int32_t matched =
        d.kv->tree.match(head.request().cache_salt, head.tokens(), reusable_blocks(head), table);
    const int32_t lacking = blocks_for(head.len()) - matched - d.kv->num_available();
    int32_t freed = num_returning(domain_index);
    const auto fits = [&] {
      const size_t left = d.running.size() - taken;
      return free_slots_.size() + taken > 0 && left < static_cast<size_t>(max_running_per_domain_) &&
             lacking + static_cast<int32_t>(left) <= freed;
    };
    for (; !fits(); ++taken) {
      if (taken == victims.size()) return false;
      freed += num_exclusive(*victims[taken]->run());
    }
  }
  for (size_t i = 0; i < taken; ++i) preempt(*victims[i]);
  return true;
}

void Scheduler::admit_waiting(TimePoint now, StepBuilder& builder) {
  while (!waiting_.empty() && !free_slots_.empty()) {
    Sequence& head = *waiting_.begin()->second;
    if (head.in_flight().rows > 0) return;  // just preempted: its last rows are not back
    if (blocked_ && blocked_->rank == head.rank() && blocked_->num_releases == num_releases_) return;
    const bool room = [&] {
      for (int32_t d = 0; d < config_.num_domains; ++d) {
        if (builder.has_prompt_room(d)) return true;
      }
      return false;
    }();
    if (!room || !builder.has_start_room()) return;
    if (!try_admit(head, now, builder)) return;
  }
}

std::vector<int32_t> Scheduler::domains_by_preference(const Sequence& sequence) const {
  struct Choice {
    int32_t domain;
    int32_t matched;
    size_t running;
  };
  std::vector<Choice> choices;
  for (int32_t d = 0; d < config_.num_domains; ++d) {
    const PrefixTree& tree = domain(d).kv->tree;
    const int32_t matched =
        tree.match_len(sequence.request().cache_salt, sequence.tokens(), reusable_blocks(sequence));
    choices.push_back({d, matched, domain(d).running.size()});
  }
  std::stable_sort(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
    return a.matched != b.matched ? a.matched > b.matched : a.running < b.running;
  });
  std::vector<int32_t> order;
  for (const Choice& choice : choices) order.push_back(choice.domain);
  return order;
}

int32_t Scheduler::reusable_blocks(const Sequence& sequence) const {
  return config_.prefix_cache ? sequence.max_reuse() / config_.block_size : 0;
}

bool Scheduler::try_admit(Sequence& sequence, TimePoint now, StepBuilder& builder) {
  bool step_full = false;
  const std::vector<int32_t> order =
      config_.num_domains == 1 ? std::vector<int32_t>{0} : domains_by_preference(sequence);
  for (const int32_t d : order) {
    if (static_cast<int32_t>(domain(d).running.size()) >= max_running_per_domain_) continue;
    if (builder.prompt_chunk(sequence, d, 0, 1) == 0) {
      step_full = true;  // perhaps in the next step
      continue;
    }
    if (try_admit_to(sequence, d, now, builder)) return true;
  }
  if (!step_full) blocked_ = Blocked{sequence.rank(), num_releases_};
  return false;
}

bool Scheduler::try_admit_to(Sequence& sequence, int32_t d, TimePoint now, StepBuilder& builder) {
  KvDomain& kv = *domain(d).kv;
  Run run;
  run.domain = d;
  const int32_t total = blocks_for(sequence.len());
  run.table.reserve(total + 1);
  const int32_t matched =
      kv.tree.match(sequence.request().cache_salt, sequence.tokens(), reusable_blocks(sequence), run.table);
  const int32_t growth = static_cast<int32_t>(domain(d).running.size());
  if (kv.num_available() < total - matched + growth) return false;
  while (run.table.size() < total) run.table.push_back(kv.allocate());
  run.slot = free_slots_.back();
  free_slots_.pop_back();
  run.num_planned = run.num_computed = matched * config_.block_size;
  run.num_in_tree = matched;
  const TimePoint deadline = sequence.deadline();
  if (!sequence.started()) {
    --num_queued_;
    sequence.note_cached_tokens(std::min(run.num_computed, sequence.prompt_len()));
  }
  waiting_.erase(sequence.rank());
  sequence.admit(std::move(run), now);
  set_deadline(sequence, deadline);
  std::vector<Sequence*>& running = domain(d).running;
  const auto by_rank = [](const Sequence* a, const Sequence* b) { return a->rank() < b->rank(); };
  running.insert(std::lower_bound(running.begin(), running.end(), &sequence, by_rank), &sequence);
  builder.add_start(sequence);
  builder.add_prompt_chunk(sequence);
  return true;
}

}  // namespace hadal
