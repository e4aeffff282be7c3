// FollowerEngine: the EngineApi of a host that only computes: health is reported, requests are refused. Any
// thread.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "engine/engine_api.h"

namespace hadal {

class FollowerEngine final : public EngineApi {
 public:
  explicit FollowerEngine(int64_t context_length) : context_length_(context_length) {}

  Result<RequestId> submit(GenerateRequest, std::shared_ptr<OutputSink>) override {
    return make_error(ErrorCode::kUnavailable, "this host is a follower of its group: ask node 0");
  }
  void cancel(RequestId, CancelReason) override {}
  void cancel_all(CancelReason) override {}
  EngineStats stats() const override {
    EngineStats stats;
    stats.phase = phase_.load();
    stats.context_length = context_length_;
    if (stats.phase == EnginePhase::kFailed) {
      std::lock_guard lock(mutex_);
      stats.failure = failure_;
    }
    return stats;
  }
  void set_step_end_hook(std::function<void()>) override {}

  void set_running() { phase_ = EnginePhase::kRunning; }
  void set_failed(const std::string& reason) {
    {
      std::lock_guard lock(mutex_);
      failure_ = reason;
    }
    phase_ = EnginePhase::kFailed;
  }

 private:
  const int64_t context_length_;
  std::atomic<EnginePhase> phase_{EnginePhase::kStarting};
  mutable std::mutex mutex_;
  std::string failure_;
};

}  // namespace hadal
