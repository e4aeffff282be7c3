#include "preflight/fabric_env.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/join_text.h"
#include "preflight/words.h"

namespace hadal {
namespace {

struct Candidate {
  const RdmaDevice* device;
  const RdmaPort* port;
};

std::vector<Candidate> active_ports(const RdmaInventory& rdma) {
  std::vector<Candidate> out;
  for (const RdmaDevice& device : rdma.devices) {
    for (const RdmaPort& port : device.ports) {
      if (port.active && device.uverbs_there) out.push_back({&device, &port});
    }
  }
  return out;
}

// One link layer (the one with more gigabits in all), and of it the fastest ports: slower ones are for
// storage or management, and a group runs at the pace of its slowest rail.
std::vector<Candidate> choose_rails(std::vector<Candidate> all, FabricEnv& out) {
  std::map<LinkLayer, double> gigabits;
  for (const Candidate& one : all) gigabits[one.port->link_layer] += one.port->gigabits;
  if (gigabits.size() > 1) {
    out.notes.push_back(
        "InfiniBand and Ethernet devices are both there: the layer with more bandwidth is taken");
  }
  const auto best = std::max_element(gigabits.begin(), gigabits.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  out.link_layer = best->first;
  std::erase_if(all, [&](const Candidate& one) { return one.port->link_layer != out.link_layer; });
  double fastest = 0;
  for (const Candidate& one : all) fastest = std::max(fastest, one.port->gigabits);
  std::vector<std::string> slower;
  for (const Candidate& one : all) {
    if (one.port->gigabits < fastest) slower.push_back(one.device->name);
  }
  if (!slower.empty()) out.notes.push_back("left out, slower than the others: " + join_text(slower, ", "));
  std::erase_if(all, [&](const Candidate& one) { return one.port->gigabits < fastest; });
  return all;
}

// One index for all devices, or nothing.
std::optional<int> common_gid_index(const std::vector<Candidate>& rails, FabricEnv& out) {
  if (out.link_layer == LinkLayer::kInfiniBand) return 0;
  std::set<int> indexes;
  for (const Candidate& rail : rails) {
    const auto gid = roce_v2_gid(*rail.port);
    if (!gid) {
      out.notes.push_back(rail.device->name + " has no RoCE v2 address");
      return std::nullopt;
    }
    if (is_link_local_gid(gid->gid))
      out.notes.push_back(rail.device->name +
                          " has only a link-local RoCE v2 address: it reaches its own subnet");
    indexes.insert(gid->index);
  }
  if (indexes.size() == 1) return *indexes.begin();
  out.notes.push_back(
      "the RoCE v2 address has another index on each device: NCCL_IB_GID_INDEX stays unset, and NCCL 2.21 "
      "and later find it");
  return std::nullopt;
}

std::string choose_interface(const Host& host, const std::string& leader, FabricEnv& out) {
  const std::vector<NetInterface> all = host.interfaces();
  const auto owner = [&](const std::string& address) -> std::string {
    if (address.empty()) return "";
    for (const NetInterface& one : all) {
      if (!one.loopback &&
          std::find(one.addresses.begin(), one.addresses.end(), address) != one.addresses.end())
        return one.name;
    }
    return "";
  };
  if (const std::string name = owner(host.variable("POD_IP")); !name.empty()) {
    out.notes.push_back(name + " has the pod's address");
    return name;
  }
  if (!leader.empty()) {
    if (const std::string name = owner(host.source_address(leader)); !name.empty()) {
      out.notes.push_back(name + " leads to the leader");
      return name;
    }
  }
  // The kernel's routing table: a line with destination and mask zero.
  for (const std::string& line : split_lines(host.read("/proc/net/route").value_or(""))) {
    std::vector<std::string> words;
    for (const std::string& word : split(line, '\t')) words.push_back(word);
    if (words.size() > 7 && words[1] == "00000000" && words[7] == "00000000") {
      out.notes.push_back(words[0] + " has the default route");
      return words[0];
    }
  }
  for (const NetInterface& one : all) {
    if (one.up && !one.loopback && !one.addresses.empty()) {
      out.notes.push_back(one.name + " is the first interface that is up");
      return one.name;
    }
  }
  out.notes.push_back("no network interface is up");
  return "";
}

void set_rdma_variables(const std::vector<Candidate>& rails, FabricEnv& out) {
  std::string nccl = "=";
  std::string ucx;
  std::string nvshmem;
  std::set<std::string> named;
  for (const Candidate& rail : rails) {
    const std::string separator = ucx.empty() ? "" : ",";
    const std::string with_port = rail.device->name + ":" + std::to_string(rail.port->number);
    nccl += separator + (rail.device->ports.size() > 1 ? with_port : rail.device->name);
    ucx += separator + with_port;
    nvshmem += separator + with_port;
    if (named.insert(rail.device->name).second) out.hcas.push_back(rail.device->name);
  }
  out.variables.emplace_back("NCCL_IB_HCA", nccl);
  if (out.gid_index && out.link_layer == LinkLayer::kEthernet) {
    out.variables.emplace_back("NCCL_IB_GID_INDEX", std::to_string(*out.gid_index));
    out.variables.emplace_back("NVSHMEM_IB_GID_INDEX", std::to_string(*out.gid_index));
    out.variables.emplace_back("UCX_IB_GID_INDEX", std::to_string(*out.gid_index));
  }
  out.variables.emplace_back("UCX_NET_DEVICES", ucx);
  out.variables.emplace_back("NVSHMEM_HCA_LIST", nvshmem);
}

}  // namespace

FabricEnv fit_fabric_env(const Host& host, const RdmaInventory& rdma, const GpuInventory& gpus,
                         const std::string& leader) {
  FabricEnv out;
  const std::vector<Candidate> active = active_ports(rdma);
  if (active.empty()) {
    out.notes.push_back(
        rdma.devices.empty()
            ? "no RDMA device: NCCL and UCX use TCP"
            : "no RDMA device has an active port and its /dev/infiniband/uverbs file: NCCL and UCX use TCP");
  } else {
    const std::vector<Candidate> rails = choose_rails(active, out);
    out.gid_index = common_gid_index(rails, out);
    set_rdma_variables(rails, out);
    if (out.link_layer == LinkLayer::kInfiniBand)
      out.notes.push_back("InfiniBand: the GID index stays at its default, 0");
    if (gpus.gpus.size() > rails.size())
      out.notes.push_back(count_text(gpus.gpus.size(), "GPU") + " share " +
                          count_text(rails.size(), "device"));
  }
  out.interface = choose_interface(host, leader, out);
  if (!out.interface.empty()) {
    out.variables.emplace_back("NCCL_SOCKET_IFNAME", "=" + out.interface);
    out.variables.emplace_back("GLOO_SOCKET_IFNAME", out.interface);
    out.variables.emplace_back("NVSHMEM_BOOTSTRAP_UID_SOCK_IFNAME", out.interface);
    if (active.empty()) out.variables.emplace_back("UCX_NET_DEVICES", out.interface);
  }
  return out;
}

std::string shell_text(const FabricEnv& env) {
  std::string out;
  for (const std::string& note : env.notes) out += "# " + note + "\n";
  for (const auto& [name, value] : env.variables) {
    std::string quoted;
    for (char c : value) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += "export " + name + "='" + quoted + "'\n";
  }
  return out;
}

NameFilter parse_name_filter(std::string_view text) {
  NameFilter out;
  if (text.starts_with('^')) {
    out.exclude = true;
    text.remove_prefix(1);
  }
  if (text.starts_with('=')) {
    out.exact = true;
    text.remove_prefix(1);
  }
  for (const std::string& part : split(text, ',')) {
    const size_t colon = part.rfind(':');
    const auto port =
        colon == std::string::npos ? std::nullopt : whole_number(std::string_view(part).substr(colon + 1));
    if (port && *port >= 0 && *port < 256) {
      out.items.push_back({part.substr(0, colon), static_cast<int>(*port)});
    } else {
      out.items.push_back({part, -1});
    }
  }
  return out;
}

bool matches(const NameFilter::Item& item, bool exact, std::string_view name, int port) {
  const bool same = exact ? name == item.name : name.starts_with(item.name);
  return same && (item.port < 0 || port < 0 || item.port == port);
}

bool selects(const NameFilter& filter, std::string_view name, int port) {
  if (filter.items.empty()) return true;
  const bool named = std::any_of(filter.items.begin(), filter.items.end(), [&](const NameFilter::Item& item) {
    return matches(item, filter.exact, name, port);
  });
  return named != filter.exclude;
}

}  // namespace hadal
