#include "preflight/rdma_inventory.h"

#include <algorithm>
#include <charconv>

#include "preflight/words.h"

namespace hadal {
namespace {

constexpr const char* kClass = "/sys/class/infiniband";
constexpr size_t kMaxGids = 4096;

RdmaPort read_port(const Host& host, const std::string& base, int number) {
  RdmaPort port;
  port.number = number;
  port.state = host.read(base + "/state").value_or("");
  port.active = port.state.starts_with("4:");
  port.phys_state = host.read(base + "/phys_state").value_or("");
  const std::string layer = host.read(base + "/link_layer").value_or("");
  port.link_layer = layer == "InfiniBand" ? LinkLayer::kInfiniBand
                    : layer == "Ethernet" ? LinkLayer::kEthernet
                                          : LinkLayer::kUnknown;
  port.gigabits = parse_link_rate(host.read(base + "/rate").value_or(""));
  const std::string lid = host.read(base + "/lid").value_or("");
  port.lid = whole_number(lid.starts_with("0x") ? std::string_view(lid).substr(2) : "", 16).value_or(0);
  const std::vector<std::string> indexes = host.list(base + "/gids");
  for (size_t i = 0; i < std::min(indexes.size(), kMaxGids); ++i) {
    const auto index = whole_number(indexes[i]);
    const std::string gid = host.read(base + "/gids/" + indexes[i]).value_or("");
    if (!index || is_empty_gid(gid)) continue;
    port.gids.push_back({static_cast<int>(*index), gid,
                         host.read(base + "/gid_attrs/types/" + indexes[i]).value_or(""),
                         host.read(base + "/gid_attrs/ndevs/" + indexes[i]).value_or("")});
  }
  return port;
}

RdmaDevice read_device(const Host& host, const std::string& name) {
  const std::string base = std::string(kClass) + "/" + name;
  RdmaDevice device;
  device.name = name;
  if (host.exists(base + "/device")) device.pci_path = host.real_path(base + "/device");
  device.numa_node = static_cast<int>(host.read_number(base + "/device/numa_node").value_or(-1));
  device.netdevs = host.list(base + "/device/net");
  const auto uverbs = host.list(base + "/device/infiniband_verbs");
  if (!uverbs.empty()) {
    device.uverbs = "/dev/infiniband/" + uverbs.front();
    device.uverbs_there = host.exists(device.uverbs);
  }
  for (const std::string& port : host.list(base + "/ports")) {
    if (const auto number = whole_number(port))
      device.ports.push_back(read_port(host, base + "/ports/" + port, static_cast<int>(*number)));
  }
  return device;
}

// "/sys/devices/pci0000:15/0000:15:01.0/0000:1a:00.0" as its parts.
std::vector<std::string> path_parts(std::string_view path) {
  return split(path, '/');
}

}  // namespace

double parse_link_rate(std::string_view text) {
  double value = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (r.ec != std::errc() || !(value > 0) || value > 1e6) return 0;
  return trimmed(std::string_view(r.ptr, static_cast<size_t>(text.data() + text.size() - r.ptr)))
                 .starts_with("Gb/sec")
             ? value
             : 0;
}

bool is_empty_gid(std::string_view gid) {
  return gid.find_first_not_of("0:") == std::string_view::npos;
}

bool is_link_local_gid(std::string_view gid) {
  return gid.starts_with("fe80:") || gid.starts_with("FE80:");
}

bool is_ipv4_gid(std::string_view gid) {
  return gid.starts_with("0000:0000:0000:0000:0000:ffff:");
}

std::optional<RdmaGid> roce_v2_gid(const RdmaPort& port) {
  const RdmaGid* best = nullptr;
  const auto rank = [](const RdmaGid& gid) {
    return is_ipv4_gid(gid.gid) ? 2 : is_link_local_gid(gid.gid) ? 0 : 1;
  };
  for (const RdmaGid& gid : port.gids) {
    if (gid.type != "RoCE v2") continue;
    if (best == nullptr || rank(gid) > rank(*best)) best = &gid;
  }
  return best == nullptr ? std::nullopt : std::optional<RdmaGid>(*best);
}

int pci_distance(std::string_view path_a, int node_a, std::string_view path_b, int node_b) {
  const auto a = path_parts(path_a);
  const auto b = path_parts(path_b);
  size_t common = 0;
  while (common < a.size() && common < b.size() && a[common] == b[common]) ++common;
  // sys/devices/pciDDDD:BB are the first three parts: a root complex.
  if (common >= 3 && a[2].starts_with("pci")) {
    if (common == 3) return 2;
    // What is left of each path: the device and the bridges between it and the common one.
    const size_t bridges = std::max(a.size(), b.size()) - common;
    return bridges <= 2 ? 0 : 1;
  }
  return node_a >= 0 && node_a == node_b ? 3 : 4;
}

std::string_view distance_name(int distance) {
  constexpr std::string_view kNames[] = {"PIX", "PXB", "PHB", "NODE", "SYS"};
  return distance >= 0 && distance < 5 ? kNames[distance] : "?";
}

RdmaInventory read_rdma(const Host& host) {
  RdmaInventory out;
  out.subsystem = host.exists(kClass);
  for (const std::string& name : host.list(kClass)) out.devices.push_back(read_device(host, name));
  return out;
}

}  // namespace hadal
