#include "group/group_executor.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "group/connection.h"

namespace hadal {
namespace {

using namespace std::chrono_literals;

// A local rank that answers each plan with its id, or fails at one.
class EchoExecutor final : public StepExecutor {
 public:
  explicit EchoExecutor(uint64_t fail_at = 0) : fail_at_(fail_at) {}
  void start(ResultSink sink) override { sink_ = std::move(sink); }
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
  void stop() override {}
  std::atomic<int> submitted{0};
  std::atomic<bool> swallow{false};

 private:
  const uint64_t fail_at_;
  ResultSink sink_;
};

struct Hosts {
  std::unique_ptr<GroupChannel> leader;
  std::unique_ptr<GroupChannel> follower;
};

Hosts connect_two() {
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
  options.heartbeat_timeout = 1s;
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
  explicit Pair(uint64_t leader_fails = 0, uint64_t follower_fails = 0) : hosts(connect_two()) {
    auto local = std::make_unique<EchoExecutor>(follower_fails);
    follower_local = local.get();
    leader = std::make_unique<GroupExecutor>(std::make_unique<EchoExecutor>(leader_fails), *hosts.leader,
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
    // Threads of the channels end before what they call.
    hosts.leader.reset();
    hosts.follower.reset();
  }
  Status end() {
    EXPECT_EQ(running.wait_for(5s), std::future_status::ready);
    return running.get();
  }
  std::string first_error() {
    for (int i = 0; i < 500; ++i) {
      {
        std::lock_guard lock(mutex);
        for (const auto& r : results) {
          if (!r.ok()) return r.error().message;
        }
      }
      std::this_thread::sleep_for(10ms);
    }
    return "";
  }
  Hosts hosts;
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

TEST(GroupExecutor, APlanBeforeTheHostIsReadyIsAnError) {
  Hosts hosts = connect_two();
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
