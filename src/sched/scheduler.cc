// The other half of Scheduler: requests coming and going, and results. Planning is in scheduler_plan.cc.
#include "sched/scheduler.h"

#include <algorithm>

namespace hadal {

Scheduler::Scheduler(const SchedulerConfig& config)
    : config_(config),
      max_running_per_domain_(std::min(config.max_step_samples, config.max_step_tokens - 1)) {
  const Status valid = validate_scheduler_config(config);
  HADAL_CHECK(valid.ok()) << valid.to_string();
  for (int32_t d = 0; d < config.num_domains; ++d) {
    domains_.push_back(
        {std::make_unique<KvDomain>(config.num_blocks, config.block_size, config.hash_seed), {}});
  }
  for (int32_t slot = config.max_running - 1; slot >= 0; --slot) free_slots_.push_back(slot);
}

Scheduler::~Scheduler() = default;

Sequence* Scheduler::find(uint64_t id) {
  const auto it = sequences_.find(id);
  return it == sequences_.end() ? nullptr : it->second.get();
}

bool Scheduler::joins_fork_group(const Sequence& sequence) const {
  // Waiting for a sibling pays only when there is a block to take from it.
  return sequence.request().fork_group != 0 && config_.prefix_cache &&
         sequence.request().pooling != Pooling::kMean &&
         sequence.request().sampling.num_prompt_logprobs < 0 && sequence.prompt_len() > config_.block_size;
}

Status Scheduler::submit(Request request) {
  HADAL_RETURN_IF_ERROR(check_request(config_, request));
  if (config_.max_queued > 0 && num_queued_ >= config_.max_queued) {
    return make_error(ErrorCode::kResourceExhausted, "the queue is full: ", num_queued_,
                      " requests are waiting");
  }
  const uint64_t id = request.id;
  HADAL_CHECK(!sequences_.count(id)) << "request id " << id << " is in use";
  const Rank rank = make_rank(request, config_.priority_step);
  const int64_t max_len = max_total_len(config_, request);
  auto owned = std::make_unique<Sequence>(std::move(request), rank, max_len);
  Sequence& sequence = *owned;
  sequences_.emplace(id, std::move(owned));
  ++num_queued_;
  set_deadline(sequence, kNoDeadline);
  if (!joins_fork_group(sequence) || fork_groups_.join(sequence.request().fork_group, id)) enqueue(sequence);
  return Status();
}

void Scheduler::enqueue(Sequence& sequence) {
  waiting_.emplace(sequence.rank(), &sequence);
}

// The deadline was `before`.
void Scheduler::set_deadline(const Sequence& sequence, TimePoint before) {
  const TimePoint now = sequence.deadline();
  if (before == now) return;
  if (before != kNoDeadline) deadlines_.erase({before, sequence.id()});
  if (now != kNoDeadline) deadlines_.emplace(now, sequence.id());
}

void Scheduler::cancel(uint64_t id, SequenceEnd reason, std::optional<Error> error) {
  Sequence* sequence = find(id);
  if (sequence == nullptr) return;
  TokenEvent event = sequence->make_event();
  event.error = std::move(error);
  end(*sequence, std::move(event), reason);
}

void Scheduler::expire(TimePoint now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Sequence& sequence = *find(deadlines_.begin()->second);
    const bool queue = !sequence.started() && sequence.request().total_deadline > now;
    end(sequence, sequence.make_event(), queue ? SequenceEnd::kQueueTimeout : SequenceEnd::kDeadline);
  }
}

std::optional<TimePoint> Scheduler::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

void Scheduler::abort(const Error& error) {
  std::vector<Sequence*> all;
  for (const auto& [id, sequence] : sequences_) all.push_back(sequence.get());
  std::sort(all.begin(), all.end(),
            [](const Sequence* a, const Sequence* b) { return a->rank() < b->rank(); });
  for (Sequence* sequence : all) {
    TokenEvent event = sequence->make_event();
    event.error = error;
    end(*sequence, std::move(event), SequenceEnd::kFailed);
  }
  in_flight_.clear();
}

// The sequence's last event; the sequence is gone afterwards.
void Scheduler::end(Sequence& sequence, TokenEvent event, SequenceEnd end) {
  event.end = end;
  events_.push_back(std::move(event));
  const uint64_t id = sequence.id();
  const uint64_t group = joins_fork_group(sequence) ? sequence.request().fork_group : 0;
  if (sequence.is<Waiting>()) waiting_.erase(sequence.rank());  // a held one is not there
  if (!sequence.started()) --num_queued_;
  if (sequence.deadline() != kNoDeadline) deadlines_.erase({sequence.deadline(), id});
  leave(sequence, sequence.finish(end));
  sequences_.erase(id);
  if (group == 0) return;
  if (const std::optional<uint64_t> leader = fork_groups_.leave(group, id)) enqueue(*find(*leader));
}

// The sequence no longer runs: its slot is free, its blocks are when the steps in flight are back.
void Scheduler::leave(Sequence& sequence, std::optional<Run> run) {
  if (!run) return;
  std::vector<Sequence*>& running = domain(run->domain).running;
  running.erase(std::find(running.begin(), running.end(), &sequence));
  free_slots_.push_back(run->slot);
  ended_slots_.push_back(run->slot);
  if (sequence.in_flight().rows > 0) in_flight_.back().left.push_back({sequence.id(), std::move(*run)});
  ++num_releases_;
}

void Scheduler::commit(StepResult result) {
  HADAL_CHECK(!in_flight_.empty() && in_flight_.front().plan->step_id == result.step_id)
      << "the result of step " << result.step_id << " is not that of the oldest step in flight";
  InFlightStep step = std::move(in_flight_.front());
  in_flight_.pop_front();
  for (const DomainPlan& domain_plan : step.plan->domains) {
    for (const PlanRow& row : domain_plan.rows) commit_row(row, result);
  }
  // What a preempted sequence's last rows computed is worth keeping for its return.
  std::vector<BlockRef> replaced;
  for (InFlightStep::Left& left : step.left) {
    const Sequence* sequence = find(left.sequence_id);
    if (sequence == nullptr) continue;
    const int32_t computed = std::min(left.run.num_planned, sequence->len());
    insert_computed(*sequence, left.run, computed, replaced);
    // A leader preempted with the end of its prompt in flight may find all of it in the tree when it returns:
    // its siblings do not wait for a chunk that nobody computes again.
    if (computed >= sequence->prompt_len()) open_fork_group(*sequence);
  }
  if (!step.left.empty() || !step.replaced.empty()) ++num_releases_;
  keep_replaced(replaced);
}

// The prompt is in the tree: who waited for it may start.
void Scheduler::open_fork_group(const Sequence& sequence) {
  if (!joins_fork_group(sequence)) return;
  for (const uint64_t id : fork_groups_.open(sequence.request().fork_group)) enqueue(*find(id));
}

void Scheduler::keep_replaced(std::vector<BlockRef>& replaced) {
  if (replaced.empty()) return;
  ++num_releases_;
  if (in_flight_.empty()) return;
  for (BlockRef& block : replaced) in_flight_.back().replaced.push_back(std::move(block));
}

void Scheduler::insert_computed(const Sequence& sequence, Run& run, int32_t num_computed,
                                std::vector<BlockRef>& replaced) {
  const int32_t full = num_computed / config_.block_size;
  if (!config_.prefix_cache || full <= run.num_in_tree) return;
  domain(run.domain)
      .kv->tree.insert(sequence.request().cache_salt, sequence.tokens(), run.num_in_tree, full, run.table,
                       replaced);
  run.num_in_tree = full;
}

namespace {

template <typename T>
T* find_of(std::vector<T>& parts, uint64_t sequence_id) {
  for (T& part : parts) {
    if (part.sequence_id == sequence_id) return &part;
  }
  return nullptr;
}

}  // namespace

void Scheduler::commit_row(const PlanRow& row, StepResult& result) {
  Sequence* sequence = find(row.sequence_id);
  if (sequence == nullptr) return;  // it ended while the step ran
  Sequence::InFlight& in_flight = sequence->in_flight();
  --in_flight.rows;
  const int32_t end_position = row.first_position + row.num_tokens;
  if (row.sample_index >= 0 && static_cast<size_t>(row.sample_index) < result.samples.size() &&
      result.samples[static_cast<size_t>(row.sample_index)].invalid) {
    // Its keys are as broken as its logits: nobody shall find them in the tree.
    TokenEvent event = sequence->make_event();
    event.error = make_error(ErrorCode::kInternal, "the model's numbers overflowed at position ",
                             end_position, " (logits are NaN or infinite)");
    return end(*sequence, std::move(event), SequenceEnd::kFailed);
  }
  if (Run* run = sequence->run()) {
    const bool prompt_done =
        run->num_computed < sequence->prompt_len() && end_position >= sequence->prompt_len();
    run->num_computed = end_position;
    std::vector<BlockRef> replaced;
    insert_computed(*sequence, *run, end_position, replaced);
    keep_replaced(replaced);
    if (prompt_done) ++num_releases_;
    if (prompt_done) open_fork_group(*sequence);
  }
  TokenEvent event = sequence->make_event();
  std::optional<SequenceEnd> ended;
  bool notable = false;
  if (row.prompt_logprobs) {
    sequence->mark_prompt_logits_read(end_position);
    if (PromptLogprobs* part = find_of(result.prompt_logprobs, row.sequence_id)) {
      event.prompt_logprobs = std::move(part->tokens);
      event.prompt_logprobs_from = part->first_position + 1;
      notable = true;
    }
  }
  if (row.sample_index >= 0) {
    --in_flight.samples;
    const auto index = static_cast<size_t>(row.sample_index);
    HADAL_CHECK(index < result.samples.size() && result.samples[index].sequence_id == row.sequence_id)
        << "step " << result.step_id << " has no sample " << index << " of sequence " << row.sequence_id;
    event.sample = std::move(result.samples[index]);
    ended = sequence->append(event.sample->token);
    if (ended == SequenceEnd::kStop) event.matched_token = event.sample->token;
    notable = true;
  } else if (EmbeddingResult* embedding = find_of(result.embeddings, row.sequence_id)) {
    event.embedding = std::move(embedding->values);
    ended = SequenceEnd::kEmbedded;
  }
  if (ended) {
    end(*sequence, std::move(event), *ended);
  } else if (notable) {
    events_.push_back(std::move(event));
  }
}

void Scheduler::take_events(std::vector<TokenEvent>& events) {
  events.clear();
  std::swap(events, events_);
}

SchedulerStats Scheduler::stats() const {
  SchedulerStats stats;
  for (const Domain& d : domains_) {
    stats.num_running += static_cast<int32_t>(d.running.size());
    stats.blocks_total += d.kv->pool.num_blocks();
    stats.blocks_used += d.kv->pool.num_used();
    stats.blocks_cached += d.kv->pool.num_idle();
  }
  stats.num_waiting = static_cast<int32_t>(waiting_.size()) + fork_groups_.num_held();
  stats.num_queued = num_queued_;
  stats.num_preemptions = num_preemptions_;
  return stats;
}

void Scheduler::check_integrity() const {
  int32_t running = 0;
  int32_t queued = 0;
  for (const Domain& d : domains_) {
    d.kv->check_integrity();
    running += static_cast<int32_t>(d.running.size());
    HADAL_CHECK(std::is_sorted(d.running.begin(), d.running.end(), [](const Sequence* a, const Sequence* b) {
      return a->rank() < b->rank();
    })) << "running sequences are out of order";
    HADAL_CHECK(static_cast<int32_t>(d.running.size()) <= max_running_per_domain_)
        << d.running.size() << " running";
  }
  HADAL_CHECK(running + static_cast<int32_t>(free_slots_.size()) == config_.max_running) << "slots are lost";
  int32_t with_deadline = 0;
  for (const auto& [id, sequence] : sequences_) {
    if (!sequence->started()) ++queued;
    if (sequence->deadline() != kNoDeadline) ++with_deadline;
    const Run* run = sequence->run();
    if (run == nullptr) continue;
    HADAL_CHECK(run->num_computed <= run->num_planned && run->num_in_tree <= run->table.size() &&
                run->num_planned <= run->table.size() * config_.block_size)
        << "sequence " << id << ": computed " << run->num_computed << ", planned " << run->num_planned;
    for (int32_t i = 0; i < run->table.size(); ++i) {
      const bool cached = domain(run->domain).kv->pool.is_cached(run->table.id(i));
      HADAL_CHECK(cached == (i < run->num_in_tree))
          << "sequence " << id << ": block " << i << " of its table";
    }
  }
  const size_t placed = waiting_.size() + static_cast<size_t>(fork_groups_.num_held() + running);
  HADAL_CHECK(placed == sequences_.size())
      << placed << " sequences have a place, " << sequences_.size() << " exist";
  HADAL_CHECK(queued == num_queued_) << queued << " queued, counted " << num_queued_;
  HADAL_CHECK(with_deadline == static_cast<int32_t>(deadlines_.size())) << "deadlines are lost";
  // With nothing in flight, the running sequences alone hold blocks.
  if (!in_flight_.empty() || running > 0) return;
  for (const Domain& d : domains_) {
    HADAL_CHECK(d.kv->pool.num_used() == 0) << d.kv->pool.num_used() << " blocks are held by nobody";
  }
}

}  // namespace hadal
