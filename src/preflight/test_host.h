// FakeHost: a machine made of files in a fresh directory, for tests. One thread at a time.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/temp_dir.h"
#include "preflight/check.h"
#include "preflight/gpu_inventory.h"
#include "preflight/host.h"
#include "preflight/peer_meeting.h"
#include "preflight/rdma_inventory.h"

namespace hadal {

class FakeHost : public Host {
 public:
  explicit FakeHost(Environment environment = {}) : FakeHost(Made{}, std::move(environment)) {}

  // Writes a file of the machine and the directories above it.
  void put(const std::string& path, std::string_view content) const {
    const std::filesystem::path file = under_root(path);
    std::filesystem::create_directories(file.parent_path());
    HADAL_CHECK(write_file(file.string(), content).ok()) << file.string();
  }
  // A symbolic link, relative as sysfs has them.
  void link(const std::string& path, const std::string& target) const {
    const std::filesystem::path file = under_root(path);
    std::filesystem::create_directories(file.parent_path());
    std::filesystem::create_directories(under_root(target));
    std::filesystem::create_symlink(
        std::filesystem::relative(std::filesystem::path(under_root(target)), file.parent_path()), file);
  }
  void make_directory(const std::string& path) const {
    std::filesystem::create_directories(under_root(path));
  }

  Result<DiskSpace> space(std::string_view path) const override {
    const auto found = spaces.find(std::string(path));
    return found == spaces.end() ? Host::space(path) : found->second;
  }
  std::vector<NetInterface> interfaces() const override { return interface_list; }
  ClockState clock() const override { return clock_state; }
  Resolution resolve(const std::string&, std::chrono::milliseconds) const override {
    ++resolve_calls;
    if (resolve_calls <= unresolved_calls) return {unresolved, {}, ""};
    return resolution;
  }
  Status can_listen(int port) const override {
    if (port == taken_port) return make_error(ErrorCode::kUnavailable, "Address already in use");
    return {};
  }
  unsigned user_id() const override { return user; }
  bool has_user_name() const override { return user == 0; }
  std::string source_address(const std::string&) const override { return source; }

  std::map<std::string, DiskSpace> spaces;
  std::vector<NetInterface> interface_list;
  ClockState clock_state;
  Resolution resolution;
  Resolution::Outcome unresolved = Resolution::Outcome::kUnknownName;
  int unresolved_calls = 0;
  mutable int resolve_calls = 0;
  int taken_port = -1;
  unsigned user = 1000;
  std::string source;

 private:
  // The directory must be there before the base that is told its path.
  struct Made {
    std::unique_ptr<TempDir> directory = std::make_unique<TempDir>();
  };
  FakeHost(Made made, Environment environment)
      : Host(made.directory->path(), std::move(environment)), directory_(std::move(made.directory)) {}
  std::unique_ptr<TempDir> directory_;
};

// What a check is given, with the parts that a test does not set left empty.
struct TestContext {
  explicit TestContext(const Host& the_host) : host(the_host) {}
  const Host& host;
  PreflightConfig config;
  ParallelConfig parallel;
  GpuInventory gpus;
  RdmaInventory rdma;
  PeerOutcome peers;
  CheckContext get() const { return {host, config, parallel, gpus, rdma, peers}; }
};

// One RDMA port, as sysfs shows it.
struct FakePort {
  std::string device;
  int number = 1;
  std::string layer = "InfiniBand";
  std::string state = "4: ACTIVE";
  std::string rate = "400 Gb/sec (4X NDR)";
  bool uverbs = true;
  std::string pci = "/sys/devices/pci0000:10/0000:10:01.0/0000:11:00.0";
  std::map<int, std::pair<std::string, std::string>> gids;  // index: address, type
};

inline void put_port(const FakeHost& host, const FakePort& port) {
  const std::string base = "/sys/class/infiniband/" + port.device;
  if (!host.exists(base + "/device")) host.link(base + "/device", port.pci);
  const std::string at = base + "/ports/" + std::to_string(port.number);
  host.put(at + "/state", port.state + "\n");
  host.put(at + "/phys_state", "5: LinkUp\n");
  host.put(at + "/link_layer", port.layer + "\n");
  host.put(at + "/rate", port.rate + "\n");
  host.put(at + "/lid", "0x1a\n");
  for (const auto& [index, gid] : port.gids) {
    host.put(at + "/gids/" + std::to_string(index), gid.first + "\n");
    if (!gid.second.empty()) host.put(at + "/gid_attrs/types/" + std::to_string(index), gid.second + "\n");
  }
  const std::string verbs = "uverbs_" + port.device;
  host.make_directory(port.pci + "/infiniband_verbs/" + verbs);
  if (port.uverbs) host.put("/dev/infiniband/" + verbs, "");
}

}  // namespace hadal
