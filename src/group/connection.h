// Connection: one authenticated TCP link of the group channel, and the sockets under it. One thread at a
// time.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "group/wire.h"

namespace hadal {

using SteadyTime = std::chrono::steady_clock::time_point;

struct HostPort {
  std::string host;
  int port = 0;
};
// "10.0.0.1:5000", "name:5000", "[::1]:5000".
Result<HostPort> parse_host_port(std::string_view text);

// Listens on every address of the host (or on a loopback name's alone). Port 0: any; bound_port tells which.
Result<UniqueFd> listen_tcp(const HostPort& address);
int bound_port(int fd);
// Tries the host's addresses until one answers or the deadline passes; retries refused connections, since the
// leader may start later than its followers. The error says what the last try met.
Result<UniqueFd> connect_tcp(const HostPort& address, SteadyTime deadline);
// This end's numeric address, and the other's.
std::string local_address(int fd);
std::string peer_address(int fd);

class Connection {
 public:
  // Non-blocking from here on. `key` signs the handshake's frames, which are small.
  Connection(UniqueFd fd, std::string key);

  int fd() const { return fd_.get(); }
  // The peer has proved itself: the session's key, and frames of any size.
  void set_session_key(std::string key) {
    key_ = std::move(key);
    max_payload_ = kMaxFramePayload;
  }

  // Queues a frame; flush() or the caller's poll loop sends it. kInvalidArgument: too long.
  Status send(const Frame& frame);
  // Writes what the socket takes. kUnavailable when the peer is gone.
  Status flush();
  bool wants_write() const { return sent_ < out_.size(); }
  size_t unsent_bytes() const { return out_.size() - sent_; }
  // Grow with every byte that goes out or comes in: what tells a slow peer from a dead one.
  uint64_t bytes_sent() const { return bytes_sent_; }
  uint64_t bytes_received() const { return bytes_received_; }
  // Reads what is there and returns the next whole frame, if any. kUnavailable when the peer closed.
  Result<std::optional<Frame>> receive();
  // Blocking forms with a deadline, for the handshake.
  Status send_now(const Frame& frame, SteadyTime deadline);
  Result<Frame> receive_now(SteadyTime deadline);

 private:
  UniqueFd fd_;
  std::string key_;
  std::string in_;
  std::string out_;
  size_t sent_ = 0;
  size_t max_payload_ = 4096;  // a stranger may not make us buffer more
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;
  uint64_t next_out_ = 1;
  uint64_t next_in_ = 1;
};

}  // namespace hadal
