#include "deploy/cluster/shared_object.h"

#include <algorithm>

#include "deploy/cluster/inventory_store.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

constexpr std::string_view kSharedKinds[] = {"Namespace",     "StorageClass", "CustomResourceDefinition",
                                             "PriorityClass", "RuntimeClass", "GatewayClass",
                                             "Gateway",       "IngressClass", "Queue",
                                             "ClusterQueue",  "LocalQueue",   "ResourceFlavor"};
constexpr std::string_view kManagerPrefix = "hadal:";
constexpr size_t kMaxShown = 80;

void find_different(const Json& wanted, const Json* live, const std::string& path, int depth,
                    std::vector<FieldDifference>& out) {
  if (live != nullptr && depth < kMaxObjectDepth && wanted.is_object() && live->is_object()) {
    for (const auto& [key, value] : wanted.as_object())
      find_different(value, live->find(key), path + "." + key, depth + 1, out);
    return;
  }
  const bool lists = live != nullptr && wanted.is_array() && live->is_array();
  if (lists && depth < kMaxObjectDepth && wanted.as_array().size() == live->as_array().size()) {
    // The server fills in what an item leaves out.
    for (size_t i = 0; i < wanted.as_array().size(); ++i)
      find_different(wanted.as_array()[i], &live->as_array()[i], path + "[" + std::to_string(i) + "]",
                     depth + 1, out);
    return;
  }
  if (live == nullptr || !(wanted == *live)) out.push_back({path, short_json(&wanted), short_json(live)});
}

bool lists(const Inventory& inventory, const InventoryEntry& entry) {
  return std::any_of(inventory.objects.begin(), inventory.objects.end(),
                     [&](const InventoryEntry& e) { return !e.planned && e.same_object(entry); });
}

}  // namespace

bool is_shared_kind(std::string_view kind) {
  return std::find(std::begin(kSharedKinds), std::end(kSharedKinds), kind) != std::end(kSharedKinds);
}

std::string shared_manager(const std::string& owner) {
  return owner.empty() ? kFieldManager : std::string(kManagerPrefix) + owner;
}

bool is_hadal_manager(std::string_view manager) {
  return manager == kFieldManager || manager.starts_with(kManagerPrefix);
}

bool is_applied_by(const Json& live, std::string_view manager) {
  for (const Json& entry : array_at(live, "metadata.managedFields")) {
    if (text_at(entry, "manager") == manager && text_at(entry, "operation") == "Apply") return true;
  }
  return false;
}

bool is_set_by(const Json& live, std::string_view manager) {
  const JsonArray& entries = array_at(live, "metadata.managedFields");
  return std::any_of(entries.begin(), entries.end(),
                     [&](const Json& entry) { return text_at(entry, "manager") == manager; });
}

std::string manager_title(std::string_view manager) {
  if (!manager.starts_with(kManagerPrefix)) return std::string(manager);
  return "deployment " + std::string(manager.substr(kManagerPrefix.size()));
}

std::string short_json(const Json* value) {
  if (value == nullptr || value->is_null()) return "";
  const std::string text = to_json(*value);
  return text.size() <= kMaxShown ? text : text.substr(0, kMaxShown) + "...";
}

std::vector<FieldDifference> different_fields(const Json& wanted, const Json& live) {
  std::vector<FieldDifference> out;
  for (const auto& [key, value] : object_at(wanted, "metadata")) {
    if (key == "labels" || key == "annotations")
      find_different(value, json_at(live, "metadata." + key), ".metadata." + key, 0, out);
  }
  if (!wanted.is_object()) return out;
  for (const auto& [key, value] : wanted.as_object()) {
    if (key != "apiVersion" && key != "kind" && key != "metadata")
      find_different(value, live.find(key), "." + key, 0, out);
  }
  if (text_at(live, "kind") != "Secret") return out;
  for (FieldDifference& difference : out) {
    if (!difference.wanted.empty()) difference.wanted = "(a secret)";
    if (!difference.live.empty()) difference.live = "(another)";
  }
  return out;
}

std::vector<std::string> missing_fields(const Json& wanted, const Json& live) {
  std::vector<std::string> out;
  for (FieldDifference& difference : different_fields(wanted, live))
    out.push_back(std::move(difference.path));
  return out;
}

Result<OtherUsers> find_other_users(KubeClient& client, const Json& live, const std::string& owner) {
  InventoryStore store(client);
  const std::string own_namespace(namespace_of(live));
  auto inventories = store.list("");
  const auto unreadable = [&] {
    return !inventories.ok() && (inventories.error().code == ErrorCode::kPermissionDenied ||
                                 inventories.error().code == ErrorCode::kDataLoss);
  };
  if (unreadable() && !own_namespace.empty()) inventories = store.list(own_namespace);
  OtherUsers out;
  out.known = !unreadable();
  if (!out.known) return out;
  if (!inventories.ok()) return inventories.error();
  const InventoryEntry entry = entry_of(live, 0);
  for (const Inventory& inventory : *inventories) {
    const std::string name = inventory.namespace_name + "/" + inventory.name;
    // Who lives in a namespace uses it, whether it lists it or not.
    const bool inside = entry.kind == "Namespace" && inventory.namespace_name == entry.name;
    const bool listed = lists(inventory, entry);
    if (name != owner && (inside || listed)) out.names.push_back(name);
    if (name != owner && listed) out.listed_by.push_back(name);
  }
  return out;
}

}  // namespace hadal::cluster
