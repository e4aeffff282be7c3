// The state of deployments as a table and as JSON: groups and ranks, services, routes, scaling, storage,
// downloads. Pure functions over a look at the cluster; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "deploy/cluster/inventory.h"
#include "deploy/cluster/pod_state.h"

namespace hadal::cluster {

struct StatusReport {
  Json json;         // for --format json
  std::string text;  // lines
  bool all_ready = true;
};

// inventory: of the deployment looked at; null: every workload of the namespace. progress: what the pods'
// /startupz say, by pod ("loading weights, 35%"); may be empty. unseen_kinds: those that may not be read:
// where they could be what is asked for, nothing is said to be ready or absent.
StatusReport make_status_report(const ClusterView& view, const Inventory* inventory, const Json& progress,
                                const std::vector<std::string>& unseen_kinds = {});

// Whether a workload could be among what may not be read.
bool may_hide_workloads(const std::vector<std::string>& unseen_kinds);

// The kinds that a report is made from.
const std::vector<std::string>& status_kinds();

}  // namespace hadal::cluster
