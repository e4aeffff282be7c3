// InFlightStep: a plan that the workers have, and the blocks it needs that nobody else holds any more. Owned
// by the Scheduler from plan() to commit(); destroying it gives the blocks back. Engine thread only.
//
// The blocks of a plan's rows belong to the rows' sequences. When a sequence leaves while a step runs
// (finished, cancelled, preempted), what it owned moves into the newest step in flight, so no block of a plan
// is free before its result is back; and a step with 256 rows costs no counting of its ten thousands of
// blocks.
#pragma once

#include <memory>
#include <vector>

#include "sched/sequence.h"
#include "step/step_plan.h"

namespace hadal {

struct InFlightStep {
  struct Left {
    uint64_t sequence_id = 0;
    Run run;
  };
  std::shared_ptr<const StepPlan> plan;
  std::vector<Left> left;
  std::vector<BlockRef> replaced;  // blocks for which their sequence took over the prefix tree's
};

}  // namespace hadal
