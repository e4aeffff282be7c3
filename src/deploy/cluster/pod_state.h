// PodState: what a pod is at, and why it is not ready yet, out of its status and its events. Pure functions
// over objects as the API server gives them; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace hadal::cluster {

// A look at the cluster: what reasons are made from. Spans of objects that outlive it.
struct ClusterView {
  std::vector<Json> pods, events, nodes, claims, others;
  int64_t now = 0;  // seconds since 1970
};
// Sorts the objects by kind. now: seconds since 1970.
ClusterView make_cluster_view(std::vector<Json> objects, int64_t now);

struct PodState {
  enum class Kind {
    kReady,
    kDone,      // ended well
    kStarting,  // runs, not ready yet
    kPending,   // not placed, or its images, volumes and containers are being made
    kFailing,   // crashes, cannot be pulled, cannot be configured: may come right
    kFailed,    // will not come right by itself
  };
  Kind kind = Kind::kPending;
  std::string phase;   // one or two words: "running", "unschedulable", "crash loop"
  std::string reason;  // why it is not ready; "" where it is
  std::string node;
  int restarts = 0;
  int64_t age = 0;
  bool leader_missing = false;  // it waits for another rank
};
PodState explain_pod(const Json& pod, const ClusterView& view);

// The newest event about an object with one of these reasons; null: none.
const Json* newest_event(const ClusterView& view, const Json& object,
                         std::initializer_list<std::string_view> reasons);
// When it was last seen, seconds since 1970.
int64_t event_time(const Json& event);
// "Name or service not known"... the last line that is not empty, shortened.
std::string last_line(std::string_view text);

}  // namespace hadal::cluster
