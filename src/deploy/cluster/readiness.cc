#include "deploy/cluster/readiness.h"

#include <algorithm>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/workload_view.h"

namespace hadal::cluster {
namespace {

using State = Readiness::State;
constexpr int64_t kControllerPatience = 30;  // seconds a controller may take to look at a new object

Readiness make(State state, std::string summary) {
  Readiness out;
  out.state = state;
  out.summary = std::move(summary);
  return out;
}

int64_t age_of(const Json& object, const ClusterView& view) {
  const int64_t created = parse_rfc3339(text_at(object, "metadata.creationTimestamp"));
  return created == 0 ? 0 : view.now - created;
}

// The controller has not seen the newest spec.
bool is_behind(const Json& live) {
  const Json* observed = json_at(live, "status.observedGeneration");
  return observed != nullptr && observed->is_int() &&
         observed->as_int() < int_at(live, "metadata.generation");
}

std::string of(int64_t done, int64_t all, std::string_view what) {
  return std::to_string(done) + " of " + std::to_string(all) + " " + std::string(what);
}

// Adds what each pod that is not ready has to say; whether one of them will not come right.
bool add_pods(const Json& live, const ClusterView& view, Readiness& out) {
  bool hopeless = false;
  for (const RankView& rank : ranks_of(live, view)) {
    const PodState& s = rank.state;
    if (s.kind == PodState::Kind::kReady || s.kind == PodState::Kind::kDone) continue;
    out.details.push_back({rank_title(live, rank), s.phase + (s.reason.empty() ? "" : ": " + s.reason)});
    hopeless |= s.kind == PodState::Kind::kFailed;
  }
  return hopeless;
}

// Why the controller cannot make pods: a quota, a refused template.
void add_controller_event(const Json& live, const ClusterView& view, Readiness& out) {
  const Json* event = newest_event(
      view, live, {"FailedCreate", "ReplicaSetCreateError", "FailedUpdate", "GroupsProgressingFailed"});
  if (event != nullptr) out.details.push_back({"controller", last_line(text_at(*event, "message"))});
}

Readiness rollout(const Json& live, const ClusterView& view, int64_t want, int64_t updated, int64_t ready,
                  std::string_view what) {
  Readiness out;
  const bool done = !is_behind(live) && updated >= want && ready >= want;
  out.state = done ? State::kReady : State::kWaiting;
  out.summary = of(std::min(ready, want), want, what) + " ready";
  if (!done && updated < want && ready >= want) out.summary = of(updated, want, what) + " updated";
  if (done) return out;
  if (add_pods(live, view, out)) out.state = State::kFailed;
  if (out.details.empty()) add_controller_event(live, view, out);
  return out;
}

Readiness check_deployment(const Json& live, const ClusterView& view) {
  const int64_t want = int_at(live, "spec.replicas", 1);
  const int64_t total = int_at(live, "status.replicas");
  Readiness out = rollout(live, view, want, int_at(live, "status.updatedReplicas"),
                          int_at(live, "status.availableReplicas"), "replicas");
  if (json_at(live, "status.observedGeneration") == nullptr) out.state = State::kWaiting;
  if (out.state == State::kReady && total > want) {
    out.state = State::kWaiting;
    out.summary = std::to_string(total - want) + " old replicas still end";
  }
  const Json* progressing = condition_of(live, "Progressing");
  if (out.state == State::kWaiting && !is_behind(live) && progressing != nullptr &&
      text_at(*progressing, "reason") == "ProgressDeadlineExceeded") {
    out.state = State::kFailed;
    out.summary += "; its progress deadline has passed";
  }
  const Json* failure = condition_of(live, "ReplicaFailure");
  if (failure != nullptr && text_at(*failure, "status") == "True")
    out.details.push_back({"controller", std::string(text_at(*failure, "message"))});
  return out;
}

Readiness check_stateful_set(const Json& live, const ClusterView& view) {
  const int64_t want = int_at(live, "spec.replicas", 1);
  const bool manual = text_at(live, "spec.updateStrategy.type") == "OnDelete";
  const int64_t partition = int_at(live, "spec.updateStrategy.rollingUpdate.partition");
  int64_t updated = manual ? want : int_at(live, "status.updatedReplicas");
  if (text_at(live, "status.currentRevision") == text_at(live, "status.updateRevision")) updated = want;
  Readiness out =
      rollout(live, view, want, updated + partition, int_at(live, "status.readyReplicas"), "replicas");
  if (json_at(live, "status.observedGeneration") == nullptr) out.state = State::kWaiting;
  return out;
}

Readiness check_daemon_set(const Json& live, const ClusterView& view) {
  const int64_t want = int_at(live, "status.desiredNumberScheduled");
  Readiness out = rollout(live, view, want, int_at(live, "status.updatedNumberScheduled"),
                          int_at(live, "status.numberAvailable"), "nodes");
  if (json_at(live, "status.observedGeneration") == nullptr) out.state = State::kWaiting;
  return out;
}

Readiness check_lws(const Json& live, const ClusterView& view) {
  const int64_t want = int_at(live, "spec.replicas", 1);
  const int64_t partition = int_at(live, "spec.rolloutStrategy.rollingUpdateConfiguration.partition");
  const int64_t updated = int_at(live, "status.updatedReplicas") + std::min(partition, want);
  Readiness out = rollout(live, view, want, updated, int_at(live, "status.readyReplicas"), "groups");
  const bool looked_at = json_at(live, "status") != nullptr && !object_at(live, "status").empty();
  if (looked_at || want == 0) return out;
  out.state = State::kWaiting;
  if (age_of(live, view) > kControllerPatience) {
    out.details.insert(
        out.details.begin(),
        {"controller", "nothing has looked at it for " + age_text(age_of(live, view)) +
                           ": does the LeaderWorkerSet controller run (namespace lws-system)?"});
  }
  return out;
}

Readiness check_job(const Json& live, const ClusterView& view) {
  if (condition_is(live, "Complete", "True")) return make(State::kReady, "complete");
  const int64_t want = int_at(live, "spec.completions", 1);
  Readiness out = make(State::kWaiting, of(int_at(live, "status.succeeded"), want, "done"));
  const Json* failed = condition_of(live, "Failed");
  add_pods(live, view, out);
  if (failed != nullptr && text_at(*failed, "status") == "True") {
    out.state = State::kFailed;
    out.summary = "failed: " + std::string(text_at(*failed, "message"));
    return out;
  }
  if (bool_at(live, "spec.suspend")) out.summary = "suspended (a queue or a person holds it)";
  const int64_t failures = int_at(live, "status.failed");
  if (failures > 0) out.summary += ", " + of(failures, int_at(live, "spec.backoffLimit", 6), "tries failed");
  if (out.details.empty()) add_controller_event(live, view, out);
  return out;
}

// The class of a claim; null: unknown.
const Json* storage_class(const Json& claim, const ClusterView& view) {
  const std::string_view name = text_at(claim, "spec.storageClassName");
  for (const Json& object : view.others) {
    if (kind_of(object) != "StorageClass") continue;
    const bool is_default = annotation_of(object, "storageclass.kubernetes.io/is-default-class") == "true";
    if (name.empty() ? is_default : name_of(object) == name) return &object;
  }
  return nullptr;
}

Readiness check_claim(const Json& live, const ClusterView& view) {
  const std::string_view phase = text_at(live, "status.phase");
  if (phase == "Bound") return make(State::kReady, "bound");
  if (phase == "Lost") return make(State::kFailed, "its volume is lost");
  const Json* event = newest_event(view, live,
                                   {"ProvisioningFailed", "FailedBinding", "ExternalProvisioning",
                                    "Provisioning", "WaitForFirstConsumer", "WaitForPodScheduled"});
  const Json* its_class = storage_class(live, view);
  const bool late =
      (its_class != nullptr && text_at(*its_class, "volumeBindingMode") == "WaitForFirstConsumer") ||
      (event != nullptr && text_at(*event, "reason") == "WaitForFirstConsumer");
  if (late) return make(State::kReady, "it is bound when its first pod is placed (WaitForFirstConsumer)");
  Readiness out = make(State::kWaiting, "not bound yet");
  const std::string_view wanted = text_at(live, "spec.storageClassName");
  if (event != nullptr)
    out.details.push_back({"volume", last_line(text_at(*event, "message"))});
  else if (its_class == nullptr && !wanted.empty())
    out.details.push_back({"volume", "is there a StorageClass " + std::string(wanted) + " in the cluster?"});
  return out;
}

// Objects whose one condition says it all.
Readiness check_condition(const Json& live, std::string_view type, const ClusterView& view) {
  if (is_behind(live)) return make(State::kWaiting, "its controller has not seen the change yet");
  const Json* condition = condition_of(live, type);
  if (condition == nullptr) {
    Readiness out = make(State::kWaiting, "no condition " + std::string(type) + " yet");
    if (age_of(live, view) > kControllerPatience)
      out.details.push_back({"controller", "nothing has looked at it for " + age_text(age_of(live, view)) +
                                               ": does the controller of " +
                                               std::string(text_at(live, "apiVersion")) + " run?"});
    return out;
  }
  if (text_at(*condition, "status") == "True") return make(State::kReady, "ready");
  Readiness out = make(State::kWaiting, "not ready");
  const std::string reason(text_at(*condition, "reason")), message(text_at(*condition, "message"));
  if (!reason.empty() || !message.empty())
    out.details.push_back({"condition " + std::string(type),
                           reason + (reason.empty() || message.empty() ? "" : ": ") + message});
  for (const Json& other : array_at(live, "status.conditions")) {
    if (text_at(other, "status") != "False" || text_at(other, "type") == type ||
        text_at(other, "message").empty())
      continue;
    out.details.push_back(
        {"condition " + std::string(text_at(other, "type")), std::string(text_at(other, "message"))});
  }
  if (add_pods(live, view, out)) out.state = State::kFailed;
  return out;
}

Readiness check_dynamo(const Json& live, const ClusterView& view) {
  const std::string_view state = text_at(live, "status.state");
  if (state == "successful" && !is_behind(live)) return make(State::kReady, "ready");
  Readiness out = check_condition(live, "Ready", view);
  if (state == "failed") out.state = State::kFailed;
  return out;
}

// A parent (a Gateway) has taken the route.
Readiness check_route(const Json& live, const ClusterView& view) {
  const JsonArray& parents = array_at(live, "status.parents");
  Readiness out = make(State::kReady, "accepted");
  if (parents.empty()) {
    out = make(State::kWaiting, "no Gateway has taken it yet");
    if (age_of(live, view) > kControllerPatience)
      out.details.push_back({"route", "does the Gateway it names exist, and does its controller run?"});
    return out;
  }
  for (const Json& parent : parents) {
    for (const Json& condition : array_at(parent, "conditions")) {
      const std::string_view type = text_at(condition, "type");
      if ((type != "Accepted" && type != "ResolvedRefs") || text_at(condition, "status") == "True") continue;
      out.state = State::kWaiting;
      out.summary = "not accepted";
      out.details.push_back(
          {"gateway " + std::string(text_at(parent, "parentRef.name")),
           std::string(text_at(condition, "reason")) + ": " + std::string(text_at(condition, "message"))});
    }
  }
  return out;
}

Readiness check_openshift_route(const Json& live) {
  for (const Json& ingress : array_at(live, "status.ingress")) {
    for (const Json& condition : array_at(ingress, "conditions")) {
      if (text_at(condition, "type") != "Admitted") continue;
      if (text_at(condition, "status") == "True") return make(State::kReady, "admitted");
      Readiness out = make(State::kWaiting, "not admitted");
      out.details.push_back({"router", std::string(text_at(condition, "message"))});
      return out;
    }
  }
  return make(State::kWaiting, "no router has taken it yet");
}

Readiness check_service(const Json& live, const ClusterView& view) {
  if (text_at(live, "spec.type") != "LoadBalancer") return make(State::kReady, "ready");
  if (!array_at(live, "status.loadBalancer.ingress").empty())
    return make(State::kReady, "it has its address");
  Readiness out = make(State::kWaiting, "it has no address yet");
  const Json* event = newest_event(
      view, live, {"SyncLoadBalancerFailed", "CreatingLoadBalancerFailed", "EnsuringLoadBalancer"});
  if (event != nullptr) out.details.push_back({"load balancer", last_line(text_at(*event, "message"))});
  return out;
}

Readiness check_pod(const Json& live, const ClusterView& view) {
  const PodState state = explain_pod(live, view);
  using Kind = PodState::Kind;
  const bool good = state.kind == Kind::kReady || state.kind == Kind::kDone;
  Readiness out = make(good                          ? State::kReady
                       : state.kind == Kind::kFailed ? State::kFailed
                                                     : State::kWaiting,
                       state.phase);
  if (!good) out.details.push_back({std::string(name_of(live)), state.reason});
  return out;
}

}  // namespace

bool has_readiness(std::string_view kind) {
  constexpr std::string_view kKinds[] = {"Namespace",
                                         "CustomResourceDefinition",
                                         "PersistentVolumeClaim",
                                         "Service",
                                         "HTTPRoute",
                                         "GRPCRoute",
                                         "Gateway",
                                         "Route",
                                         "ScaledObject"};
  return is_workload_kind(kind) || std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
}

Readiness check_readiness(const Json& live, const ClusterView& view) {
  if (live.is_null()) return make(State::kWaiting, "it does not exist yet");
  if (!text_at(live, "metadata.deletionTimestamp").empty())
    return make(State::kWaiting, "it is being deleted");
  const std::string_view kind = kind_of(live);
  if (kind == "Namespace")
    return text_at(live, "status.phase") == "Active"
               ? make(State::kReady, "active")
               : make(State::kWaiting, std::string(text_at(live, "status.phase")));
  if (kind == "CustomResourceDefinition") return check_condition(live, "Established", view);
  if (kind == "PersistentVolumeClaim") return check_claim(live, view);
  if (kind == "Job") return check_job(live, view);
  if (kind == "Deployment") return check_deployment(live, view);
  if (kind == "StatefulSet") return check_stateful_set(live, view);
  if (kind == "DaemonSet") return check_daemon_set(live, view);
  if (kind == "LeaderWorkerSet") return check_lws(live, view);
  if (kind == "DisaggregatedSet") return check_condition(live, "Available", view);
  if (kind == "InferenceService" || kind == "LLMInferenceService" || kind == "ScaledObject")
    return check_condition(live, "Ready", view);
  if (kind == "DynamoGraphDeployment") return check_dynamo(live, view);
  if (kind == "Gateway") return check_condition(live, "Programmed", view);
  if (kind == "HTTPRoute" || kind == "GRPCRoute") return check_route(live, view);
  if (kind == "Route") return check_openshift_route(live);
  if (kind == "Service") return check_service(live, view);
  if (kind == "Pod") return check_pod(live, view);
  return make(State::kReady, "exists");
}

}  // namespace hadal::cluster
