#include "preflight/rdma_checks.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/join_text.h"
#include "preflight/fabric_env.h"
#include "preflight/verbs.h"
#include "preflight/words.h"

namespace hadal {
namespace {

constexpr uint64_t kTrialBytes = uint64_t{256} << 20;

CheckResult without_devices(const CheckContext& context) {
  return not_checked(context.rdma.subsystem ? "no RDMA device is visible"
                                            : "the kernel has no RDMA subsystem");
}

std::string layer_text(LinkLayer layer) {
  return layer == LinkLayer::kInfiniBand ? "InfiniBand"
         : layer == LinkLayer::kEthernet ? "Ethernet"
                                         : "unknown";
}

std::string port_name(const RdmaDevice& device, const RdmaPort& port) {
  return device.ports.size() > 1 ? device.name + ":" + std::to_string(port.number) : device.name;
}

}  // namespace

CheckResult check_rdma_devices(const CheckContext& context) {
  const RdmaInventory& rdma = context.rdma;
  if (rdma.devices.empty()) {
    return info(rdma.subsystem ? "no RDMA device is visible: the group will speak TCP"
                               : "the kernel has no RDMA subsystem: the group will speak TCP");
  }
  std::vector<std::string> names;
  std::vector<std::string> without;
  for (const RdmaDevice& device : rdma.devices) {
    names.push_back(device.name);
    if (!device.uverbs_there) without.push_back(device.name);
  }
  JsonArray list;
  for (const std::string& name : names) list.push_back(Json(name));
  JsonObject facts{{"devices", Json(std::move(list))}};
  const std::string text = count_text(names.size(), "device") + ": " + list_text(names, 8);
  if (without.size() == names.size()) {
    return fail_check(text +
                          ", none with its /dev/infiniband/uverbs file: sysfs shows the host's devices, this "
                          "container has none of them",
                      "", std::move(facts));
  }
  // Devices of other containers of the node are visible in sysfs too: that is no fault.
  if (!without.empty())
    return info(text + "; without its uverbs file (not this container's): " + list_text(without, 8),
                std::move(facts));
  return pass(text, std::move(facts));
}

CheckResult check_rdma_ports(const CheckContext& context) {
  if (context.rdma.devices.empty()) return without_devices(context);
  std::vector<std::string> down;
  std::map<std::string, int> kinds;
  for (const RdmaDevice& device : context.rdma.devices) {
    if (!device.uverbs_there) continue;
    for (const RdmaPort& port : device.ports) {
      if (port.active) {
        ++kinds[layer_text(port.link_layer) + " " + std::to_string(static_cast<int>(port.gigabits)) +
                " Gb/s"];
      } else {
        down.push_back(port_name(device, port) + " (" + port.state + ", " + port.phys_state + ")");
      }
    }
  }
  std::vector<std::string> parts;
  JsonObject facts;
  for (const auto& [kind, count] : kinds) {
    parts.push_back(std::to_string(count) + " x " + kind);
    facts.emplace_back(kind, Json(count));
  }
  if (parts.empty() && down.empty()) return not_checked("no device of this container has a port");
  if (parts.empty()) return fail_check("no port is active: " + list_text(down));
  const std::string text = "active: " + join_text(parts, ", ");
  if (!down.empty()) return warn(text + "; down: " + list_text(down), "", std::move(facts));
  return pass(text, std::move(facts));
}

CheckResult check_rdma_gid(const CheckContext& context) {
  if (context.rdma.devices.empty()) return without_devices(context);
  const FabricEnv env = fit_fabric_env(context.host, context.rdma, context.gpus, "");
  if (env.hcas.empty()) return not_checked("no active port of this container");
  if (env.link_layer == LinkLayer::kInfiniBand) return pass("InfiniBand: index 0", {{"gid_index", Json(0)}});
  if (env.gid_index) {
    return pass(
        "RoCE v2: NCCL_IB_GID_INDEX=" + std::to_string(*env.gid_index) + " on " + list_text(env.hcas, 8),
        {{"gid_index", Json(*env.gid_index)}});
  }
  for (const RdmaDevice& device : context.rdma.devices) {
    for (const RdmaPort& port : device.ports) {
      const bool ours = std::find(env.hcas.begin(), env.hcas.end(), device.name) != env.hcas.end();
      if (ours && port.active && !roce_v2_gid(port))
        return fail_check(device.name + " has no RoCE v2 address in its GID table");
    }
  }
  return warn("the RoCE v2 address has another index on each of " + list_text(env.hcas, 8),
              "leave NCCL_IB_GID_INDEX unset with NCCL 2.21 or later, which finds it for each device");
}

CheckResult check_rdma_topology(const CheckContext& context) {
  if (context.rdma.devices.empty()) return without_devices(context);
  if (context.gpus.gpus.empty()) return not_checked("no GPU is visible");
  std::vector<std::string> far;
  std::vector<std::string> pairs;
  JsonObject facts;
  for (size_t i = 0; i < context.gpus.gpus.size(); ++i) {
    const std::string base = "/sys/bus/pci/devices/" + context.gpus.gpus[i].pci;
    const std::string path = context.gpus.gpus[i].pci.empty() ? "" : context.host.real_path(base);
    if (path.empty()) return not_checked("sysfs does not show the PCI place of GPU " + std::to_string(i));
    const auto node = static_cast<int>(context.host.read_number(base + "/numa_node").value_or(-1));
    int best = 5;
    std::string name;
    for (const RdmaDevice& device : context.rdma.devices) {
      if (!device.uverbs_there || device.pci_path.empty()) continue;
      const int distance = pci_distance(path, node, device.pci_path, device.numa_node);
      if (distance < best) best = distance, name = device.name;
    }
    if (name.empty()) return not_checked("no RDMA device of this container has a place on PCI");
    pairs.push_back(std::to_string(i) + "-" + name + " " + std::string(distance_name(best)));
    facts.emplace_back("gpu" + std::to_string(i), Json(name + " " + std::string(distance_name(best))));
    if (best > 1)
      far.push_back("GPU " + std::to_string(i) + " (" + name + " " + std::string(distance_name(best)) + ")");
  }
  if (!far.empty())
    return warn("no RDMA device behind the same PCIe switch: " + list_text(far), "", std::move(facts));
  return pass("each GPU has a device behind its PCIe switch: " + list_text(pairs, 8), std::move(facts));
}

CheckResult check_rdma_verbs(const CheckContext& context) {
  if (context.rdma.devices.empty()) return without_devices(context);
  const VerbsAnswer answer = ask_verbs("libibverbs.so.1", kTrialBytes);
  if (!answer.problem.empty()) return not_checked(answer.problem);
  if (answer.devices.empty())
    return fail_check(
        "libibverbs sees no device: its provider (libmlx5, rdma-core) is not installed here, or the uverbs "
        "files may not be opened");
  if (!answer.broken.empty()) return fail_check("cannot be opened: " + list_text(answer.broken));
  if (!answer.register_problem.empty()) {
    return fail_check(size_text(kTrialBytes) + " cannot be registered with " + answer.devices.front() + ": " +
                          answer.register_problem,
                      "raise the memlock limit, or add the capability IPC_LOCK");
  }
  return pass(count_text(answer.devices.size(), "device") + " opened, " + size_text(answer.registered) +
              " registered with " + answer.devices.front());
}

CheckResult check_rdma_bandwidth(const CheckContext& context) {
  if (context.rdma.devices.empty()) return without_devices(context);
  return not_checked("preflight measures TCP between hosts, not RDMA: ib_write_bw (perftest) does");
}

CheckResult check_env_hca(const CheckContext& context) {
  const std::string text = context.host.variable("NCCL_IB_HCA");
  if (text.empty()) return info("NCCL_IB_HCA is not set: NCCL takes every device it sees");
  if (context.rdma.devices.empty()) return warn("NCCL_IB_HCA=" + text + ", but no RDMA device is visible");
  const NameFilter filter = parse_name_filter(text);
  std::vector<std::string> nothing;
  std::vector<std::string> traps;
  for (const NameFilter::Item& item : filter.items) {
    std::vector<std::string> hit;
    bool whole = false;
    for (const RdmaDevice& device : context.rdma.devices) {
      if (!matches(item, filter.exact, device.name, item.port)) continue;
      hit.push_back(device.name);
      whole |= device.name == item.name;
    }
    if (hit.empty()) nothing.push_back(item.name);
    if (whole && hit.size() > 1) {
      std::erase(hit, item.name);
      traps.push_back(item.name + " also selects " + list_text(hit));
    }
  }
  std::vector<std::string> selected;
  std::vector<std::string> down;
  for (const RdmaDevice& device : context.rdma.devices) {
    for (const RdmaPort& port : device.ports) {
      if (!selects(filter, device.name, port.number)) continue;
      selected.push_back(port_name(device, port));
      if (!port.active) down.push_back(port_name(device, port));
    }
  }
  if (selected.empty()) return fail_check("NCCL_IB_HCA=" + text + " selects no device of this host");
  if (!nothing.empty() && !filter.exclude)
    return fail_check("NCCL_IB_HCA=" + text + ": this host has no " + list_text(nothing));
  if (!traps.empty()) {
    return warn("NCCL_IB_HCA=" + text + " matches beginnings of names: " + list_text(traps),
                "write NCCL_IB_HCA='" + std::string(filter.exclude ? "^=" : "=") +
                    text.substr(filter.exclude ? 1 : 0) + "'");
  }
  if (!down.empty()) return warn("NCCL_IB_HCA=" + text + " selects ports that are down: " + list_text(down));
  if (context.host.variable("NCCL_IB_DISABLE") == "1")
    return warn("NCCL_IB_HCA is set, but NCCL_IB_DISABLE=1 turns RDMA off");
  return pass("NCCL_IB_HCA=" + text + " selects " + list_text(selected, 8));
}

CheckResult check_env_gid(const CheckContext& context) {
  const std::string text = context.host.variable("NCCL_IB_GID_INDEX");
  if (text.empty()) return info("NCCL_IB_GID_INDEX is not set: NCCL 2.21 and later find it");
  const auto index = whole_number(text);
  if (!index) return fail_check("NCCL_IB_GID_INDEX=" + text + " is no number");
  if (context.rdma.devices.empty())
    return not_checked("NCCL_IB_GID_INDEX=" + text + ": no RDMA device is visible");
  const NameFilter filter = parse_name_filter(context.host.variable("NCCL_IB_HCA"));
  std::vector<std::string> empty;
  std::vector<std::string> wrong;
  size_t looked = 0;
  for (const RdmaDevice& device : context.rdma.devices) {
    for (const RdmaPort& port : device.ports) {
      if (!port.active || !device.uverbs_there || !selects(filter, device.name, port.number)) continue;
      ++looked;
      const auto at = std::find_if(port.gids.begin(), port.gids.end(),
                                   [&](const RdmaGid& gid) { return gid.index == *index; });
      if (at == port.gids.end()) {
        empty.push_back(device.name);
      } else if (port.link_layer == LinkLayer::kEthernet && at->type != "RoCE v2") {
        wrong.push_back(device.name + " (" + (at->type.empty() ? "of unknown type" : at->type) + ")");
      }
    }
  }
  if (looked == 0) return not_checked("NCCL_IB_GID_INDEX=" + text + ": no active port of this container");
  const FabricEnv env = fit_fabric_env(context.host, context.rdma, context.gpus, "");
  const std::string fix = env.gid_index ? "set it to " + std::to_string(*env.gid_index)
                                        : "leave it unset with NCCL 2.21 or later";
  if (!empty.empty())
    return fail_check("NCCL_IB_GID_INDEX=" + text + " is an empty entry on " + list_text(empty), fix);
  if (!wrong.empty())
    return warn("NCCL_IB_GID_INDEX=" + text + " is no RoCE v2 entry on " + list_text(wrong), fix);
  return pass("NCCL_IB_GID_INDEX=" + text + " is an address of " + count_text(looked, "port"));
}

CheckResult check_env_interface(const CheckContext& context) {
  const std::vector<NetInterface> all = context.host.interfaces();
  std::vector<std::string> said;
  std::vector<std::string> problems;
  const auto look = [&](const char* variable, const NameFilter& filter) {
    const std::string text = context.host.variable(variable);
    std::vector<std::string> hit;
    for (const NetInterface& one : all) {
      if (!selects(filter, one.name, -1)) continue;
      if (!one.up || one.addresses.empty()) continue;
      hit.push_back(one.name);
    }
    said.push_back(std::string(variable) + "=" + text + " is " + (hit.empty() ? "nothing" : list_text(hit)));
    if (hit.empty())
      problems.push_back(std::string(variable) + "=" + text + " names no interface that is up");
    if (hit.size() > 1 && !filter.exclude && !filter.exact)
      problems.push_back(std::string(variable) + "=" + text +
                         " matches beginnings of names: " + list_text(hit));
  };
  if (const std::string text = context.host.variable("NCCL_SOCKET_IFNAME"); !text.empty())
    look("NCCL_SOCKET_IFNAME", parse_name_filter(text));
  if (const std::string text = context.host.variable("GLOO_SOCKET_IFNAME"); !text.empty()) {
    NameFilter filter = parse_name_filter(text);
    filter.exact = true;
    look("GLOO_SOCKET_IFNAME", filter);
  }
  if (const std::string text = context.host.variable("UCX_NET_DEVICES"); !text.empty() && text != "all") {
    for (const NameFilter::Item& item : parse_name_filter(text).items) {
      const bool rdma = std::any_of(context.rdma.devices.begin(), context.rdma.devices.end(),
                                    [&](const RdmaDevice& device) { return device.name == item.name; });
      const bool interface =
          std::any_of(all.begin(), all.end(), [&](const NetInterface& one) { return one.name == item.name; });
      if (!rdma && !interface)
        problems.push_back("UCX_NET_DEVICES names " + item.name + ", which is not here");
    }
    said.push_back("UCX_NET_DEVICES=" + text);
  }
  if (!problems.empty())
    return fail_check(join_text(problems, "; "), "hadal preflight --print-env prints what fits");
  if (said.empty())
    return info("NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME are not set: each library guesses");
  return pass(join_text(said, "; "));
}

CheckResult check_env_obsolete(const CheckContext& context) {
  const struct {
    const char* name;
    const char* word;
  } old[] = {
      {"NCCL_IB_CUDA_SUPPORT", "gone since NCCL 2.4: NCCL_NET_GDR_LEVEL"},
      {"NCCL_MIN_NRINGS", "now NCCL_MIN_NCHANNELS"},
      {"NCCL_MAX_NRINGS", "now NCCL_MAX_NCHANNELS"},
      {"NCCL_LL_THRESHOLD", "gone since NCCL 2.5: NCCL_PROTO"},
      {"NCCL_TREE_THRESHOLD", "gone since NCCL 2.5: NCCL_ALGO"},
      {"NCCL_SINGLE_RING_THRESHOLD", "gone since NCCL 2.3"},
      {"NCCL_ASYNC_ERROR_HANDLING", "now TORCH_NCCL_ASYNC_ERROR_HANDLING"},
      {"NCCL_BLOCKING_WAIT", "now TORCH_NCCL_BLOCKING_WAIT"},
      {"NCCL_DESYNC_DEBUG", "now TORCH_NCCL_DESYNC_DEBUG"},
      {"NCCL_ENABLE_TIMING", "now TORCH_NCCL_ENABLE_TIMING"},
  };
  std::vector<std::string> found;
  for (const auto& one : old) {
    if (!context.host.variable(one.name).empty())
      found.push_back(std::string(one.name) + " (" + one.word + ")");
  }
  for (const char* level : {"NCCL_P2P_LEVEL", "NCCL_NET_GDR_LEVEL"}) {
    const std::string text = context.host.variable(level);
    if (whole_number(text))
      found.push_back(std::string(level) + "=" + text +
                      " (numbers are the old form: LOC, NVL, PIX, PXB, PHB, SYS)");
  }
  std::vector<std::string> off;
  for (const char* name : {"NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE", "NCCL_IB_DISABLE"}) {
    const bool matters = std::string_view(name) != "NCCL_IB_DISABLE" || !context.rdma.devices.empty();
    if (context.host.variable(name) == "1" && matters) off.push_back(name);
  }
  if (!off.empty()) found.push_back(join_text(off, ", ") + "=1 turns a fast way off");
  if (!found.empty()) return warn(join_text(found, "; "));
  return pass("none is set");
}

}  // namespace hadal
