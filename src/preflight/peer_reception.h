// Reception: rank 0's door at a meeting: who comes proves that it knows the secret, says who it is, and is
// kept until all are there. Each is asked on a thread of its own, so silent strangers hold nobody up.
// Internal to preflight/; used by one thread.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "preflight/peer_link.h"
#include "preflight/peer_meeting.h"

namespace hadal {

// For what a host says when it comes.
inline constexpr std::chrono::seconds kHandshakeTime{5};

struct JoinedPeer {
  std::unique_ptr<PeerLink> link;
  PeerNode node;
  int data_port = 0;
};

class Reception {
 public:
  explicit Reception(const PeerOptions& options)
      : options_(options), joined_(static_cast<size_t>(options.nnodes)) {}
  ~Reception();
  Reception(const Reception&) = delete;
  Reception& operator=(const Reception&) = delete;

  // The missing ranks in words, or "" where all are there.
  std::string wait_for_all(int listener);
  // Those that came, by rank; rank 0's place is empty. Nobody is kept after that.
  std::vector<std::optional<JoinedPeer>> take();

 private:
  void start(UniqueFd fd);
  void set_shaking(PeerLink* link, bool is);
  void admit(std::unique_ptr<PeerLink> link, PeerLink* key);
  // Why this host may not join, or "".
  std::string objection(const PeerHello& hello);
  void keep(int rank, std::unique_ptr<PeerLink> link, PeerNode node, int port);
  bool is_taken(int rank);
  void refuse(const std::string& reason);
  void drop_who_left();
  bool complete();
  std::string missing() const;

  const PeerOptions& options_;
  std::mutex mutex_;
  std::vector<std::optional<JoinedPeer>> joined_;  // [nnodes]; rank 0's place stays empty
  std::set<PeerLink*> shaking_;                    // those whose handshake is not at its end
  bool closed_ = false;
  std::string refused_;
  std::atomic<int> pending_{0};
  std::vector<std::thread> threads_;
};

}  // namespace hadal
