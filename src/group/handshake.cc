#include "group/handshake.h"

#include <charconv>
#include <sstream>
#include <vector>

namespace hadal {
namespace {

constexpr size_t kNonceBytes = 32;

std::string proof(const std::string& secret, std::string_view role, const std::string& follower_nonce,
                  const std::string& leader_nonce) {
  std::string text(role);
  append_field(text, follower_nonce);
  append_field(text, leader_nonce);
  return hmac_sha256(secret, text);
}

Result<int> parse_number(const std::string& text) {
  int value = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size()) {
    return make_error(ErrorCode::kDataLoss, "bad number in a group frame");
  }
  return value;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

Result<Frame> expect(Connection& connection, FrameType type, SteadyTime deadline) {
  HADAL_ASSIGN(Frame frame, connection.receive_now(deadline));
  if (frame.type == FrameType::kReject) return make_error(ErrorCode::kPermissionDenied, frame.payload);
  if (frame.type != type) return make_error(ErrorCode::kDataLoss, "unexpected frame in the handshake");
  return frame;
}

// What is wrong with the follower's identity, or "".
std::string objection(const HandshakeIdentity& self, const std::vector<bool>& joined, int nnodes,
                      int node_rank, const std::string& config) {
  if (nnodes != self.nnodes) {
    return "--nnodes is " + std::to_string(nnodes) + " there and " + std::to_string(self.nnodes) +
           " on the leader";
  }
  if (node_rank < 1 || node_rank >= self.nnodes) {
    return "--node-rank " + std::to_string(node_rank) + " is not one of 1 to " +
           std::to_string(self.nnodes - 1);
  }
  if (joined[static_cast<size_t>(node_rank)]) {
    return "--node-rank " + std::to_string(node_rank) + " has already joined from another host";
  }
  if (config != self.config)
    return "settings differ from the leader's: " + first_difference(self.config, config);
  return "";
}

}  // namespace

std::string handshake_key(const std::string& secret) {
  return hmac_sha256(secret, "hadal group handshake 1");
}

std::string first_difference(const std::string& here, const std::string& there) {
  const auto a = lines_of(here);
  const auto b = lines_of(there);
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const std::string left = i < a.size() ? a[i] : "(nothing)";
    const std::string right = i < b.size() ? b[i] : "(nothing)";
    if (left != right) return left + " on the leader, " + right + " on the other host";
  }
  return "no line differs";
}

Result<std::optional<int>> Admission::advance(const HandshakeIdentity& self,
                                              const std::vector<bool>& joined) {
  for (;;) {
    auto frame = connection_->receive();
    Status status = frame.status();
    if (status.ok() && !frame->has_value()) {
      HADAL_RETURN_IF_ERROR(connection_->flush());
      return std::optional<int>();
    }
    if (status.ok() && !challenged_) {
      status = challenge(self, **frame);
      if (status.ok()) continue;
    } else if (status.ok()) {
      auto rank = decide(self, joined, **frame);
      if (rank.ok()) return std::optional<int>(*rank);
      status = rank.status();
    }
    if (status.error().code == ErrorCode::kUnauthenticated ||
        status.error().code == ErrorCode::kPermissionDenied) {
      // With another secret it cannot read the reason, but it sees the wrong signature and knows.
      (void)connection_->send({FrameType::kReject, status.error().message});
      (void)connection_->flush();
    }
    return status.error();
  }
}

Status Admission::challenge(const HandshakeIdentity& self, const Frame& hello) {
  if (hello.type != FrameType::kHello) return make_error(ErrorCode::kDataLoss, "no hello came first");
  std::string_view payload = hello.payload;
  HADAL_ASSIGN(const std::string rank_text, take_field(payload));
  HADAL_ASSIGN(const std::string nnodes_text, take_field(payload));
  HADAL_ASSIGN(config_, take_field(payload));
  HADAL_ASSIGN(follower_nonce_, take_field(payload));
  HADAL_ASSIGN(node_rank_, parse_number(rank_text));
  HADAL_ASSIGN(nnodes_, parse_number(nnodes_text));
  leader_nonce_ = random_bytes(kNonceBytes);
  std::string text;
  append_field(text, leader_nonce_);
  append_field(text, proof(self.secret, "leader", follower_nonce_, leader_nonce_));
  HADAL_RETURN_IF_ERROR(connection_->send({FrameType::kChallenge, text}));
  challenged_ = true;
  return connection_->flush();
}

Result<int> Admission::decide(const HandshakeIdentity& self, const std::vector<bool>& joined,
                              const Frame& answer) {
  if (answer.type != FrameType::kProof) return make_error(ErrorCode::kDataLoss, "no proof came");
  if (!equal_constant_time(answer.payload, proof(self.secret, "follower", follower_nonce_, leader_nonce_))) {
    return make_error(ErrorCode::kUnauthenticated, "wrong proof of the group secret");
  }
  const std::string reason = objection(self, joined, nnodes_, node_rank_, config_);
  if (!reason.empty()) return make_error(ErrorCode::kPermissionDenied, reason);
  HADAL_RETURN_IF_ERROR(connection_->send({FrameType::kAccept, ""}));
  HADAL_RETURN_IF_ERROR(connection_->flush());
  connection_->set_session_key(proof(self.secret, "session", follower_nonce_, leader_nonce_));
  return node_rank_;
}

Status join_leader(Connection& connection, const HandshakeIdentity& self, SteadyTime deadline) {
  const std::string nonce = random_bytes(kNonceBytes);
  std::string hello;
  append_field(hello, std::to_string(self.node_rank));
  append_field(hello, std::to_string(self.nnodes));
  append_field(hello, self.config);
  append_field(hello, nonce);
  HADAL_RETURN_IF_ERROR(connection.send_now({FrameType::kHello, hello}, deadline));
  HADAL_ASSIGN(const Frame challenge, expect(connection, FrameType::kChallenge, deadline));
  std::string_view payload = challenge.payload;
  HADAL_ASSIGN(const std::string leader_nonce, take_field(payload));
  HADAL_ASSIGN(const std::string leader_proof, take_field(payload));
  if (!equal_constant_time(leader_proof, proof(self.secret, "leader", nonce, leader_nonce))) {
    return make_error(ErrorCode::kUnauthenticated, "the leader does not know the group secret");
  }
  HADAL_RETURN_IF_ERROR(connection.send_now(
      {FrameType::kProof, proof(self.secret, "follower", nonce, leader_nonce)}, deadline));
  HADAL_RETURN_IF_ERROR(expect(connection, FrameType::kAccept, deadline).status());
  connection.set_session_key(proof(self.secret, "session", nonce, leader_nonce));
  return {};
}

}  // namespace hadal
