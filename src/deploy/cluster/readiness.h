// Whether an object is what it was applied to be, by the real conditions of its kind, and why not yet, rank
// by rank. A pure function of a look at the cluster; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "deploy/cluster/pod_state.h"

namespace hadal::cluster {

struct Readiness {
  enum class State { kReady, kWaiting, kFailed };
  State state = State::kWaiting;
  std::string summary;  // "1 of 2 groups ready"
  struct Detail {
    std::string subject;  // "group 0 rank 1 (dsr1-0-1)"
    std::string text;     // "unschedulable: no node fits ..."
  };
  std::vector<Detail> details;  // of what is not ready
};

// live: the object as the cluster has it; null: it does not exist.
Readiness check_readiness(const Json& live, const ClusterView& view);
// Whether there is anything to wait for but existence.
bool has_readiness(std::string_view kind);

}  // namespace hadal::cluster
