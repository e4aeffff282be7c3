// PeerLink: one TCP connection between two preflights, and how it comes about: both ends prove that they know
// the group's secret by HMAC-SHA256 over fresh nonces; the secret never crosses the network. Without a secret
// nothing is proved, and frames are only whole. All calls block until a deadline; one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "preflight/net_name.h"
#include "preflight/peer_wire.h"

namespace hadal {

using PeerTime = std::chrono::steady_clock::time_point;

class PeerLink {
 public:
  // server: this end accepted the connection.
  PeerLink(UniqueFd fd, bool server);

  int fd() const { return fd_.get(); }
  std::string local_address() const;
  std::string peer_address() const;

  // Errors: kUnavailable (the other end is gone), kDeadlineExceeded, kDataLoss.
  Status send(const PeerMessage& message, PeerTime deadline);
  Result<PeerMessage> receive(PeerTime deadline);
  // The next frame must be of this type; kReject becomes kPermissionDenied with its reason.
  Result<Json> expect(PeerFrame type, PeerTime deadline);

  // Raw bytes between frames, for measurements.
  Status write_all(const char* data, size_t size, PeerTime deadline);
  Status read_all(char* data, size_t size, PeerTime deadline);
  // The other end has closed, or the connection broke.
  bool is_gone() const;

  void set_key(std::string key) {
    key_ = std::move(key);
    max_payload_ = kMaxPeerPayload;
  }

 private:
  bool wait_for(short events, PeerTime deadline) const;

  UniqueFd fd_;
  bool server_;
  std::string key_;
  size_t max_payload_ = kMaxStrangerPayload;
  uint64_t next_out_ = 0;
  uint64_t next_in_ = 0;
};

// Listens on every address, or on loopback alone where `host` is that. Port 0: any.
Result<UniqueFd> listen_for_peers(const std::string& host, int port);
int port_of(int listener);
// The next connection; kDeadlineExceeded.
Result<UniqueFd> accept_peer(int listener, PeerTime deadline);
// One try at each of the name's addresses. Errors: kUnavailable with what the last one met.
Result<UniqueFd> connect_to_peer(const NetName& name, PeerTime deadline);

struct PeerHello {
  int rank = 0;
  int nnodes = 1;
  std::string purpose;  // "join" or "measure"
};

// Client: proves itself. Errors: kUnauthenticated (another secret), kPermissionDenied (the reason), and those
// of the link.
Status prove_as_client(PeerLink& link, const PeerHello& self, const std::string& secret, PeerTime deadline);

// Server, in two steps, so that it can look at who comes before it says yes. hello_from: the client has
// proved itself. A client with another secret is told so: kUnauthenticated.
Result<PeerHello> hello_from(PeerLink& link, const std::string& secret, PeerTime deadline);
Status accept_client(PeerLink& link, PeerTime deadline);
void reject_client(PeerLink& link, const std::string& reason);

}  // namespace hadal
