#include <gtest/gtest.h>

#include "preflight/fabric_env.h"
#include "preflight/rdma_checks.h"
#include "preflight/rdma_inventory.h"
#include "preflight/test_host.h"

namespace hadal {
namespace {

const std::string kV4 = "0000:0000:0000:0000:0000:ffff:0a00:000";
const std::string kLocal = "fe80:0000:0000:0000:0000:00ff:fe00:0001";
const std::string kZero = "0000:0000:0000:0000:0000:0000:0000:0000";

std::string value_of_env(const FabricEnv& env, const std::string& name) {
  for (const auto& [variable, value] : env.variables) {
    if (variable == name) return value;
  }
  return "";
}

FakePort roce(int i) {
  FakePort port;
  port.device = "mlx5_" + std::to_string(i);
  port.layer = "Ethernet";
  port.gids = {{0, {kLocal, "IB/RoCE v1"}},
               {1, {kLocal, "RoCE v2"}},
               {2, {kV4 + "1", "IB/RoCE v1"}},
               {3, {kV4 + "1", "RoCE v2"}},
               {4, {kZero, ""}}};
  port.pci = "/sys/devices/pci0000:1" + std::to_string(i % 10) + "/0000:10:01.0/0000:1" + std::to_string(i) +
             ":00.0";
  return port;
}

TEST(Rdma, LinkRate) {
  EXPECT_EQ(parse_link_rate("400 Gb/sec (4X NDR)"), 400);
  EXPECT_EQ(parse_link_rate("2.5 Gb/sec (1X SDR)"), 2.5);
  for (const char* bad : {"", "fast", "-1 Gb/sec", "1e99 Gb/sec", "400", "nan Gb/sec", "inf Gb/sec"})
    EXPECT_EQ(parse_link_rate(bad), 0) << bad;
}

TEST(Rdma, RoceTakesTheV4EntryOfVersion2) {
  FakeHost host;
  put_port(host, roce(0));
  const RdmaInventory rdma = read_rdma(host);
  ASSERT_EQ(rdma.devices.size(), 1u);
  const RdmaPort& port = rdma.devices[0].ports.at(0);
  EXPECT_EQ(port.gids.size(), 4u);  // without the empty one
  EXPECT_EQ(port.lid, 0x1a);
  EXPECT_EQ(roce_v2_gid(port)->index, 3);
  const FabricEnv env = fit_fabric_env(host, rdma, {}, "");
  EXPECT_EQ(value_of_env(env, "NCCL_IB_GID_INDEX"), "3");
  EXPECT_EQ(value_of_env(env, "NCCL_IB_HCA"), "=mlx5_0");
  EXPECT_EQ(value_of_env(env, "UCX_NET_DEVICES"), "mlx5_0:1");
}

TEST(Rdma, InfiniBandSetsNoIndexAndSortsByNumber) {
  FakeHost host;
  for (const int i : {10, 1, 2}) {
    FakePort port;
    port.device = "mlx5_" + std::to_string(i);
    port.pci = "/sys/devices/pci0000:10/0000:10:01.0/0000:" + std::to_string(i + 20) + ":00.0";
    put_port(host, port);
  }
  FakePort slow;  // a storage card
  slow.device = "mlx5_3";
  slow.rate = "100 Gb/sec (4X EDR)";
  slow.pci = "/sys/devices/pci0000:10/0000:10:01.0/0000:50:00.0";
  put_port(host, slow);
  FakePort foreign;  // another container's
  foreign.device = "mlx5_4";
  foreign.uverbs = false;
  foreign.pci = "/sys/devices/pci0000:10/0000:10:01.0/0000:51:00.0";
  put_port(host, foreign);
  FakePort down;
  down.device = "mlx5_5";
  down.state = "1: DOWN";
  down.pci = "/sys/devices/pci0000:10/0000:10:01.0/0000:52:00.0";
  put_port(host, down);
  const FabricEnv env = fit_fabric_env(host, read_rdma(host), {}, "");
  EXPECT_EQ(value_of_env(env, "NCCL_IB_HCA"), "=mlx5_1,mlx5_2,mlx5_10");
  EXPECT_EQ(value_of_env(env, "NCCL_IB_GID_INDEX"), "");
  TestContext context(host);
  context.rdma = read_rdma(host);
  EXPECT_EQ(check_rdma_devices(context.get()).verdict, Verdict::kInfo);
  const CheckResult ports = check_rdma_ports(context.get());
  EXPECT_EQ(ports.verdict, Verdict::kWarn);
  EXPECT_NE(ports.text.find("mlx5_5 (1: DOWN"), std::string::npos) << ports.text;
  EXPECT_EQ(ports.text.find("mlx5_4"), std::string::npos) << ports.text;
}

TEST(Rdma, IndexesThatDifferAreLeftToNccl) {
  FakeHost host;
  put_port(host, roce(0));
  FakePort other = roce(1);
  other.gids = {{5, {kV4 + "2", "RoCE v2"}}};
  put_port(host, other);
  TestContext context(host);
  context.rdma = read_rdma(host);
  EXPECT_EQ(check_rdma_gid(context.get()).verdict, Verdict::kWarn);
  EXPECT_EQ(value_of_env(fit_fabric_env(host, context.rdma, {}, ""), "NCCL_IB_GID_INDEX"), "");
  FakeHost bare;
  FakePort none = roce(2);
  none.gids = {{0, {kLocal, "IB/RoCE v1"}}};
  put_port(bare, none);
  context.rdma = read_rdma(bare);
  EXPECT_EQ(check_rdma_gid(context.get()).verdict, Verdict::kFail);
}

TEST(Rdma, NoUverbsFileAtAllFails) {
  FakeHost host;
  FakePort port = roce(0);
  port.uverbs = false;
  put_port(host, port);
  TestContext context(host);
  context.rdma = read_rdma(host);
  EXPECT_EQ(check_rdma_devices(context.get()).verdict, Verdict::kFail);
  EXPECT_EQ(check_rdma_gid(context.get()).verdict, Verdict::kNotChecked);
}

TEST(Rdma, NothingThereIsToldAsSuch) {
  FakeHost host;
  TestContext context(host);
  context.rdma = read_rdma(host);
  EXPECT_FALSE(context.rdma.subsystem);
  EXPECT_EQ(check_rdma_devices(context.get()).verdict, Verdict::kInfo);
  for (auto run :
       {&check_rdma_ports, &check_rdma_gid, &check_rdma_topology, &check_rdma_verbs, &check_rdma_bandwidth})
    EXPECT_EQ(run(context.get()).verdict, Verdict::kNotChecked);
}

TEST(Rdma, NearnessOnPci) {
  const std::string root = "/sys/devices/pci0000:15/0000:15:01.0/0000:16:00.0";
  EXPECT_EQ(distance_name(
                pci_distance(root + "/0000:17:00.0/0000:18:00.0", 0, root + "/0000:17:01.0/0000:19:00.0", 0)),
            "PIX");
  EXPECT_EQ(distance_name(pci_distance(root + "/0000:17:00.0/0000:18:00.0", 0,
                                       root + "/0000:17:01.0/0000:20:00.0/0000:21:00.0/0000:22:00.0", 0)),
            "PXB");
  EXPECT_EQ(distance_name(pci_distance(root + "/a", 0, "/sys/devices/pci0000:15/0000:15:02.0/b", 0)), "PHB");
  EXPECT_EQ(distance_name(pci_distance(root + "/a", 1, "/sys/devices/pci0000:40/0000:40:01.0/b", 1)), "NODE");
  EXPECT_EQ(distance_name(pci_distance(root + "/a", 0, "/sys/devices/pci0000:40/0000:40:01.0/b", 1)), "SYS");
  EXPECT_EQ(distance_name(pci_distance("", -1, "", -1)), "SYS");
}

TEST(Rdma, TopologyNamesTheGpuThatIsFar) {
  FakeHost host;
  FakePort port;
  port.device = "mlx5_0";
  port.pci = "/sys/devices/pci0000:15/0000:15:01.0/0000:19:00.0";
  put_port(host, port);
  host.link("/sys/bus/pci/devices/0000:18:00.0", "/sys/devices/pci0000:15/0000:15:01.0/0000:18:00.0");
  host.link("/sys/bus/pci/devices/0000:98:00.0", "/sys/devices/pci0000:90/0000:90:01.0/0000:98:00.0");
  TestContext context(host);
  context.rdma = read_rdma(host);
  context.gpus.gpus.resize(1);
  context.gpus.gpus[0].pci = "0000:18:00.0";
  CheckResult result = check_rdma_topology(context.get());
  EXPECT_EQ(result.verdict, Verdict::kPass) << result.text;
  context.gpus.gpus.resize(2);
  context.gpus.gpus[1].pci = "0000:98:00.0";
  result = check_rdma_topology(context.get());
  EXPECT_EQ(result.verdict, Verdict::kWarn);
  EXPECT_NE(result.text.find("GPU 1"), std::string::npos) << result.text;
  context.gpus.gpus[1].pci = "0000:99:00.0";
  EXPECT_EQ(check_rdma_topology(context.get()).verdict, Verdict::kNotChecked);
}

TEST(NameFilter, NcclsRules) {
  EXPECT_TRUE(selects(parse_name_filter("mlx5_1"), "mlx5_10", 1));
  EXPECT_FALSE(selects(parse_name_filter("=mlx5_1"), "mlx5_10", 1));
  EXPECT_TRUE(selects(parse_name_filter("=mlx5_1:2"), "mlx5_1", 2));
  EXPECT_FALSE(selects(parse_name_filter("=mlx5_1:2"), "mlx5_1", 1));
  EXPECT_FALSE(selects(parse_name_filter("^eth,docker"), "eth0", -1));
  EXPECT_TRUE(selects(parse_name_filter("^=eth"), "eth0", -1));
  EXPECT_TRUE(selects(parse_name_filter(""), "anything", 1));
}

class Env : public testing::Test {
 protected:
  CheckResult check(CheckResult (*run)(const CheckContext&), const Environment& environment) {
    FakeHost host(environment);
    for (const int i : {0, 1, 10}) put_port(host, roce(i));
    host.interface_list = {{"lo", {"127.0.0.1"}, true, true},
                           {"eth0", {"10.0.0.1"}, true, false},
                           {"eth01", {"10.0.1.1"}, true, false}};
    TestContext context(host);
    context.rdma = read_rdma(host);
    return run(context.get());
  }
};

TEST_F(Env, HcaTrapsAndAbsence) {
  CheckResult result = check(&check_env_hca, {{"NCCL_IB_HCA", "mlx5_0,mlx5_1"}});
  EXPECT_EQ(result.verdict, Verdict::kWarn);
  EXPECT_NE(result.text.find("mlx5_1 also selects mlx5_10"), std::string::npos) << result.text;
  EXPECT_NE(result.fix.find("NCCL_IB_HCA='=mlx5_0,mlx5_1'"), std::string::npos) << result.fix;
  EXPECT_EQ(check(&check_env_hca, {{"NCCL_IB_HCA", "=mlx5_0,mlx5_1"}}).verdict, Verdict::kPass);
  result = check(&check_env_hca, {{"NCCL_IB_HCA", "=mlx5_0,mlx5_7"}});
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_NE(result.text.find("mlx5_7"), std::string::npos) << result.text;
  EXPECT_EQ(check(&check_env_hca, {{"NCCL_IB_HCA", "=bnxt_re0"}}).verdict, Verdict::kFail);
  EXPECT_EQ(check(&check_env_hca, {{"NCCL_IB_HCA", "mlx5"}}).verdict, Verdict::kPass);
  EXPECT_EQ(check(&check_env_hca, {}).verdict, Verdict::kInfo);
}

TEST_F(Env, GidIndex) {
  EXPECT_EQ(check(&check_env_gid, {{"NCCL_IB_GID_INDEX", "3"}}).verdict, Verdict::kPass);
  CheckResult result = check(&check_env_gid, {{"NCCL_IB_GID_INDEX", "0"}});
  EXPECT_EQ(result.verdict, Verdict::kWarn);
  EXPECT_EQ(result.fix, "set it to 3");
  EXPECT_EQ(check(&check_env_gid, {{"NCCL_IB_GID_INDEX", "4"}}).verdict, Verdict::kFail);
  EXPECT_EQ(check(&check_env_gid, {{"NCCL_IB_GID_INDEX", "x"}}).verdict, Verdict::kFail);
}

TEST_F(Env, Interfaces) {
  EXPECT_EQ(
      check(&check_env_interface, {{"NCCL_SOCKET_IFNAME", "=eth0"}, {"GLOO_SOCKET_IFNAME", "eth0"}}).verdict,
      Verdict::kPass);
  EXPECT_EQ(check(&check_env_interface, {{"NCCL_SOCKET_IFNAME", "eth0"}}).verdict,
            Verdict::kFail);  // eth01 too
  EXPECT_EQ(check(&check_env_interface, {{"GLOO_SOCKET_IFNAME", "ens3"}}).verdict, Verdict::kFail);
  EXPECT_EQ(check(&check_env_interface, {{"UCX_NET_DEVICES", "mlx5_0:1,mlx5_9:1"}}).verdict, Verdict::kFail);
  EXPECT_EQ(check(&check_env_interface, {{"UCX_NET_DEVICES", "mlx5_0:1,eth0"}}).verdict, Verdict::kPass);
}

TEST_F(Env, ObsoleteOnes) {
  CheckResult result =
      check(&check_env_obsolete, {{"NCCL_IB_CUDA_SUPPORT", "1"}, {"NCCL_NET_GDR_LEVEL", "2"}});
  EXPECT_EQ(result.verdict, Verdict::kWarn);
  EXPECT_NE(result.text.find("NCCL_IB_CUDA_SUPPORT"), std::string::npos);
  EXPECT_NE(result.text.find("NCCL_NET_GDR_LEVEL=2"), std::string::npos);
  EXPECT_EQ(check(&check_env_obsolete, {{"NCCL_NET_GDR_LEVEL", "PHB"}, {"NCCL_DEBUG", "INFO"}}).verdict,
            Verdict::kPass);
  EXPECT_EQ(check(&check_env_obsolete, {{"NCCL_IB_DISABLE", "1"}}).verdict, Verdict::kWarn);
}

TEST(FabricEnv, InterfaceByPodLeaderThenRoute) {
  FakeHost host(Environment{{"POD_IP", "10.0.1.1"}});
  host.interface_list = {{"lo", {"127.0.0.1"}, true, true},
                         {"eth0", {"10.0.0.1"}, true, false},
                         {"net1", {"10.0.1.1"}, true, false}};
  EXPECT_EQ(fit_fabric_env(host, {}, {}, "").interface, "net1");
  FakeHost other;
  other.interface_list = host.interface_list;
  other.source = "10.0.0.1";
  EXPECT_EQ(fit_fabric_env(other, {}, {}, "10.0.0.9").interface, "eth0");
  other.source.clear();
  other.put("/proc/net/route",
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
            "net1\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
  EXPECT_EQ(fit_fabric_env(other, {}, {}, "").interface, "net1");
}

TEST(FabricEnv, ShellQuotes) {
  FabricEnv env;
  env.variables = {{"A", "=mlx5_0"}, {"B", "it's"}};
  env.notes = {"why"};
  EXPECT_EQ(shell_text(env), "# why\nexport A='=mlx5_0'\nexport B='it'\\''s'\n");
}

}  // namespace
}  // namespace hadal
