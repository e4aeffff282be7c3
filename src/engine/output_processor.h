// OutputProcessor: hands events out as deltas, one batch per step. Owned by Engine; output thread only.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/engine_metrics.h"
#include "engine/request_output.h"

namespace hadal {

// What the engine thread hands to the output thread at once.
struct OutputBatch {
  std::vector<std::unique_ptr<RequestOutput>> opened;  // before their first event
  std::vector<TokenEvent> events;
};

class OutputProcessor {
 public:
  // cancel: a stop string was found, the sequence need not go on. closed: the request's final delta was
  // handed out. Both are called on the output thread and must not wait.
  OutputProcessor(EngineMetrics& metrics, std::function<void(RequestId)> cancel,
                  std::function<void(RequestId)> closed);

  void process(OutputBatch batch);
  size_t num_open() const { return entries_.size(); }

 private:
  using TimePoint = RequestOutput::TimePoint;
  struct Entry {
    std::unique_ptr<RequestOutput> output;
    TimePoint last_token;
    bool has_token = false;
  };
  void process(TokenEvent event, TimePoint now);
  void observe_token(Entry& entry, const TokenEvent& event, TimePoint now);
  void observe_final(const Entry& entry, const OutputDelta& delta, TimePoint now);

  EngineMetrics& metrics_;
  const std::function<void(RequestId)> cancel_;
  const std::function<void(RequestId)> closed_;
  std::unordered_map<RequestId, Entry> entries_;  // until the sequence's last event
};

}  // namespace hadal
