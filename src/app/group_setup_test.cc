#include "app/group_setup.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "group/connection.h"

namespace hadal {
namespace {

using namespace std::chrono_literals;

struct Hosts {
  ParallelConfig leader;
  ParallelConfig follower;
  std::unique_ptr<GroupChannel> leader_channel;
  std::unique_ptr<GroupChannel> follower_channel;
};

Hosts connect_two() {
  Hosts hosts;
  {
    auto fd = listen_tcp({"127.0.0.1", 0});
    EXPECT_TRUE(fd.ok());
    hosts.leader.dist_init_addr = "127.0.0.1:" + std::to_string(bound_port(fd->get()));
  }
  hosts.leader.nnodes = hosts.leader.tp_size = 2;
  hosts.leader.group_secret = "s";
  hosts.leader.dist_timeout = 20;
  hosts.follower = hosts.leader;
  hosts.follower.node_rank = 1;
  auto leader = std::async(std::launch::async, [&] { return open_group(hosts.leader, "a=b\n"); });
  hosts.follower_channel = std::move(open_group(hosts.follower, "a=b\n")).value();
  hosts.leader_channel = std::move(leader.get()).value();
  hosts.leader_channel->start({});
  hosts.follower_channel->start({});
  return hosts;
}

TEST(GroupSetup, HostsAgreeOnTheLeastHoweverLateOneIs) {
  Hosts hosts = connect_two();
  for (const bool leader_is_late : {true, false}) {
    const std::string name = leader_is_late ? "first" : "second";
    const auto ask = [&](bool leader) {
      if (leader == leader_is_late) std::this_thread::sleep_for(100ms);
      return leader ? least_over_hosts(hosts.leader, *hosts.leader_channel, name, 4096, 20s)
                    : least_over_hosts(hosts.follower, *hosts.follower_channel, name, 2048, 20s);
    };
    auto leader = std::async(std::launch::async, ask, true);
    EXPECT_EQ(*ask(false), 2048);
    EXPECT_EQ(*leader.get(), 2048);
  }
}

TEST(GroupSetup, AHostThatDoesNotComeIsNamed) {
  Hosts hosts = connect_two();
  const auto late = least_over_hosts(hosts.leader, *hosts.leader_channel, "loaded", 0, 50ms);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_NE(late.error().message.find("node 1"), std::string::npos) << late.error().message;
  auto waiting = std::async(std::launch::async, [&] {
    return least_over_hosts(hosts.leader, *hosts.leader_channel, "never", 0, 600s);
  });
  hosts.follower_channel->abort("node 1: no such file");
  const auto lost = waiting.get();
  ASSERT_FALSE(lost.ok());
  EXPECT_NE(lost.error().message.find("node 1: no such file"), std::string::npos) << lost.error().message;
}

}  // namespace
}  // namespace hadal
