#include "group/rendezvous.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "group/handshake.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kHandshakeTime = std::chrono::seconds(5);
constexpr auto kRetryPause = std::chrono::milliseconds(200);
// Hosts that shake hands at once; one more, and the one that has been silent for longest has to go.
constexpr size_t kMaxPending = 256;

HandshakeIdentity identity_of(const GroupOptions& options) {
  return {options.secret, options.nnodes, options.node_rank, options.config};
}

// The leader's door until the group is complete.
class Door {
 public:
  Door(const GroupOptions& options, UniqueFd listener)
      : options_(options),
        identity_(identity_of(options)),
        listener_(std::move(listener)),
        deadline_(Clock::now() + options.rendezvous_timeout),
        joined_(static_cast<size_t>(options.nnodes), false) {
    joined_[0] = true;
  }

  Result<std::vector<JoinedHost>> wait_for_all() {
    while (hosts_.size() + 1 < joined_.size()) {
      if (Clock::now() >= deadline_) {
        return make_error(ErrorCode::kDeadlineExceeded, "node ", missing_nodes(), " did not join within ",
                          options_.rendezvous_timeout.count() / 1000, " s",
                          last_refusal_.empty() ? "" : "; last refused: " + last_refusal_);
      }
      if (wait()) accept_all();
      advance_all();
      drop_who_left();
    }
    HADAL_RETURN_IF_ERROR(welcome_all());
    return std::move(hosts_);
  }

 private:
  // Until something happens; true when somebody is at the door.
  bool wait() {
    auto until = deadline_;
    std::vector<pollfd> items{{listener_.get(), POLLIN, 0}};
    for (const auto& admission : pending_) {
      const bool writes = admission->connection().wants_write();
      items.push_back({admission->connection().fd(), static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0});
      until = std::min(until, admission->deadline());
    }
    for (const JoinedHost& host : hosts_) items.push_back({host.connection->fd(), POLLIN, 0});
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    ::poll(items.data(), items.size(), static_cast<int>(std::clamp<int64_t>(left, 0, 1'000'000)) + 1);
    return items[0].revents != 0;
  }

  void accept_all() {
    for (size_t i = 0; i < kMaxPending; ++i) {
      UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd.valid()) return;
      if (pending_.size() == kMaxPending) pending_.erase(pending_.begin());
      pending_.push_back(std::make_unique<Admission>(
          std::make_unique<Connection>(std::move(fd), handshake_key(options_.secret)),
          std::min(deadline_, Clock::now() + kHandshakeTime)));
    }
  }

  void advance_all() {
    for (auto& admission : pending_) {
      // A host that restarts stands at the door again before anyone has seen that it left.
      drop_who_left();
      auto rank = admission->advance(identity_, joined_);
      if (rank.ok() && !rank->has_value()) {
        if (Clock::now() < admission->deadline()) continue;
        rank = make_error(ErrorCode::kDeadlineExceeded, "it does not answer");
      }
      if (rank.ok()) {
        let_in(**rank, admission->take());
      } else {
        refuse(peer_address(admission->connection().fd()), rank.error());
      }
      admission.reset();
    }
    std::erase(pending_, nullptr);
  }

  void let_in(int node_rank, std::unique_ptr<Connection> connection) {
    log_info("host joined the group")
        .field("node_rank", node_rank)
        .field("peer", peer_address(connection->fd()));
    joined_[static_cast<size_t>(node_rank)] = true;
    hosts_.push_back({node_rank, std::move(connection)});
  }

  void refuse(const std::string& peer, const Error& error) {
    last_refusal_ = peer + ": " + error.message;
    log_warning("refused a host that wanted to join the group")
        .field("peer", peer)
        .field("reason", error.message);
  }

  // A host that joined and went away while others are awaited must not stay counted.
  void drop_who_left() {
    std::erase_if(hosts_, [&](const JoinedHost& host) {
      const auto frame = host.connection->receive();
      if (frame.ok()) return false;
      log_warning("a host left before the group was complete")
          .field("node_rank", host.node_rank)
          .field("reason", frame.error().message);
      joined_[static_cast<size_t>(host.node_rank)] = false;
      return true;
    });
  }

  Status welcome_all() {
    for (const JoinedHost& host : hosts_) {
      const Status sent = host.connection->send_now({FrameType::kWelcome, ""}, Clock::now() + kHandshakeTime);
      if (sent.ok()) continue;
      return make_error(ErrorCode::kUnavailable, "node ", host.node_rank,
                        " left when the group was complete: ", sent.error().message);
    }
    return {};
  }

  std::string missing_nodes() const {
    std::string out;
    for (size_t r = 0; r < joined_.size(); ++r) {
      if (joined_[r]) continue;
      if (!out.empty()) out += ", ";
      out += std::to_string(r);
    }
    return out;
  }

  const GroupOptions& options_;
  const HandshakeIdentity identity_;
  const UniqueFd listener_;
  const Clock::time_point deadline_;
  std::vector<bool> joined_;  // [nnodes]
  std::vector<std::unique_ptr<Admission>> pending_;
  std::vector<JoinedHost> hosts_;
  std::string last_refusal_;
};

Result<JoinedHost> try_to_join(const GroupOptions& options, UniqueFd fd, Clock::time_point deadline) {
  auto connection = std::make_unique<Connection>(std::move(fd), handshake_key(options.secret));
  const Status joined =
      join_leader(*connection, identity_of(options), std::min(deadline, Clock::now() + 2 * kHandshakeTime));
  if (!joined.ok()) {
    return make_error(joined.error().code, "the leader at ", options.address,
                      " did not let this host in: ", joined.error().message);
  }
  const auto welcome = connection->receive_now(deadline);
  if (!welcome.ok()) {
    return make_error(welcome.error().code, "joined the leader at ", options.address,
                      ", but the group did not become complete: ", welcome.error().message);
  }
  return JoinedHost{0, std::move(connection)};
}

}  // namespace

Result<std::vector<JoinedHost>> admit_followers(const GroupOptions& options) {
  HADAL_ASSIGN(const HostPort address, parse_host_port(options.address));
  HADAL_ASSIGN(UniqueFd listener, listen_tcp(address));
  return Door(options, std::move(listener)).wait_for_all();
}

Result<JoinedHost> join_group(const GroupOptions& options) {
  HADAL_ASSIGN(const HostPort address, parse_host_port(options.address));
  const auto deadline = Clock::now() + options.rendezvous_timeout;
  std::optional<Error> last;
  for (;;) {
    auto fd = connect_tcp(address, deadline);
    // What the leader said last tells more than that it is not there any more.
    if (!fd.ok()) return last ? *last : fd.error();
    auto host = try_to_join(options, std::move(fd).value(), deadline);
    if (host.ok()) return host;
    last = host.error();
    const bool again = last->code == ErrorCode::kUnavailable || last->code == ErrorCode::kDeadlineExceeded;
    if (!again || Clock::now() + kRetryPause >= deadline) return *last;
    log_warning("joining the group again").field("reason", last->message);
    std::this_thread::sleep_for(kRetryPause);
  }
}

}  // namespace hadal
