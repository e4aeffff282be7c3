#include "plan/node_request.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace hadal {
namespace {

constexpr double kDaemonSetCpus = 1;
constexpr double kDaemonSetGib = 1;
constexpr double kEvictionGib = 0.1;

// `share` of what lies between `begin` and `end`.
double slice(double amount, double begin, double end, double share) {
  return std::clamp(amount - begin, 0.0, end - begin) * share;
}

std::optional<std::string> obstacle(const char* what, double request, double node, double allocatable) {
  if (request <= 0 || node <= 0 || request <= allocatable) return std::nullopt;
  char text[300];
  std::snprintf(
      text, sizeof text,
      "a pod that requests %.4g %s cannot be scheduled on a node of %.4g: the system and DaemonSets leave "
      "about %.0f allocatable; request at most %.0f (kubectl describe node shows the exact figure)",
      request, what, node, std::floor(allocatable), std::floor(allocatable));
  return text;
}

}  // namespace

double allocatable_cpus(double cpus) {
  const double kept = slice(cpus, 0, 1, 0.06) + slice(cpus, 1, 2, 0.01) + slice(cpus, 2, 4, 0.005) +
                      slice(cpus, 4, 1e9, 0.0025);
  return std::max(0.0, cpus - kept - std::min(kDaemonSetCpus, cpus * 0.1));
}

double allocatable_memory_gib(double gib) {
  const double kept = slice(gib, 0, 4, 0.25) + slice(gib, 4, 8, 0.2) + slice(gib, 8, 16, 0.1) +
                      slice(gib, 16, 128, 0.06) + slice(gib, 128, 1e9, 0.02);
  return std::max(0.0, gib - kept - kEvictionGib - std::min(kDaemonSetGib, gib * 0.1));
}

std::optional<std::string> cpu_request_obstacle(double request, double node_cpus) {
  return obstacle("CPUs", request, node_cpus, allocatable_cpus(node_cpus));
}

std::optional<std::string> memory_request_obstacle(double request_gib, double node_gib) {
  return obstacle("GiB", request_gib, node_gib, allocatable_memory_gib(node_gib));
}

}  // namespace hadal
