// What a pod may ask of a node: less than the node has, because the system and DaemonSets take their part
// first. Pure; any thread.
#pragma once

#include <optional>
#include <string>

namespace hadal {

// CPUs that a node of `cpus` still has for pods: less what the kubelet keeps (GKE's published rule: 6 % of
// the first, 1 % of the second, 0.5 % of the third and fourth, 0.25 % of the rest) and one for DaemonSets.
double allocatable_cpus(double cpus);
// GiB likewise: GKE's rule (25 % of the first 4, 20 % of the next 4, 10 % of the next 8, 6 % up to 128, 2 %
// of the rest), 0.1 GiB for eviction and 1 for DaemonSets.
double allocatable_memory_gib(double gib);

// Why a request cannot be scheduled, with what could be; nothing: it can. Figures of 0 are unknown.
std::optional<std::string> cpu_request_obstacle(double request, double node_cpus);
std::optional<std::string> memory_request_obstacle(double request_gib, double node_gib);

}  // namespace hadal
