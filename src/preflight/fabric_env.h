// FabricEnv: which network devices a group should use on this host, as the variables of NCCL, Gloo, UCX and
// NVSHMEM; and what variables that are already set select. Pure functions of what was read; any thread.
// Sources: NVIDIA NCCL, "Environment Variables"; UCX, "Frequently asked questions"; NVSHMEM, "Environment
// variables".
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "preflight/gpu_inventory.h"
#include "preflight/host.h"
#include "preflight/rdma_inventory.h"

namespace hadal {

struct FabricEnv {
  std::vector<std::pair<std::string, std::string>> variables;
  std::vector<std::string> notes;  // why, one line each
  std::vector<std::string> hcas;   // "mlx5_0"
  std::optional<int> gid_index;
  std::string interface;  // for sockets; "" where none was found
  LinkLayer link_layer = LinkLayer::kUnknown;
};

// leader: numeric address, or "" where it is not known.
FabricEnv fit_fabric_env(const Host& host, const RdmaInventory& rdma, const GpuInventory& gpus,
                         const std::string& leader);
// "export NCCL_IB_HCA='=mlx5_0'" lines, notes as comments.
std::string shell_text(const FabricEnv& env);

// The list of NCCL_IB_HCA or NCCL_SOCKET_IFNAME: "^" leaves out, "=" matches whole names, else beginnings.
struct NameFilter {
  struct Item {
    std::string name;
    int port = -1;  // -1: any
  };
  bool exclude = false;
  bool exact = false;
  std::vector<Item> items;
};
NameFilter parse_name_filter(std::string_view text);
bool matches(const NameFilter::Item& item, bool exact, std::string_view name, int port);
bool selects(const NameFilter& filter, std::string_view name, int port);

}  // namespace hadal
