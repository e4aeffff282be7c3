// Inbox: the one place where the engine thread waits. Requests, cancels, step results and the order to stop
// come in here. Any thread may put things in and never waits; the engine thread alone takes them.
//
// Bounds: requests that have not started are at most max_queued plus the free slots; a cancel is kept only
// for an open request, and once; results are at most as many as steps in flight. It also knows which requests
// are open: from submit until their final delta was handed out.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "engine/engine_api.h"
#include "engine/request_output.h"
#include "sched/request.h"
#include "step/step_result.h"

namespace hadal {

struct SubmitOrder {
  Request request;
  std::unique_ptr<RequestOutput> output;
};

struct CancelOrder {
  RequestId id = 0;
  CancelReason reason = CancelReason::kClientGone;
};

// All that was there at once. Submits come before the cancels that may concern them.
struct InboxBatch {
  std::vector<Result<StepResult>> results;
  std::vector<SubmitOrder> submits;
  std::vector<CancelOrder> cancels;
  bool stop = false;
};

// What the engine thread tells about itself when it takes a batch.
struct QueueState {
  uint64_t num_started = 0;  // of the requests taken so far, those that wait no more
  int32_t free_slots = 0;
};

class Inbox {
 public:
  Inbox(int32_t max_queued, int32_t free_slots);
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Errors: kResourceExhausted (too many wait), kUnavailable (not admitting).
  Status submit(SubmitOrder order);
  void cancel(RequestId id, CancelReason reason);
  void cancel_all(CancelReason reason);
  void push_result(Result<StepResult> result);
  void request_stop();
  // submit says kUnavailable before admit_submits, and with this reason from refuse_submits on.
  void admit_submits();
  void refuse_submits(std::string reason);

  // Engine thread. Waits until something is there or `deadline` has passed; replaces what `batch` held.
  void take(InboxBatch& batch, const QueueState& state, std::optional<TimePoint> deadline);

  // The request's final delta was handed out.
  void close_request(RequestId id);
  // Waits until no request is open; false when `deadline` came first.
  bool wait_until_none_open(TimePoint deadline);

  int32_t num_waiting() const;  // submitted and not started
  // Since when something has been waiting for the engine thread.
  std::optional<TimePoint> pending_since() const;

 private:
  bool something_there() const {
    return stop_ || !results_.empty() || !submits_.empty() || !cancels_.empty();
  }
  void note_pending();

  const int64_t max_queued_;
  mutable std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable none_open_;
  std::vector<Result<StepResult>> results_;
  std::vector<SubmitOrder> submits_;
  std::vector<CancelOrder> cancels_;
  std::unordered_map<RequestId, bool> open_;  // true: a cancel was put in
  std::optional<std::string> refusal_ = "the engine is starting";
  bool refused_for_good_ = false;
  std::optional<TimePoint> pending_since_;
  uint64_t num_submitted_ = 0;
  QueueState state_;
  bool stop_ = false;
};

}  // namespace hadal
