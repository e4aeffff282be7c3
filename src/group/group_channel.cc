#include "group/group_channel.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/log.h"
#include "group/connection.h"
#include "group/handshake.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMaxUnsentBytes = size_t{64} << 20;
constexpr auto kHandshakeTime = std::chrono::seconds(5);
constexpr auto kStopTime = std::chrono::seconds(2);

// The other end of one link.
struct Peer {
  int node_rank = 0;
  std::unique_ptr<Connection> connection;
  Clock::time_point last_heard;
  std::string name() const {
    return "node " + std::to_string(node_rank) + " (" + peer_address(connection->fd()) + ")";
  }
};

// A frame to send, to one node or (-1) to all.
struct Outgoing {
  int node_rank = -1;
  Frame frame;
};

std::string missing_nodes(const std::vector<bool>& joined) {
  std::string out;
  for (size_t r = 0; r < joined.size(); ++r) {
    if (joined[r]) continue;
    if (!out.empty()) out += ", ";
    out += std::to_string(r);
  }
  return out;
}

}  // namespace

class GroupChannel::Impl {
 public:
  explicit Impl(GroupOptions options) : options_(std::move(options)) {}

  ~Impl() {
    {
      std::lock_guard lock(mutex_);
      quit_ = true;
    }
    wake();
    if (thread_.joinable()) thread_.join();
  }

  Status open() {
    wake_fd_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_fd_.valid()) return errno_error("cannot make an eventfd", errno);
    HADAL_ASSIGN(const HostPort address, parse_host_port(options_.address));
    const auto deadline = Clock::now() + options_.rendezvous_timeout;
    return is_leader() ? admit_followers(address, deadline) : join(address, deadline);
  }

  void start(Handlers handlers) {
    handlers_ = std::move(handlers);
    thread_ = std::thread([this] { run(); });
  }

  void post(Outgoing out) {
    {
      std::lock_guard lock(mutex_);
      outbox_.push_back(std::move(out));
    }
    wake();
  }

  Status store_set(const std::string& key, const std::string& value) {
    if (is_leader()) {
      put(key, value);
      return {};
    }
    std::string payload;
    append_field(payload, key);
    append_field(payload, value);
    post({0, {FrameType::kStoreSet, payload}});
    return {};
  }

  Result<std::string> store_get(const std::string& key, std::chrono::milliseconds timeout) {
    if (!is_leader()) {
      std::string payload;
      append_field(payload, key);
      post({0, {FrameType::kStoreGet, payload}});
    }
    std::unique_lock lock(mutex_);
    const bool there = changed_.wait_for(lock, timeout, [&] { return lost_ || store_.contains(key); });
    if (store_.contains(key)) return store_[key];
    if (lost_) return make_error(ErrorCode::kUnavailable, "the group is lost: ", reason_);
    HADAL_CHECK(!there);
    return make_error(ErrorCode::kDeadlineExceeded, "no host set \"", key, "\" within ", timeout.count(),
                      " ms");
  }

  void abort(const std::string& reason) {
    post({-1, {FrameType::kAbort, reason}});
    std::lock_guard lock(mutex_);
    if (local_abort_.empty()) local_abort_ = reason.empty() ? "aborted" : reason;
  }

  void stop() {
    post({-1, {FrameType::kStop, ""}});
    std::unique_lock lock(mutex_);
    stopping_ = true;
    lock.unlock();
    wake();
    lock.lock();
    changed_.wait_for(lock, kStopTime, [&] { return lost_ || drained_; });
  }

  const std::string& address() const { return local_address_; }

 private:
  bool is_leader() const { return options_.node_rank == 0; }
  HandshakeIdentity identity() const {
    return {options_.secret, options_.nnodes, options_.node_rank, options_.config};
  }
  void wake() {
    const uint64_t one = 1;
    const ssize_t ignored = ::write(wake_fd_.get(), &one, sizeof one);
    (void)ignored;
  }

  Status admit_followers(const HostPort& address, Clock::time_point deadline) {
    HADAL_ASSIGN(const UniqueFd listener, listen_tcp(address));
    std::vector<bool> joined(static_cast<size_t>(options_.nnodes), false);
    joined[0] = true;
    std::string last_refusal;
    while (peers_.size() + 1 < static_cast<size_t>(options_.nnodes)) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
      pollfd item{listener.get(), POLLIN, 0};
      if (left.count() <= 0 || ::poll(&item, 1, static_cast<int>(left.count())) == 0) {
        return make_error(ErrorCode::kDeadlineExceeded, "node ", missing_nodes(joined),
                          " did not join within ", options_.rendezvous_timeout.count() / 1000, " s",
                          last_refusal.empty() ? "" : "; last refused: " + last_refusal);
      }
      UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.valid()) continue;
      auto connection = std::make_unique<Connection>(std::move(fd), handshake_key(options_.secret));
      // One silent stranger may hold the door for a few seconds, not until the deadline.
      const auto rank =
          accept_follower(*connection, identity(), joined, std::min(deadline, Clock::now() + kHandshakeTime));
      if (!rank.ok()) {
        last_refusal = peer_address(connection->fd()) + ": " + rank.error().message;
        log_warning("refused a host that wanted to join the group")
            .field("peer", peer_address(connection->fd()))
            .field("reason", rank.error().message);
        continue;
      }
      joined[static_cast<size_t>(*rank)] = true;
      local_address_ = hadal::local_address(connection->fd());
      log_info("host joined the group")
          .field("node_rank", *rank)
          .field("peer", peer_address(connection->fd()));
      peers_.push_back({*rank, std::move(connection), Clock::now()});
      HADAL_RETURN_IF_ERROR(check_peers_alive());
    }
    for (Peer& peer : peers_) {
      const Status sent = peer.connection->send_now({FrameType::kWelcome, ""}, Clock::now() + kHandshakeTime);
      if (!sent.ok())
        return make_error(ErrorCode::kUnavailable, peer.name(), " left before the group was complete");
      peer.last_heard = Clock::now();
    }
    return {};
  }

  // A host that joined and died while others are awaited must not stay counted.
  Status check_peers_alive() {
    for (Peer& peer : peers_) {
      const auto frame = peer.connection->receive();
      if (!frame.ok())
        return make_error(ErrorCode::kUnavailable, peer.name(), " left: ", frame.error().message);
    }
    return {};
  }

  Status join(const HostPort& address, Clock::time_point deadline) {
    HADAL_ASSIGN(UniqueFd fd, connect_tcp(address, deadline));
    auto connection = std::make_unique<Connection>(std::move(fd), handshake_key(options_.secret));
    const Status joined =
        join_leader(*connection, identity(), std::min(deadline, Clock::now() + 2 * kHandshakeTime));
    if (!joined.ok()) {
      return make_error(joined.error().code, "the leader at ", options_.address,
                        " did not let this host in: ", joined.error().message,
                        joined.error().code == ErrorCode::kUnavailable
                            ? " (do the hosts have the same group secret?)"
                            : "");
    }
    local_address_ = hadal::local_address(connection->fd());
    const auto welcome = connection->receive_now(deadline);
    if (!welcome.ok()) {
      return make_error(welcome.error().code, "joined the leader at ", options_.address,
                        ", but the group did not become complete: ", welcome.error().message);
    }
    peers_.push_back({0, std::move(connection), Clock::now()});
    return {};
  }

  void put(const std::string& key, const std::string& value) {
    std::vector<int> waiting;
    {
      std::lock_guard lock(mutex_);
      store_[key] = value;
      const auto it = store_waiters_.find(key);
      if (it != store_waiters_.end()) {
        waiting.assign(it->second.begin(), it->second.end());
        store_waiters_.erase(it);
      }
    }
    changed_.notify_all();
    for (int node : waiting) post_value(node, key, value);
  }
  void post_value(int node, const std::string& key, const std::string& value) {
    std::string payload;
    append_field(payload, key);
    append_field(payload, value);
    post({node, {FrameType::kStoreValue, payload}});
  }

  // --- the channel's thread ---

  void run() {
    auto next_beat = Clock::now();
    for (;;) {
      if (Clock::now() >= next_beat) {
        for (Peer& peer : peers_) peer.connection->send({FrameType::kHeartbeat, ""});
        next_beat = Clock::now() + options_.heartbeat_interval;
      }
      if (!take_outbox()) return;
      const std::string problem = exchange(next_beat);
      if (!problem.empty()) {
        lose(problem);
        return;
      }
      if (ended_) return;
    }
  }

  // Moves queued frames to the connections. False when the channel should end.
  bool take_outbox() {
    std::deque<Outgoing> out;
    std::string abort_reason;
    bool quit = false;
    {
      std::lock_guard lock(mutex_);
      out.swap(outbox_);
      abort_reason = local_abort_;
      quit = quit_;
    }
    for (const Outgoing& item : out) {
      for (Peer& peer : peers_) {
        if (item.node_rank < 0 || item.node_rank == peer.node_rank) peer.connection->send(item.frame);
      }
    }
    for (Peer& peer : peers_) (void)peer.connection->flush();
    if (!abort_reason.empty()) {
      lose(abort_reason);
      return false;
    }
    mark_drained();
    return !quit;
  }

  void mark_drained() {
    std::lock_guard lock(mutex_);
    if (!stopping_ || !outbox_.empty()) return;
    for (const Peer& peer : peers_) {
      if (peer.connection->wants_write()) return;
    }
    drained_ = true;
    changed_.notify_all();
  }

  // Waits for and handles input; what is wrong with the group, or "".
  std::string exchange(Clock::time_point until) {
    std::vector<pollfd> items{{wake_fd_.get(), POLLIN, 0}};
    for (const Peer& peer : peers_) {
      const short events = static_cast<short>(POLLIN | (peer.connection->wants_write() ? POLLOUT : 0));
      items.push_back({peer.connection->fd(), events, 0});
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    ::poll(items.data(), items.size(), static_cast<int>(std::max<int64_t>(left, 0)) + 1);
    if ((items[0].revents & POLLIN) != 0) {
      uint64_t count = 0;
      const ssize_t ignored = ::read(wake_fd_.get(), &count, sizeof count);
      (void)ignored;
    }
    for (size_t i = 0; i < peers_.size(); ++i) {
      const std::string problem = serve(peers_[i], items[i + 1].revents != 0);
      if (!problem.empty()) return problem;
    }
    return "";
  }

  std::string serve(Peer& peer, bool ready) {
    while (ready) {
      auto frame = peer.connection->receive();
      if (!frame.ok()) return stopping_now() ? end() : "lost " + peer.name() + ": " + frame.error().message;
      if (!frame->has_value()) break;
      peer.last_heard = Clock::now();
      const std::string problem = handle(peer, **frame);
      if (!problem.empty() || ended_) return problem;
    }
    const Status flushed = peer.connection->flush();
    if (!flushed.ok()) return stopping_now() ? end() : "lost " + peer.name() + ": " + flushed.error().message;
    if (peer.connection->unsent_bytes() > kMaxUnsentBytes)
      return "lost " + peer.name() + ": it does not read";
    const auto silence = Clock::now() - peer.last_heard;
    if (silence > options_.heartbeat_timeout) {
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(silence).count();
      return "lost " + peer.name() + ": silent for " + std::to_string(ms) + " ms";
    }
    return "";
  }

  // A peer that hangs up during an orderly stop is no loss.
  bool stopping_now() {
    std::lock_guard lock(mutex_);
    return stopping_;
  }
  std::string end() {
    ended_ = true;
    return "";
  }

  std::string handle(Peer& peer, Frame& frame) {
    switch (frame.type) {
      case FrameType::kHeartbeat:
        return "";
      case FrameType::kAbort:
        return frame.payload.empty() ? peer.name() + " aborted" : frame.payload;
      case FrameType::kPlan:
        if (is_leader()) break;
        if (handlers_.on_plan) handlers_.on_plan(std::move(frame.payload));
        return "";
      case FrameType::kStop:
        if (is_leader()) break;
        {
          std::lock_guard lock(mutex_);
          stopping_ = true;
        }
        if (handlers_.on_stop) handlers_.on_stop();
        return end();
      case FrameType::kStoreSet:
      case FrameType::kStoreGet:
      case FrameType::kStoreValue:
        return handle_store(peer, frame);
      default:
        break;
    }
    return peer.name() + " sent a frame that it may not send";
  }

  std::string handle_store(const Peer& peer, const Frame& frame) {
    std::string_view payload = frame.payload;
    auto key = take_field(payload);
    if (!key.ok()) return peer.name() + ": " + key.error().message;
    if (frame.type == FrameType::kStoreGet) {
      std::unique_lock lock(mutex_);
      const auto it = store_.find(*key);
      if (it == store_.end()) {
        store_waiters_[*key].insert(peer.node_rank);
        return "";
      }
      const std::string value = it->second;
      lock.unlock();
      post_value(peer.node_rank, *key, value);
      return "";
    }
    auto value = take_field(payload);
    if (!value.ok()) return peer.name() + ": " + value.error().message;
    put(*key, *value);
    return "";
  }

  void lose(const std::string& reason) {
    for (Peer& peer : peers_) {
      peer.connection->send({FrameType::kAbort, reason});
      (void)peer.connection->flush();
    }
    {
      std::lock_guard lock(mutex_);
      lost_ = true;
      reason_ = reason;
    }
    changed_.notify_all();
    if (handlers_.on_lost) handlers_.on_lost(reason);
  }

  const GroupOptions options_;
  Handlers handlers_;
  UniqueFd wake_fd_;
  std::string local_address_ = "127.0.0.1";
  std::vector<Peer> peers_;  // open() first, then the thread's
  bool ended_ = false;       // thread's
  std::thread thread_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Outgoing> outbox_;
  std::map<std::string, std::string> store_;  // the leader's; on a follower what it was answered
  std::map<std::string, std::set<int>> store_waiters_;
  std::string local_abort_;
  std::string reason_;
  bool lost_ = false;
  bool stopping_ = false;
  bool drained_ = false;
  bool quit_ = false;
};

GroupChannel::GroupChannel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GroupChannel::~GroupChannel() = default;

Result<std::unique_ptr<GroupChannel>> GroupChannel::open(const GroupOptions& options) {
  if (options.nnodes < 1 || options.node_rank < 0 || options.node_rank >= options.nnodes) {
    return invalid_argument("--node-rank ", options.node_rank, " does not fit --nnodes ", options.nnodes);
  }
  if (options.secret.empty()) {
    return invalid_argument(
        "a group of hosts needs a shared secret: set HADAL_GROUP_SECRET to the same text on each");
  }
  auto impl = std::make_unique<Impl>(options);
  HADAL_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<GroupChannel>(new GroupChannel(std::move(impl)));
}

void GroupChannel::start(Handlers handlers) {
  impl_->start(std::move(handlers));
}
void GroupChannel::send_plan(const std::string& bytes) {
  impl_->post({-1, {FrameType::kPlan, bytes}});
}
Status GroupChannel::store_set(const std::string& key, const std::string& value) {
  return impl_->store_set(key, value);
}
Result<std::string> GroupChannel::store_get(const std::string& key, std::chrono::milliseconds timeout) {
  return impl_->store_get(key, timeout);
}
void GroupChannel::abort(const std::string& reason) {
  impl_->abort(reason);
}
void GroupChannel::stop() {
  impl_->stop();
}
const std::string& GroupChannel::local_address() const {
  return impl_->address();
}

}  // namespace hadal
