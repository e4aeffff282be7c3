#include "preflight/preflight.h"

#include <algorithm>

#include "config/nearest_name.h"
#include "preflight/gpu_inventory.h"
#include "preflight/net_name.h"
#include "preflight/peer_checks.h"
#include "preflight/rdma_inventory.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kNvmlTime = std::chrono::seconds(30);
constexpr auto kLeastMeeting = std::chrono::seconds(10);
constexpr auto kLeaderLookup = std::chrono::seconds(2);

bool names(const std::vector<std::string>& list, const CheckSpec& spec) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& name) { return name == spec.name || name == spec.group; });
}

std::string leader_address(const Host& host, const ParallelConfig& parallel) {
  const auto name = parse_net_name(parallel.dist_init_addr);
  if (parallel.nnodes <= 1 || !name.ok()) return "";
  const Resolution answer = host.resolve(name->host, kLeaderLookup);
  return answer.addresses.empty() ? "" : answer.addresses.front();
}

bool is_peer_check(const CheckSpec& spec) {
  return spec.group == "peers";
}

class Runner {
 public:
  Runner(const Host& host, const PreflightConfig& config, const ParallelConfig& parallel,
         const PreflightHooks& hooks)
      : config_(config), parallel_(parallel), hooks_(hooks), rdma_(read_rdma(host)), context_{host,
                                                                                              config,
                                                                                              parallel,
                                                                                              gpus_,
                                                                                              rdma_,
                                                                                              report_.peers} {
    report_.rank = parallel.node_rank;
    report_.nnodes = parallel.nnodes;
  }

  Report run(const std::vector<std::string>& nvml_libraries) {
    const auto start = Clock::now();
    if (hooks_.on_start) hooks_.on_start("gpu");
    gpus_ = read_gpus(context_.host, nvml_libraries, kNvmlTime);
    run_table(false);
    meet(start);
    run_table(true);
    report_.env = fit_fabric_env(context_.host, rdma_, gpus_, leader_address(context_.host, parallel_));
    report_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return std::move(report_);
  }

 private:
  void run_table(bool peers) {
    for (const CheckSpec& spec : check_table()) {
      if (is_peer_check(spec) != peers || names(config_.skip, spec)) continue;
      if (hooks_.on_start) hooks_.on_start(spec.name);
      ReportLine line{&spec, spec.run(context_), names(config_.require, spec), false};
      line.failed = is_failure(line.result, line.required, config_.strict);
      if (hooks_.on_line) hooks_.on_line(line);
      report_.lines.push_back(std::move(line));
    }
  }

  void meet(Clock::time_point start) {
    const auto skips = [&](const CheckSpec& spec) {
      return !is_peer_check(spec) || names(config_.skip, spec);
    };
    const auto table = check_table();
    if (parallel_.nnodes <= 1 || std::all_of(table.begin(), table.end(), skips)) return;
    std::vector<std::string> failures;
    for (const ReportLine& line : report_.lines) {
      if (line.failed) failures.push_back(std::string(line.spec->name) + ": " + line.result.text);
    }
    PeerOptions options;
    options.nnodes = parallel_.nnodes;
    options.rank = parallel_.node_rank;
    options.address = parallel_.dist_init_addr;
    options.secret = parallel_.group_secret;
    options.deadline = std::max(start + config_.timeout,
                                Clock::now() + std::min<Clock::duration>(kLeastMeeting, config_.timeout));
    options.time = config_.peer_time;
    options.self = describe_self(context_, std::move(failures));
    if (hooks_.on_start) hooks_.on_start("peer-meeting");
    report_.peers = meet_peers(options);
  }

  const PreflightConfig& config_;
  const ParallelConfig& parallel_;
  const PreflightHooks& hooks_;
  GpuInventory gpus_;
  const RdmaInventory rdma_;
  Report report_;
  const CheckContext context_;
};

}  // namespace

Status check_names(const PreflightConfig& config) {
  for (const auto& [flag, list] : {std::pair{"--require", &config.require}, {"--skip", &config.skip}}) {
    for (const std::string& name : *list) {
      if (is_check_name(name)) continue;
      std::vector<std::string_view> all;
      for (const CheckSpec& spec : check_table()) {
        all.push_back(spec.name);
        all.push_back(spec.group);
      }
      const std::string nearest = nearest_name(name, all);
      return invalid_argument(
          flag, ": there is no check \"", name,
          "\": ", nearest.empty() ? "hadal preflight --list describes all" : "did you mean " + nearest + "?");
    }
  }
  return {};
}

Report run_checks(const Host& host, const PreflightConfig& config, const ParallelConfig& parallel,
                  const std::vector<std::string>& nvml_libraries, const PreflightHooks& hooks) {
  return Runner(host, config, parallel, hooks).run(nvml_libraries);
}

FabricEnv fabric_env_of(const Host& host, const ParallelConfig& parallel,
                        const std::vector<std::string>& nvml_libraries) {
  const GpuInventory gpus = read_gpus(host, nvml_libraries, kNvmlTime);
  return fit_fabric_env(host, read_rdma(host), gpus, leader_address(host, parallel));
}

}  // namespace hadal
