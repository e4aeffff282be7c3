// Rendezvous: how the hosts of a group find the leader, before its channel runs. Main thread, at start.
//
// The leader polls its listener, every host that is shaking hands and every host that has joined together, so
// neither silent strangers nor slow followers hold anybody up; a host that joined and went away may come
// again. A follower tries until the rendezvous deadline, unless it learns that trying again is no use
// (another secret, other settings).
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "group/connection.h"
#include "group/group_channel.h"

namespace hadal {

struct JoinedHost {
  int node_rank = 0;
  std::unique_ptr<Connection> connection;
};

// Leader: all followers, once each has been told that the group is complete. Errors name the hosts that did
// not come and the last refusal.
Result<std::vector<JoinedHost>> admit_followers(const GroupOptions& options);
// Follower: the link to the leader of a complete group.
Result<JoinedHost> join_group(const GroupOptions& options);

}  // namespace hadal
