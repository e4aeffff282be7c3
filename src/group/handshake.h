// The handshake of a leader and one follower: both prove that they know the group's secret (HMAC-SHA256 over
// both nonces), then compare who they are and what they were started with. A secret never crosses the
// network.
//   follower > hello(node rank, nnodes, config, nonce)   leader > challenge(nonce, proof)
//   follower > proof                                     leader > accept, or reject(reason)
// The session's key is HMAC(secret, "session" + both nonces).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "group/connection.h"

namespace hadal {

struct HandshakeIdentity {
  std::string secret;
  int nnodes = 1;
  int node_rank = 0;
  // What must be equal on every host, as text ("key=value" lines, at most 3,000 bytes): the first difference
  // is named.
  std::string config;
};

// Leader: accepts one follower. On success its node rank; a follower that differs is told why and refused.
// joined[r]: node rank r is already there.
Result<int> accept_follower(Connection& connection, const HandshakeIdentity& self,
                            const std::vector<bool>& joined, SteadyTime deadline);
// Follower: joins. Waits for the leader's welcome separately (all hosts must be there).
Status join_leader(Connection& connection, const HandshakeIdentity& self, SteadyTime deadline);

// The key that signs the handshake's own frames: derived from the secret, so a wrong secret fails at the
// first frame.
std::string handshake_key(const std::string& secret);

// First line that differs: "tp=2 here, tp=4 there".
std::string first_difference(const std::string& here, const std::string& there);

}  // namespace hadal
