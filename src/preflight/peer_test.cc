#include <gtest/gtest.h>
#include <sys/socket.h>

#include <future>
#include <random>
#include <set>
#include <thread>

#include "preflight/peer_checks.h"
#include "preflight/peer_link.h"
#include "preflight/peer_measure.h"
#include "preflight/peer_meeting.h"
#include "preflight/peer_wire.h"
#include "preflight/test_host.h"

namespace hadal {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

Json body_of(const std::string& text) {
  return Json(JsonObject{{"x", Json(text)}});
}

TEST(PeerWire, RoundTripAndTampering) {
  const std::string key = "k";
  const std::string bytes = *encode_peer_frame({PeerFrame::kRoster, body_of("payload")}, key, 3, true);
  ASSERT_EQ(decode_peer_frame(bytes, key, 3, true)->body, body_of("payload"));
  std::mt19937 random(std::random_device{}());
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ static_cast<char>(1 + random() % 255));
    EXPECT_FALSE(decode_peer_frame(bad, key, 3, true).ok()) << i;
    EXPECT_FALSE(decode_peer_frame(bytes.substr(0, i), key, 3, true).ok()) << i;
  }
  EXPECT_FALSE(decode_peer_frame(bytes, key, 2, true).ok());   // repeated
  EXPECT_FALSE(decode_peer_frame(bytes, key, 3, false).ok());  // turned around
  EXPECT_FALSE(decode_peer_frame(bytes, "K", 3, true).ok());
  EXPECT_FALSE(decode_peer_header(bytes, 3).ok());
  EXPECT_FALSE(decode_peer_frame(bytes + "x", key, 3, true).ok());
}

TEST(PeerWire, Members) {
  const Json body = *parse_json(R"({"n":5,"t":"abc","d":1.5})");
  EXPECT_EQ(*int_member(body, "n", 0, 5), 5);
  EXPECT_FALSE(int_member(body, "n", 0, 4).ok());
  EXPECT_FALSE(int_member(body, "t", 0, 4).ok());
  EXPECT_FALSE(int_member(Json(), "n", 0, 4).ok());
  EXPECT_EQ(*text_member(body, "t"), "abc");
  EXPECT_FALSE(text_member(body, "t", 2).ok());
  EXPECT_EQ(*number_member(body, "d"), 1.5);
  EXPECT_FALSE(number_member(body, "t").ok());
}

TEST(PeerRounds, EveryPairOnceAndNobodyTwiceInARound) {
  for (int n = 1; n <= 17; ++n) {
    std::set<std::pair<int, int>> all;
    for (const auto& round : pair_rounds(n)) {
      std::set<int> busy;
      for (const auto& [a, b] : round) {
        EXPECT_LT(a, b);
        EXPECT_TRUE(busy.insert(a).second && busy.insert(b).second) << n;
        EXPECT_TRUE(all.emplace(a, b).second) << n;
      }
    }
    EXPECT_EQ(all.size(), static_cast<size_t>(n * (n - 1) / 2)) << n;
  }
}

PeerNode node_of(int rank) {
  PeerNode node;
  node.rank = rank;
  node.host = "host" + std::to_string(rank);
  node.facts = {{"hadal", "1", true}, {"kernel", "6", false}};
  return node;
}

TEST(PeerJson, RoundTripAndRefusals) {
  PeerOutcome outcome;
  outcome.authenticated = true;
  outcome.nodes = {node_of(0), node_of(1)};
  outcome.nodes[1].failures = {"gpu-count: 7 GPUs, 8 expected"};
  outcome.pairs = {{0, 1, 1e-5, 1e9, 2e9, ""}};
  const auto back = parse_outcome(outcome_json(outcome));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(to_json(outcome_json(*back)), to_json(outcome_json(outcome)));
  for (const char* bad :
       {"{}", "null", R"({"problem":"","nodes":{},"pairs":[]})", R"({"problem":"","nodes":[{}],"pairs":[]})",
        R"({"problem":"","nodes":[],"pairs":[{"a":-1}]})"})
    EXPECT_FALSE(parse_outcome(*parse_json(bad)).ok()) << bad;
}

int free_port() {
  const auto fd = listen_for_peers("127.0.0.1", 0);
  EXPECT_TRUE(fd.ok());
  return port_of(fd->get());
}

PeerOptions options(int port, int nnodes, int rank, std::chrono::milliseconds time = 10s) {
  PeerOptions out;
  out.nnodes = nnodes;
  out.rank = rank;
  out.address = "127.0.0.1:" + std::to_string(port);
  out.secret = "s3cret";
  out.deadline = Clock::now() + time;
  out.time = 30ms;
  out.self = node_of(rank);
  return out;
}

std::future<PeerOutcome> meet(PeerOptions o) {
  return std::async(std::launch::async, [o = std::move(o)] { return meet_peers(o); });
}

TEST(PeerMeeting, ThreeMeetAndAllLearnTheSame) {
  const int port = free_port();
  auto b = meet(options(port, 3, 1));
  auto c = meet(options(port, 3, 2));
  std::this_thread::sleep_for(300ms);  // rank 0 is late
  PeerOutcome outcome = meet_peers(options(port, 3, 0));
  ASSERT_EQ(outcome.problem, "");
  EXPECT_EQ(outcome.nodes.size(), 3u);
  ASSERT_EQ(outcome.pairs.size(), 3u);
  for (const PeerPair& pair : outcome.pairs) {
    EXPECT_EQ(pair.problem, "");
    EXPECT_GT(pair.latency, 0);
    EXPECT_GT(pair.a_to_b, 0);
    EXPECT_GT(pair.b_to_a, 0);
  }
  EXPECT_TRUE(outcome.nodes[2].clock_known);
  EXPECT_EQ(to_json(outcome_json(b.get())), to_json(outcome_json(outcome)));
  EXPECT_EQ(to_json(outcome_json(c.get())), to_json(outcome_json(outcome)));
}

TEST(PeerMeeting, WhoDoesNotComeIsNamedOnAllWhoCame) {
  const int port = free_port();
  auto b = meet(options(port, 4, 1, 3s));
  const PeerOutcome outcome = meet_peers(options(port, 4, 0, 1s));
  EXPECT_NE(outcome.problem.find("ranks 2, 3 did not come"), std::string::npos) << outcome.problem;
  const std::string there = b.get().problem;
  EXPECT_NE(there.find("ranks 2, 3 did not come"), std::string::npos) << there;
}

TEST(PeerMeeting, AnotherSecretIsNamedAtBothEnds) {
  const int port = free_port();
  for (const char* secret : {"other", ""}) {
    PeerOptions stranger = options(port, 2, 1, 3s);
    stranger.secret = secret;
    auto b = meet(stranger);
    const PeerOutcome outcome = meet_peers(options(port, 2, 0, 1s));
    EXPECT_NE(outcome.problem.find(
                  "rank 1 did not come in time; last refused: rank 1 at 127.0.0.1 has another group secret"),
              std::string::npos)
        << outcome.problem;
    EXPECT_NE(b.get().problem.find("another group secret"), std::string::npos);
  }
}

TEST(PeerMeeting, WrongSettingsAreRefusedWithTheReason) {
  const int port = free_port();
  auto leader = meet(options(port, 3, 0, 2s));
  EXPECT_NE(meet_peers(options(port, 2, 1, 5s)).problem.find("--nnodes is 2 there and 3 on rank 0"),
            std::string::npos);
  auto first = meet(options(port, 3, 1, 5s));
  std::this_thread::sleep_for(300ms);
  EXPECT_NE(meet_peers(options(port, 3, 1, 5s)).problem.find("has already come"), std::string::npos);
  EXPECT_NE(leader.get().problem.find("rank 2 did not come"), std::string::npos);
  first.get();
}

TEST(PeerMeeting, SilentStrangersHoldNobodyUp) {
  const int port = free_port();
  auto leader = meet(options(port, 2, 0));
  std::vector<UniqueFd> strangers;
  for (int i = 0; i < 8; ++i) {
    for (;;) {
      auto fd = connect_to_peer({"127.0.0.1", port}, Clock::now() + 2s);
      if (!fd.ok()) continue;  // the leader does not listen yet
      if (i % 2 == 0) (void)!::send(fd->get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
      strangers.push_back(std::move(fd).value());
      break;
    }
  }
  EXPECT_EQ(meet_peers(options(port, 2, 1)).problem, "");
  EXPECT_EQ(leader.get().problem, "");
}

TEST(PeerMeeting, NobodyAtTheAddress) {
  const PeerOutcome outcome = meet_peers(options(free_port(), 2, 1, 500ms));
  EXPECT_NE(outcome.problem.find("cannot reach rank 0 at 127.0.0.1"), std::string::npos) << outcome.problem;
  PeerOptions nameless = options(1, 2, 1, 500ms);
  nameless.address = "no-such-host.invalid:1";
  EXPECT_NE(meet_peers(nameless).problem.find("does not resolve"), std::string::npos);
}

// A rank that is there and dies while all wait, or after: the others end, and name it.
TEST(PeerMeeting, ARankThatGoesIsNamed) {
  const int port = free_port();
  auto leader = meet(options(port, 2, 0, 4s));
  const auto join = [&] {
    for (;;) {
      auto fd = connect_to_peer({"127.0.0.1", port}, Clock::now() + 1s);
      if (!fd.ok()) continue;
      auto link = std::make_unique<PeerLink>(std::move(fd).value(), false);
      EXPECT_TRUE(prove_as_client(*link, {1, 2, "join"}, "s3cret", Clock::now() + 2s).ok());
      EXPECT_TRUE(link->send({PeerFrame::kIdentity,
                              Json(JsonObject{{"node", node_json(node_of(1))}, {"data_port", Json(9)}})},
                             Clock::now() + 2s)
                      .ok());
      return link;
    }
  };
  auto link = join();
  EXPECT_TRUE(answer_clock(*link, Clock::now() + 3s).ok());
  EXPECT_TRUE(link->expect(PeerFrame::kRoster, Clock::now() + 3s).ok());
  link.reset();
  const PeerOutcome outcome = leader.get();
  const bool named = outcome.problem.find("lost rank 1") != std::string::npos ||
                     (!outcome.pairs.empty() && outcome.pairs[0].problem.find("rank 1") != std::string::npos);
  EXPECT_TRUE(named) << to_json(outcome_json(outcome));
}

// --- the checks over an outcome ---

class PeerChecks : public testing::Test {
 protected:
  PeerChecks() : context_(host_) {
    context_.parallel.nnodes = 3;
    context_.peers.asked = context_.peers.authenticated = true;
    for (int rank = 0; rank < 3; ++rank) {
      context_.peers.nodes.push_back(node_of(rank));
      context_.peers.nodes.back().clock_known = true;
    }
    for (const auto& [a, b] : {std::pair{0, 1}, {0, 2}, {1, 2}})
      context_.peers.pairs.push_back({a, b, 2e-5, 3e9, 3e9, ""});
  }
  Verdict verdict(CheckResult (*run)(const CheckContext&), const std::string& words = "") {
    const CheckResult result = run(context_.get());
    EXPECT_NE(result.text.find(words), std::string::npos) << result.text;
    return result.verdict;
  }
  FakeHost host_;
  TestContext context_;
};

TEST_F(PeerChecks, AllWell) {
  for (const CheckSpec& spec : check_table()) {
    if (spec.group == "peers") {
      EXPECT_EQ(verdict(spec.run), Verdict::kPass) << spec.name;
    }
  }
}

TEST_F(PeerChecks, EachFault) {
  context_.peers.authenticated = false;
  EXPECT_EQ(verdict(&check_peer_meeting, "did not prove"), Verdict::kWarn);
  context_.peers.nodes[2].failures = {"gpu-count: 7 GPUs"};
  EXPECT_EQ(verdict(&check_peer_failures, "rank 2 (host2): gpu-count: 7 GPUs"), Verdict::kFail);
  context_.peers.nodes[1].facts[1].value = "5";
  EXPECT_EQ(verdict(&check_peer_agreement, "kernel is 6 on rank 0 and 5 on rank 1 (host1)"), Verdict::kWarn);
  context_.peers.nodes[1].facts[0].value = "2";
  EXPECT_EQ(verdict(&check_peer_agreement, "hadal is 1 on rank 0 and 2 on rank 1"), Verdict::kFail);
  context_.peers.nodes[1].clock_offset = -0.4;
  context_.peers.nodes[2].clock_offset = 0.4;
  EXPECT_EQ(verdict(&check_clock_skew, "rank 2 (host2) is ahead of rank 1 (host1)"), Verdict::kFail);
  context_.config.max_skew = 1s;
  EXPECT_EQ(verdict(&check_clock_skew), Verdict::kPass);
  context_.peers.pairs[1].latency = 5e-3;
  EXPECT_EQ(verdict(&check_peer_latency, "ranks 0-2"), Verdict::kWarn);
  context_.peers.pairs[2].b_to_a = 1e8;
  EXPECT_EQ(verdict(&check_peer_bandwidth, "ranks 1-2"), Verdict::kWarn);
  context_.config.min_peer_bandwidth = 1'000'000'000;
  EXPECT_EQ(verdict(&check_peer_bandwidth, "1 GB/s asked for"), Verdict::kFail);
  context_.peers.pairs[0].problem = "rank 0 cannot measure to rank 1";
  EXPECT_EQ(verdict(&check_peer_bandwidth, "rank 0 cannot measure to rank 1"), Verdict::kFail);
}

TEST_F(PeerChecks, AMeetingThatFailedClaimsNothing) {
  context_.peers = {};
  context_.peers.asked = true;
  context_.peers.problem = "rank 2 did not come in time";
  context_.peers.nodes = {node_of(0)};
  EXPECT_EQ(verdict(&check_peer_meeting, "rank 2"), Verdict::kFail);
  for (auto run : {&check_peer_failures, &check_peer_agreement, &check_clock_skew, &check_peer_latency,
                   &check_peer_bandwidth})
    EXPECT_EQ(verdict(run), Verdict::kNotChecked);
}

}  // namespace
}  // namespace hadal
