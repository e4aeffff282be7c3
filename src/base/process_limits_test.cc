#include "base/process_limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace hadal {
namespace {

TEST(ProcessLimits, DescriptorsAreRaisedToTheHardLimit) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = std::min<rlim_t>(before.rlim_cur, 64);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(descriptor_limit(), low.rlim_cur);
  EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(ProcessLimits, ConnectionsLeaveDescriptorsForTheRest) {
  EXPECT_EQ(connections_within(8192, 1 << 20), 8192u);
  EXPECT_EQ(connections_within(8192, 1024), 896u);
  EXPECT_EQ(connections_within(8192, 64), 32u);
  EXPECT_EQ(connections_within(8192, 1), 1u);
  EXPECT_EQ(connections_within(10, 1024), 10u);
}

}  // namespace
}  // namespace hadal
