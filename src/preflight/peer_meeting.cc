#include "preflight/peer_meeting.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>

#include "preflight/net_name.h"
#include "preflight/peer_link.h"
#include "preflight/peer_measure.h"
#include "preflight/peer_reception.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
constexpr auto kRetryPause = milliseconds(200);
constexpr auto kFrameTime = std::chrono::seconds(5);
// Beside the two directions' time: connecting, round trips, a slow link's last chunk.
constexpr auto kPairMargin = std::chrono::seconds(10);
// All measurements together; each gets less where there are many hosts.
constexpr auto kAllMeasurements = std::chrono::seconds(60);
constexpr auto kLeastMeasurement = milliseconds(50);

milliseconds measurement_time(milliseconds wanted, int nnodes) {
  const auto share =
      std::chrono::duration_cast<milliseconds>(kAllMeasurements) / (2 * std::max(1, nnodes - 1));
  return std::max<milliseconds>(kLeastMeasurement, std::min(wanted, share));
}

milliseconds pair_time(milliseconds time) {
  return 2 * time + kPairMargin;
}

// The client's half of one pair.
Json measure_with(const PeerOptions& options, int peer, const NetName& where, milliseconds time) {
  const auto deadline = Clock::now() + pair_time(time) - std::chrono::seconds(1);
  PairRates rates;
  const auto measured = [&]() -> Status {
    HADAL_ASSIGN(UniqueFd fd, connect_to_peer(where, std::min(deadline, Clock::now() + kFrameTime)));
    PeerLink link(std::move(fd), false);
    HADAL_RETURN_IF_ERROR(prove_as_client(link, {options.rank, options.nnodes, "measure"}, options.secret,
                                          Clock::now() + kHandshakeTime));
    HADAL_ASSIGN(rates, measure_as_client(link, time, deadline));
    return {};
  }();
  std::string problem;
  if (!measured.ok()) {
    problem = "rank " + std::to_string(options.rank) + " cannot measure to rank " + std::to_string(peer) +
              " at " + where.host + ":" + std::to_string(where.port) + ": " + measured.error().message;
  }
  return Json(JsonObject{{"latency", Json(rates.latency)},
                         {"sent", Json(rates.sent)},
                         {"received", Json(rates.received)},
                         {"problem", Json(problem)}});
}

// The server's half: strangers on the port are passed over.
void serve_measurement(const PeerOptions& options, int listener, int peer, milliseconds time) {
  const auto deadline = Clock::now() + pair_time(time) - std::chrono::seconds(1);
  while (Clock::now() < deadline) {
    auto fd = accept_peer(listener, deadline);
    if (!fd.ok()) return;
    PeerLink link(std::move(fd).value(), true);
    const auto hello = hello_from(link, options.secret, std::min(deadline, Clock::now() + kHandshakeTime));
    if (!hello.ok() || hello->rank != peer || hello->purpose != "measure") continue;
    if (!accept_client(link, deadline).ok()) continue;
    (void)measure_as_server(link, time, deadline);  // the client tells what broke
    return;
  }
}

// --- rank 0 ---

class Leader {
 public:
  explicit Leader(const PeerOptions& options)
      : options_(options), time_(measurement_time(options.time, options.nnodes)) {}

  PeerOutcome run() {
    outcome_.asked = true;
    outcome_.authenticated = !options_.secret.empty();
    PeerNode self = options_.self;
    self.rank = 0;
    self.clock_known = true;
    outcome_.nodes.push_back(self);
    outcome_.problem = meet();
    if (outcome_.problem.empty()) measure_all();
    tell_outcome();
    return std::move(outcome_);
  }

 private:
  // What is wrong, or "".
  std::string meet() {
    const auto address = parse_net_name(options_.address);
    if (!address.ok()) return address.error().message;
    const auto listener = listen_for_peers(address->host, address->port);
    if (!listener.ok()) return listener.error().message;
    auto data = listen_for_peers(address->host, 0);
    if (!data.ok()) return data.error().message;
    data_listener_ = std::move(data).value();
    std::string missing;
    {
      Reception reception(options_);
      missing = reception.wait_for_all(listener->get());
      hosts_ = reception.take();
    }
    if (!missing.empty()) return missing;
    for (size_t rank = 1; rank < hosts_.size(); ++rank) {
      const auto offset = ask_clock(*hosts_[rank]->link, Clock::now() + kFrameTime);
      if (!offset.ok()) return lost(rank, offset.error());
      PeerNode node = hosts_[rank]->node;
      node.clock_known = true;
      node.clock_offset = offset->offset;
      node.clock_error = offset->round_trip / 2;
      outcome_.nodes.push_back(std::move(node));
    }
    return send_roster();
  }

  std::string send_roster() {
    JsonArray places;
    for (size_t rank = 1; rank < hosts_.size(); ++rank) {
      places.push_back(Json(JsonObject{{"rank", Json(static_cast<int64_t>(rank))},
                                       {"address", Json(hosts_[rank]->node.address)},
                                       {"port", Json(hosts_[rank]->data_port)}}));
    }
    const Json roster(JsonObject{{"time_ms", Json(static_cast<int64_t>(time_.count()))},
                                 {"leader_port", Json(port_of(data_listener_.get()))},
                                 {"places", Json(std::move(places))}});
    for (size_t rank = 1; rank < hosts_.size(); ++rank) {
      const Status sent = hosts_[rank]->link->send({PeerFrame::kRoster, roster}, Clock::now() + kFrameTime);
      if (!sent.ok()) return lost(rank, sent.error());
    }
    return "";
  }

  void measure_all() {
    for (const auto& round : pair_rounds(options_.nnodes)) {
      for (const auto& [a, b] : round) {
        outcome_.problem = order(a, b);
        if (!outcome_.problem.empty()) return;
      }
      for (const auto& [a, b] : round) {
        if (a == 0) outcome_.pairs.push_back(take_result(a, b, own_part(b)));
      }
      for (const auto& [a, b] : round) {
        if (a == 0) continue;
        const auto result =
            hosts_[static_cast<size_t>(a)]->link->expect(PeerFrame::kResult, Clock::now() + pair_time(time_));
        if (!result.ok()) {
          outcome_.problem = lost(static_cast<size_t>(a), result.error());
          return;
        }
        outcome_.pairs.push_back(take_result(a, b, *result));
      }
    }
    std::sort(outcome_.pairs.begin(), outcome_.pairs.end(),
              [](const PeerPair& x, const PeerPair& y) { return std::pair(x.a, x.b) < std::pair(y.a, y.b); });
  }

  // The lower rank is the client. The server is told first.
  std::string order(int a, int b) {
    for (const auto& [rank, peer, client] : {std::tuple(b, a, false), std::tuple(a, b, true)}) {
      if (rank == 0) continue;
      const Json body(JsonObject{{"peer", Json(peer)}, {"client", Json(client)}});
      const Status sent =
          hosts_[static_cast<size_t>(rank)]->link->send({PeerFrame::kOrder, body}, Clock::now() + kFrameTime);
      if (!sent.ok()) return lost(static_cast<size_t>(rank), sent.error());
    }
    return "";
  }

  Json own_part(int b) {
    const JoinedPeer& other = *hosts_[static_cast<size_t>(b)];
    return measure_with(options_, b, {other.node.address, other.data_port}, time_);
  }

  static PeerPair take_result(int a, int b, const Json& result) {
    PeerPair pair{a, b};
    const auto latency = number_member(result, "latency");
    const auto sent = number_member(result, "sent");
    const auto received = number_member(result, "received");
    const auto problem = text_member(result, "problem", 1024);
    if (!latency.ok() || !sent.ok() || !received.ok() || !problem.ok()) {
      pair.problem = "rank " + std::to_string(a) + " sent a broken result";
      return pair;
    }
    pair.latency = *latency;
    pair.a_to_b = *sent;
    pair.b_to_a = *received;
    pair.problem = *problem;
    return pair;
  }

  std::string lost(size_t rank, const Error& error) const {
    return "lost rank " + std::to_string(rank) + " (" + hosts_[rank]->node.address + "): " + error.message;
  }

  void tell_outcome() {
    for (auto& host : hosts_) {
      if (!host) continue;
      const PeerFrame type = outcome_.nodes.size() == static_cast<size_t>(options_.nnodes)
                                 ? PeerFrame::kOutcome
                                 : PeerFrame::kReject;
      const Json body = type == PeerFrame::kOutcome ? outcome_json(outcome_)
                                                    : Json(JsonObject{{"reason", Json(outcome_.problem)}});
      (void)host->link->send({type, body}, Clock::now() + std::chrono::seconds(1));
    }
  }

  const PeerOptions& options_;
  const milliseconds time_;
  UniqueFd data_listener_;
  std::vector<std::optional<JoinedPeer>> hosts_;
  PeerOutcome outcome_;
};

// --- the other ranks ---

class Follower {
 public:
  explicit Follower(const PeerOptions& options) : options_(options) {}

  PeerOutcome run() {
    auto outcome = attend();
    if (outcome.ok()) return std::move(outcome).value();
    PeerOutcome out;
    out.asked = true;
    out.authenticated = !options_.secret.empty();
    out.problem = outcome.error().message;
    return out;
  }

 private:
  Result<PeerOutcome> attend() {
    HADAL_ASSIGN(const NetName address, parse_net_name(options_.address));
    HADAL_ASSIGN(data_listener_, listen_for_peers(address.host, 0));
    HADAL_RETURN_IF_ERROR(join_and_wait(address));
    auto roster = link_->expect(PeerFrame::kRoster, Clock::now() + kFrameTime * options_.nnodes);
    HADAL_RETURN_IF_ERROR(in_meeting(roster.status()));
    HADAL_RETURN_IF_ERROR(take_roster(*roster));
    for (;;) {
      // Another pair's time may pass before this host's turn.
      auto message = link_->receive(Clock::now() + pair_time(time_) + kFrameTime * options_.nnodes);
      HADAL_RETURN_IF_ERROR(in_meeting(message.status()));
      if (message->type == PeerFrame::kOutcome) return parse_outcome(message->body);
      if (message->type != PeerFrame::kOrder)
        return make_error(ErrorCode::kDataLoss, "rank 0 sent an unexpected frame");
      HADAL_RETURN_IF_ERROR(obey(message->body));
    }
  }

  // The others may come until the deadline, and rank 0 then says who did not. Where rank 0 begins again, so
  // does this host.
  Status join_and_wait(const NetName& address) {
    for (;;) {
      HADAL_RETURN_IF_ERROR(join(address));
      const Status waited = in_meeting(answer_clock(*link_, options_.deadline + kFrameTime));
      const bool again = !waited.ok() && waited.error().code == ErrorCode::kUnavailable;
      if (!again || Clock::now() + kRetryPause >= options_.deadline) return waited;
      std::this_thread::sleep_for(kRetryPause);
    }
  }

  // Tries until the deadline, unless rank 0 says that it is of no use.
  Status join(const NetName& address) {
    Error last = make_error(ErrorCode::kDeadlineExceeded, "no time was left to try");
    while (Clock::now() < options_.deadline) {
      const Status joined = try_to_join(address);
      if (joined.ok()) return {};
      last = joined.error();
      if (last.code == ErrorCode::kUnauthenticated || last.code == ErrorCode::kPermissionDenied)
        return make_error(last.code, "rank 0 at ", options_.address, ": ", last.message);
      std::this_thread::sleep_for(kRetryPause);
    }
    return make_error(last.code, "cannot reach rank 0 at ", options_.address, ": ", last.message);
  }

  Status try_to_join(const NetName& address) {
    HADAL_ASSIGN(UniqueFd fd, connect_to_peer(address, options_.deadline));
    link_ = std::make_unique<PeerLink>(std::move(fd), false);
    const auto deadline = Clock::now() + kHandshakeTime;
    HADAL_RETURN_IF_ERROR(
        prove_as_client(*link_, {options_.rank, options_.nnodes, "join"}, options_.secret, deadline));
    return link_->send(
        {PeerFrame::kIdentity, Json(JsonObject{{"node", node_json(options_.self)},
                                               {"data_port", Json(port_of(data_listener_.get()))}})},
        deadline);
  }

  Status in_meeting(const Status& status) const {
    if (status.ok() || status.error().code == ErrorCode::kPermissionDenied) return status;
    return make_error(status.error().code, "lost rank 0 at ", options_.address, ": ", status.error().message);
  }

  Status take_roster(const Json& roster) {
    HADAL_ASSIGN(const int64_t time, int_member(roster, "time_ms", 1, 600'000));
    HADAL_ASSIGN(const int64_t port, int_member(roster, "leader_port", 1, 65535));
    time_ = milliseconds(time);
    places_.assign(static_cast<size_t>(options_.nnodes), {});
    places_[0] = {link_->peer_address(), static_cast<int>(port)};
    const Json* places = roster.find("places");
    if (places == nullptr || !places->is_array())
      return make_error(ErrorCode::kDataLoss, "rank 0 sent no places");
    for (const Json& place : places->as_array()) {
      HADAL_ASSIGN(const int64_t rank, int_member(place, "rank", 1, options_.nnodes - 1));
      HADAL_ASSIGN(const int64_t its_port, int_member(place, "port", 1, 65535));
      HADAL_ASSIGN(std::string host, text_member(place, "address", 256));
      places_[static_cast<size_t>(rank)] = {std::move(host), static_cast<int>(its_port)};
    }
    return {};
  }

  Status obey(const Json& order) {
    HADAL_ASSIGN(const int64_t peer, int_member(order, "peer", 0, options_.nnodes - 1));
    const Json* client = order.find("client");
    if (client == nullptr || !client->is_bool())
      return make_error(ErrorCode::kDataLoss, "rank 0 sent a broken order");
    const int rank = static_cast<int>(peer);
    if (!client->as_bool()) {
      serve_measurement(options_, data_listener_.get(), rank, time_);
      return {};
    }
    const Json result = measure_with(options_, rank, places_[static_cast<size_t>(rank)], time_);
    return in_meeting(link_->send({PeerFrame::kResult, result}, Clock::now() + kFrameTime));
  }

  const PeerOptions& options_;
  milliseconds time_{0};
  UniqueFd data_listener_;
  std::unique_ptr<PeerLink> link_;
  std::vector<NetName> places_;  // [nnodes]
};

}  // namespace

PeerOutcome meet_peers(const PeerOptions& options) {
  if (options.nnodes <= 1) return {};
  return options.rank == 0 ? Leader(options).run() : Follower(options).run();
}

}  // namespace hadal
