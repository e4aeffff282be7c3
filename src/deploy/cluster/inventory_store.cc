#include "deploy/cluster/inventory_store.h"

#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

// etcd takes objects of 1.5 MB, a Secret's data 1 MiB.
constexpr size_t kMaxRevisionBytes = 1'000'000;

std::string config_map_path(const std::string& namespace_name, const std::string& object_name) {
  return object_path(*well_known_resource("ConfigMap"), namespace_name, object_name);
}

std::string secret_path(const Inventory& inventory, int revision) {
  return object_path(*well_known_resource("Secret"), inventory.namespace_name,
                     revision_object_name(inventory.name, revision));
}

std::string_view content_of(const Json& config_map) {
  const Json* data = json_at(config_map, "data");
  const Json* text = data == nullptr ? nullptr : data->find("inventory.json");
  return text != nullptr && text->is_string() ? std::string_view(text->as_string()) : std::string_view();
}

Status remove_path(KubeClient& client, const std::string& path) {
  KubeCall request;
  request.method = "DELETE";
  request.path = path;
  HADAL_ASSIGN(const KubeReply reply, client.call(request));
  if (reply.ok() || reply.status == 404) return {};
  return kube_error(reply, "cannot delete " + path);
}

}  // namespace

Result<Inventory> InventoryStore::load(const std::string& namespace_name, const std::string& name) {
  KubeCall request;
  request.path = config_map_path(namespace_name, inventory_object_name(name));
  HADAL_ASSIGN(const KubeReply reply, client_.call(request));
  if (reply.status == 404) {
    Inventory none;
    none.name = name;
    none.namespace_name = namespace_name;
    return none;
  }
  if (!reply.ok()) return kube_error(reply, "cannot read the inventory of " + name);
  return read_inventory(reply.body);
}

Result<std::vector<Inventory>> InventoryStore::list(const std::string& namespace_name) {
  HADAL_ASSIGN(
      const std::vector<Json> maps,
      client_.list(collection_path(*well_known_resource("ConfigMap"), namespace_name),
                   {{"labelSelector", "app.kubernetes.io/managed-by=hadal,hadal.dev/part=inventory"}}));
  std::vector<Inventory> out;
  for (const Json& map : maps) {
    HADAL_ASSIGN(Inventory inventory, read_inventory(map));
    out.push_back(std::move(inventory));
  }
  return out;
}

Status InventoryStore::save(Inventory& inventory) {
  const bool is_new = inventory.resource_version.empty();
  const std::string path = config_map_path(inventory.namespace_name, inventory_object_name(inventory.name));
  KubeCall request;
  request.method = is_new ? "POST" : "PUT";
  request.path = is_new ? collection_path(*well_known_resource("ConfigMap"), inventory.namespace_name) : path;
  request.query = {{"fieldManager", kFieldManager}};
  request.body = to_config_map(inventory);
  HADAL_ASSIGN(KubeReply reply, client_.call(request));
  if (reply.status == 409) {
    // Perhaps our own words, heard before the connection broke.
    HADAL_ASSIGN(Json there, client_.get(path));
    if (content_of(there) != content_of(request.body)) {
      return make_error(ErrorCode::kUnavailable, "somebody else applied ", inventory.name,
                        " at the same time: look at `hadal deploy status`, then run this again");
    }
    reply.body = std::move(there);
    reply.status = 200;
  }
  if (!reply.ok()) return kube_error(reply, "cannot write the inventory of " + inventory.name);
  inventory.resource_version = text_at(reply.body, "metadata.resourceVersion");
  return {};
}

Status InventoryStore::remove(const Inventory& inventory) {
  for (const RevisionEntry& revision : inventory.history)
    HADAL_RETURN_IF_ERROR(remove_revision(inventory, revision.revision));
  return remove_path(client_,
                     config_map_path(inventory.namespace_name, inventory_object_name(inventory.name)));
}

Result<bool> InventoryStore::save_revision(const Inventory& inventory, int revision,
                                           std::span<const Json> objects) {
  KubeCall request;
  request.method = "PATCH";
  request.path = secret_path(inventory, revision);
  request.query = {{"fieldManager", kFieldManager}, {"force", "true"}};
  request.content_type = "application/apply-patch+yaml";
  request.body = to_revision_secret(inventory, revision, objects);
  if (to_json(request.body).size() > kMaxRevisionBytes) return false;
  HADAL_ASSIGN(const KubeReply reply, client_.call(request));
  if (!reply.ok()) return kube_error(reply, "cannot keep revision " + std::to_string(revision));
  return true;
}

Result<std::vector<Json>> InventoryStore::load_revision(const Inventory& inventory, int revision) {
  auto secret = client_.get(secret_path(inventory, revision));
  if (!secret.ok()) {
    return make_error(secret.error().code, "cannot read revision ", revision, " of ", inventory.name, ": ",
                      secret.error().message);
  }
  return read_revision_secret(*secret);
}

Status InventoryStore::remove_revision(const Inventory& inventory, int revision) {
  return remove_path(client_, secret_path(inventory, revision));
}

}  // namespace hadal::cluster
