#include "deploy/cluster/scheduler_message.h"

#include <algorithm>
#include <charconv>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/quantity.h"

namespace hadal::cluster {
namespace {

constexpr size_t kMaxParts = 64;

// A number at the front, taken off; -1: none.
int take_number(std::string_view& text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return -1;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

// A new part begins behind ", " with its count; taints and selectors hold commas of their own.
size_t end_of_part(std::string_view text) {
  for (size_t at = text.find(", "); at != std::string_view::npos; at = text.find(", ", at + 2)) {
    const std::string_view rest = text.substr(at + 2);
    const size_t digits = rest.find_first_not_of("0123456789");
    if (digits != std::string_view::npos && digits > 0 && rest[digits] == ' ') return at;
  }
  return text.size();
}

SchedulerMessage::Part make_part(int nodes, std::string_view text) {
  SchedulerMessage::Part out{nodes, std::string(text), ""};
  constexpr std::string_view kShort = "Insufficient ";
  if (text.starts_with(kShort)) out.resource = text.substr(kShort.size());
  if (text == "Too many pods") out.resource = "pods";
  return out;
}

double container_request(const Json& container, std::string_view resource) {
  for (const char* list : {"resources.requests", "resources.limits"}) {
    const Json* resources = json_at(container, list);
    const Json* value = resources == nullptr ? nullptr : resources->find(resource);
    if (value != nullptr) return read_quantity(*value).value_or(0);
  }
  return 0;
}

double allocatable(const Json& node, std::string_view resource) {
  const Json* resources = json_at(node, "status.allocatable");
  const Json* value = resources == nullptr ? nullptr : resources->find(resource);
  return value == nullptr ? 0 : read_quantity(*value).value_or(0);
}

bool is_over(const Json& pod) {
  const std::string_view phase = text_at(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

std::string part_text(const SchedulerMessage::Part& part) {
  const std::string count = std::to_string(part.nodes);
  if (!part.resource.empty())
    return count + (part.nodes == 1 ? " is" : " are") + " short of " + part.resource;
  std::string text = part.text;
  if (text.starts_with("node(s) ")) text = text.substr(8);
  return count + " " + text;
}

}  // namespace

SchedulerMessage parse_scheduler_message(std::string_view message) {
  SchedulerMessage out;
  std::string_view rest = message;
  const size_t start = rest.find_first_of("0123456789");
  if (start == std::string_view::npos) return out;
  rest.remove_prefix(start);
  out.available = take_number(rest);
  if (!rest.starts_with("/")) return out;
  rest.remove_prefix(1);
  out.total = take_number(rest);
  constexpr std::string_view kSentence = " nodes are available: ";
  if (out.total < 0 || !rest.starts_with(kSentence)) return out;
  rest.remove_prefix(kSentence.size());
  // What preemption would do is a sentence of its own, and ends the list.
  if (const size_t preemption = rest.find(" preemption:"); preemption != std::string_view::npos)
    rest = rest.substr(0, preemption);
  while (rest.ends_with('.') || rest.ends_with(' ')) rest.remove_suffix(1);
  while (!rest.empty() && out.parts.size() < kMaxParts) {
    const size_t end = end_of_part(rest);
    std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), end + 2));
    const int nodes = take_number(part);
    while (part.starts_with(' ')) part.remove_prefix(1);
    if (nodes >= 0) out.parts.push_back(make_part(nodes, part));
  }
  out.understood = !out.parts.empty();
  return out;
}

double pod_request(const Json& pod, std::string_view resource) {
  if (resource == "pods") return 1;
  double sum = 0, largest_init = 0;
  for (const Json& container : array_at(pod, "spec.containers"))
    sum += container_request(container, resource);
  for (const Json& container : array_at(pod, "spec.initContainers")) {
    const double asked = container_request(container, resource);
    // A sidecar (restartPolicy: Always) stays beside the containers.
    if (text_at(container, "restartPolicy") == "Always")
      sum += asked;
    else
      largest_init = std::max(largest_init, asked);
  }
  return std::max(sum, largest_init);
}

std::string shortage_text(const Json& pod, std::string_view resource, std::span<const Json> nodes,
                          std::span<const Json> pods) {
  const double asked = pod_request(pod, resource);
  std::string out = "asks " + quantity_text(asked);
  double most = -1, most_total = 0;
  std::string_view freest;
  for (const Json& node : nodes) {
    const double total = allocatable(node, resource);
    if (total <= 0) continue;
    double used = 0;
    for (const Json& other : pods) {
      if (text_at(other, "spec.nodeName") == name_of(node) && !is_over(other))
        used += pod_request(other, resource);
    }
    if (total - used <= most) continue;
    most = total - used;
    most_total = total;
    freest = name_of(node);
  }
  if (most >= 0) {
    return out + "; the freest node, " + std::string(freest) + ", has " + quantity_text(std::max(0.0, most)) +
           " of " + quantity_text(most_total);
  }
  return nodes.empty() ? out : out + "; no node has any";
}

std::string unschedulable_text(const Json& pod, std::string_view message, std::span<const Json> nodes,
                               std::span<const Json> pods) {
  const SchedulerMessage parsed = parse_scheduler_message(message);
  if (!parsed.understood) return "not scheduled: " + std::string(message);
  std::string out = "no node fits (" + std::to_string(parsed.total) + " in the cluster): ";
  for (size_t i = 0; i < parsed.parts.size(); ++i) {
    const SchedulerMessage::Part& part = parsed.parts[i];
    out += (i == 0 ? "" : ", ") + part_text(part);
    if (!part.resource.empty()) out += " (" + shortage_text(pod, part.resource, nodes, pods) + ")";
  }
  return out;
}

}  // namespace hadal::cluster
