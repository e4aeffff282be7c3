// The handshake of a leader and one follower: both prove that they know the group's secret (HMAC-SHA256 over
// both nonces), then compare who they are and what they were started with. A secret never crosses the
// network.
//   follower > hello(node rank, nnodes, config, nonce)   leader > challenge(nonce, proof)
//   follower > proof                                     leader > accept, or reject(reason)
// The session's key is HMAC(secret, "session" + both nonces).
#pragma once

#include <memory>
#include <optional>
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

// Leader: one host that wants to join. Never waits, so that silent strangers hold nobody up: the caller polls
// the connection and calls advance() when something is there.
class Admission {
 public:
  // The connection has the handshake's key. deadline: when the caller gives up on it.
  Admission(std::unique_ptr<Connection> connection, SteadyTime deadline)
      : connection_(std::move(connection)), deadline_(deadline) {}

  // The node rank once the follower is in; nothing while more has to come. A follower that differs or does
  // not know the secret is told so, and the error says what was wrong. joined[r]: node rank r is already
  // there.
  Result<std::optional<int>> advance(const HandshakeIdentity& self, const std::vector<bool>& joined);

  const Connection& connection() const { return *connection_; }
  SteadyTime deadline() const { return deadline_; }
  std::unique_ptr<Connection> take() { return std::move(connection_); }

 private:
  Status challenge(const HandshakeIdentity& self, const Frame& hello);
  Result<int> decide(const HandshakeIdentity& self, const std::vector<bool>& joined, const Frame& proof);

  std::unique_ptr<Connection> connection_;
  SteadyTime deadline_;
  bool challenged_ = false;
  int node_rank_ = 0;
  int nnodes_ = 0;
  std::string config_;
  std::string follower_nonce_;
  std::string leader_nonce_;
};
// Follower: joins. kUnauthenticated: one of the two does not know the other's secret; kPermissionDenied: the
// leader refuses this host, and the message says why. Waits for the leader's welcome separately (all hosts
// must be there).
Status join_leader(Connection& connection, const HandshakeIdentity& self, SteadyTime deadline);

// The key that signs the handshake's own frames: derived from the secret, so a wrong secret fails at the
// first frame.
std::string handshake_key(const std::string& secret);

// First line that differs: "tp=2 here, tp=4 there".
std::string first_difference(const std::string& here, const std::string& there);

}  // namespace hadal
