#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "hub/model_marker.h"
#include "preflight/disk_checks.h"
#include "preflight/disk_rate.h"
#include "preflight/limit_checks.h"
#include "preflight/limits.h"
#include "preflight/model_files.h"
#include "preflight/net_checks.h"
#include "preflight/net_name.h"
#include "preflight/peer_checks.h"
#include "preflight/rdma_inventory.h"
#include "preflight/system_checks.h"
#include "preflight/test_host.h"
#include "preflight/words.h"

namespace hadal {
namespace {

using namespace std::chrono_literals;

constexpr const char* kLimits =
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max core file size        0                    unlimited            bytes     \n"
    "Max processes             515506               515506               processes \n"
    "Max open files            1024                 1048576              files     \n"
    "Max locked memory         8388608              8388608              bytes     \n";

TEST(Words, SizesRatesAndLists) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(uint64_t{64} << 20), "64 MiB");
  EXPECT_EQ(size_text((uint64_t{3} << 30) / 2), "1.5 GiB");
  EXPECT_EQ(rate_text(2.44e9), "2.4 GB/s");
  EXPECT_EQ(time_text(12.34e-6), "12 us");
  EXPECT_EQ(list_text({"a", "b", "c"}, 2), "a, b and 1 more");
  EXPECT_LT(compare_dotted_versions("550.54", "550.127.05"), 0);
  EXPECT_EQ(compare_dotted_versions("9", "9.0"), 0);
  EXPECT_GT(compare_dotted_versions("580.159.04", "550.54"), 0);
  EXPECT_EQ(value_of("A B: x\nA: y: z\n", "A"), "y: z");
  EXPECT_TRUE(natural_less("mlx5_2", "mlx5_10"));
  EXPECT_FALSE(natural_less("mlx5_10", "mlx5_2"));
  EXPECT_FALSE(natural_less("a", "a"));
}

TEST(Limits, Parses) {
  EXPECT_EQ(parse_limit(kLimits, "Max locked memory")->soft, 8388608u);
  EXPECT_EQ(parse_limit(kLimits, "Max open files")->hard, 1048576u);
  EXPECT_EQ(parse_limit(kLimits, "Max core file size")->hard, kUnlimited);
  EXPECT_FALSE(parse_limit(kLimits, "Max nice priority").has_value());
  EXPECT_FALSE(parse_limit("Max open files  many more", "Max open files").has_value());
  EXPECT_TRUE(has_capability("Name:\tx\nCapEff:\t0000000000004000\n", 14));
  EXPECT_FALSE(has_capability("CapEff:\t0000000000004000\n", 21));
  EXPECT_FALSE(has_capability("", 14));
  EXPECT_EQ(meminfo_bytes("MemTotal:   2 kB\n", "MemTotal"), 2048u);
}

TEST(Limits, MemlockCountsTheCapabilityAndAsksForDevices) {
  FakeHost host;
  host.put("/proc/self/limits", kLimits);
  host.put("/proc/self/status", "CapEff:\t0000000000000000\n");
  TestContext context(host);
  EXPECT_EQ(check_memlock(context.get()).verdict, Verdict::kInfo);
  context.rdma.devices.resize(1);
  EXPECT_EQ(check_memlock(context.get()).verdict, Verdict::kFail);
  context.config.min_memlock = 1 << 20;
  EXPECT_EQ(check_memlock(context.get()).verdict, Verdict::kPass);
  context.config.min_memlock = 1 << 30;
  EXPECT_EQ(check_memlock(context.get()).verdict, Verdict::kFail);
  host.put("/proc/self/status", "CapEff:\t0000000000004000\n");
  EXPECT_EQ(check_memlock(context.get()).verdict, Verdict::kPass);
  FakeHost bare;
  TestContext nothing(bare);
  for (auto run : {&check_memlock, &check_nofile, &check_nproc, &check_core, &check_memory})
    EXPECT_EQ(run(nothing.get()).verdict, Verdict::kNotChecked);
}

TEST(Limits, CgroupVersion2TakesTheLeastOnTheWayUp) {
  FakeHost host;
  host.put("/proc/self/cgroup", "0::/kubepods/pod1/c1\n");
  host.put("/sys/fs/cgroup/kubepods/pod1/c1/memory.max", "max\n");
  host.put("/sys/fs/cgroup/kubepods/pod1/memory.max", "1073741824\n");
  host.put("/sys/fs/cgroup/kubepods/pod1/memory.current", "4096\n");
  host.put("/sys/fs/cgroup/kubepods/pod1/c1/cpu.max", "350000 100000\n");
  const CgroupLimits limits = read_cgroup(host);
  EXPECT_EQ(limits.memory, uint64_t{1} << 30);
  EXPECT_EQ(limits.memory_used, 4096u);
  EXPECT_DOUBLE_EQ(limits.cpus, 3.5);
  host.put("/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n");
  TestContext context(host);
  context.config.min_memory = int64_t{2} << 30;
  const CheckResult result = check_memory(context.get());
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_NE(result.text.find("1 GiB, the container's limit"), std::string::npos) << result.text;
}

TEST(Limits, CgroupVersion1) {
  FakeHost host;
  host.put("/proc/self/cgroup", "9:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n");
  host.put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  host.put("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "2147483648\n");
  host.put("/sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "-1\n");
  host.put("/sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us", "100000\n");
  const CgroupLimits limits = read_cgroup(host);
  EXPECT_EQ(limits.memory, uint64_t{2} << 30);
  EXPECT_EQ(limits.cpus, 0);
  FakeHost bare;
  EXPECT_FALSE(read_cgroup(bare).found);
}

TEST(Shm, SizeAndLeftovers) {
  FakeHost host;
  host.make_directory("/dev/shm");
  host.spaces["/dev/shm"] = {uint64_t{64} << 20, uint64_t{64} << 20};
  TestContext context(host);
  EXPECT_EQ(check_shm_size(context.get()).verdict, Verdict::kPass);
  context.config.expect_gpus = 8;
  const CheckResult small = check_shm_size(context.get());
  EXPECT_EQ(small.verdict, Verdict::kFail);
  EXPECT_NE(small.text.find("the default of container engines"), std::string::npos) << small.text;
  host.spaces["/dev/shm"] = {uint64_t{64} << 30, uint64_t{64} << 30};
  EXPECT_EQ(check_shm_size(context.get()).verdict, Verdict::kPass);
  EXPECT_EQ(check_shm_leftovers(context.get()).verdict, Verdict::kPass);
  host.put("/dev/shm/nccl-AbCd", std::string(100000, 'x'));
  EXPECT_EQ(check_shm_leftovers(context.get()).verdict, Verdict::kInfo);
  host.spaces["/dev/shm"] = {500000, 400000};
  const CheckResult left = check_shm_leftovers(context.get());
  EXPECT_EQ(left.verdict, Verdict::kWarn);
  EXPECT_NE(left.text.find("nccl-AbCd"), std::string::npos) << left.text;
}

TEST(System, KernelNumaPagesUser) {
  FakeHost host(Environment{{"HOME", "/home/u"}});
  TestContext context(host);
  for (auto run : {&check_kernel, &check_cpu_features, &check_hugepages, &check_numa_balancing, &check_user,
                   &check_clock_sync})
    EXPECT_EQ(run(context.get()).verdict, Verdict::kNotChecked);
  host.put("/proc/sys/kernel/osrelease", "4.18.0-553.el8\n");
  EXPECT_EQ(check_kernel(context.get()).verdict, Verdict::kWarn);
  host.put("/proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
  EXPECT_EQ(check_kernel(context.get()).verdict, Verdict::kPass);
  host.put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 avx512f amx_tile\n");
  EXPECT_EQ(check_cpu_features(context.get()).text, "Some CPU: AVX2, AVX-512, AMX");
  host.put("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  EXPECT_EQ(check_hugepages(context.get()).verdict, Verdict::kWarn);
  host.make_directory("/sys/devices/system/node/node0");
  EXPECT_EQ(check_numa_balancing(context.get()).verdict, Verdict::kPass);
  host.make_directory("/sys/devices/system/node/node1");
  EXPECT_EQ(check_numa_balancing(context.get()).verdict, Verdict::kNotChecked);
  host.put("/proc/sys/kernel/numa_balancing", "1\n");
  EXPECT_EQ(check_numa_balancing(context.get()).verdict, Verdict::kWarn);
  EXPECT_EQ(check_home(context.get()).verdict, Verdict::kWarn);
  host.make_directory("/home/u");
  EXPECT_EQ(check_home(context.get()).verdict, Verdict::kPass);
  host.put("/proc/self/status", "CapEff:\t0000000000000000\n");
  EXPECT_EQ(check_user(context.get()).verdict, Verdict::kPass);
  host.user = 0;
  EXPECT_EQ(check_user(context.get()).verdict, Verdict::kInfo);
  host.clock_state = {true, false, 16};
  EXPECT_EQ(check_clock_sync(context.get()).verdict, Verdict::kWarn);
  host.clock_state = {true, true, 0.001};
  EXPECT_EQ(check_clock_sync(context.get()).verdict, Verdict::kPass);
}

TEST(Net, Names) {
  EXPECT_EQ(parse_net_name("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_net_name("a.b:65535")->port, 65535);
  for (const char* bad : {"", "a", "a:", "a:x", ":1", "a:70000", "a:-1", "a:0"})
    EXPECT_FALSE(parse_net_name(bad).ok()) << bad;
  EXPECT_TRUE(is_loopback_address("127.3.0.1"));
  EXPECT_FALSE(is_loopback_address("10.127.0.1"));
}

class Leader : public testing::Test {
 protected:
  Leader() : context_(host_) {
    host_.interface_list = {{"lo", {"127.0.0.1"}, true, true}, {"eth0", {"10.0.0.1"}, true, false}};
    context_.parallel.nnodes = 2;
    context_.parallel.node_rank = 1;
    context_.parallel.dist_init_addr = "leader.ns:20000";
    context_.config.timeout = 700ms;
  }
  CheckResult check(std::vector<std::string> addresses) {
    host_.resolution = {Resolution::Outcome::kFound, std::move(addresses), ""};
    return check_leader_name(context_.get());
  }
  FakeHost host_;
  TestContext context_;
};

TEST_F(Leader, Addresses) {
  EXPECT_EQ(check({"10.0.0.9"}).verdict, Verdict::kPass);
  EXPECT_EQ(check({"10.0.0.9", "fd00::9"}).verdict, Verdict::kPass);
  EXPECT_EQ(check({"10.0.0.9", "10.0.0.8"}).verdict, Verdict::kWarn);
  EXPECT_EQ(check({"127.0.1.1"}).verdict, Verdict::kWarn);
  EXPECT_EQ(check({"10.0.0.1"}).verdict, Verdict::kWarn);  // itself, though it is a worker
  context_.parallel.node_rank = 0;
  EXPECT_EQ(check({"10.0.0.1"}).verdict, Verdict::kPass);
  EXPECT_EQ(check({"10.0.0.9"}).verdict, Verdict::kWarn);
}

TEST_F(Leader, IsWaitedForAndTheReasonNamed) {
  host_.unresolved_calls = 1;
  EXPECT_EQ(check({"10.0.0.9"}).verdict, Verdict::kPass);
  EXPECT_EQ(host_.resolve_calls, 2);
  host_.unresolved_calls = 1000;
  const std::pair<Resolution::Outcome, const char*> reasons[] = {
      {Resolution::Outcome::kUnknownName, "unknown to DNS"},
      {Resolution::Outcome::kNoAddress, "no address yet"},
      {Resolution::Outcome::kNoAnswer, "no DNS server answers"},
      {Resolution::Outcome::kTimeout, "did not answer in time"}};
  for (const auto& [outcome, words] : reasons) {
    host_.unresolved = outcome;
    const CheckResult result = check({"10.0.0.9"});
    EXPECT_EQ(result.verdict, Verdict::kFail);
    EXPECT_NE(result.text.find(words), std::string::npos) << result.text;
    EXPECT_NE(result.text.find("leader.ns"), std::string::npos) << result.text;
  }
}

TEST_F(Leader, PortsAndHostName) {
  context_.parallel.node_rank = 0;
  context_.config.ports = {"30000"};
  EXPECT_EQ(check_ports(context_.get()).text, "free: 30000, 20000");
  host_.taken_port = 20000;
  EXPECT_EQ(check_ports(context_.get()).verdict, Verdict::kFail);
  EXPECT_EQ(check_host_name(context_.get()).verdict, Verdict::kPass);
  FakeHost pod(Environment{{"POD_IP", "10.9.9.9"}});
  pod.interface_list = host_.interface_list;
  TestContext in_pod(pod);
  EXPECT_EQ(check_host_name(in_pod.get()).verdict, Verdict::kFail);
}

TEST(RealHost, AnswersAtAll) {
  const Host host("", {});
  EXPECT_FALSE(host.interfaces().empty());
  EXPECT_TRUE(host.read("/proc/self/limits").has_value());
  EXPECT_EQ(host.user_id(), ::geteuid());
  EXPECT_EQ(host.resolve("127.0.0.1", 5s).addresses, std::vector<std::string>{"127.0.0.1"});
  EXPECT_EQ(host.source_address("127.0.0.1"), "127.0.0.1");
  EXPECT_TRUE(host.space("/").ok());
  EXPECT_FALSE(host.can_write("/proc").ok());
}

std::string random_bytes_of(size_t count) {
  std::mt19937_64 random(std::random_device{}());
  std::string out(count, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

TEST(Disk, ReadsAndWrites) {
  const TempDir directory;
  const std::string file = directory.write("model.safetensors", random_bytes_of(size_t{9} << 20));
  const auto rate = measure_read({file}, 500ms);
  // On a file system in memory there is nothing to measure, and one without O_DIRECT has all of it cached.
  if (rate.ok() && !rate->in_memory) {
    EXPECT_GT(rate->bytes, 0u);
    EXPECT_GT(rate->rate(), 0);
  } else if (!rate.ok()) {
    EXPECT_EQ(rate.error().code, ErrorCode::kUnavailable) << rate.error().message;
  }
  const auto written = measure_write(directory.path(), 100ms);
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_GT(written->bytes, 0u);
  EXPECT_FALSE(measure_write(directory.path() + "/absent", 100ms).ok());
  EXPECT_FALSE(measure_read({directory.path() + "/absent"}, 100ms).ok());
  EXPECT_FALSE(measure_read({}, 100ms).ok());
}

TEST(Model, IndexAndFingerprint) {
  FakeHost host;
  TestContext context(host);
  EXPECT_EQ(check_model_files(context.get()).verdict, Verdict::kNotChecked);
  context.config.model = "/models/m";
  EXPECT_EQ(check_model_files(context.get()).verdict, Verdict::kFail);
  host.put("/models/m/config.json", "{}");
  EXPECT_EQ(check_model_files(context.get()).verdict, Verdict::kFail);
  host.put("/models/m/a.safetensors", "12345678");
  host.put("/models/m/model.safetensors.index.json",
           R"({"weight_map":{"x":"a.safetensors","y":"b.safetensors"}})");
  const CheckResult cut = check_model_files(context.get());
  EXPECT_EQ(cut.verdict, Verdict::kFail);
  EXPECT_NE(cut.text.find("b.safetensors"), std::string::npos) << cut.text;
  host.put("/models/m/b.safetensors", "1");
  EXPECT_EQ(check_model_files(context.get()).verdict, Verdict::kPass);
  const std::string before = look_at_model(host.under_root("/models/m"))->fingerprint;
  host.put("/models/m/b.safetensors", "12");
  EXPECT_NE(look_at_model(host.under_root("/models/m"))->fingerprint, before);
  EXPECT_EQ(check_model_marker(context.get()).verdict, Verdict::kNotChecked);
  for (const char* bad :
       {"", "[]", "{}", R"({"weight_map":{"x":1}})", R"({"weight_map":{"x":"../../etc/passwd"}})",
        R"({"weight_map":{"x":"/etc/passwd"}})"})
    EXPECT_FALSE(index_files(bad).ok()) << bad;
}

TEST(Model, Marker) {
  FakeHost host;
  TestContext context(host);
  context.config.model = "/models/m";
  host.put("/models/m/a.safetensors", "12345678");
  const std::string directory = host.under_root("/models/m");
  ModelMarker marker;
  marker.source = "hf:org/name";
  marker.revision = "0123456789abcdef0123456789abcdef01234567";
  struct stat file {};
  ASSERT_EQ(::stat((directory + "/a.safetensors").c_str(), &file), 0);
  const int64_t time = int64_t{1'000'000'000} * file.st_mtim.tv_sec + file.st_mtim.tv_nsec;
  marker.files = {{"a.safetensors", 8, *hash_file(directory + "/a.safetensors"), time}};
  ASSERT_TRUE(write_marker(directory, marker).ok());
  const CheckResult good = check_model_marker(context.get());
  EXPECT_EQ(good.verdict, Verdict::kPass) << good.text;
  EXPECT_NE(good.text.find("hf:org/name"), std::string::npos) << good.text;
  const std::vector<PeerFact> facts = describe_self(context.get(), {}).facts;
  EXPECT_TRUE(
      std::any_of(facts.begin(), facts.end(), [](const PeerFact& f) { return f.name == "model digest"; }));
  marker.files[0].mtime_ns = time - 1;
  ASSERT_TRUE(write_marker(directory, marker).ok());
  EXPECT_EQ(check_model_marker(context.get()).verdict, Verdict::kWarn);
  host.put("/models/m/a.safetensors", "1234567");
  EXPECT_EQ(check_model_marker(context.get()).verdict, Verdict::kFail);
  host.put("/models/m/a.safetensors", "12345678");
  host.put("/models/m/.hadal-model.json", "{}");
  EXPECT_EQ(check_model_marker(context.get()).verdict, Verdict::kFail);
}

TEST(Cache, WritableOrNot) {
  FakeHost host(Environment{{"XDG_CACHE_HOME", "/cache"}});
  TestContext context(host);
  context.config.disk_time = 50ms;
  host.make_directory("/cache");
  EXPECT_EQ(check_cache_disk(context.get()).verdict, Verdict::kPass);
  FakeHost none;
  TestContext without(none);
  EXPECT_EQ(check_cache_disk(without.get()).verdict, Verdict::kWarn);
}

}  // namespace
}  // namespace hadal
