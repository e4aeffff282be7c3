#include "deploy/cluster/status_report.h"

#include <algorithm>

#include "deploy/cluster/history_report.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/readiness.h"
#include "deploy/cluster/text_table.h"
#include "deploy/cluster/workload_view.h"

namespace hadal::cluster {
namespace {

bool listed(const Inventory* inventory, const Json& object) {
  if (inventory == nullptr) return true;
  const InventoryEntry entry = entry_of(object, 0);
  for (const auto* list : {&inventory->objects, &inventory->left}) {
    for (const InventoryEntry& e : *list) {
      if (e.same_object(entry)) return true;
    }
  }
  return false;
}

std::string words(const PodState& state, const Json& progress, const std::string& pod) {
  const Json* said = progress.find(pod);
  std::string out = state.reason;
  if (said != nullptr && said->is_string() && state.kind != PodState::Kind::kReady)
    out = said->as_string() + (out.empty() ? "" : "; " + out);
  return out;
}

void add_ranks(const Json& workload, const ClusterView& view, const Json& progress, TextTable& table,
               JsonArray& json) {
  for (const RankView& rank : ranks_of(workload, view)) {
    const PodState& s = rank.state;
    const std::string reason = words(s, progress, rank.pod);
    table.row({rank.role.empty() ? "" : rank.role, std::to_string(rank.group), std::to_string(rank.rank),
               rank.pod.empty() ? "-" : rank.pod, s.phase, s.node.empty() ? "-" : s.node,
               std::to_string(s.restarts), s.age == 0 ? "-" : age_text(s.age), reason});
    json.push_back(JsonObject{{"role", rank.role},
                              {"group", rank.group},
                              {"rank", rank.rank},
                              {"pod", rank.pod},
                              {"phase", s.phase},
                              {"ready", s.kind == PodState::Kind::kReady || s.kind == PodState::Kind::kDone},
                              {"node", s.node},
                              {"restarts", s.restarts},
                              {"ageSeconds", s.age},
                              {"reason", reason}});
  }
}

void add_workload(const Json& workload, const ClusterView& view, const Json& progress, StatusReport& out,
                  JsonArray& json) {
  const Readiness readiness = check_readiness(workload, view);
  const bool ready = readiness.state == Readiness::State::kReady;
  out.all_ready &= ready;
  out.text += title_of(workload) + ": " + readiness.summary + "\n";
  for (const Readiness::Detail& detail : readiness.details) {
    const bool about_pod = detail.subject.find("rank") != std::string::npos;
    if (!about_pod && kind_of(workload) == "LeaderWorkerSet")
      out.text += "  " + detail.subject + ": " + detail.text + "\n";
  }
  TextTable table(true);
  JsonArray ranks;
  table.row({"ROLE", "GROUP", "RANK", "POD", "PHASE", "NODE", "RESTARTS", "AGE", "WHY NOT READY"});
  add_ranks(workload, view, progress, table, ranks);
  if (!ranks.empty()) out.text += table.text("  ");
  json.push_back(JsonObject{{"kind", kind_of(workload)},
                            {"namespace", namespace_of(workload)},
                            {"name", name_of(workload)},
                            {"ready", ready},
                            {"failed", readiness.state == Readiness::State::kFailed},
                            {"summary", readiness.summary},
                            {"ranks", std::move(ranks)}});
}

// "3 ready, 1 not" of a Service's slices.
std::string endpoints_text(const Json& service, const ClusterView& view, int64_t& num_ready) {
  int64_t ready = 0, other = 0;
  bool known = false;
  for (const Json& slice : view.others) {
    if (kind_of(slice) != "EndpointSlice" || namespace_of(slice) != namespace_of(service) ||
        label_of(slice, "kubernetes.io/service-name") != name_of(service))
      continue;
    known = true;
    for (const Json& endpoint : array_at(slice, "endpoints"))
      (bool_at(endpoint, "conditions.ready", true) ? ready : other) += 1;
  }
  num_ready = ready;
  if (!known) return "no endpoints";
  return std::to_string(ready) + " ready" + (other == 0 ? "" : ", " + std::to_string(other) + " not");
}

std::string ports_text(const Json& service) {
  std::string out;
  for (const Json& port : array_at(service, "spec.ports")) {
    out += (out.empty() ? "" : ",") + scalar_text(port.find("port"));
    if (const Json* node = port.find("nodePort"); node != nullptr) out += ":" + scalar_text(node);
  }
  return out;
}

std::string scaler_text(const Json& object) {
  if (kind_of(object) == "ScaledObject")
    return scalar_text(json_at(object, "spec.minReplicaCount")) + " to " +
           scalar_text(json_at(object, "spec.maxReplicaCount")) + " replicas";
  std::string out = std::to_string(int_at(object, "status.currentReplicas")) + " replicas, wants " +
                    std::to_string(int_at(object, "status.desiredReplicas")) + ", of " +
                    std::to_string(int_at(object, "spec.minReplicas", 1)) + " to " +
                    std::to_string(int_at(object, "spec.maxReplicas"));
  const Json* active = condition_of(object, "ScalingActive");
  if (active != nullptr && text_at(*active, "status") == "False")
    out += "; not scaling: " + std::string(text_at(*active, "message"));
  return out;
}

bool is_row_kind(std::string_view kind) {
  constexpr std::string_view kKinds[] = {"Service",
                                         "Ingress",
                                         "HTTPRoute",
                                         "Gateway",
                                         "Route",
                                         "InferencePool",
                                         "ScaledObject",
                                         "HorizontalPodAutoscaler",
                                         "PersistentVolumeClaim"};
  return std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
}

void add_row(const Json& object, const ClusterView& view, StatusReport& out, TextTable& table,
             JsonArray& json) {
  const Readiness readiness = check_readiness(object, view);
  std::string text = readiness.summary;
  Json item(
      JsonObject{{"kind", kind_of(object)}, {"namespace", namespace_of(object)}, {"name", name_of(object)}});
  if (kind_of(object) == "Service") {
    int64_t ready = 0;
    text = std::string(text_at(object, "spec.type")) + " " + std::string(text_at(object, "spec.clusterIP")) +
           " ports " + ports_text(object) + ", " + endpoints_text(object, view, ready);
    item.set("readyEndpoints", ready);
  } else if (kind_of(object) == "ScaledObject" || kind_of(object) == "HorizontalPodAutoscaler") {
    text = scaler_text(object) + (kind_of(object) == "ScaledObject" ? ", " + readiness.summary : "");
  } else if (kind_of(object) == "PersistentVolumeClaim") {
    text += ", " + scalar_text(json_at(object, "spec.resources.requests.storage"));
  }
  for (const Readiness::Detail& detail : readiness.details)
    text += "; " + detail.subject + ": " + detail.text;
  const bool ready = readiness.state == Readiness::State::kReady;
  out.all_ready &= ready;
  item.set("ready", ready);
  item.set("summary", text);
  table.row({std::string(kind_of(object)), std::string(name_of(object)), text});
  json.push_back(std::move(item));
}

void add_head(const Inventory& inventory, StatusReport& out) {
  const RevisionEntry last = inventory.history.empty() ? RevisionEntry() : inventory.history.back();
  out.text +=
      inventory.name + " in " + inventory.namespace_name + ": revision " + std::to_string(inventory.revision);
  if (!last.time.empty()) out.text += " of " + last.time + ", from " + last.source;
  if (inventory.in_progress) {
    out.text += "; its apply did not end: " + std::to_string(inventory.num_applied) + " of " +
                std::to_string(inventory.objects.size()) + " objects applied";
    out.all_ready = false;
  }
  out.text += "\n";
  out.json.set("name", inventory.name);
  out.json.set("namespace", inventory.namespace_name);
  out.json.set("revision", inventory.revision);
  out.json.set("inProgress", inventory.in_progress);
  out.json.set("history", history_json(inventory));
}

// Whether what may not be seen could be what the report is about. Kinds that only add a reason, and kinds of
// which the deployment has nothing, are no loss.
bool is_blind(const std::vector<std::string>& unseen_kinds, const Inventory* inventory, bool found_nothing) {
  const auto matters = [&](const std::string& kind) {
    if (kind == "Pod") return true;
    if (kind == "Node" || kind == "StorageClass" || kind == "Event") return false;
    if (inventory == nullptr) return found_nothing;
    return std::any_of(inventory->objects.begin(), inventory->objects.end(),
                       [&](const InventoryEntry& e) { return !e.planned && e.kind == kind; });
  };
  return std::any_of(unseen_kinds.begin(), unseen_kinds.end(), matters);
}

}  // namespace

const std::vector<std::string>& status_kinds() {
  static const std::vector<std::string> kKinds = {"Pod",
                                                  "Event",
                                                  "Node",
                                                  "Service",
                                                  "EndpointSlice",
                                                  "PersistentVolumeClaim",
                                                  "StorageClass",
                                                  "Deployment",
                                                  "StatefulSet",
                                                  "DaemonSet",
                                                  "Job",
                                                  "HorizontalPodAutoscaler",
                                                  "Ingress",
                                                  "LeaderWorkerSet",
                                                  "DisaggregatedSet",
                                                  "HTTPRoute",
                                                  "Gateway",
                                                  "InferencePool",
                                                  "Route",
                                                  "ScaledObject",
                                                  "InferenceService",
                                                  "LLMInferenceService",
                                                  "DynamoGraphDeployment"};
  return kKinds;
}

bool may_hide_workloads(const std::vector<std::string>& unseen_kinds) {
  return std::any_of(unseen_kinds.begin(), unseen_kinds.end(),
                     [](const std::string& kind) { return is_workload_kind(kind); });
}

StatusReport make_status_report(const ClusterView& view, const Inventory* inventory, const Json& progress,
                                const std::vector<std::string>& unseen_kinds) {
  StatusReport out;
  out.json = JsonObject{};
  if (inventory != nullptr) add_head(*inventory, out);
  JsonArray workloads, rows;
  TextTable table(false);
  for (const Json& object : view.others) {
    if (is_workload_kind(kind_of(object)) && listed(inventory, object))
      add_workload(object, view, progress, out, workloads);
  }
  if (inventory != nullptr) {
    // Pods that were applied as such.
    for (const Json& pod : view.pods) {
      if (listed(inventory, pod)) add_workload(pod, view, progress, out, workloads);
    }
  }
  for (const Json& object : view.others) {
    if (is_row_kind(kind_of(object)) && listed(inventory, object)) add_row(object, view, out, table, rows);
  }
  for (const Json& claim : view.claims) {
    if (listed(inventory, claim)) add_row(claim, view, out, table, rows);
  }
  if (!rows.empty()) out.text += table.text("");
  if (is_blind(unseen_kinds, inventory, workloads.empty() && rows.empty())) {
    out.all_ready = false;
    out.text += "cannot tell what runs here, or whether it is ready: it may not all be seen\n";
  } else if (workloads.empty() && rows.empty()) {
    out.text += "nothing runs here\n";
  }
  JsonArray unseen;
  for (const std::string& kind : unseen_kinds) unseen.push_back(kind);
  out.json.set("unseenKinds", std::move(unseen));
  out.json.set("ready", out.all_ready);
  out.json.set("workloads", std::move(workloads));
  out.json.set("objects", std::move(rows));
  return out;
}

}  // namespace hadal::cluster
