// Which of a namespace's objects have to do with the one deployment that the doctor was asked about.
#include <algorithm>
#include <set>

#include "deploy/cluster/doctor.h"
#include "deploy/cluster/inventory.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

using Names = std::set<std::string, std::less<>>;

bool is_one_of(std::string_view kind, std::initializer_list<std::string_view> kinds) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

// Every text below `key`, wherever it stands.
void collect(const Json& value, std::string_view key, int depth, Names& out) {
  if (depth > kMaxObjectDepth) return;
  if (value.is_array()) {
    for (const Json& item : value.as_array()) collect(item, key, depth + 1, out);
  } else if (value.is_object()) {
    for (const auto& [name, member] : value.as_object()) {
      if (name == key && member.is_string()) out.insert(member.as_string());
      collect(member, key, depth + 1, out);
    }
  }
}

bool intersect(const Names& a, const Names& b) {
  return std::any_of(a.begin(), a.end(), [&](const std::string& name) { return b.contains(name); });
}

class Scope {
 public:
  explicit Scope(const DoctorInput& input) : input_(input) {
    for (const Json& workload : input.workloads) {
      workloads_.emplace(name_of(workload));
      collect(workload, "claimName", 0, claims_);
    }
    for (const Json* pod : input.pods) {
      collect(*pod, "claimName", 0, claims_);
      for (const char* key : {"scheduling.k8s.io/group-name", "scheduling.volcano.sh/group-name"})
        pod_groups_.emplace(annotation_of(*pod, key));
    }
    for (const Json& object : input.snapshot.objects) {
      if (is_workload_kind(kind_of(object)) && kind_of(object) != "Pod")
        all_workloads_.emplace(name_of(object));
      if (kind_of(object) == "Service" && is_own(object)) services_.emplace(name_of(object));
    }
  }

  bool is_own(const Json& object) const {
    const std::string_view kind = kind_of(object);
    const bool is_scoped =
        is_one_of(kind, {"Service", "PodMonitor", "ServiceMonitor", "HorizontalPodAutoscaler", "ScaledObject",
                         "Ingress", "HTTPRoute", "Route", "InferencePool", "PodDisruptionBudget", "PodGroup",
                         "PersistentVolumeClaim", "Event"});
    if (!is_scoped) return true;
    if (kind == "Event") return is_about_own(object);
    return is_marked(object) || is_connected(object);
  }

 private:
  // It says itself whose it is.
  bool is_marked(const Json& object) const {
    const std::string_view owner = annotation_of(object, kOwnerAnnotation);
    if (!owner.empty()) return owner == input_.snapshot.namespace_name + "/" + input_.snapshot.name;
    for (const char* key : {kDeploymentLabel, "app.kubernetes.io/instance", "app.kubernetes.io/part-of"}) {
      if (label_of(object, key) == input_.snapshot.name) return true;
    }
    for (const Json& reference : array_at(object, "metadata.ownerReferences")) {
      if (workloads_.contains(text_at(reference, "name"))) return true;
    }
    return workloads_.contains(name_of(object));
  }

  bool is_connected(const Json& object) const {
    const std::string_view kind = kind_of(object);
    if (kind == "Service") return selects_pods(object_at(object, "spec.selector"));
    if (kind == "PodMonitor" || kind == "PodDisruptionBudget" || kind == "InferencePool") {
      const Json* selector = json_at(object, "spec.selector");
      if (selector == nullptr || object_at(object, "spec.selector").empty()) return false;
      return std::any_of(input_.pods.begin(), input_.pods.end(), [&](const Json* pod) {
        return selector_matches(*selector, object_at(*pod, "metadata.labels"));
      });
    }
    if (kind == "ServiceMonitor") return selects_services(object);
    if (kind == "HorizontalPodAutoscaler" || kind == "ScaledObject")
      return workloads_.contains(text_at(object, "spec.scaleTargetRef.name"));
    if (kind == "PersistentVolumeClaim") return claims_.contains(name_of(object));
    if (kind == "PodGroup") return pod_groups_.contains(name_of(object));
    // Ingress, HTTPRoute, Route: a backend is named below "name".
    Names names;
    if (const Json* spec = object.find("spec"); spec != nullptr) collect(*spec, "name", 0, names);
    return intersect(names, services_);
  }

  bool selects_pods(const JsonObject& selector) const {
    return std::any_of(input_.pods.begin(), input_.pods.end(), [&](const Json* pod) {
      return map_selector_matches(selector, object_at(*pod, "metadata.labels"));
    });
  }

  bool selects_services(const Json& monitor) const {
    const Json* selector = json_at(monitor, "spec.selector");
    if (selector == nullptr || !selector->is_object() || selector->as_object().empty()) return false;
    return std::any_of(input_.snapshot.objects.begin(), input_.snapshot.objects.end(),
                       [&](const Json& object) {
                         return kind_of(object) == "Service" && services_.contains(name_of(object)) &&
                                selector_matches(*selector, object_at(object, "metadata.labels"));
                       });
  }

  // Of pods and what makes them, which may not exist: the workload whose name theirs begins with.
  bool is_about_own(const Json& event) const {
    const std::string_view kind = text_at(event, "involvedObject.kind");
    if (kind != "Pod" && kind != "ReplicaSet" && kind != "PodGroup" && !is_workload_kind(kind)) return true;
    const std::string_view name = text_at(event, "involvedObject.name");
    std::string_view longest;
    for (const std::string& workload : all_workloads_) {
      const bool begins =
          name.starts_with(workload) && (name.size() == workload.size() || name[workload.size()] == '-');
      if (begins && workload.size() > longest.size()) longest = workload;
    }
    return workloads_.contains(longest);
  }

  const DoctorInput& input_;
  Names workloads_, all_workloads_, claims_, pod_groups_, services_;
};

}  // namespace

void keep_own_objects(DoctorInput& input) {
  if (input.snapshot.name.empty()) return;
  const Scope scope(input);
  for (auto* list : {&input.view.others, &input.view.claims, &input.view.events})
    std::erase_if(*list, [&](const Json& object) { return !scope.is_own(object); });
}

}  // namespace hadal::cluster
