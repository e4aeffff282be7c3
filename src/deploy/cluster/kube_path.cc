#include "deploy/cluster/kube_path.h"

namespace hadal::cluster {

std::string group_version_path(std::string_view api_version) {
  const bool core = api_version.find('/') == std::string_view::npos;
  return (core ? "/api/" : "/apis/") + std::string(api_version);
}

std::string collection_path(const KubeResource& resource, std::string_view namespace_name) {
  std::string out = group_version_path(resource.api_version);
  if (resource.namespaced && !namespace_name.empty()) out += "/namespaces/" + percent_encode(namespace_name);
  return out + "/" + resource.plural;
}

std::string object_path(const KubeResource& resource, std::string_view namespace_name,
                        std::string_view name) {
  return collection_path(resource, namespace_name) + "/" + percent_encode(name);
}

std::string query_text(const KubeQuery& query) {
  std::string out;
  for (const auto& [key, value] : query)
    out += (out.empty() ? "?" : "&") + percent_encode(key) + "=" + percent_encode(value);
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string_view group_of(std::string_view api_version) {
  const size_t slash = api_version.find('/');
  return slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
}

bool is_path_segment(std::string_view name) {
  return !name.empty() && name.size() <= 253 && name != "." && name != ".." &&
         name.find_first_of("/%") == std::string_view::npos;
}

const KubeResource* well_known_resource(std::string_view kind) {
  static const KubeResource kKnown[] = {
      {"v1", "Pod", "pods", true},
      {"v1", "Event", "events", true},
      {"v1", "Node", "nodes", false},
      {"v1", "Namespace", "namespaces", false},
      {"v1", "Secret", "secrets", true},
      {"v1", "ConfigMap", "configmaps", true},
      {"v1", "Service", "services", true},
      {"v1", "PersistentVolumeClaim", "persistentvolumeclaims", true},
      {"v1", "PersistentVolume", "persistentvolumes", false},
      {"v1", "ResourceQuota", "resourcequotas", true},
      {"discovery.k8s.io/v1", "EndpointSlice", "endpointslices", true},
      {"apps/v1", "Deployment", "deployments", true},
      {"apps/v1", "StatefulSet", "statefulsets", true},
      {"apps/v1", "DaemonSet", "daemonsets", true},
      {"apps/v1", "ReplicaSet", "replicasets", true},
      {"batch/v1", "Job", "jobs", true},
      {"batch/v1", "CronJob", "cronjobs", true},
      {"storage.k8s.io/v1", "StorageClass", "storageclasses", false},
      {"autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true},
      {"networking.k8s.io/v1", "Ingress", "ingresses", true},
      {"policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true},
      {"leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "leaderworkersets", true},
      {"disaggregatedset.x-k8s.io/v1", "DisaggregatedSet", "disaggregatedsets", true},
      {"gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", true},
      {"gateway.networking.k8s.io/v1", "Gateway", "gateways", true},
      {"inference.networking.k8s.io/v1", "InferencePool", "inferencepools", true},
      {"route.openshift.io/v1", "Route", "routes", true},
      {"keda.sh/v1alpha1", "ScaledObject", "scaledobjects", true},
      {"monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", true},
      {"monitoring.coreos.com/v1", "PodMonitor", "podmonitors", true},
      {"serving.kserve.io/v1beta1", "InferenceService", "inferenceservices", true},
      {"serving.kserve.io/v1alpha2", "LLMInferenceService", "llminferenceservices", true},
      {"nvidia.com/v1beta1", "DynamoGraphDeployment", "dynamographdeployments", true},
      {"scheduling.volcano.sh/v1beta1", "PodGroup", "podgroups", true},
      {"scheduling.volcano.sh/v1beta1", "Queue", "queues", false},
  };
  for (const KubeResource& resource : kKnown) {
    if (resource.kind == kind) return &resource;
  }
  return nullptr;
}

}  // namespace hadal::cluster
