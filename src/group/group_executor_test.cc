#include "group/group_executor.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "group/connection.h"

namespace hadal {
namespace {

using namespace std::chrono_literals;

constexpr char kBroken[] = "all_reduce among 2 ranks failed on rank 0: connection closed by peer";

// A local rank that answers each plan with its id, or fails at one: of itself, or in a collective, then on a
// thread of its own, as a rank does.
class EchoExecutor final : public StepExecutor {
 public:
  explicit EchoExecutor(uint64_t fail_at = 0) : fail_at_(fail_at) {}
  ~EchoExecutor() override { stop(); }
  void start(ResultSink sink) override { sink_ = std::move(sink); }
  void break_collective() {
    std::lock_guard lock(mutex_);
    failing_ = std::thread([this] { sink_(make_error(ErrorCode::kUnavailable, kBroken)); });
  }
  void submit(std::shared_ptr<const StepPlan> plan) override {
    ++submitted;
    if (swallow) return;
    if (plan->step_id == fail_at_) {
      sink_(make_error(ErrorCode::kInternal, "rank broke"));
      return;
    }
    StepResult result;
    result.step_id = plan->step_id;
    sink_(result);
  }
  void stop() override {
    std::thread ending;
    {
      std::lock_guard lock(mutex_);
      ending = std::move(failing_);
    }
    if (ending.joinable()) ending.join();
  }
  std::atomic<int> submitted{0};
  std::atomic<bool> swallow{false};

 private:
  const uint64_t fail_at_;
  ResultSink sink_;
  std::mutex mutex_;
  std::thread failing_;
};

struct Hosts {
  std::unique_ptr<GroupChannel> leader;
  std::unique_ptr<GroupChannel> follower;
};

Hosts connect_two(std::chrono::milliseconds heartbeat_timeout) {
  int port = 0;
  {
    auto fd = listen_tcp({"127.0.0.1", 0});
    EXPECT_TRUE(fd.ok());
    port = bound_port(fd->get());
  }
  GroupOptions options;
  options.nnodes = 2;
  options.address = "127.0.0.1:" + std::to_string(port);
  options.secret = "x";
  options.rendezvous_timeout = 5s;
  options.heartbeat_interval = 50ms;
  options.heartbeat_timeout = heartbeat_timeout;
  auto leader = std::async(std::launch::async, [=] { return GroupChannel::open(options); });
  options.node_rank = 1;
  auto follower = GroupChannel::open(options);
  EXPECT_TRUE(follower.ok());
  return {std::move(leader.get()).value(), std::move(follower).value()};
}

std::shared_ptr<const StepPlan> plan(uint64_t id) {
  auto p = std::make_shared<StepPlan>();
  p->step_id = id;
  return p;
}

struct Pair {
  explicit Pair(uint64_t leader_fails = 0, uint64_t follower_fails = 0,
                std::chrono::milliseconds heartbeat_timeout = 1s)
      : hosts(connect_two(heartbeat_timeout)) {
    auto local = std::make_unique<EchoExecutor>(follower_fails);
    follower_local = local.get();
    auto leaders = std::make_unique<EchoExecutor>(leader_fails);
    leader_local = leaders.get();
    leader = std::make_unique<GroupExecutor>(std::move(leaders), *hosts.leader,
                                             [this](const std::string&) { ++leader_aborts; });
    follower = std::make_unique<FollowerExecutor>(std::move(local), *hosts.follower, 1,
                                                  [this](const std::string&) { ++follower_aborts; });
    hosts.leader->start({[this](const std::string& reason) { leader->group_lost(reason); }, {}, {}, {}});
    hosts.follower->start({[this](const std::string& reason) { follower->group_lost(reason); },
                           [this](std::string bytes) { follower->on_plan(std::move(bytes)); },
                           [this] { follower->on_stop(); },
                           {}});
    running = std::async(std::launch::async, [this] { return follower->run(); });
    EXPECT_TRUE(wait_for_followers(*hosts.leader, 2, 5s).ok());
    leader->start([this](Result<StepResult> result) {
      std::lock_guard lock(mutex);
      results.push_back(std::move(result));
    });
  }
  ~Pair() {
    // Ranks end before the channels that they use, threads of the channels before what they call.
    leader_local->stop();
    follower_local->stop();
    hosts.leader.reset();
    hosts.follower.reset();
  }
  Status end() {
    EXPECT_EQ(running.wait_for(5s), std::future_status::ready);
    return running.get();
  }
  std::string first_error_now() {
    std::lock_guard lock(mutex);
    for (const auto& r : results) {
      if (!r.ok()) return r.error().message;
    }
    return "";
  }
  std::string first_error() {
    for (int i = 0; i < 500; ++i) {
      if (std::string error = first_error_now(); !error.empty()) return error;
      std::this_thread::sleep_for(10ms);
    }
    return "";
  }
  Hosts hosts;
  EchoExecutor* leader_local = nullptr;
  EchoExecutor* follower_local = nullptr;
  std::atomic<int> leader_aborts{0};
  std::atomic<int> follower_aborts{0};
  std::unique_ptr<GroupExecutor> leader;
  std::unique_ptr<FollowerExecutor> follower;
  std::future<Status> running;
  std::mutex mutex;
  std::vector<Result<StepResult>> results;
};

TEST(GroupExecutor, EveryHostRunsEveryPlanAndStopIsClean) {
  Pair pair;
  for (uint64_t id = 1; id <= 100; ++id) pair.leader->submit(plan(id));
  pair.leader->stop();
  EXPECT_TRUE(pair.end().ok());
  EXPECT_EQ(pair.follower_local->submitted, 100);
  EXPECT_EQ(pair.results.size(), 100u);
}

TEST(GroupExecutor, FollowersFailureReachesTheLeadersSinkOnce) {
  Pair pair(0, 3);
  for (uint64_t id = 1; id <= 5; ++id) pair.leader->submit(plan(id));
  EXPECT_EQ(pair.first_error(), "rank broke");
  EXPECT_FALSE(pair.end().ok());
  EXPECT_GE(pair.leader_aborts, 1);
  std::lock_guard lock(pair.mutex);
  EXPECT_EQ(std::count_if(pair.results.begin(), pair.results.end(), [](const auto& r) { return !r.ok(); }),
            1);
}

TEST(GroupExecutor, LeadersFailureEndsTheFollowers) {
  Pair pair(2, 0);
  pair.leader->submit(plan(1));
  pair.leader->submit(plan(2));
  const Status status = pair.end();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "rank broke");
  EXPECT_GE(pair.follower_aborts, 1);
}

TEST(GroupExecutor, ALeaderThatDoesWhatItMustNotEndsTheGroup) {
  for (const bool flood : {false, true}) {
    Pair pair;
    if (flood) pair.follower_local->swallow = true;  // no result comes back
    for (uint64_t id = 1; flood && id <= 40; ++id)
      pair.hosts.leader->send_plan(serialize_step_plan(*plan(id)));
    if (!flood) pair.hosts.leader->send_plan("no plan at all");
    const Status status = pair.end();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(pair.first_error(), status.error().message);
    EXPECT_NE(status.error().message.find("node 1"), std::string::npos) << status.error().message;
  }
}

// Longer than any wait that is not told how long a loss takes to be known.
constexpr auto kLate = 600ms;
// Silence that never comes in a test.
constexpr auto kNever = 20s;

TEST(GroupExecutor, ALostHostsNameGoesBeforeTheLeadersBrokenCollective) {
  Pair pair(0, 0, kNever);
  pair.leader_local->break_collective();
  std::this_thread::sleep_for(kLate);
  EXPECT_EQ(pair.leader_aborts, 0);
  pair.follower->on_stop();  // its process ends without a word to the leader
  EXPECT_TRUE(pair.end().ok());
  pair.hosts.follower.reset();
  EXPECT_EQ(pair.first_error(), "lost node 1 (127.0.0.1): it closed the connection");
}

TEST(GroupExecutor, ALostHostsNameGoesBeforeTheFollowersBrokenCollective) {
  Pair pair(0, 0, kNever);
  pair.follower_local->break_collective();
  std::this_thread::sleep_for(kLate);
  EXPECT_EQ(pair.first_error_now(), "");  // the leader was told nothing
  pair.hosts.leader.reset();
  EXPECT_EQ(pair.end().error().message, "lost node 0 (127.0.0.1): it closed the connection");
}

TEST(GroupExecutor, ABrokenCollectiveWithoutALostHostEndsTheGroupInItsOwnWords) {
  for (const bool at_leader : {true, false}) {
    Pair pair;
    (at_leader ? pair.leader_local : pair.follower_local)->break_collective();
    EXPECT_EQ(pair.first_error(), kBroken);
    EXPECT_EQ(pair.end().error().message, kBroken);
  }
}

TEST(GroupExecutor, APlanBeforeTheHostIsReadyIsAnError) {
  Hosts hosts = connect_two(1s);
  FollowerExecutor follower(std::make_unique<EchoExecutor>(), *hosts.follower, 1, [](const std::string&) {});
  std::promise<std::string> lost;
  hosts.leader->start({[&](const std::string& reason) { lost.set_value(reason); }, {}, {}, {}});
  hosts.follower->start(
      {{}, [&](std::string bytes) { follower.on_plan(std::move(bytes)); }, [&] { follower.on_stop(); }, {}});
  hosts.leader->send_plan(serialize_step_plan(*plan(1)));
  EXPECT_NE(lost.get_future().get().find("before this host was ready"), std::string::npos);
  EXPECT_FALSE(follower.run().ok());
  hosts.leader.reset();
  hosts.follower.reset();
}

TEST(GroupExecutor, FollowerThatIsStoppedEndsTheGroup) {
  Pair pair;
  pair.follower->request_stop("node 1 was told to stop");
  EXPECT_FALSE(pair.end().ok());
  EXPECT_EQ(pair.first_error(), "node 1 was told to stop");
}

}  // namespace
}  // namespace hadal
