// The flags and commands of hadal preflight.
#include <algorithm>
#include <charconv>

#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {
namespace {

template <auto Field>
using Pre = FlagField<&Settings::preflight, Field>;
template <auto Field>
using PreBytes = ByteFlagField<&Settings::preflight, Field>;
using PC = PreflightConfig;

constexpr int kDefaultDistPort = 20000;

const FlagSpec kFlags[] = {
    // clang-format off
    {"--expect-gpus", kForPreflight, "Preflight", "N", "GPUs that this host must have; -1: told, not judged", kOnce, HADAL_FIELD(Pre, &PC::expect_gpus)},
    {"--gpu-type", kForPreflight, "Preflight", "NAME", "What each GPU's product name must contain, as H200", kOnce, HADAL_FIELD(Pre, &PC::gpu_type)},
    {"--min-driver", kForPreflight, "Preflight", "VERSION", "Oldest NVIDIA driver, as 550.54", kOnce, HADAL_FIELD(Pre, &PC::min_driver)},
    {"--min-compute", kForPreflight, "Preflight", "X.Y", "Least compute capability, as 9.0 (native FP8 needs 8.9)", kOnce, HADAL_FIELD(Pre, &PC::min_compute)},
    {"--min-shm", kForPreflight, "Preflight", "BYTES", "Least free part of /dev/shm, as 64Gi; 0: 1 GiB where there are GPUs", kOnce, HADAL_FIELD(PreBytes, &PC::min_shm)},
    {"--min-memlock", kForPreflight, "Preflight", "BYTES", "Least memory that may be locked; 0: unlimited where RDMA devices are there", kOnce, HADAL_FIELD(PreBytes, &PC::min_memlock)},
    {"--min-memory", kForPreflight, "Preflight", "BYTES", "Least memory of this host or container; 0: told, not judged", kOnce, HADAL_FIELD(PreBytes, &PC::min_memory)},
    {"--min-cpus", kForPreflight, "Preflight", "N", "Least CPUs of this host or container; 0: told, not judged", kOnce, HADAL_FIELD(Pre, &PC::min_cpus)},
    {"--model-path,--model", kForPreflight, "Preflight", "DIR", "Model directory (or .gguf file): its marker is checked and its volume's rate is measured", kOnce, HADAL_FIELD(Pre, &PC::model)},
    {"--min-read-rate", kForPreflight, "Preflight", "BYTES", "Least rate of the model's volume, bytes a second, as 1G; 0: told, not judged", kOnce, HADAL_FIELD(PreBytes, &PC::min_read_rate)},
    {"--cache-dir", kForPreflight, "Preflight", "DIR", "Directory for caches; default: HF_HOME, XDG_CACHE_HOME or HOME/.cache", kOnce, HADAL_FIELD(Pre, &PC::cache_dir)},
    {"--check-port", kForPreflight, "Preflight", "PORT", "Port that must be free; repeat for more. The leader's rendezvous port is always among them", kMany, HADAL_FIELD(Pre, &PC::ports)},
    {"--min-peer-bandwidth", kForPreflight, "Preflight", "BYTES", "Least TCP rate between two hosts, bytes a second, as 1G; 0: told, not judged", kOnce, HADAL_FIELD(PreBytes, &PC::min_peer_bandwidth)},
    {"--max-skew", kForPreflight, "Preflight", "DURATION", "Most that two hosts' clocks may differ", kOnce, HADAL_FIELD(Pre, &PC::max_skew)},
    {"--disk-time", kForPreflight, "Preflight", "DURATION", "How long each volume is measured", kOnce, HADAL_FIELD(Pre, &PC::disk_time)},
    {"--peer-time", kForPreflight, "Preflight", "DURATION", "How long each pair of hosts is measured in each direction", kOnce, HADAL_FIELD(Pre, &PC::peer_time)},
    {"--timeout", kForPreflight, "Preflight", "DURATION", "How long to wait for the leader's name and for the other hosts", kOnce, HADAL_FIELD(Pre, &PC::timeout)},
    {"--require", kForPreflight, "Preflight", "CHECK", "Check or group of checks that must pass: not having been able to check fails too; repeat for more", kMany, HADAL_FIELD(Pre, &PC::require)},
    {"--skip", kForPreflight, "Preflight", "CHECK", "Check or group of checks to leave out; repeat for more", kMany, HADAL_FIELD(Pre, &PC::skip)},
    {"--strict", kForPreflight, "Preflight", "", "Warnings fail", kOnce, HADAL_FIELD(Pre, &PC::strict)},
    {"--format", kForPreflight, "Preflight", "FORMAT", "text or json", kOnce, HADAL_FIELD(Pre, &PC::format)},
    {"--output", kForPreflight, "Preflight", "FILE", "Write the results as JSON to this file too", kOnce, HADAL_FIELD(Pre, &PC::output)},
    {"--termination-log", kForPreflight, "Preflight", "FILE", "Write the reason of a failure, one line, to this file; default in a pod: /dev/termination-log", kOnce, HADAL_FIELD(Pre, &PC::termination_log)},
    {"--list", kForPreflight, "Preflight", "", "Describe every check: what it looks at, why, and what to do", kOnce, HADAL_FIELD(Pre, &PC::list)},
    {"--print-env", kForPreflight, "Preflight", "", "Print the NCCL, Gloo, UCX and NVSHMEM variables that fit this host, for a shell, and nothing else", kOnce, HADAL_FIELD(Pre, &PC::print_env)},
    // clang-format on
};

std::string variable(const Settings& settings, const std::string& name) {
  const auto found = settings.environment.find(name);
  return found == settings.environment.end() ? "" : found->second;
}

Status take_count(const Settings& settings, const std::string& name, int& out) {
  const std::string text = variable(settings, name);
  if (text.empty()) return {};
  const Status status = parse_flag(out, text);
  if (!status.ok()) return invalid_argument("environment: ", name, ": ", status.error().message);
  return {};
}

// In a pod of a LeaderWorkerSet its variables say who this host is; flags come first.
Status take_pod(const std::vector<std::string>&, const FlagValueMap& values, Settings& settings) {
  const auto given = [&](std::string_view flag) { return values.contains(find_flag(flag, kForPreflight)); };
  ParallelConfig& parallel = settings.parallel;
  if (!given("--nnodes")) HADAL_RETURN_IF_ERROR(take_count(settings, "LWS_GROUP_SIZE", parallel.nnodes));
  if (!given("--node-rank"))
    HADAL_RETURN_IF_ERROR(take_count(settings, "LWS_WORKER_INDEX", parallel.node_rank));
  const std::string leader = variable(settings, "LWS_LEADER_ADDRESS");
  if (parallel.dist_init_addr.empty() && !leader.empty())
    parallel.dist_init_addr = leader + ":" + std::to_string(kDefaultDistPort);
  if (!given("--termination-log") && !variable(settings, "KUBERNETES_SERVICE_HOST").empty())
    settings.preflight.termination_log = "/dev/termination-log";
  return {};
}

Status validate_preflight(const Settings& settings) {
  HADAL_RETURN_IF_ERROR(validate_preflight_config(settings.preflight));
  const ParallelConfig& parallel = settings.parallel;
  if (parallel.nnodes < 1) return invalid_argument("--nnodes is ", parallel.nnodes, ": it must be 1 or more");
  if (parallel.nnodes > 512) return invalid_argument("--nnodes is ", parallel.nnodes, ": at most 512");
  if (parallel.node_rank < 0 || parallel.node_rank >= parallel.nnodes) {
    return invalid_argument("--node-rank is ", parallel.node_rank, ": it must be 0 to ", parallel.nnodes - 1,
                            " with --nnodes ", parallel.nnodes,
                            "; LWS_WORKER_INDEX is set by LeaderWorkerSet 0.6 and later");
  }
  if (parallel.nnodes > 1 && parallel.dist_init_addr.empty()) {
    return invalid_argument("--nnodes ", parallel.nnodes,
                            " needs --dist-init-addr HOST:PORT, the leader's address (in a LeaderWorkerSet "
                            "LWS_LEADER_ADDRESS gives it)");
  }
  return {};
}

constexpr CommandSpec kCommands[] = {
    {"preflight", Command::kPreflight, kForPreflight, "", "",
     "Check this host, and the way to the group's other hosts, before a server starts", 0, &take_pod,
     &validate_preflight},
};

bool is_version(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos &&
         text.front() != '.' && text.back() != '.';
}

bool is_port(std::string_view text) {
  int port = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), port);
  return r.ec == std::errc() && r.ptr == text.data() + text.size() && port > 0 && port < 65536;
}

}  // namespace

Status validate_preflight_config(const PreflightConfig& config) {
  using std::chrono::milliseconds;
  if (config.format != "text" && config.format != "json")
    return invalid_argument("--format is \"", config.format, "\": it takes text or json");
  if (config.expect_gpus < -1 || config.expect_gpus > 1024)
    return invalid_argument("--expect-gpus is ", config.expect_gpus, ": it takes 0 to 1024, or -1");
  if (!config.min_driver.empty() && !is_version(config.min_driver))
    return invalid_argument("--min-driver is \"", config.min_driver, "\": it takes a version such as 550.54");
  if (!config.min_compute.empty() && !is_version(config.min_compute))
    return invalid_argument("--min-compute is \"", config.min_compute, "\": it takes a version such as 9.0");
  for (const std::string& port : config.ports) {
    if (!is_port(port)) return invalid_argument("--check-port is \"", port, "\": it takes 1 to 65535");
  }
  const struct {
    const char* name;
    milliseconds value;
    milliseconds most;
  } times[] = {{"--timeout", config.timeout, milliseconds(86'400'000)},
               {"--disk-time", config.disk_time, milliseconds(600'000)},
               {"--peer-time", config.peer_time, milliseconds(60'000)},
               {"--max-skew", config.max_skew, milliseconds(86'400'000)}};
  for (const auto& time : times) {
    if (time.value.count() > 0 && time.value <= time.most) continue;
    return invalid_argument(time.name, " is ", static_cast<double>(time.value.count()) / 1000,
                            ": it must be above 0 and at most ", time.most.count() / 1000, " seconds");
  }
  return {};
}

std::span<const FlagSpec> preflight_flags() {
  return kFlags;
}
std::span<const CommandSpec> preflight_commands() {
  return kCommands;
}

}  // namespace hadal
