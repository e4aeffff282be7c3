#include "group/group_executor.h"

#include <utility>

namespace hadal {
namespace {

std::string ready_key(int node_rank) {
  return "ready/" + std::to_string(node_rank);
}

// Whether the channel may know better what happened.
bool may_be_a_lost_host(const Error& error) {
  return error.code == ErrorCode::kUnavailable;
}

}  // namespace

Status wait_for_followers(GroupChannel& channel, int nnodes, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (int node = 1; node < nnodes; ++node) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto ready = channel.store_get(ready_key(node), std::max(left, std::chrono::milliseconds(1)));
    if (ready.ok()) continue;
    if (ready.error().code != ErrorCode::kDeadlineExceeded) return ready.error();
    return make_error(ErrorCode::kDeadlineExceeded, "node ", node, " did not load its model within ",
                      timeout.count() / 1000, " s");
  }
  return {};
}

GroupExecutor::GroupExecutor(std::unique_ptr<StepExecutor> local, GroupChannel& channel,
                             AbortCollectives abort_collectives)
    : local_(std::move(local)), channel_(channel), abort_collectives_(std::move(abort_collectives)) {}

void GroupExecutor::start(ResultSink sink) {
  std::string lost;
  {
    std::lock_guard lock(mutex_);
    sink_ = std::move(sink);
    lost = lost_;
  }
  local_->start([this](Result<StepResult> result) { deliver(std::move(result)); });
  // The group may have been lost while the model was still loading.
  if (!lost.empty()) deliver(make_error(ErrorCode::kUnavailable, lost));
}

void GroupExecutor::submit(std::shared_ptr<const StepPlan> plan) {
  channel_.send_plan(serialize_step_plan(*plan));
  local_->submit(std::move(plan));
}

void GroupExecutor::stop() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  lost_known_.notify_all();
  local_->stop();
  channel_.stop();
}

void GroupExecutor::group_lost(const std::string& reason) {
  abort_collectives_(reason);
  {
    std::lock_guard lock(mutex_);
    lost_ = reason;
  }
  lost_known_.notify_all();
  deliver(make_error(ErrorCode::kUnavailable, reason));
}

void GroupExecutor::deliver(Result<StepResult> result) {
  std::string abort_reason;
  {
    std::unique_lock lock(mutex_);
    if (!result.ok() && may_be_a_lost_host(result.error())) {
      lost_known_.wait_for(lock, channel_.loss_time(), [&] { return !lost_.empty() || failed_ || stopped_; });
    }
    if (!sink_ || failed_ || stopped_) return;
    if (!result.ok()) {
      failed_ = true;
      abort_reason = result.error().message;
      // A collective that failed because the group is lost carries the group's reason already.
      if (!lost_.empty()) abort_reason = lost_;
      result = make_error(ErrorCode::kUnavailable, abort_reason);
    }
    sink_(std::move(result));
  }
  if (abort_reason.empty()) return;
  abort_collectives_(abort_reason);  // the other local ranks may wait for the one that failed
  channel_.abort(abort_reason);
}

FollowerExecutor::FollowerExecutor(std::unique_ptr<StepExecutor> local, GroupChannel& channel, int node_rank,
                                   AbortCollectives abort_collectives)
    : local_(std::move(local)),
      channel_(channel),
      node_rank_(node_rank),
      abort_collectives_(std::move(abort_collectives)) {}

FollowerExecutor::~FollowerExecutor() {
  local_->stop();
}

void FollowerExecutor::on_plan(std::string bytes) {
  auto plan = parse_step_plan(bytes);
  if (!plan.ok()) return give_up(plan.error().message);
  {
    std::unique_lock lock(mutex_);
    if (end_.has_value()) return;
    const char* wrong = !running_                 ? "the leader sent a plan before this host was ready"
                        : num_ahead_ >= kMaxAhead ? "the leader sends plans faster than any step can run"
                                                  : nullptr;
    if (wrong != nullptr) {
      lock.unlock();
      return give_up(wrong);
    }
    ++num_ahead_;
  }
  local_->submit(std::make_shared<const StepPlan>(std::move(*plan)));
}

// The leader does what it must not: no reason to crash, but the group cannot go on.
void FollowerExecutor::give_up(const std::string& reason) {
  const std::string named = "node " + std::to_string(node_rank_) + ": " + reason;
  channel_.abort(named);
  finish(make_error(ErrorCode::kUnavailable, named));
}

void FollowerExecutor::on_stop() {
  finish(Status());
}

void FollowerExecutor::group_lost(const std::string& reason) {
  abort_collectives_(reason);
  finish(make_error(ErrorCode::kUnavailable, reason));
}

void FollowerExecutor::request_stop(const std::string& reason) {
  channel_.abort(reason);
  finish(make_error(ErrorCode::kCancelled, reason));
}

void FollowerExecutor::finish(Status status) {
  {
    std::lock_guard lock(mutex_);
    if (end_.has_value()) return;
    end_ = std::move(status);
  }
  changed_.notify_all();
}

Status FollowerExecutor::run() {
  local_->start([this](Result<StepResult> result) {
    if (result.ok()) {
      std::lock_guard lock(mutex_);
      --num_ahead_;
      return;
    }
    if (may_be_a_lost_host(result.error())) {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, channel_.loss_time(), [&] { return end_.has_value(); })) return;
    }
    channel_.abort(result.error().message);
    finish(std::move(result).error());
  });
  std::unique_lock lock(mutex_);
  running_ = true;
  lock.unlock();
  const Status told = channel_.store_set(ready_key(node_rank_), "1");
  if (!told.ok()) finish(told);
  lock.lock();
  changed_.wait(lock, [&] { return end_.has_value(); });
  const Status status = *end_;
  lock.unlock();
  if (!status.ok()) abort_collectives_(status.error().message);
  local_->stop();
  return status;
}

}  // namespace hadal
