#include "deploy/cluster/apply_input.h"

#include <algorithm>
#include <filesystem>

#include "deploy/cluster/inventory.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

struct KindWave {
  std::string_view kind;
  int wave;
};
constexpr KindWave kWaves[] = {
    {"Namespace", 0},
    {"CustomResourceDefinition", 0},
    {"ServiceAccount", 0},
    {"Role", 0},
    {"RoleBinding", 0},
    {"ClusterRole", 0},
    {"ClusterRoleBinding", 0},
    {"SecurityContextConstraints", 0},
    {"PriorityClass", 0},
    {"NetworkPolicy", 0},
    {"ResourceQuota", 0},
    {"LimitRange", 0},
    {"RuntimeClass", 0},
    {"Queue", 0},
    {"ClusterQueue", 0},
    {"LocalQueue", 0},
    {"ResourceFlavor", 0},
    {"Topology", 0},
    {"StorageClass", 1},
    {"PersistentVolume", 1},
    {"PersistentVolumeClaim", 1},
    {"Secret", 1},
    {"ConfigMap", 1},
    {"Service", 1},
    {"Endpoints", 1},
    {"EndpointSlice", 1},
    {"ServingRuntime", 1},
    {"ClusterServingRuntime", 1},
    {"LLMInferenceServiceConfig", 1},
    {"GatewayClass", 1},
    {"Job", 2},
    {"Pod", 3},
    {"Deployment", 3},
    {"StatefulSet", 3},
    {"DaemonSet", 3},
    {"ReplicaSet", 3},
    {"CronJob", 3},
    {"LeaderWorkerSet", 3},
    {"DisaggregatedSet", 3},
    {"PodGroup", 3},
    {"InferenceService", 3},
    {"LLMInferenceService", 3},
    {"DynamoGraphDeployment", 3},
    {"ComputeDomain", 3},
    {"ResourceClaim", 3},
    {"ResourceClaimTemplate", 1},
    {"Ingress", 4},
    {"Gateway", 4},
    {"HTTPRoute", 4},
    {"GRPCRoute", 4},
    {"ReferenceGrant", 4},
    {"InferencePool", 4},
    {"Route", 4},
};

Error at(const ApplyObject& object, const std::string& what) {
  return invalid_argument(object.origin.empty() ? "" : object.origin + ": ", object.title(), ": ", what);
}

Status check_identity(const ApplyObject& object) {
  if (kind_of(object.object).empty()) return at(object, "it has no kind");
  if (text_at(object.object, "apiVersion").empty()) return at(object, "it has no apiVersion");
  if (!text_at(object.object, "metadata.generateName").empty())
    return at(object, "generateName makes another object at every apply: give it a name");
  if (!is_path_segment(name_of(object.object))) return at(object, "it has no metadata.name");
  return {};
}

// An object on its own can hold what only the server writes: it would be refused, or fight with it.
void strip_server_fields(Json& object) {
  remove_member(object, "status");
  Json& metadata = member_of(object, "metadata");
  for (const char* key :
       {"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"})
    remove_member(metadata, key);
}

Result<ApplyInput> read_plain(const std::vector<ManifestFile>& files) {
  ApplyInput out;
  HADAL_ASSIGN(std::vector<KubeObject> objects, read_objects(files));
  for (KubeObject& object : objects) {
    const int wave = wave_of(object.object);
    ApplyObject& added = out.objects.emplace_back();
    added.object = std::move(object.object);
    added.wave = wave;
    added.origin = std::move(object.origin);
    HADAL_RETURN_IF_ERROR(check_identity(added));
    strip_server_fields(added.object);
  }
  for (const ManifestFile& file : files)
    out.source += (out.source.empty() ? "" : " ") + std::filesystem::path(file.path).filename().string();
  return out;
}

}  // namespace

std::string ApplyObject::path() const {
  return object_path(resource, namespace_of(object), name_of(object));
}

std::string ApplyObject::title() const {
  return title_of(object);
}

int wave_of(const Json& object) {
  if (!label_of(object, "grafana_dashboard").empty()) return 5;
  for (const KindWave& row : kWaves) {
    if (row.kind == kind_of(object)) return row.wave;
  }
  return 5;
}

Result<ApplyInput> read_apply_input(const std::vector<ManifestFile>& files, const ApplyHooks& hooks,
                                    const std::string& namespace_name) {
  const auto is_spec = [&](const ManifestFile& file) { return hooks.is_spec && hooks.is_spec(file.text); };
  const auto num_specs = std::count_if(files.begin(), files.end(), is_spec);
  if (num_specs > 1) return invalid_argument("several specs were given: apply them one at a time");
  if (num_specs == 1 && files.size() > 1)
    return invalid_argument("a spec of hadal's and manifests were given together: apply them one at a time");
  Result<ApplyInput> out = num_specs == 1 ? hooks.render(files[0], namespace_name) : read_plain(files);
  if (!out.ok()) return out;
  if (out->objects.empty()) return invalid_argument("the files hold no Kubernetes object");
  std::stable_sort(out->objects.begin(), out->objects.end(),
                   [](const ApplyObject& a, const ApplyObject& b) { return a.wave < b.wave; });
  return out;
}

std::string default_deployment_name(const ApplyInput& input, const std::vector<ManifestFile>& files) {
  if (!input.name.empty()) return input.name;
  std::string common;
  bool all = true;
  for (const ApplyObject& object : input.objects) {
    const std::string_view instance = label_of(object.object, "app.kubernetes.io/part-of");
    if (instance.empty()) continue;
    if (common.empty()) common = instance;
    all &= common == instance;
  }
  if (all && !common.empty()) return common;
  if (files.size() == 1 && files[0].path != "-") return std::filesystem::path(files[0].path).stem().string();
  const auto directory = [](const ManifestFile& f) { return std::filesystem::path(f.path).parent_path(); };
  const bool one = std::all_of(files.begin(), files.end(),
                               [&](const ManifestFile& f) { return directory(f) == directory(files[0]); });
  return one && !files.empty() ? directory(files[0]).filename().string() : "";
}

Error namespace_mismatch(const std::string& place, const std::string& what, const std::string& own,
                         const std::string& given) {
  return invalid_argument(place, place.empty() ? "" : ": ", "the namespace of ", what == "spec" ? "the " : "",
                          what, " is \"", own, "\", which is not the one of --namespace, \"", given,
                          "\": leave --namespace out, or change the file");
}

Status resolve_objects(ApplyInput& input, KubeDiscovery& discovery, const std::string& namespace_name,
                       bool strict_namespace) {
  for (const ApplyObject& object : input.objects) {
    if (kind_of(object.object) == "CustomResourceDefinition") discovery.expect(object.object);
  }
  std::vector<ApplyObject> kept;
  std::vector<InventoryEntry> seen;  // of kept
  for (ApplyObject& object : input.objects) {
    HADAL_RETURN_IF_ERROR(check_identity(object));
    auto resource = discovery.find(text_at(object.object, "apiVersion"), kind_of(object.object));
    if (!resource.ok()) {
      return make_error(resource.error().code, object.origin.empty() ? "" : object.origin + ": ",
                        object.title(), ": ", resource.error().message);
    }
    object.resource = std::move(*resource);
    Json& metadata = member_of(object.object, "metadata");
    const std::string own(namespace_of(object.object));
    if (!object.resource.namespaced) {
      remove_member(metadata, "namespace");
    } else if (own.empty()) {
      metadata.set("namespace", namespace_name);
    } else if (strict_namespace && own != namespace_name) {
      return namespace_mismatch(object.origin, object.title(), own, namespace_name);
    }
    const InventoryEntry entry = entry_of(object.object, object.wave);
    const auto same = std::find_if(seen.begin(), seen.end(),
                                   [&](const InventoryEntry& other) { return other.same_object(entry); });
    if (same == seen.end()) {
      kept.push_back(std::move(object));
      seen.push_back(entry);
      continue;
    }
    const ApplyObject& first = kept[static_cast<size_t>(same - seen.begin())];
    if (!(first.object == object.object))
      return at(object, "it is given twice, with other contents" +
                            (first.origin.empty() ? "" : " at " + first.origin) + ": keep one");
  }
  input.objects = std::move(kept);
  return {};
}

}  // namespace hadal::cluster
