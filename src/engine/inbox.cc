#include "engine/inbox.h"

#include <utility>

namespace hadal {

Inbox::Inbox(int32_t max_queued, int32_t free_slots) : max_queued_(max_queued) {
  state_.free_slots = free_slots;
}

// With mutex_ held.
void Inbox::note_pending() {
  if (!pending_since_) pending_since_ = SteadyClock::now();
}

Status Inbox::submit(SubmitOrder order) {
  {
    std::lock_guard lock(mutex_);
    if (refusal_) return make_error(ErrorCode::kUnavailable, *refusal_);
    const auto waiting = static_cast<int64_t>(num_submitted_ - state_.num_started);
    if (waiting >= max_queued_ + state_.free_slots) {
      return make_error(ErrorCode::kResourceExhausted, "the queue is full: ", waiting,
                        " requests are waiting");
    }
    ++num_submitted_;
    open_.emplace(order.request.id, false);
    submits_.push_back(std::move(order));
    note_pending();
  }
  not_empty_.notify_one();
  return Status();
}

void Inbox::cancel(RequestId id, CancelReason reason) {
  {
    std::lock_guard lock(mutex_);
    const auto it = open_.find(id);
    if (it == open_.end() || it->second) return;
    it->second = true;
    cancels_.push_back({id, reason});
    note_pending();
  }
  not_empty_.notify_one();
}

void Inbox::cancel_all(CancelReason reason) {
  {
    std::lock_guard lock(mutex_);
    for (auto& [id, cancelled] : open_) {
      if (!std::exchange(cancelled, true)) cancels_.push_back({id, reason});
    }
    if (cancels_.empty()) return;
    note_pending();
  }
  not_empty_.notify_one();
}

void Inbox::push_result(Result<StepResult> result) {
  {
    std::lock_guard lock(mutex_);
    results_.push_back(std::move(result));
    note_pending();
  }
  not_empty_.notify_one();
}

void Inbox::request_stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    note_pending();
  }
  not_empty_.notify_one();
}

void Inbox::admit_submits() {
  std::lock_guard lock(mutex_);
  if (!refused_for_good_) refusal_.reset();
}

void Inbox::refuse_submits(std::string reason) {
  std::lock_guard lock(mutex_);
  if (refused_for_good_) return;  // the first reason stands
  refused_for_good_ = true;
  refusal_ = std::move(reason);
}

void Inbox::take(InboxBatch& batch, const QueueState& state, std::optional<TimePoint> deadline) {
  batch.results.clear();
  batch.submits.clear();
  batch.cancels.clear();
  std::unique_lock lock(mutex_);
  state_ = state;
  const auto ready = [this] { return something_there(); };
  if (deadline) {
    not_empty_.wait_until(lock, *deadline, ready);
  } else {
    not_empty_.wait(lock, ready);
  }
  std::swap(batch.results, results_);
  std::swap(batch.submits, submits_);
  std::swap(batch.cancels, cancels_);
  batch.stop = stop_;
  pending_since_.reset();
}

void Inbox::close_request(RequestId id) {
  {
    std::lock_guard lock(mutex_);
    open_.erase(id);
    if (!open_.empty()) return;
  }
  none_open_.notify_all();
}

bool Inbox::wait_until_none_open(TimePoint deadline) {
  std::unique_lock lock(mutex_);
  return none_open_.wait_until(lock, deadline, [this] { return open_.empty(); });
}

int32_t Inbox::num_waiting() const {
  std::lock_guard lock(mutex_);
  return static_cast<int32_t>(num_submitted_ - state_.num_started);
}

std::optional<TimePoint> Inbox::pending_since() const {
  std::lock_guard lock(mutex_);
  return pending_since_;
}

}  // namespace hadal
