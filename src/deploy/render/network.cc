// The variables of NCCL, Gloo, UCX and NVSHMEM, all from the spec's network section.
#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"

namespace hadal {
namespace {

std::string joined(const std::vector<std::string>& items, std::string_view suffix) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ",") + item + std::string(suffix);
  return out;
}

void add_rdma_env(const NetworkSpec& network, bool on_gpus, JsonArray& env) {
  const bool roce = network.fabric == "roce";
  if (!network.hcas.empty()) {
    // "=": exactly these. Without it mlx5_1 means mlx5_10 and mlx5_11 too.
    if (on_gpus) env.push_back(env_value("NCCL_IB_HCA", "=" + joined(network.hcas, "")));
    env.push_back(env_value("UCX_NET_DEVICES", joined(network.hcas, ":1")));
    if (on_gpus) {
      env.push_back(env_value("NVSHMEM_HCA_LIST", joined(network.hcas, ":1")));
      env.push_back(env_value("NVSHMEM_ENABLE_NIC_PE_MAPPING", "1"));
    }
  }
  if (on_gpus) env.push_back(env_value("NCCL_IB_DISABLE", "0"));
  // The index is the fabric's: 0 on InfiniBand, RoCE v2's entry on RoCE. Left out, the libraries look for it.
  if (network.gid_index >= 0) {
    const std::string index = std::to_string(network.gid_index);
    if (on_gpus) env.push_back(env_value("NCCL_IB_GID_INDEX", index));
    if (on_gpus) env.push_back(env_value("NVSHMEM_IB_GID_INDEX", index));
    env.push_back(env_value("UCX_IB_GID_INDEX", index));
  }
  if (roce && network.traffic_class >= 0) {
    const std::string traffic = std::to_string(network.traffic_class);
    if (on_gpus) env.push_back(env_value("NCCL_IB_TC", traffic));
    env.push_back(env_value("UCX_IB_TRAFFIC_CLASS", traffic));
    if (on_gpus) env.push_back(env_value("NVSHMEM_IB_TRAFFIC_CLASS", traffic));
  }
}

}  // namespace

void add_network_env(const RenderContext& c, const RoleContext& role, JsonArray& env) {
  const NetworkSpec& network = c.spec.network;
  if (!role.is_group() && role.kind == RoleKind::kServer) return;
  const std::string interface = network.interface.empty() ? "eth0" : network.interface;
  env.push_back(env_value("GLOO_SOCKET_IFNAME", interface));
  if (c.on_gpus()) {
    env.push_back(env_value("NCCL_SOCKET_IFNAME", "=" + interface));
    env.push_back(env_value("NVSHMEM_BOOTSTRAP_UID_SOCK_IFNAME", interface));
  }
  const bool rdma = network.type == "rdma" ||
                    (network.type == "host" && (!network.hcas.empty() || !network.resource.empty()));
  if (rdma) {
    add_rdma_env(network, c.on_gpus(), env);
  } else if (c.on_gpus() && network.type == "none") {
    // Said openly: this deployment uses TCP between hosts.
    env.push_back(env_value("NCCL_IB_DISABLE", "1"));
  }
  if (c.on_gpus() && network.debug) env.push_back(env_value("NCCL_DEBUG", "INFO"));
}

}  // namespace hadal
