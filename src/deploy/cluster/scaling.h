// ScaleRules: who sets spec.replicas of a workload: its file, or an autoscaler. A field that is applied and
// then left out falls back to its default, which for replicas stops what serves; so it is handed over first.
// Values made for one apply; one thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/apply_input.h"
#include "deploy/cluster/inventory.h"
#include "deploy/cluster/kube_client.h"

namespace hadal::cluster {

// Holds spec.replicas of workloads whose file leaves it out, until somebody sets it.
inline constexpr char kScaleManager[] = "hadal-scale";

bool is_scaler_kind(std::string_view kind);
// Whether an autoscaler sets fields under this name.
bool is_scaler_manager(std::string_view manager);
// Whether `manager` has applied spec.replicas.
bool owns_replicas(const Json& live, std::string_view manager);
// Whether spec.replicas would fall back to its default if `manager` did not send it any more.
bool is_sole_owner_of_replicas(const Json& live, std::string_view manager);

class ScaleRules {
 public:
  ScaleRules() = default;
  // objects: of the apply. leaving: what the apply prunes.
  ScaleRules(const std::vector<ApplyObject>& objects, std::span<const InventoryEntry> leaving);
  // Whether an autoscaler of this apply scales the object.
  bool is_scaled(const Json& object) const;
  // The title of an autoscaler in the cluster that scales the object and is not pruned; "": none.
  Result<std::string> other_scaler(KubeClient& client, const Json& object) const;

 private:
  bool leaves(const Json& scaler) const;

  std::vector<Json> scalers_;
  std::vector<InventoryEntry> leaving_;
};

}  // namespace hadal::cluster
