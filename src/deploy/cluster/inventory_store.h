// InventoryStore: reads and writes inventories and revisions in the cluster. A write fails where somebody
// else wrote since it was read. One thread at a time.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/inventory.h"
#include "deploy/cluster/kube_client.h"

namespace hadal::cluster {

class InventoryStore {
 public:
  explicit InventoryStore(KubeClient& client) : client_(client) {}
  // An empty one where there is none (resource_version "").
  Result<Inventory> load(const std::string& namespace_name, const std::string& name);
  // Every inventory of the namespace.
  Result<std::vector<Inventory>> list(const std::string& namespace_name);
  // Sets resource_version. Errors: kUnavailable where another hadal wrote meanwhile.
  Status save(Inventory& inventory);
  Status remove(const Inventory& inventory);

  // False: too large for a Secret, not kept.
  Result<bool> save_revision(const Inventory& inventory, int revision, std::span<const Json> objects);
  Result<std::vector<Json>> load_revision(const Inventory& inventory, int revision);
  Status remove_revision(const Inventory& inventory, int revision);

 private:
  KubeClient& client_;
};

}  // namespace hadal::cluster
