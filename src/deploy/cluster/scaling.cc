#include "deploy/cluster/scaling.h"

#include <algorithm>

#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

constexpr std::string_view kAutoscaler = "HorizontalPodAutoscaler";

bool scales(const Json& scaler, const Json& object) {
  const std::string_view kind = text_at(scaler, "spec.scaleTargetRef.kind");
  return text_at(scaler, "spec.scaleTargetRef.name") == name_of(object) &&
         (kind.empty() || kind == kind_of(object)) && namespace_of(scaler) == namespace_of(object);
}

// fieldsV1 of managedFields: {"f:spec": {"f:replicas": {}}}.
bool holds_replicas(const Json& managed) {
  return json_at(managed, "fieldsV1.f:spec.f:replicas") != nullptr;
}

}  // namespace

bool is_scaler_kind(std::string_view kind) {
  return kind == kAutoscaler || kind == "ScaledObject";
}

bool is_scaler_manager(std::string_view manager) {
  // The controller of HorizontalPodAutoscalers is a part of kube-controller-manager; nothing else in it sets
  // spec.replicas of what is applied. KEDA scales to and from zero itself.
  return manager == "kube-controller-manager" || manager.starts_with("horizontal-pod-autoscaler") ||
         manager == "keda" || manager.starts_with("keda-");
}

bool owns_replicas(const Json& live, std::string_view manager) {
  const JsonArray& all = array_at(live, "metadata.managedFields");
  return std::any_of(all.begin(), all.end(), [&](const Json& managed) {
    return holds_replicas(managed) && text_at(managed, "manager") == manager &&
           text_at(managed, "operation") == "Apply";
  });
}

bool is_sole_owner_of_replicas(const Json& live, std::string_view manager) {
  bool ours = false, others = false;
  for (const Json& managed : array_at(live, "metadata.managedFields")) {
    if (!holds_replicas(managed)) continue;
    const bool applied = text_at(managed, "manager") == manager && text_at(managed, "operation") == "Apply";
    (applied ? ours : others) = true;
  }
  return ours && !others;
}

ScaleRules::ScaleRules(const std::vector<ApplyObject>& objects, std::span<const InventoryEntry> leaving)
    : leaving_(leaving.begin(), leaving.end()) {
  for (const ApplyObject& object : objects) {
    if (is_scaler_kind(kind_of(object.object))) scalers_.push_back(object.object);
  }
}

bool ScaleRules::is_scaled(const Json& object) const {
  return std::any_of(scalers_.begin(), scalers_.end(), [&](const Json& s) { return scales(s, object); });
}

bool ScaleRules::leaves(const Json& scaler) const {
  return std::any_of(leaving_.begin(), leaving_.end(), [&](const InventoryEntry& entry) {
    if (entry.namespace_name != namespace_of(scaler)) return false;
    if (entry.kind == kAutoscaler && entry.name == name_of(scaler)) return true;
    // KEDA makes an autoscaler for each of its ScaledObjects, and owns it.
    for (const Json& owner : array_at(scaler, "metadata.ownerReferences")) {
      if (entry.kind == text_at(owner, "kind") && entry.name == text_at(owner, "name")) return true;
    }
    return false;
  });
}

Result<std::string> ScaleRules::other_scaler(KubeClient& client, const Json& object) const {
  const auto found = client.list(collection_path(*well_known_resource(kAutoscaler), namespace_of(object)));
  if (!found.ok() && found.error().code == ErrorCode::kNotFound) return std::string();
  if (!found.ok()) return found.error();
  for (const Json& scaler : *found) {
    if (scales(scaler, object) && !leaves(scaler)) return title_of(scaler);
  }
  return std::string();
}

}  // namespace hadal::cluster
