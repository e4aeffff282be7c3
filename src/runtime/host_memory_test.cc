#include "runtime/host_memory.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(HostMemoryTest, MemAvailableIsReadInKibibytes) {
  EXPECT_EQ(parse_mem_available("MemTotal:  100 kB\nMemAvailable:   2048 kB\nBuffers: 1 kB\n"), 2048 * 1024);
  EXPECT_EQ(parse_mem_available("MemTotal:  100 kB\n"), std::nullopt);
  EXPECT_EQ(parse_mem_available("MemAvailable: x kB"), std::nullopt);
  EXPECT_EQ(parse_mem_available(""), std::nullopt);
}

TEST(HostMemoryTest, UnlimitedGroupsHaveNoLimit) {
  EXPECT_EQ(parse_memory_limit("max\n"), std::nullopt);
  EXPECT_EQ(parse_memory_limit("9223372036854771712\n"), std::nullopt);
  EXPECT_EQ(parse_memory_limit("1073741824\n"), 1073741824);
  EXPECT_EQ(parse_memory_limit(""), std::nullopt);
}

TEST(HostMemoryTest, StatFieldsMatchWhole) {
  const std::string stat = "anon 5\ninactive_file_x 7\ninactive_file 9\n";
  EXPECT_EQ(parse_memory_stat(stat, "inactive_file"), 9);
  EXPECT_EQ(parse_memory_stat(stat, "file"), std::nullopt);
}

TEST(HostMemoryTest, FindsTheProcessGroup) {
  EXPECT_EQ(parse_cgroup_path("0::/kube/pod1\n", true), "/kube/pod1");
  EXPECT_EQ(parse_cgroup_path("0::/\n", true), "");
  EXPECT_EQ(parse_cgroup_path("5:cpu,cpuacct:/a\n4:memory:/docker/x\n", false), "/docker/x");
  EXPECT_EQ(parse_cgroup_path("5:cpu,cpuacct:/a\n4:memory:/docker/x\n", true), "");
  EXPECT_EQ(parse_cgroup_path("garbage", true), "");
}

TEST(HostMemoryTest, ThisMachineHasSome) {
  const auto bytes = available_memory();
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  EXPECT_GT(*bytes, 0);
}

}  // namespace
}  // namespace hadal
