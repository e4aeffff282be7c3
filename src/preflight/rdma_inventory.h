// RdmaInventory: the RDMA devices of this host and container, from /sys/class/infiniband (Linux kernel,
// Documentation/ABI/stable/sysfs-class-infiniband). Filled once; const afterwards; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "preflight/host.h"

namespace hadal {

enum class LinkLayer { kUnknown, kInfiniBand, kEthernet };

struct RdmaGid {
  int index = 0;
  std::string gid;     // "0000:0000:0000:0000:0000:ffff:0a00:0001"
  std::string type;    // "IB/RoCE v1", "RoCE v2"; "" where it does not tell
  std::string netdev;  // of a RoCE entry
};

struct RdmaPort {
  int number = 1;
  bool active = false;
  std::string state;  // "4: ACTIVE"
  std::string phys_state;
  LinkLayer link_layer = LinkLayer::kUnknown;
  double gigabits = 0;  // of the link
  int64_t lid = 0;
  std::vector<RdmaGid> gids;  // without empty ones
};

struct RdmaDevice {
  std::string name;      // "mlx5_0"
  std::string pci_path;  // "/sys/devices/pci0000:15/0000:15:01.0/0000:1a:00.0"; "" where it is virtual
  int numa_node = -1;
  std::string uverbs;  // "/dev/infiniband/uverbs0"; "" where the kernel names none
  bool uverbs_there = false;
  std::vector<std::string> netdevs;
  std::vector<RdmaPort> ports;
};

struct RdmaInventory {
  bool subsystem = false;  // the kernel has RDMA at all
  std::vector<RdmaDevice> devices;
};

RdmaInventory read_rdma(const Host& host);

// Gigabits a second of "400 Gb/sec (4X NDR)"; 0 where it is none.
double parse_link_rate(std::string_view text);
// All zeros, or nothing.
bool is_empty_gid(std::string_view gid);
// fe80::/10, which no router passes.
bool is_link_local_gid(std::string_view gid);
// ::ffff:a.b.c.d
bool is_ipv4_gid(std::string_view gid);

// The RoCE v2 entry to use: an IPv4 address, else a global IPv6 one, else a link-local one; nothing where
// there is no v2 entry. By the type files alone: an index that is right on one host may be wrong on another.
std::optional<RdmaGid> roce_v2_gid(const RdmaPort& port);

// How near two PCI devices are, by their sysfs paths, in the words of nvidia-smi topo: 0 PIX (one switch at
// most), 1 PXB (several), 2 PHB (one root complex), 3 NODE (one NUMA node), 4 SYS.
int pci_distance(std::string_view path_a, int node_a, std::string_view path_b, int node_b);
std::string_view distance_name(int distance);

}  // namespace hadal
