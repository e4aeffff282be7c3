// The pods of a workload as groups and ranks. Pure functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "deploy/cluster/pod_state.h"

namespace hadal::cluster {

// One pod's place. Workloads without groups have one group; their pods are numbered as their names sort.
struct RankView {
  std::string role;  // of prefill and decode sets, KServe and Dynamo components; else ""
  int group = 0;
  int rank = 0;
  bool is_leader = false;
  std::string pod;  // "" where it does not exist yet
  PodState state;
};

// A kind whose objects are run by pods.
bool is_workload_kind(std::string_view kind);
// By the labels and owners that each controller sets.
bool is_pod_of(const Json& workload, const Json& pod);
// How many pods one group has; 1 where there are no groups.
int group_size(const Json& workload);
// Ordered by role, group and rank; the ranks of a group that do not exist yet among them.
std::vector<RankView> ranks_of(const Json& workload, const ClusterView& view);
// "group 0 rank 1", "decode group 0 rank 1", or the pod's name where there are no groups.
std::string rank_title(const Json& workload, const RankView& rank);

}  // namespace hadal::cluster
