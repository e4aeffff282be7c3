#include "group/group_channel.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/log.h"
#include "group/connection.h"
#include "group/rendezvous.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kStopTime = std::chrono::seconds(2);
// How long a lost group's reason may take to leave this host.
constexpr auto kFarewellTime = std::chrono::milliseconds(300);
// What the leader's word on a lost host takes to the others, and threads to run.
constexpr auto kRelayTime = std::chrono::milliseconds(250);
// How long frames are read or signed before the thread looks at its other duties.
constexpr auto kSlice = std::chrono::milliseconds(20);
// Frames wait unsigned while this much is on its way to a peer.
constexpr size_t kMaxUnsentBytes = size_t{4} << 20;
constexpr size_t kMaxReasonBytes = 4096;
// A plan in parts; far beyond what a step can hold.
constexpr size_t kMaxPlanBytes = size_t{1} << 30;

// The other end of one link. It counts as lost when no byte has come for heartbeat_timeout, or none was taken
// while some waited: progress is judged, not how much there is to do.
struct Peer {
  int node_rank = 0;
  std::string address;  // as it was at first: a connection that broke has none
  std::unique_ptr<Connection> connection;
  Clock::time_point last_heard;
  Clock::time_point last_taken;
  uint64_t received = 0;  // the connection's counts at these times
  uint64_t sent = 0;
  std::string plan;   // parts of one that is still coming
  bool more = false;  // frames may be there that poll() knows nothing of
  std::string name() const { return "node " + std::to_string(node_rank) + " (" + address + ")"; }
};

// A frame to send, to one node or (-1) to all.
struct Outgoing {
  int node_rank = -1;
  Frame frame;
};

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
    std::vector<JoinedHost> hosts;
    if (is_leader()) {
      HADAL_ASSIGN(hosts, admit_followers(options_));
    } else {
      HADAL_ASSIGN(JoinedHost leader, join_group(options_));
      hosts.push_back(std::move(leader));
    }
    for (JoinedHost& host : hosts) {
      local_address_ = hadal::local_address(host.connection->fd());
      const auto now = Clock::now();
      std::string address = peer_address(host.connection->fd());
      peers_.push_back(
          {host.node_rank, std::move(address), std::move(host.connection), now, now, 0, 0, "", false});
    }
    return {};
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

  void send_plan(const std::string& bytes) {
    // Copied before the lock: the channel's thread must not wait for it with its heartbeats.
    std::vector<Outgoing> parts;
    size_t at = 0;
    for (; bytes.size() - at > kPlanPartBytes; at += kPlanPartBytes)
      parts.push_back({-1, {FrameType::kPlanPart, bytes.substr(at, kPlanPartBytes)}});
    parts.push_back({-1, {FrameType::kPlan, bytes.substr(at)}});
    {
      std::lock_guard lock(mutex_);
      for (Outgoing& part : parts) outbox_.push_back(std::move(part));
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

  std::chrono::milliseconds loss_time() const { return options_.heartbeat_timeout + kRelayTime; }

  bool wait_until_lost(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [&] { return lost_; });
  }

  void abort(const std::string& reason) {
    {
      std::lock_guard lock(mutex_);
      if (local_abort_.empty()) local_abort_ = reason.empty() ? "aborted" : reason.substr(0, kMaxReasonBytes);
    }
    wake();
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
  void wake() {
    const uint64_t one = 1;
    const ssize_t ignored = ::write(wake_fd_.get(), &one, sizeof one);
    (void)ignored;
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
        for (Peer& peer : peers_) (void)peer.connection->send({FrameType::kHeartbeat, ""});
        next_beat = Clock::now() + options_.heartbeat_interval;
      }
      if (!take_outbox()) return;
      const std::string problem = exchange(next_beat);
      if (!problem.empty()) {
        lose(problem, false);
        return;
      }
      if (ended_) return;
    }
  }

  // Moves queued frames to the connections. False when the channel should end.
  bool take_outbox() {
    std::string abort_reason;
    bool quit = false;
    {
      std::lock_guard lock(mutex_);
      for (Outgoing& item : outbox_) backlog_.push_back(std::move(item));
      outbox_.clear();
      abort_reason = local_abort_;
      quit = quit_;
    }
    if (!abort_reason.empty()) {
      lose(abort_reason, true);
      return false;
    }
    const auto end_of_slice = Clock::now() + kSlice;
    while (!backlog_.empty() && has_room() && Clock::now() < end_of_slice) {
      if (!send(backlog_.front())) return false;
      backlog_.pop_front();
    }
    mark_drained();
    return !quit;
  }

  bool has_room() const {
    return std::all_of(peers_.begin(), peers_.end(),
                       [](const Peer& peer) { return peer.connection->unsent_bytes() < kMaxUnsentBytes; });
  }

  bool send(const Outgoing& item) {
    for (Peer& peer : peers_) {
      if (item.node_rank >= 0 && item.node_rank != peer.node_rank) continue;
      const Status sent = peer.connection->send(item.frame);
      if (!sent.ok()) {
        lose(sent.error().message, false);
        return false;
      }
      (void)peer.connection->flush();  // what is broken is found when it is read
    }
    return true;
  }

  void mark_drained() {
    std::lock_guard lock(mutex_);
    if (!stopping_ || !outbox_.empty() || !backlog_.empty()) return;
    for (const Peer& peer : peers_) {
      if (peer.connection->wants_write()) return;
    }
    drained_ = true;
    changed_.notify_all();
  }

  // Waits for and handles input; what is wrong with the group, or "".
  std::string exchange(Clock::time_point until) {
    std::vector<pollfd> items{{wake_fd_.get(), POLLIN, 0}};
    if (!backlog_.empty() && has_room()) until = Clock::time_point();
    for (const Peer& peer : peers_) {
      until = std::min(until, peer.last_heard + options_.heartbeat_timeout);
      if (peer.more) until = Clock::time_point();
      const short events = static_cast<short>(POLLIN | (peer.connection->wants_write() ? POLLOUT : 0));
      items.push_back({peer.connection->fd(), events, 0});
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    ::poll(items.data(), items.size(), left < 0 ? 0 : static_cast<int>(left) + 1);
    if ((items[0].revents & POLLIN) != 0) {
      uint64_t count = 0;
      const ssize_t ignored = ::read(wake_fd_.get(), &count, sizeof count);
      (void)ignored;
    }
    for (size_t i = 0; i < peers_.size(); ++i) {
      const std::string problem = serve(peers_[i], items[i + 1].revents != 0 || peers_[i].more);
      if (!problem.empty()) return problem;
    }
    return "";
  }

  std::string serve(Peer& peer, bool ready) {
    peer.more = false;
    // Own heartbeats must go out between the frames of a flood.
    for (const auto end_of_slice = Clock::now() + kSlice; ready && !peer.more;) {
      peer.more = Clock::now() >= end_of_slice;
      auto frame = peer.connection->receive();
      if (!frame.ok()) return stopping_now() ? end() : "lost " + peer.name() + ": " + frame.error().message;
      if (!frame->has_value()) {
        peer.more = false;
        break;
      }
      const std::string problem = handle(peer, **frame);
      if (!problem.empty() || ended_) return problem;
    }
    const Status flushed = peer.connection->flush();
    if (!flushed.ok()) return stopping_now() ? end() : "lost " + peer.name() + ": " + flushed.error().message;
    return judge(peer);
  }

  // A frame may be long and the link slow: every byte counts as a sign of life.
  std::string judge(Peer& peer) {
    const auto now = Clock::now();
    const Connection& connection = *peer.connection;
    if (connection.bytes_received() != peer.received) peer.last_heard = now;
    if (connection.bytes_sent() != peer.sent || !connection.wants_write()) peer.last_taken = now;
    peer.received = connection.bytes_received();
    peer.sent = connection.bytes_sent();
    const auto milliseconds = [&](Clock::time_point since) {
      return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count()) +
             " ms";
    };
    if (now - peer.last_heard > options_.heartbeat_timeout)
      return "lost " + peer.name() + ": silent for " + milliseconds(peer.last_heard);
    if (now - peer.last_taken > options_.heartbeat_timeout)
      return "lost " + peer.name() + ": it has read nothing for " + milliseconds(peer.last_taken);
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
        peer.plan += frame.payload;
        if (handlers_.on_plan) handlers_.on_plan(std::move(peer.plan));
        peer.plan = std::string();
        return "";
      case FrameType::kPlanPart:
        if (is_leader()) break;
        if (peer.plan.size() + frame.payload.size() > kMaxPlanBytes)
          return peer.name() + " sent an endless plan";
        peer.plan += frame.payload;
        return "";
      case FrameType::kLeaving:
        if (!is_leader()) break;
        if (handlers_.on_leaving) handlers_.on_leaving(frame.payload);
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

  // own: this host aborted, so whoever asked for it knows.
  void lose(const std::string& reason, bool own) {
    for (Peer& peer : peers_) {
      (void)peer.connection->send({FrameType::kAbort, reason.substr(0, kMaxReasonBytes)});
      (void)peer.connection->flush();
    }
    // First, since whoever waits here goes on without the reason's other consequences.
    if (handlers_.on_lost && !own) handlers_.on_lost(reason);
    {
      std::lock_guard lock(mutex_);
      lost_ = true;
      reason_ = reason;
    }
    changed_.notify_all();
    say_farewell();
  }

  // The reason may stand behind a plan that is still being sent.
  void say_farewell() {
    const auto until = Clock::now() + kFarewellTime;
    for (Peer& peer : peers_) {
      while (peer.connection->wants_write() && Clock::now() < until) {
        pollfd item{peer.connection->fd(), POLLOUT, 0};
        ::poll(&item, 1, 20);
        if (!peer.connection->flush().ok()) break;
      }
    }
  }

  const GroupOptions options_;
  Handlers handlers_;
  UniqueFd wake_fd_;
  std::string local_address_ = "127.0.0.1";
  std::vector<Peer> peers_;       // open() first, then the thread's
  bool ended_ = false;            // thread's
  std::deque<Outgoing> backlog_;  // thread's: taken from the outbox, not signed yet
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
  impl_->send_plan(bytes);
}
Status GroupChannel::store_set(const std::string& key, const std::string& value) {
  return impl_->store_set(key, value);
}
Result<std::string> GroupChannel::store_get(const std::string& key, std::chrono::milliseconds timeout) {
  return impl_->store_get(key, timeout);
}
std::chrono::milliseconds GroupChannel::loss_time() const {
  return impl_->loss_time();
}
bool GroupChannel::wait_until_lost(std::chrono::milliseconds timeout) {
  return impl_->wait_until_lost(timeout);
}
void GroupChannel::abort(const std::string& reason) {
  impl_->abort(reason);
}
void GroupChannel::announce_leaving(const std::string& reason) {
  impl_->post({0, {FrameType::kLeaving, reason.substr(0, kMaxReasonBytes)}});
}
void GroupChannel::stop() {
  impl_->stop();
}
const std::string& GroupChannel::local_address() const {
  return impl_->address();
}

}  // namespace hadal
