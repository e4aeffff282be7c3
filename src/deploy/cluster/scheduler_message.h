// Why the scheduler places a pod on no node, out of the sentence it writes into the pod's condition and
// events, and how much is missing, out of the nodes themselves. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace hadal::cluster {

struct SchedulerMessage {
  int available = 0, total = 0;  // "0/5 nodes are available"
  struct Part {
    int nodes = 0;
    std::string text;      // "Insufficient nvidia.com/gpu"
    std::string resource;  // "nvidia.com/gpu"; "" where it is not about one
  };
  std::vector<Part> parts;
  bool understood = false;
};
SchedulerMessage parse_scheduler_message(std::string_view message);

// What a pod asks of a resource: its containers' requests together, or one init container's where larger.
double pod_request(const Json& pod, std::string_view resource);
// "asks 8 nvidia.com/gpu; the freest node, gpu-2, has 4 of 8"; "" where no node is known.
std::string shortage_text(const Json& pod, std::string_view resource, std::span<const Json> nodes,
                          std::span<const Json> pods);
// The whole in words: "no node fits: 2 of 5 are short of nvidia.com/gpu (asks 8; ...), 3 have a taint ...".
std::string unschedulable_text(const Json& pod, std::string_view message, std::span<const Json> nodes,
                               std::span<const Json> pods);

}  // namespace hadal::cluster
