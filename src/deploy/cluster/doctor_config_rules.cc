// What objects say about themselves and about one another.
#include <algorithm>

#include "deploy/cluster/doctor.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/quantity.h"

namespace hadal::cluster {
namespace {

using Evidence = std::vector<std::string>;

// --- 6: the headless Service hides ranks that are not ready
void look_headless(const DoctorInput& input, Evidence& out) {
  for (const Json& service : input.view.others) {
    if (kind_of(service) != "Service" || text_at(service, "spec.clusterIP") != "None") continue;
    const bool ours = std::any_of(input.workloads.begin(), input.workloads.end(), [&](const Json& w) {
      return kind_of(w) == "LeaderWorkerSet" && name_of(w) == name_of(service);
    });
    if (ours && !bool_at(service, "spec.publishNotReadyAddresses"))
      out.push_back(title_of(service) +
                    " has no publishNotReadyAddresses: the leader has no name until it is ready");
  }
}

// --- 11: interface and HCA names that match more than they should
void look_prefix_names(const DoctorInput& input, Evidence& out) {
  std::vector<std::string> seen;
  for (const Json* pod : input.pods) {
    for (const Json& container : array_at(*pod, "spec.containers")) {
      for (const Json& variable : array_at(container, "env")) {
        const std::string_view name = text_at(variable, "name"), value = text_at(variable, "value");
        const bool hca = name == "NCCL_IB_HCA" && !value.empty() && value[0] != '=' && value[0] != '^' &&
                         value.find("_1") != std::string_view::npos;
        const std::string line = std::string(name) + "=" + std::string(value) +
                                 " also matches every name that begins so (mlx5_1 matches mlx5_10)";
        if (!hca || std::find(seen.begin(), seen.end(), line) != seen.end()) continue;
        seen.push_back(line);
        out.push_back(std::string(name_of(*pod)) + ": " + line);
      }
    }
  }
}

bool has_memory_shm(const Json& pod_spec) {
  for (const Json& volume : array_at(pod_spec, "volumes")) {
    if (text_at(volume, "emptyDir.medium") != "Memory") continue;
    for (const Json& container : array_at(pod_spec, "containers")) {
      for (const Json& mount : array_at(container, "volumeMounts")) {
        if (text_at(mount, "name") == text_at(volume, "name") && text_at(mount, "mountPath") == "/dev/shm")
          return true;
      }
    }
  }
  return false;
}

bool asks_for_gpus(const Json& pod, double& count) {
  count = 0;
  for (const Json& container : array_at(pod, "spec.containers")) {
    for (const auto& [name, value] : object_at(container, "resources.limits")) {
      if (name == "nvidia.com/gpu" || name == "amd.com/gpu") count += read_quantity(value).value_or(0);
    }
  }
  return count > 0;
}

// --- 14
void look_shm(const DoctorInput& input, Evidence& out) {
  for (const Json* pod : input.pods) {
    double gpus = 0;
    const Json* spec = pod->find("spec");
    if (spec != nullptr && asks_for_gpus(*pod, gpus) && gpus > 1 && !has_memory_shm(*spec))
      out.push_back(std::string(name_of(*pod)) + " uses " + quantity_text(gpus) +
                    " GPUs with the default /dev/shm of 64 MB");
  }
}

// --- 15
void look_ingress(const DoctorInput& input, Evidence& out) {
  for (const Json& object : input.view.others) {
    const std::string_view kind = kind_of(object);
    if (kind == "Ingress") {
      const std::string_view its_class = text_at(object, "spec.ingressClassName");
      const bool nginx = its_class.empty() || its_class.find("nginx") != std::string_view::npos;
      if (nginx && annotation_of(object, "nginx.ingress.kubernetes.io/proxy-read-timeout").empty())
        out.push_back(title_of(object) +
                      " has no proxy-read-timeout: nginx cuts a stream after 60 s of silence");
    } else if (kind == "Route") {
      if (annotation_of(object, "haproxy.router.openshift.io/timeout").empty())
        out.push_back(title_of(object) +
                      " has no haproxy.router.openshift.io/timeout: the router cuts after 30 s");
    } else if (kind == "HTTPRoute") {
      for (const Json& rule : array_at(object, "spec.rules")) {
        if (json_at(rule, "timeouts.request") != nullptr) continue;
        out.push_back(title_of(object) +
                      " has a rule without timeouts.request: the gateway's default cuts long answers (15 s "
                      "with Envoy)");
        break;
      }
    }
  }
}

// --- 16
void look_drain(const DoctorInput& input, Evidence& out) {
  for (const Json* pod : input.pods) {
    const bool serves =
        text_at(*pod, "status.phase") == "Running" && !array_at(*pod, "spec.containers").empty();
    if (!serves || label_of(*pod, "leaderworkerset.sigs.k8s.io/worker-index") != "0") continue;
    const int64_t grace = int_at(*pod, "spec.terminationGracePeriodSeconds", 30);
    for (const Json& container : array_at(*pod, "spec.containers")) {
      const std::string where = std::string(name_of(*pod)) + "/" + std::string(text_at(container, "name"));
      if (json_at(container, "lifecycle.preStop") == nullptr)
        out.push_back(where +
                      " has no preStop: requests still come after SIGTERM, until endpoints have gone round");
      const int64_t sleep = int_at(container, "lifecycle.preStop.sleep.seconds");
      if (sleep >= grace)
        out.push_back(where + ": preStop takes " + std::to_string(sleep) + " s of a grace period of " +
                      std::to_string(grace) + " s");
      if (grace <= 30)
        out.push_back(where + " has " + std::to_string(grace) +
                      " s to end: answers that take longer are cut");
    }
  }
}

void look_prestop_failed(const DoctorInput& input, Evidence& out) {
  for (const Json& event : input.view.events) {
    if (text_at(event, "reason") == "FailedPreStopHook")
      out.push_back("event on " + std::string(text_at(event, "involvedObject.name")) + ": " +
                    last_line(text_at(event, "message")));
  }
}

// --- 17
void look_gpu_hpa(const DoctorInput& input, Evidence& out) {
  for (const Json& object : input.view.others) {
    if (kind_of(object) != "HorizontalPodAutoscaler") continue;
    for (const Json& metric : array_at(object, "spec.metrics")) {
      const std::string_view resource = text_at(metric, "resource.name");
      if (text_at(metric, "type") == "Resource" && resource != "cpu" && resource != "memory")
        out.push_back(title_of(object) + " scales on the resource " + std::string(resource) +
                      ", which metrics.k8s.io does not have");
    }
  }
}

// One request keeps a GPU at 100%.
void look_gpu_utilisation(const DoctorInput& input, Evidence& out) {
  for (const Json& object : input.view.others) {
    if (kind_of(object) != "HorizontalPodAutoscaler" && kind_of(object) != "ScaledObject") continue;
    const Json* spec = object.find("spec");
    const std::string text = spec == nullptr ? "" : to_json(*spec);
    for (const std::string_view metric :
         {"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gpu_utilization"}) {
      if (line_matches(text, metric)) out.push_back(title_of(object) + " scales on " + std::string(metric));
    }
  }
}

void look_scaler_metrics(const DoctorInput& input, Evidence& out) {
  for (const Json& object : input.view.others) {
    const std::string_view kind = kind_of(object);
    const Json* condition = kind == "HorizontalPodAutoscaler" ? condition_of(object, "ScalingActive")
                            : kind == "ScaledObject"          ? condition_of(object, "Ready")
                                                              : nullptr;
    if (condition == nullptr || text_at(*condition, "status") != "False" ||
        text_at(*condition, "reason") == "ScalingDisabled")
      continue;
    out.push_back(title_of(object) + ": " + std::string(text_at(*condition, "reason")) + ": " +
                  std::string(text_at(*condition, "message")));
  }
}

// --- 20
void look_never_ready(const DoctorInput& input, Evidence& out) {
  for (const Json& object : input.workloads) {
    const std::string_view kind = kind_of(object);
    const bool by_operator = kind == "InferenceService" || kind == "LLMInferenceService" ||
                             kind == "DynamoGraphDeployment" || kind == "LeaderWorkerSet" ||
                             kind == "DisaggregatedSet";
    if (!by_operator) continue;
    const int64_t age = input.view.now - parse_rfc3339(text_at(object, "metadata.creationTimestamp"));
    if (object_at(object, "status").empty() && age > 60) {
      out.push_back(title_of(object) + " has had no status for " + age_text(age) +
                    ": its controller does not run, or does not look here");
      continue;
    }
    const Json* observed = json_at(object, "status.observedGeneration");
    if (observed != nullptr && observed->is_int() &&
        observed->as_int() < int_at(object, "metadata.generation"))
      out.push_back(title_of(object) + ": its controller has seen generation " + scalar_text(observed) +
                    " of " + scalar_text(json_at(object, "metadata.generation")));
    for (const Json& condition : array_at(object, "status.conditions")) {
      const std::string_view type = text_at(condition, "type");
      if ((type == "Ready" || type == "PredictorReady" || type == "WorkloadsReady" ||
           type == "PresetsCombined") &&
          text_at(condition, "status") == "False")
        out.push_back(title_of(object) + " " + std::string(type) + ": " +
                      std::string(text_at(condition, "reason")) + ": " +
                      std::string(text_at(condition, "message")));
    }
  }
}

// --- 21
bool port_exists(const Json& object, std::string_view port, bool is_service) {
  const std::string_view list = is_service ? "spec.ports" : "";
  if (is_service) {
    for (const Json& p : array_at(object, list)) {
      if (text_at(p, "name") == port) return true;
    }
    return false;
  }
  for (const Json& container : array_at(object, "spec.containers")) {
    for (const Json& p : array_at(container, "ports")) {
      if (text_at(p, "name") == port) return true;
    }
  }
  return false;
}

void look_monitor(const DoctorInput& input, const Json& monitor, bool services, Evidence& out) {
  const bool elsewhere =
      monitor.find("spec") != nullptr && json_at(monitor, "spec.namespaceSelector") != nullptr &&
      !bool_at(monitor, "spec.namespaceSelector.any") &&
      std::none_of(array_at(monitor, "spec.namespaceSelector.matchNames").begin(),
                   array_at(monitor, "spec.namespaceSelector.matchNames").end(),
                   [&](const Json& n) { return n == Json(input.snapshot.namespace_name); });
  if (elsewhere) return;
  std::vector<const Json*> selected;
  const Json* selector = json_at(monitor, "spec.selector");
  const Json empty(JsonObject{});
  const auto add = [&](const Json& object) {
    if (selector_matches(selector == nullptr ? empty : *selector, object_at(object, "metadata.labels")))
      selected.push_back(&object);
  };
  if (services) {
    for (const Json& object : input.view.others) {
      if (kind_of(object) == "Service") add(object);
    }
  } else {
    for (const Json& pod : input.view.pods) add(pod);
  }
  const std::string what = services ? "Service" : "pod";
  if (selected.empty()) return out.push_back(title_of(monitor) + " selects no " + what + " of the namespace");
  for (const Json& endpoint : array_at(monitor, services ? "spec.endpoints" : "spec.podMetricsEndpoints")) {
    const std::string_view port = text_at(endpoint, "port");
    if (port.empty()) continue;
    const bool found = std::any_of(selected.begin(), selected.end(),
                                   [&](const Json* o) { return port_exists(*o, port, services); });
    if (!found)
      out.push_back(title_of(monitor) + " asks the port " + std::string(port) + ", which no " + what +
                    " that it selects has");
  }
}

void look_monitors(const DoctorInput& input, Evidence& out) {
  for (const Json& object : input.view.others) {
    if (kind_of(object) == "ServiceMonitor") look_monitor(input, object, true, out);
    if (kind_of(object) == "PodMonitor") look_monitor(input, object, false, out);
  }
}

// --- beside the table
// Whether the pods that a template within the workload would make have these labels. Those that a group's
// controller adds are taken to be there, but for the workload's name.
bool would_match(const JsonObject& selector, const Json& workload, const JsonObject& labels) {
  constexpr std::string_view kGroups = "leaderworkerset.sigs.k8s.io/";
  return std::all_of(selector.begin(), selector.end(), [&](const auto& entry) {
    const auto& [key, value] = entry;
    if (!std::string_view(key).starts_with(kGroups)) {
      return std::any_of(labels.begin(), labels.end(), [&](const auto& label) {
        return label.first == key && label.second.is_string() && value.is_string() &&
               label.second.as_string() == value.as_string();
      });
    }
    return key != std::string(kGroups) + "name" ||
           (value.is_string() && value.as_string() == name_of(workload));
  });
}

bool template_matches(const JsonObject& selector, const Json& workload, const Json& at, int depth) {
  if (depth > kMaxObjectDepth) return false;
  if (at.is_array()) {
    return std::any_of(at.as_array().begin(), at.as_array().end(), [&](const Json& item) {
      return template_matches(selector, workload, item, depth + 1);
    });
  }
  if (!at.is_object()) return false;
  if (at.find("containers") != nullptr && would_match(selector, workload, {})) return true;
  return std::any_of(at.as_object().begin(), at.as_object().end(), [&](const auto& member) {
    if (member.first == "labels" && member.second.is_object() &&
        would_match(selector, workload, member.second.as_object()))
      return true;
    return template_matches(selector, workload, member.second, depth + 1);
  });
}

// It is right, and leads nowhere because there are no pods yet: why there are none is told elsewhere.
bool waits_for_pods(const DoctorInput& input, const JsonObject& selector) {
  return std::any_of(input.workloads.begin(), input.workloads.end(), [&](const Json& workload) {
    return !has_pods(input, workload) && template_matches(selector, workload, workload, 0);
  });
}

void look_services(const DoctorInput& input, Evidence& out) {
  for (const Json& service : input.view.others) {
    const JsonObject& selector = object_at(service, "spec.selector");
    if (kind_of(service) != "Service" || selector.empty()) continue;
    int matched = 0;
    bool port_missing = false;
    for (const Json& pod : input.view.pods) {
      if (!map_selector_matches(selector, object_at(pod, "metadata.labels"))) continue;
      ++matched;
      for (const Json& port : array_at(service, "spec.ports")) {
        const Json* target = port.find("targetPort");
        if (target != nullptr && target->is_string() && !port_exists(pod, target->as_string(), false)) {
          if (!port_missing)
            out.push_back(title_of(service) + ": targetPort " + target->as_string() + " is no port of pod " +
                          std::string(name_of(pod)));
          port_missing = true;
        }
      }
    }
    const bool some_pods = !input.pods.empty();
    if (matched == 0 && some_pods && !waits_for_pods(input, selector))
      out.push_back(title_of(service) + " selects no pod");
  }
}

// A Service that sends requests to workers too.
void look_worker_service(const DoctorInput& input, Evidence& out) {
  for (const Json& service : input.view.others) {
    const JsonObject& selector = object_at(service, "spec.selector");
    if (kind_of(service) != "Service" || selector.empty() || text_at(service, "spec.clusterIP") == "None")
      continue;
    for (const DoctorInput::Member& member : input.members) {
      if (member.pod == nullptr || member.rank.rank == 0 || group_size(*member.workload) < 2) continue;
      if (!map_selector_matches(selector, object_at(*member.pod, "metadata.labels"))) continue;
      out.push_back(title_of(service) + " also selects " + std::string(name_of(*member.pod)) +
                    ", a worker that does not serve");
      break;
    }
  }
}

void look_routes(const DoctorInput& input, Evidence& out) {
  for (const Json& route : input.view.others) {
    if (kind_of(route) != "HTTPRoute") continue;
    for (const Json& parent : array_at(route, "status.parents")) {
      for (const Json& condition : array_at(parent, "conditions")) {
        if (text_at(condition, "status") == "False")
          out.push_back(title_of(route) + ": " + std::string(text_at(condition, "reason")) + ": " +
                        std::string(text_at(condition, "message")));
      }
    }
  }
}

using enum DoctorLevel;
constexpr DoctorRule kConfigRules[] = {
    {"network/headless-service", 6, kWarning, 45, "Ranks cannot find a leader that is not ready yet.",
     "Set publishNotReadyAddresses: true on the group's headless Service.", &look_headless},
    {"network/prefix-names", 11, kAdvice, 25, "A network device is chosen by the beginning of its name.",
     "Write NCCL_IB_HCA with a leading =: \"=mlx5_0,mlx5_1\".", &look_prefix_names},
    {"pod/shared-memory", 14, kWarning, 35,
     "Several GPUs of a pod exchange data through a /dev/shm that is too small.",
     "Mount an emptyDir of medium Memory at /dev/shm, with a sizeLimit, and count it in the memory limit.",
     &look_shm},
    {"route/timeout", 15, kWarning, 38, "A proxy's default timeout cuts answers that are streamed for long.",
     "Set the timeout on the route (3600 s), and turn response buffering off.", &look_ingress},
    {"drain/design", 16, kAdvice, 22, "When a pod ends, requests are lost.",
     "Add a preStop hook that calls /drain, and a grace period above the longest answer.", &look_drain},
    {"drain/hook-failed", 16, kWarning, 42, "A preStop hook failed: the pod ended without draining.",
     "The hook's program or port must exist in the container, and end before the grace period does.",
     &look_prestop_failed},
    {"scale/gpu-resource", 17, kError, 64,
     "An autoscaler wants the use of GPUs as a resource metric, which does not exist: it never scales.",
     "Scale on the engine's queue (a Pods metric, or KEDA with Prometheus): hadal_waiting_requests.",
     &look_gpu_hpa},
    {"scale/gpu-utilisation", 17, kWarning, 46,
     "An autoscaler follows how busy the GPUs are, which one request alone brings to 100%.",
     "Scale on the engine's queue (a Pods metric, or KEDA with Prometheus): hadal_waiting_requests.",
     &look_gpu_utilisation},
    {"scale/no-metric", 17, kWarning, 50, "An autoscaler has no metric to scale on.",
     "Does the metrics adapter (prometheus-adapter, KEDA) run, and does the query give a value?",
     &look_scaler_metrics},
    {"operator/never-ready", 20, kError, 62, "A controller does not bring its object to Ready.",
     "See the controller's own log; check that every field is one that its version knows (`hadal deploy "
     "validate`).",
     &look_never_ready},
    {"monitor/selects-nothing", 21, kWarning, 44,
     "A monitor matches nothing, and nobody says so: there are no metrics.",
     "Correct the selector's labels or the port's name (it is a name, not a number).", &look_monitors},
    {"service/no-endpoints", 0, kError, 58, "A Service leads nowhere.",
     "Correct its selector to the pods' labels and targetPort to a port's name.", &look_services},
    {"service/reaches-workers", 0, kWarning, 56, "A Service sends requests to ranks that do not serve.",
     "Select the leaders alone: leaderworkerset.sigs.k8s.io/worker-index: \"0\".", &look_worker_service},
    {"route/refused", 0, kError, 57, "A gateway does not accept a route.",
     "Correct what the condition names: parentRef, sectionName, hostname, or a ReferenceGrant for another "
     "namespace.",
     &look_routes},
};

}  // namespace

std::span<const DoctorRule> doctor_config_rules() {
  return kConfigRules;
}

}  // namespace hadal::cluster
