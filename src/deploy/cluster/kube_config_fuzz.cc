// kubeconfigs, what credential plugins print, inventories and revisions, as anybody may have written them.
#include <string_view>

#include "deploy/cluster/inventory.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/kube_config.h"
#include "deploy/cluster/kube_credential.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hadal::cluster;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = parse_kube_config(text, "/nonexistent/config");
  if (config.ok()) (void)resolve_kube_target(merge_kube_configs({*config, *config}), {});
  (void)parse_exec_credential(text, "client.authentication.k8s.io/v1");
  (void)base64_decode(text);
  (void)parse_rfc3339(text);
  const auto object = hadal::parse_json(text);
  if (!object.ok()) return 0;
  const auto inventory = read_inventory(*object);
  if (inventory.ok()) {
    (void)plan_prune(*inventory, {}, {});
    HADAL_CHECK(read_inventory(to_config_map(*inventory)).ok());
  }
  (void)read_revision_secret(*object);
  return 0;
}
