// Request: one user order as the scheduler sees it: immutable plain data. Made by Engine::submit on the
// caller's thread, then owned by its Sequence.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "step/sampling_params.h"
#include "step/step_plan.h"

namespace hadal {

using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;
inline constexpr TimePoint kNoDeadline = TimePoint::max();

struct Request {
  uint64_t id = 0;                                         // unique for the life of the scheduler
  std::shared_ptr<const std::vector<int32_t>> prompt_ids;  // not empty
  SamplingParams sampling;
  Pooling pooling = Pooling::kNone;  // not kNone: an embedding; nothing is sampled
  int32_t priority = 0;              // higher first
  TimePoint arrival;
  TimePoint queue_deadline = kNoDeadline;  // by then it must have started
  TimePoint total_deadline = kNoDeadline;  // by then it must have finished
  std::string cache_salt;                  // prefixes are shared only within one salt
  uint64_t fork_group = 0;                 // the same non-zero group: the same prompt, prefilled once

  int32_t prompt_len() const { return static_cast<int32_t>(prompt_ids->size()); }
};

}  // namespace hadal
