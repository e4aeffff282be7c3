#include "preflight/peer_reception.h"

#include <sys/socket.h>

#include <algorithm>

#include "preflight/words.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kWatchPause = std::chrono::milliseconds(50);
constexpr int kMaxPending = 64;

}  // namespace

Reception::~Reception() {
  {
    // Who is still shaking hands is not waited for.
    std::lock_guard lock(mutex_);
    for (PeerLink* link : shaking_) ::shutdown(link->fd(), SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
}

std::string Reception::wait_for_all(int listener) {
  while (Clock::now() < options_.deadline) {
    drop_who_left();
    if (complete()) return "";
    auto fd = accept_peer(listener, std::min<PeerTime>(options_.deadline, Clock::now() + kWatchPause));
    if (!fd.ok() && fd.error().code != ErrorCode::kDeadlineExceeded) return fd.error().message;
    if (fd.ok() && pending_.load() < kMaxPending) start(std::move(fd).value());
  }
  std::lock_guard lock(mutex_);
  return missing() + (refused_.empty() ? "" : "; last refused: " + refused_);
}

std::vector<std::optional<JoinedPeer>> Reception::take() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  return std::move(joined_);
}

void Reception::start(UniqueFd fd) {
  ++pending_;
  threads_.emplace_back([this, shared = std::make_shared<UniqueFd>(std::move(fd))] {
    auto link = std::make_unique<PeerLink>(std::move(*shared), true);
    PeerLink* const key = link.get();
    set_shaking(key, true);
    admit(std::move(link), key);
    --pending_;
  });
}

void Reception::set_shaking(PeerLink* link, bool is) {
  std::lock_guard lock(mutex_);
  if (is) {
    shaking_.insert(link);
    if (closed_) ::shutdown(link->fd(), SHUT_RDWR);
  } else {
    shaking_.erase(link);
  }
}

void Reception::admit(std::unique_ptr<PeerLink> link, PeerLink* key) {
  // Taken off the list before the link goes or is kept.
  const auto end = [&](auto*) { set_shaking(key, false); };
  const std::unique_ptr<PeerLink, decltype(end)> shaking(key, end);
  const auto deadline = Clock::now() + kHandshakeTime;
  const auto hello = hello_from(*link, options_.secret, deadline);
  if (!hello.ok()) {
    // Who says nothing of a preflight is a port scanner or a probe, not a rank.
    if (hello.error().code == ErrorCode::kUnauthenticated) refuse(hello.error().message);
    return;
  }
  if (hello->purpose != "join") return;
  const std::string who = "rank " + std::to_string(hello->rank) + " at " + link->peer_address();
  if (const std::string reason = objection(*hello); !reason.empty()) {
    refuse(who + ": " + reason);
    return reject_client(*link, reason);
  }
  if (!accept_client(*link, deadline).ok()) return;
  const auto identity = link->expect(PeerFrame::kIdentity, deadline);
  if (!identity.ok()) return;
  const Json* described = identity->find("node");
  const auto node = parse_node(described == nullptr ? Json() : *described);
  const auto port = int_member(*identity, "data_port", 1, 65535);
  if (!node.ok() || !port.ok()) return refuse(who + ": a broken identity");
  keep(hello->rank, std::move(link), *node, static_cast<int>(*port));
}

std::string Reception::objection(const PeerHello& hello) {
  if (hello.nnodes != options_.nnodes) {
    return "--nnodes is " + std::to_string(hello.nnodes) + " there and " + std::to_string(options_.nnodes) +
           " on rank 0";
  }
  if (hello.rank < 1 || hello.rank >= options_.nnodes) {
    return "--node-rank " + std::to_string(hello.rank) + " is not one of 1 to " +
           std::to_string(options_.nnodes - 1);
  }
  if (is_taken(hello.rank))
    return "--node-rank " + std::to_string(hello.rank) + " has already come from another host";
  return "";
}

void Reception::keep(int rank, std::unique_ptr<PeerLink> link, PeerNode node, int port) {
  node.rank = rank;
  node.address = link->peer_address();
  std::lock_guard lock(mutex_);
  if (closed_) return;
  shaking_.erase(link.get());  // in the same step: a kept link must not be cut
  auto& place = joined_[static_cast<size_t>(rank)];
  if (!place || place->link->is_gone()) place = JoinedPeer{std::move(link), std::move(node), port};
}

bool Reception::is_taken(int rank) {
  std::lock_guard lock(mutex_);
  if (closed_) return true;
  const auto& place = joined_[static_cast<size_t>(rank)];
  return place && !place->link->is_gone();
}

void Reception::refuse(const std::string& reason) {
  std::lock_guard lock(mutex_);
  refused_ = reason;
}

void Reception::drop_who_left() {
  std::lock_guard lock(mutex_);
  for (auto& one : joined_) {
    if (one && one->link->is_gone()) one.reset();
  }
}

bool Reception::complete() {
  std::lock_guard lock(mutex_);
  return std::all_of(joined_.begin() + 1, joined_.end(), [](const auto& one) { return one.has_value(); });
}

std::string Reception::missing() const {
  std::vector<std::string> names;
  for (size_t rank = 1; rank < joined_.size(); ++rank) {
    if (!joined_[rank]) names.push_back(std::to_string(rank));
  }
  return (names.size() == 1 ? "rank " : "ranks ") + list_text(names, 16) + " did not come in time";
}

}  // namespace hadal
