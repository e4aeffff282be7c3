// ForkGroups: requests with the same prompt (n > 1). The first member computes it; the others are held back
// until its blocks are in the prefix tree, and then find them there. Owned by the Scheduler; engine thread
// only.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace hadal {

class ForkGroups {
 public:
  // True: the member goes to the queue (it leads, or the prompt is there). False: it is held.
  bool join(uint64_t group, uint64_t id);
  // The leader's prompt is in the tree: the members that may go on, in the order in which they joined.
  std::vector<uint64_t> open(uint64_t group);
  // A member has ended. The held member that leads from now on, if the leader left before the prompt was
  // done.
  std::optional<uint64_t> leave(uint64_t group, uint64_t id);
  bool is_held(uint64_t group, uint64_t id) const;
  int32_t num_held() const { return num_held_; }

 private:
  struct Group {
    uint64_t leader = 0;
    bool open = false;
    int32_t num_members = 0;
    std::vector<uint64_t> held;
  };
  std::unordered_map<uint64_t, Group> groups_;
  int32_t num_held_ = 0;
};

}  // namespace hadal
