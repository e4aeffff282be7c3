#include "group/group_channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <future>
#include <random>
#include <thread>

#include "group/connection.h"
#include "group/handshake.h"
#include "group/wire.h"

namespace hadal {
namespace {

using namespace std::chrono_literals;

// ThreadSanitizer takes several times as long over the bytes of a long plan.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr auto kLongPlanSilence = 8s;
#else
constexpr auto kLongPlanSilence = 1s;
#endif

TEST(Wire, RoundTripAndTampering) {
  const std::string key = "k";
  std::string bytes = *encode_frame({FrameType::kPlan, "payload"}, 1, key);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    std::string part = bytes.substr(0, cut);
    auto frame = decode_frame(part, 1, key, 100);
    ASSERT_TRUE(frame.ok());
    ASSERT_FALSE(frame->has_value());
  }
  std::mt19937 random(7);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ static_cast<char>(1 + random() % 255));
    auto frame = decode_frame(bad, 1, key, 100);
    // A longer length only waits for bytes that will not come; everything else is an error.
    EXPECT_TRUE(!frame.ok() || !frame->has_value()) << i;
  }
  std::string replay = bytes;
  EXPECT_FALSE(decode_frame(replay, 2, key, 100).ok());
  std::string large = *encode_frame({FrameType::kPlan, std::string(101, 'x')}, 1, key);
  EXPECT_FALSE(decode_frame(large, 1, key, 100).ok());
  std::string two = bytes + *encode_frame({FrameType::kStop, ""}, 2, key);
  EXPECT_EQ((*decode_frame(two, 1, key, 100))->payload, "payload");
  EXPECT_EQ((*decode_frame(two, 2, key, 100))->type, FrameType::kStop);
  EXPECT_TRUE(two.empty());
  EXPECT_FALSE(encode_frame({FrameType::kPlan, std::string(kMaxFramePayload + 1, 'x')}, 1, key).ok());
}

TEST(Wire, FieldsAreCheckedAgainstTheLength) {
  std::string payload;
  append_field(payload, "a");
  append_field(payload, "");
  std::string_view view = payload;
  EXPECT_EQ(*take_field(view), "a");
  EXPECT_EQ(*take_field(view), "");
  EXPECT_FALSE(take_field(view).ok());
  view = std::string_view("\xff\xff\xff\xff", 4);
  EXPECT_FALSE(take_field(view).ok());
}

TEST(HostPort, Parses) {
  EXPECT_EQ(parse_host_port("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_host_port("a.b:65535")->port, 65535);
  for (const char* bad : {"", "a", "a:", "a:x", ":1", "a:70000", "a:-1"})
    EXPECT_FALSE(parse_host_port(bad).ok()) << bad;
}

int free_port() {
  auto fd = listen_tcp({"127.0.0.1", 0});
  EXPECT_TRUE(fd.ok());
  return bound_port(fd->get());
}

GroupOptions options(int port, int nnodes, int rank) {
  GroupOptions o;
  o.nnodes = nnodes;
  o.node_rank = rank;
  o.address = "127.0.0.1:" + std::to_string(port);
  o.secret = "s3cret";
  o.config = "model=abc\ntp=2\n";
  o.rendezvous_timeout = 5s;
  o.heartbeat_interval = 50ms;
  o.heartbeat_timeout = 1s;
  return o;
}

using Opened = Result<std::unique_ptr<GroupChannel>>;

std::vector<std::unique_ptr<GroupChannel>> open_group(int nnodes,
                                                      std::chrono::milliseconds heartbeat_timeout = 1s) {
  const int port = free_port();
  std::vector<std::future<Opened>> futures;
  for (int r = 0; r < nnodes; ++r) {
    futures.push_back(std::async(std::launch::async, [=] {
      GroupOptions o = options(port, nnodes, r);
      o.heartbeat_timeout = heartbeat_timeout;
      return GroupChannel::open(o);
    }));
  }
  std::vector<std::unique_ptr<GroupChannel>> out;
  for (auto& f : futures) {
    auto channel = f.get();
    EXPECT_TRUE(channel.ok()) << channel.error().message;
    out.push_back(std::move(channel).value());
  }
  return out;
}

struct Seen {
  std::promise<std::string> lost;
  std::promise<void> stopped;
  std::promise<std::string> leaving;
  std::mutex mutex;
  std::vector<std::string> plans;
  GroupChannel::Handlers handlers() {
    return {[this](const std::string& reason) { lost.set_value(reason); },
            [this](std::string bytes) {
              std::lock_guard lock(mutex);
              plans.push_back(std::move(bytes));
            },
            [this] { stopped.set_value(); },
            [this](const std::string& reason) { leaving.set_value(reason); }};
  }
  size_t count() {
    std::lock_guard lock(mutex);
    return plans.size();
  }
};

TEST(Group, PlansArriveInOrderAndStopIsOrderly) {
  std::vector<Seen> seen(3);  // outlives the channels' threads
  auto group = open_group(3);
  for (size_t r = 0; r < 3; ++r) group[r]->start(seen[r].handlers());
  for (int i = 0; i < 1000; ++i) group[0]->send_plan("plan " + std::to_string(i) + std::string(1000, 'x'));
  group[0]->stop();
  for (size_t r = 1; r < 3; ++r) {
    ASSERT_EQ(seen[r].stopped.get_future().wait_for(5s), std::future_status::ready);
    ASSERT_EQ(seen[r].count(), 1000u);
    EXPECT_EQ(seen[r].plans[999].substr(0, 9), "plan 999x");
  }
  for (auto& channel : group) channel.reset();
  for (Seen& s : seen) EXPECT_NE(s.lost.get_future().wait_for(0s), std::future_status::ready);
}

TEST(Group, StoreIsSharedAndWaits) {
  std::vector<Seen> seen(3);  // outlives the channels' threads
  auto group = open_group(3);
  for (size_t r = 0; r < 3; ++r) group[r]->start(seen[r].handlers());
  auto waiting = std::async(std::launch::async, [&] { return group[2]->store_get("a", 5s); });
  std::this_thread::sleep_for(30ms);
  ASSERT_TRUE(group[1]->store_set("a", std::string("v\0w", 3)).ok());
  EXPECT_EQ(*waiting.get(), std::string("v\0w", 3));
  EXPECT_EQ(*group[0]->store_get("a", 5s), std::string("v\0w", 3));
  const auto missing = group[1]->store_get("b", 50ms);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("\"b\""), std::string::npos);
  group[0]->stop();
}

TEST(Group, LosingAFollowerIsSeenByAll) {
  std::vector<Seen> seen(3);  // outlives the channels' threads
  auto group = open_group(3);
  for (size_t r = 0; r < 3; ++r) group[r]->start(seen[r].handlers());
  group[2].reset();
  for (size_t r = 0; r < 2; ++r) {
    auto lost = seen[r].lost.get_future();
    ASSERT_EQ(lost.wait_for(5s), std::future_status::ready);
    EXPECT_NE(lost.get().find("lost node 2"), std::string::npos);
  }
}

TEST(Group, TheReasonGoesBeforeTheEndOfAnyWait) {
  std::vector<Seen> seen(2);  // outlives the channels' threads
  auto group = open_group(2);
  std::atomic<bool> told{false};
  auto handlers = seen[1].handlers();
  handlers.on_lost = [&](const std::string& reason) {
    EXPECT_NE(reason.find("lost node 0 (127.0.0.1)"), std::string::npos) << reason;
    std::this_thread::sleep_for(50ms);  // time for a wait that would end too early
    told = true;
  };
  group[0]->start(seen[0].handlers());
  group[1]->start(std::move(handlers));
  EXPECT_FALSE(group[1]->wait_until_lost(1ms));
  auto getting = std::async(std::launch::async, [&] {
    const auto value = group[1]->store_get("never", 20s);
    EXPECT_TRUE(told);
    return value.ok();
  });
  group[0].reset();
  EXPECT_TRUE(group[1]->wait_until_lost(20s));
  EXPECT_TRUE(told);
  EXPECT_FALSE(getting.get());
}

TEST(Group, AbortCarriesItsReasonEverywhere) {
  std::vector<Seen> seen(2);  // outlives the channels' threads
  auto group = open_group(2);
  for (size_t r = 0; r < 2; ++r) group[r]->start(seen[r].handlers());
  auto blocked = std::async(std::launch::async, [&] { return group[0]->store_get("never", 20s); });
  group[1]->abort("rank 1: out of memory");
  auto lost = seen[0].lost.get_future();
  ASSERT_EQ(lost.wait_for(5s), std::future_status::ready);
  EXPECT_EQ(lost.get(), "rank 1: out of memory");
  EXPECT_FALSE(blocked.get().ok());
  // Who aborts knows already.
  EXPECT_FALSE(group[1]->store_get("never", 20s).ok());
  EXPECT_NE(seen[1].lost.get_future().wait_for(0s), std::future_status::ready);
}

TEST(Group, LongPlansArriveWholeThroughASlowLink) {
  std::vector<Seen> seen(2);
  auto group = open_group(2, kLongPlanSilence);
  auto handlers = seen[1].handlers();
  // Each plan keeps the reader busy for a good part of the silence that counts as a loss.
  handlers.on_plan = [&, inner = handlers.on_plan](std::string bytes) {
    std::this_thread::sleep_for(300ms);
    inner(std::move(bytes));
  };
  group[0]->start(seen[0].handlers());
  group[1]->start(std::move(handlers));
  std::string plan(size_t{45} << 20, 'x');
  for (size_t i = 0; i < plan.size(); i += 1000) plan[i] = static_cast<char>(i / 1000);
  for (int i = 0; i < 8; ++i) group[0]->send_plan(plan);  // 360 MiB, more than any bound of bytes
  auto lost = seen[0].lost.get_future();
  while (seen[1].count() < 8 && lost.wait_for(20ms) != std::future_status::ready) {
  }
  ASSERT_EQ(seen[1].count(), 8u) << lost.get();
  for (const std::string& arrived : seen[1].plans) EXPECT_TRUE(arrived == plan);
  group[0]->stop();
  EXPECT_NE(lost.wait_for(0s), std::future_status::ready);
}

TEST(Group, AFollowerThatReadsNothingIsLost) {
  std::vector<Seen> seen(2);
  auto group = open_group(2);
  std::promise<void> go_on;
  auto handlers = seen[1].handlers();
  handlers.on_plan = [released = go_on.get_future().share()](std::string) { released.wait(); };
  group[0]->start(seen[0].handlers());
  group[1]->start(std::move(handlers));
  group[0]->send_plan(std::string(size_t{64} << 20, 'x'));
  auto lost = seen[0].lost.get_future();
  ASSERT_EQ(lost.wait_for(10s), std::future_status::ready);
  EXPECT_NE(lost.get().find("lost node 1"), std::string::npos);
  go_on.set_value();
}

TEST(Group, AFollowerMayAskForTheEnd) {
  std::vector<Seen> seen(2);
  auto group = open_group(2);
  for (size_t r = 0; r < 2; ++r) group[r]->start(seen[r].handlers());
  group[1]->announce_leaving("node 1 was told to stop");
  EXPECT_EQ(seen[0].leaving.get_future().get(), "node 1 was told to stop");
  group[0]->stop();
  EXPECT_EQ(seen[1].stopped.get_future().wait_for(5s), std::future_status::ready);
}

TEST(Group, SilentStrangersHoldNobodyUp) {
  const int port = free_port();
  auto leader = std::async(std::launch::async, [=] { return GroupChannel::open(options(port, 2, 0)); });
  std::vector<UniqueFd> strangers;
  for (int i = 0; i < 20; ++i) {
    auto fd = connect_tcp({"127.0.0.1", port}, std::chrono::steady_clock::now() + 5s);
    ASSERT_TRUE(fd.ok());
    strangers.push_back(std::move(fd).value());
  }
  // One after another they would take longer than the rendezvous lasts.
  auto right = GroupChannel::open(options(port, 2, 1));
  EXPECT_TRUE(right.ok()) << right.error().message;
  EXPECT_TRUE(leader.get().ok());
}

TEST(Group, AFollowerTriesAgainWhenTheLeaderGoesAway) {
  const int port = free_port();
  auto listener = listen_tcp({"127.0.0.1", port});
  ASSERT_TRUE(listener.ok());
  auto follower = std::async(std::launch::async, [=] { return GroupChannel::open(options(port, 2, 1)); });
  for (;;) {  // a leader that ends while the follower shakes hands
    UniqueFd fd(::accept(listener->get(), nullptr, nullptr));
    if (fd.valid()) break;
    std::this_thread::sleep_for(5ms);
  }
  listener->reset();
  auto leader = GroupChannel::open(options(port, 2, 0));
  EXPECT_TRUE(leader.ok()) << leader.error().message;
  EXPECT_TRUE(follower.get().ok());
}

TEST(Group, AHostThatLeftWhileOthersWereAwaitedMayComeAgain) {
  const int port = free_port();
  auto leader = std::async(std::launch::async, [=] { return GroupChannel::open(options(port, 3, 0)); });
  {
    auto fd = connect_tcp({"127.0.0.1", port}, std::chrono::steady_clock::now() + 5s);
    ASSERT_TRUE(fd.ok());
    Connection connection(std::move(fd).value(), handshake_key("s3cret"));
    const HandshakeIdentity identity{"s3cret", 3, 1, options(port, 3, 1).config};
    ASSERT_TRUE(join_leader(connection, identity, std::chrono::steady_clock::now() + 5s).ok());
  }
  auto first = std::async(std::launch::async, [=] { return GroupChannel::open(options(port, 3, 1)); });
  auto second = GroupChannel::open(options(port, 3, 2));
  EXPECT_TRUE(second.ok()) << second.error().message;
  auto again = first.get();
  EXPECT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(leader.get().ok());
}

TEST(Group, RefusesDifferingSettingsByName) {
  const int port = free_port();
  auto leader = std::async(std::launch::async, [=] {
    auto o = options(port, 2, 0);
    o.rendezvous_timeout = 1s;
    return GroupChannel::open(o);
  });
  auto o = options(port, 2, 1);
  o.config = "model=abc\ntp=4\n";
  const auto follower = GroupChannel::open(o);
  ASSERT_FALSE(follower.ok());
  EXPECT_NE(follower.error().message.find("tp=2 on the leader, tp=4"), std::string::npos)
      << follower.error().message;
  const auto result = leader.get();
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message.find("node 1 did not join"), std::string::npos) << result.error().message;
}

TEST(Group, RefusesAWrongSecretAndStrangers) {
  const int port = free_port();
  auto leader = std::async(std::launch::async, [=] { return GroupChannel::open(options(port, 2, 0)); });
  // A stranger that says nothing of sense must not stop the right one from joining.
  auto stranger = connect_tcp({"127.0.0.1", port}, std::chrono::steady_clock::now() + 5s);
  ASSERT_TRUE(stranger.ok());
  ASSERT_GT(::send(stranger->get(), "GET / HTTP/1.1\r\n\r\n-----", 23, 0), 0);
  auto wrong = options(port, 2, 1);
  wrong.secret = "other";
  const auto refused = GroupChannel::open(wrong);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("secret"), std::string::npos) << refused.error().message;
  auto right = GroupChannel::open(options(port, 2, 1));
  EXPECT_TRUE(right.ok()) << right.error().message;
  EXPECT_TRUE(leader.get().ok());
}

TEST(Group, LateLeaderAndMissingFollowerAreBounded) {
  const int port = free_port();
  auto follower = std::async(std::launch::async, [=] { return GroupChannel::open(options(port, 2, 1)); });
  std::this_thread::sleep_for(300ms);
  auto leader = GroupChannel::open(options(port, 2, 0));
  EXPECT_TRUE(leader.ok());
  EXPECT_TRUE(follower.get().ok());
  auto alone = options(free_port(), 3, 0);
  alone.rendezvous_timeout = 200ms;
  const auto missing = GroupChannel::open(alone);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("node 1, 2 did not join"), std::string::npos)
      << missing.error().message;
  auto lost = options(free_port(), 2, 1);
  lost.rendezvous_timeout = 300ms;
  EXPECT_FALSE(GroupChannel::open(lost).ok());
}

TEST(Group, NeedsASecret) {
  auto o = options(1, 2, 0);
  o.secret.clear();
  EXPECT_NE(GroupChannel::open(o).error().message.find("HADAL_GROUP_SECRET"), std::string::npos);
}

}  // namespace
}  // namespace hadal
