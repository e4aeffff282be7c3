#include "deploy/cluster/cluster_reader.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/workload_view.h"

namespace hadal::cluster {
namespace {

bool is_of_inventory(const Inventory& inventory, const Json& object) {
  const InventoryEntry entry = entry_of(object, 0);
  return std::any_of(inventory.objects.begin(), inventory.objects.end(),
                     [&](const InventoryEntry& e) { return e.same_object(entry); });
}

int named_port(const Json& pod, std::string_view name) {
  for (const Json& container : array_at(pod, "spec.containers")) {
    for (const Json& port : array_at(container, "ports")) {
      if (text_at(port, "name") == name) return static_cast<int>(int_at(port, "containerPort"));
    }
  }
  return 0;
}

// Takes out the text between `begin` and `end`, both included.
void take_out(std::string& text, const std::string& begin, std::string_view end) {
  const size_t at = text.find(begin);
  const size_t stop = at == std::string::npos ? at : text.find(end, at + begin.size());
  if (stop != std::string::npos) text.erase(at, stop + end.size() - at);
}

// A refusal without the kind it is about, so that those for the same reason read the same.
// pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "n"
std::string common_reason(std::string message, const KubeResource& resource) {
  if (message.starts_with(resource.plural)) take_out(message, resource.plural, " is ");
  take_out(message, " resource \"" + resource.plural, "\"");
  take_out(message, " in API group \"", "\"");
  return message;
}

}  // namespace

Result<ClusterObjects> read_cluster_objects(KubeClient& client, const std::string& namespace_name,
                                            const std::vector<std::string>& kinds) {
  ClusterObjects out;
  std::vector<std::pair<std::string, std::string>> unseen;  // plural, reason
  for (const std::string& kind : kinds) {
    const KubeResource* resource = well_known_resource(kind);
    HADAL_CHECK(resource != nullptr) << kind;
    auto items = client.list(collection_path(*resource, namespace_name));
    if (items.ok()) {
      out.objects.insert(out.objects.end(), items->begin(), items->end());
      continue;
    }
    const ErrorCode code = items.error().code;
    if (code == ErrorCode::kNotFound) continue;  // no such kind in this cluster
    if (code != ErrorCode::kPermissionDenied && code != ErrorCode::kUnsupported) return items.error();
    out.unseen_kinds.push_back(kind);
    unseen.emplace_back(resource->plural, common_reason(items.error().message, *resource));
  }
  for (const auto& [plural, reason] : unseen) {
    if (reason.empty()) continue;
    std::string line;
    for (auto& [other, its_reason] : unseen) {
      if (&its_reason != &reason && its_reason == reason) its_reason.clear(), line += ", " + other;
    }
    out.unseen.push_back(plural + line + ": " + reason);
  }
  return out;
}

std::vector<Json> find_workloads(const std::vector<Json>& objects, const Inventory* inventory,
                                 const std::string& name) {
  std::vector<Json> out;
  for (const Json& object : objects) {
    if (!is_workload_kind(kind_of(object))) continue;
    const bool ours = inventory != nullptr && !inventory->resource_version.empty()
                          ? is_of_inventory(*inventory, object)
                          : name_of(object) == name;
    if (ours) out.push_back(object);
  }
  return out;
}

Result<std::string> get_from_pod(KubeClient& client, const Json& pod, int port, const std::string& path) {
  KubeCall request;
  request.path = object_path(*well_known_resource("Pod"), namespace_of(pod), name_of(pod)) + ":" +
                 std::to_string(port) + "/proxy" + path;
  request.is_json = false;
  request.try_again = false;  // a pod that starts says 503, and that is what is asked for
  HADAL_ASSIGN(KubeReply reply, client.call(request));
  if (reply.ok()) return std::move(reply.text);
  // The pod's own answer, not the API server's about it.
  const bool from_pod = reply.body.is_object() ? kind_of(reply.body) != "Status" : reply.status == 503;
  if (!from_pod) return kube_error(reply, "");
  return reply.body.is_object() ? to_json(reply.body) : std::move(reply.text);
}

int http_port_of(const Json& pod) {
  for (const Json& container : array_at(pod, "spec.containers")) {
    for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"}) {
      const Json* port = json_at(container, std::string(probe) + ".httpGet.port");
      if (port == nullptr) continue;
      const int number =
          port->is_int() ? static_cast<int>(port->as_int()) : named_port(pod, scalar_text(port));
      if (number > 0) return number;
    }
  }
  const int http = named_port(pod, "http");
  return http != 0 ? http : named_port(pod, "metrics");
}

std::string startup_text(const Json& answer) {
  std::string out(text_at(answer, "phase"));
  if (out.empty()) out = text_at(answer, "status");
  const Json* progress = answer.find("progress");
  if (progress != nullptr && progress->is_number()) {
    const double share = progress->as_double();
    if (std::isfinite(share) && share >= 0 && share <= 1)
      out += (out.empty() ? "" : ", ") + std::to_string(static_cast<int>(share * 100)) + "%";
  }
  return out;
}

}  // namespace hadal::cluster
