// Variables of NCCL and RDMA that name the wrong device, or that nothing reads any more.
#include <algorithm>

#include "deploy/validate/pod_facts.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

View env_named(View container, std::string_view name) {
  for (const Value& item : container["env"].items()) {
    if (View(item)["name"].text() == name) return View(item);
  }
  return {};
}

bool has_rdma_device(View container) {
  for (const std::string_view side : {"limits", "requests"}) {
    for (const ValueMember& entry : container["resources"][side].members()) {
      if (entry.key.find("rdma") != std::string::npos || entry.key.find("/hca") != std::string::npos ||
          entry.key.find("infiniband") != std::string::npos || entry.key.find("mlnx") != std::string::npos ||
          entry.key.find("efa") != std::string::npos)
        return true;
    }
  }
  return false;
}

bool has_capability(View container, std::string_view name) {
  const auto added = container.at("securityContext.capabilities.add").items();
  return container.at("securityContext.privileged").is_true() ||
         std::any_of(added.begin(), added.end(),
                     [&](const Value& c) { return View(c).text() == name || View(c).text() == "ALL"; });
}

// NCCL takes names as prefixes unless the list begins with "=" (NCCL's manual, NCCL_IB_HCA).
void check_hca(const PodTemplate& pod, View container) {
  const View value = env_named(container, "NCCL_IB_HCA")["value"];
  const std::string_view text = value.text();
  if (text.empty() || text[0] == '=' || text[0] == '^' || text.back() < '0' || text.back() > '9') return;
  Finding& finding =
      pod.reporter().add("net/nccl-hca-prefix", *value,
                         "names in NCCL_IB_HCA are prefixes: mlx5_1 matches mlx5_10 and all that follow",
                         "write \"=" + std::string(text) + "\"");
  Reporter::fix_with(finding, replace_scalar(*value, "=" + std::string(text), true));
}

void check_obsolete(const PodTemplate& pod, View container) {
  const View entry = env_named(container, "NCCL_IB_CUDA_SUPPORT");
  if (entry.get() != nullptr) {
    Finding& finding = pod.reporter().add("net/nccl-obsolete", *entry["name"],
                                          "NCCL_IB_CUDA_SUPPORT is read by no NCCL since 2.4",
                                          "remove it; NCCL_NET_GDR_LEVEL steers GPUDirect RDMA");
    Reporter::fix_with(finding, remove_value(pod.reporter().source(), *entry));
  }
  const View gid = env_named(container, "NCCL_IB_GID_INDEX")["value"];
  if (gid.any_text() == "0")
    pod.reporter().add("net/gid-zero", *gid,
                       "GID index 0 is right for InfiniBand alone; RoCE v2 uses another, often 3");
}

}  // namespace

void check_network_env(const PodTemplate& pod, const RuleContext&) {
  for (const View container : all_containers(pod.view())) {
    check_hca(pod, container);
    check_obsolete(pod, container);
    const bool device = has_rdma_device(container);
    // An operator's own template may add the right.
    if (device && !pod.partial && !has_capability(container, "IPC_LOCK"))
      pod.reporter().add(
          "net/rdma-without-ipc-lock", *container,
          "the container has an RDMA device and may not lock memory: registering buffers fails with ENOMEM",
          "add securityContext.capabilities.add: [IPC_LOCK]");
    const View hca = env_named(container, "NCCL_IB_HCA");
    if (hca.get() != nullptr && !device && !container.at("securityContext.privileged").is_true())
      pod.reporter().add("net/hca-without-device", *hca["name"],
                         "NCCL_IB_HCA names RDMA devices, and the container asks for none",
                         "ask for the device plugin's resource (rdma/ib, nvidia.com/hostdev, ...)");
  }
}

}  // namespace hadal
