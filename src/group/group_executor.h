// GroupExecutor: the leader's StepExecutor over its local ranks and the group's other hosts;
// FollowerExecutor: what a follower process runs. Both end the local ranks' collectives when the group is
// lost, and the group when a local rank fails. A host that dies breaks the collectives and the channel at
// once, and only the channel knows which host it was: a rank's kUnavailable, which is what broken collectives
// say, is kept back for GroupChannel::loss_time() and the channel's reason taken in its place when it comes.
// Made by main after GroupChannel::open; they start the channel.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "group/group_channel.h"
#include "step/step_executor.h"

namespace hadal {

// Makes the local ranks' collectives, in progress and to come, fail with this reason.
using AbortCollectives = std::function<void(const std::string& reason)>;

class GroupExecutor final : public StepExecutor {
 public:
  // The channel must have been opened and must outlive this; it may have been started (see GroupHandlers).
  GroupExecutor(std::unique_ptr<StepExecutor> local, GroupChannel& channel,
                AbortCollectives abort_collectives);
  void start(ResultSink sink) override;
  void submit(std::shared_ptr<const StepPlan> plan) override;
  void stop() override;
  // The channel's on_lost: the sink gets the reason as its error, once.
  void group_lost(const std::string& reason);

 private:
  void deliver(Result<StepResult> result);

  const std::unique_ptr<StepExecutor> local_;
  GroupChannel& channel_;
  const AbortCollectives abort_collectives_;
  std::mutex mutex_;  // orders results and the one failure
  std::condition_variable lost_known_;
  ResultSink sink_;
  std::string lost_;
  bool failed_ = false;
  bool stopped_ = false;
};

class FollowerExecutor {
 public:
  FollowerExecutor(std::unique_ptr<StepExecutor> local, GroupChannel& channel, int node_rank,
                   AbortCollectives abort_collectives);
  ~FollowerExecutor();

  // The channel's handlers.
  void on_plan(std::string bytes);
  void on_stop();
  void group_lost(const std::string& reason);

  // Starts the local ranks, tells the leader that this host is ready, then waits until the leader ends the
  // group (ok), the group is lost (kUnavailable), or request_stop (kCancelled).
  Status run();
  // Any thread: this host leaves; the group is lost.
  void request_stop(const std::string& reason);

 private:
  void finish(Status status);
  void give_up(const std::string& reason);

  // Plans that wait here: a leader has two or three out.
  static constexpr int kMaxAhead = 16;
  const std::unique_ptr<StepExecutor> local_;
  GroupChannel& channel_;
  const int node_rank_;
  const AbortCollectives abort_collectives_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Status> end_;
  bool running_ = false;
  int num_ahead_ = 0;  // plans submitted whose result is not back
};

// Leader, before its engine starts: waits until every follower has loaded its model and runs. The error names
// the node.
Status wait_for_followers(GroupChannel& channel, int nnodes, std::chrono::milliseconds timeout);

}  // namespace hadal
