#include "sched/fork_groups.h"

#include <algorithm>

namespace hadal {

bool ForkGroups::join(uint64_t group, uint64_t id) {
  Group& g = groups_[group];
  ++g.num_members;
  if (g.open) return true;
  if (g.num_members == 1) {
    g.leader = id;
    return true;
  }
  g.held.push_back(id);
  ++num_held_;
  return false;
}

std::vector<uint64_t> ForkGroups::open(uint64_t group) {
  const auto it = groups_.find(group);
  if (it == groups_.end() || it->second.open) return {};
  it->second.open = true;
  num_held_ -= static_cast<int32_t>(it->second.held.size());
  return std::move(it->second.held);
}

std::optional<uint64_t> ForkGroups::leave(uint64_t group, uint64_t id) {
  const auto it = groups_.find(group);
  if (it == groups_.end()) return std::nullopt;
  Group& g = it->second;
  const auto held = std::find(g.held.begin(), g.held.end(), id);
  if (held != g.held.end()) {
    g.held.erase(held);
    --num_held_;
  }
  if (--g.num_members == 0) {
    groups_.erase(it);
    return std::nullopt;
  }
  if (g.open || g.leader != id) return std::nullopt;
  g.leader = g.held.front();
  g.held.erase(g.held.begin());
  --num_held_;
  return g.leader;
}

bool ForkGroups::is_held(uint64_t group, uint64_t id) const {
  const auto it = groups_.find(group);
  if (it == groups_.end()) return false;
  return std::find(it->second.held.begin(), it->second.held.end(), id) != it->second.held.end();
}

}  // namespace hadal
