#include "deploy/render/resources.h"

#include <algorithm>
#include <cmath>

#include "deploy/render/json_build.h"
#include "deploy/spec_table.h"
#include "plan/fit.h"
#include "plan/node_request.h"

namespace hadal {
namespace {

// Of what the node has left for pods: other pods of the operator's want a little of it.
constexpr double kOfAllocatable = 0.95;

double quantity(const std::string& text) {
  double value = 0;
  return !text.empty() && parse_quantity(text, value) ? value : 0;
}

// This pod's part of a host that other instances may share.
double share_of_node(const RenderContext& c, const RoleContext& role) {
  if (!c.on_gpus() || c.gpus_per_host <= 0) return 1;
  return std::min(1.0, static_cast<double>(role.gpus_per_node) / static_cast<double>(c.gpus_per_host));
}

struct CpuSize {
  double parameters, cpu;
};
// The guides' table of model sizes, rounded to what a CPU server needs.
constexpr CpuSize kCpuSizes[] = {{0.5e9, 2}, {2e9, 4},   {9e9, 8},  {16e9, 12},
                                 {40e9, 16}, {80e9, 32}, {1e13, 64}};

double default_cpu(const RenderContext& c, const RoleContext& role) {
  if (const double node = quantity(c.spec.nodes.cpu); node > 0)
    return std::max(0.5, std::floor(allocatable_cpus(node) * kOfAllocatable * share_of_node(c, role)));
  if (c.on_gpus()) return 8.0 * static_cast<double>(role.gpus_per_node);
  double parameters = static_cast<double>(c.num_parameters);
  if (parameters <= 0) parameters = c.weight_bytes / 2;
  for (const CpuSize& size : kCpuSizes) {
    if (parameters <= size.parameters) return size.cpu;
  }
  return 64;
}

double default_memory(const RenderContext& c, const RoleContext& role) {
  if (const double node = quantity(c.spec.nodes.memory); node > 0)
    return std::floor(allocatable_memory_gib(node / kGibibyte) * kOfAllocatable * share_of_node(c, role)) *
           kGibibyte;
  const double shm = shm_bytes(c, role);
  if (c.on_gpus()) return shm + (32 + 24.0 * static_cast<double>(role.gpus_per_node)) * kGibibyte;
  // The weights of this rank's part, KV, activations.
  const double weights = c.weight_bytes / static_cast<double>(std::max<int64_t>(1, role.nodes));
  return std::ceil((shm + weights * 1.2) / kGibibyte + 3) * kGibibyte;
}

std::string cpu_text(double cpu) {
  return cpu == std::floor(cpu) ? std::to_string(static_cast<int64_t>(cpu))
                                : std::to_string(static_cast<int64_t>(cpu * 1000)) + "m";
}

}  // namespace

std::string quantity_text(double bytes) {
  constexpr std::string_view kUnits[] = {"Ki", "Mi", "Gi"};
  double value = bytes;
  std::string out = std::to_string(static_cast<int64_t>(std::ceil(bytes)));
  for (std::string_view unit : kUnits) {
    value /= 1024;
    if (value < 1 || value != std::floor(value)) break;
    out = std::to_string(static_cast<int64_t>(value)) + std::string(unit);
  }
  return out;
}

double shm_bytes(const RenderContext& c, const RoleContext& role) {
  if (const double given = quantity(c.spec.resources.shm); given > 0) return given;
  if (c.on_gpus()) return std::max(8.0, 8.0 * static_cast<double>(role.gpus_per_node)) * kGibibyte;
  return c.engine == EngineKind::kHadal ? 0 : 8 * kGibibyte;
}

double memory_bytes(const RenderContext& c, const RoleContext& role) {
  if (const double given = quantity(c.spec.resources.memory); given > 0) return given;
  return default_memory(c, role);
}

double cpu_count(const RenderContext& c, const RoleContext& role) {
  if (const double given = quantity(c.spec.resources.cpu); given > 0) return given;
  return default_cpu(c, role);
}

bool has_rdma_devices(const RenderContext& c, const RoleContext& role) {
  const NetworkSpec& network = c.spec.network;
  const bool asked = network.type == "rdma" || (network.type == "host" && !network.resource.empty());
  return asked && (role.is_group() || role.kind != RoleKind::kServer);
}

void add_resources(const RenderContext& c, const RoleContext& role, Json& container) {
  const std::string memory = quantity_text(memory_bytes(c, role));
  Json requests = obj({{"cpu", cpu_text(cpu_count(c, role))}, {"memory", memory}});
  Json limits = obj({{"memory", memory}});
  if (c.on_gpus()) {
    const std::string gpus = std::to_string(role.gpus_per_node);
    requests.set(c.gpu_resource, gpus);
    limits.set(c.gpu_resource, gpus);
  }
  const NetworkSpec& network = c.spec.network;
  if (has_rdma_devices(c, role)) {
    const bool tke = c.profile == ProfileKind::kTke;  // the name that TKE's rdma-agent gives it
    const std::string name = !network.resource.empty() ? network.resource
                             : tke                     ? "tke.cloud.tencent.com/tke-shared-rdma"
                                                       : "rdma/ib";
    int64_t devices = network.devices;
    if (devices == 0) devices = static_cast<int64_t>(network.hcas.size());
    if (devices == 0) devices = std::max<int64_t>(1, role.gpus_per_node);
    requests.set(name, std::to_string(devices));
    limits.set(name, std::to_string(devices));
  }
  Json resources;
  put_why(resources, "requests", std::move(requests),
          "Below the node's capacity: kubelet and the system need their part. No CPU limit, which would "
          "throttle.");
  resources.set("limits", std::move(limits));
  container.set("resources", std::move(resources));
}

Status check_resources(const RenderContext& c, const RoleContext& role) {
  const ResourceSpec& asked = c.spec.resources;
  const auto cpu = cpu_request_obstacle(quantity(asked.cpu), quantity(c.spec.nodes.cpu));
  if (cpu.has_value()) return invalid_argument(c.spec.place("resources.cpu"), ": ", *cpu);
  const auto host =
      memory_request_obstacle(quantity(asked.memory) / kGibibyte, quantity(c.spec.nodes.memory) / kGibibyte);
  if (host.has_value()) return invalid_argument(c.spec.place("resources.memory"), ": ", *host);
  const double shm = shm_bytes(c, role), memory = memory_bytes(c, role);
  const double weights = c.weight_bytes / static_cast<double>(std::max<int64_t>(1, role.nodes));
  const bool of_node = asked.memory.empty() && !c.spec.nodes.memory.empty() && c.on_gpus();
  const std::string share = of_node ? ", its share of nodes.memory " + c.spec.nodes.memory + " (" +
                                          std::to_string(role.gpus_per_node) + " of a host's " +
                                          std::to_string(c.gpus_per_host) + " GPUs)"
                                    : "";
  if (shm >= memory) {
    return invalid_argument(c.spec.place(!asked.shm.empty() ? "resources.shm"
                                         : of_node          ? "nodes.memory"
                                                            : "resources.memory"),
                            ": /dev/shm of ", quantity_text(shm), " counts in the pod's memory of ",
                            quantity_text(memory), share,
                            ", and is all of it: raise resources.memory or lower resources.shm",
                            of_node ? ", or set gpus.perNode where a host has fewer GPUs" : "");
  }
  if (!c.on_gpus() && weights + shm > memory) {
    return invalid_argument(
        c.spec.place("resources.memory"), ": ", show_bytes(weights), " of weights on each host",
        shm > 0 ? " and /dev/shm of " + quantity_text(shm) : "", " do not fit the pod's memory of ",
        quantity_text(memory), ": raise resources.memory, use larger hosts, or set nodes to more of them");
  }
  if (shm > memory * 0.8) {
    return invalid_argument(
        c.spec.place("resources.shm"), ": /dev/shm of ", quantity_text(shm),
        " counts in the pod's memory of ", quantity_text(memory),
        " and leaves too little for the engine: raise resources.memory or lower resources.shm");
  }
  return {};
}

}  // namespace hadal
