#include "preflight/limit_checks.h"

#include <sched.h>
#include <sys/stat.h>

#include "preflight/gpu_inventory.h"
#include "preflight/host.h"
#include "preflight/limits.h"
#include "preflight/rdma_inventory.h"
#include "preflight/words.h"

namespace hadal {
namespace {

constexpr int kCapIpcLock = 14;
constexpr uint64_t kLeastFiles = 65536;
constexpr uint64_t kLeastProcesses = 4096;
constexpr uint64_t kShmWithGpus = uint64_t{1} << 30;
constexpr double kMuchUsed = 0.1;

std::optional<Limit> limit_of(const CheckContext& context, std::string_view name) {
  return parse_limit(context.host.read("/proc/self/limits").value_or(""), name);
}

CheckResult no_limits() {
  return not_checked("/proc/self/limits cannot be read");
}

uint64_t memory_of(const CheckContext& context, std::string& from) {
  const auto total = meminfo_bytes(context.host.read("/proc/meminfo").value_or(""), "MemTotal");
  const CgroupLimits cgroup = read_cgroup(context.host);
  if (cgroup.memory < total.value_or(kUnlimited)) return from = "the container's limit", cgroup.memory;
  return from = "the host's memory", total.value_or(0);
}

}  // namespace

CheckResult check_memlock(const CheckContext& context) {
  const auto limit = limit_of(context, "Max locked memory");
  if (!limit) return no_limits();
  const bool capable = has_capability(context.host.read("/proc/self/status").value_or(""), kCapIpcLock);
  JsonObject facts{{"soft", Json(limit_text(limit->soft, false))}, {"ipc_lock", Json(capable)}};
  std::string text = "locked memory: " + limit_text(limit->soft, true);
  if (capable) text += ", and the capability IPC_LOCK, which no limit holds";
  const auto wanted = static_cast<uint64_t>(context.config.min_memlock);
  const bool rdma = !context.rdma.devices.empty();
  if (capable) return pass(text, std::move(facts));
  if (wanted > 0) {
    if (limit->soft < wanted)
      return fail_check(text + ", " + size_text(wanted) + " asked for", "", std::move(facts));
    return pass(text, std::move(facts));
  }
  if (limit->soft == kUnlimited) return pass(text, std::move(facts));
  if (rdma) return fail_check(text + ": RDMA buffers must be locked, and will not be", "", std::move(facts));
  return info(text + " (no RDMA device needs more)", std::move(facts));
}

CheckResult check_nofile(const CheckContext& context) {
  const auto limit = limit_of(context, "Max open files");
  if (!limit) return no_limits();
  const std::string text =
      "open files: " + limit_text(limit->hard, false) + " (hard limit; hadal raises the soft one to it)";
  JsonObject facts{{"hard", Json(limit_text(limit->hard, false))}};
  if (limit->hard < kLeastFiles) return warn(text + ": few for many connections", "", std::move(facts));
  return pass(text, std::move(facts));
}

CheckResult check_nproc(const CheckContext& context) {
  const auto limit = limit_of(context, "Max processes");
  if (!limit) return no_limits();
  uint64_t least = limit->soft;
  // A container's own bound on processes and threads.
  for (const char* path : {"/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"}) {
    if (const auto pids = context.host.read_number(path))
      least = std::min(least, static_cast<uint64_t>(*pids));
  }
  const std::string text = "processes and threads: " + limit_text(least, false);
  if (least < kLeastProcesses) return warn(text);
  return pass(text);
}

CheckResult check_core(const CheckContext& context) {
  const auto limit = limit_of(context, "Max core file size");
  if (!limit) return no_limits();
  if (limit->soft == 0) return info("core files: none are written");
  return info("core files: up to " + limit_text(limit->soft, true) +
              "; one of a process with a model in memory fills a disk");
}

CheckResult check_shm_size(const CheckContext& context) {
  const auto space = context.host.space("/dev/shm");
  if (!space.ok()) return fail_check(space.error().message);
  const bool gpus = !context.gpus.gpus.empty() || context.config.expect_gpus > 0;
  const uint64_t usual = gpus ? kShmWithGpus : 0;
  const uint64_t wanted = context.config.min_shm > 0 ? static_cast<uint64_t>(context.config.min_shm) : usual;
  JsonObject facts{{"total_bytes", Json(space->total)}, {"free_bytes", Json(space->free)}};
  const std::string text = "/dev/shm: " + size_text(space->total) + ", " + size_text(space->free) + " free";
  if (space->free < wanted) {
    const std::string why = space->total == uint64_t{64} << 20 ? " (the default of container engines)" : "";
    return fail_check(text + why + "; " + size_text(wanted) + " asked for", "", std::move(facts));
  }
  const Status writable = context.host.can_write("/dev/shm");
  if (!writable.ok())
    return fail_check(text + ", but not writable: " + writable.error().message, "", std::move(facts));
  std::string from;
  const uint64_t memory = memory_of(context, from);
  if (memory > 0 && space->total > memory)
    return warn(text + ": more than " + from + " (" + size_text(memory) + "), in which it counts", "",
                std::move(facts));
  return pass(text, std::move(facts));
}

CheckResult check_shm_leftovers(const CheckContext& context) {
  uint64_t bytes = 0;
  std::vector<std::string> names;
  for (const std::string& name : context.host.list("/dev/shm")) {
    struct stat info {};
    if (::lstat(context.host.under_root("/dev/shm/" + name).c_str(), &info) != 0) continue;
    bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    names.push_back(name);
  }
  if (names.empty()) return pass("/dev/shm is empty");
  JsonObject facts{{"files", Json(static_cast<int64_t>(names.size()))}, {"bytes", Json(bytes)}};
  const std::string text =
      count_text(names.size(), "file") + " with " + size_text(bytes) + " in /dev/shm: " + list_text(names);
  const auto space = context.host.space("/dev/shm");
  const bool much = space.ok() && static_cast<double>(bytes) > kMuchUsed * static_cast<double>(space->total);
  if (much) return warn(text + ": left behind by an earlier run?", "", std::move(facts));
  return info(text, std::move(facts));
}

CheckResult check_memory(const CheckContext& context) {
  std::string from;
  const uint64_t memory = memory_of(context, from);
  if (memory == 0) return not_checked("/proc/meminfo cannot be read");
  const CgroupLimits cgroup = read_cgroup(context.host);
  std::string text = size_text(memory) + ", " + from;
  if (!cgroup.found) text += " (no control group is visible)";
  JsonObject facts{{"bytes", Json(memory)}, {"cgroup_limited", Json(cgroup.memory != kUnlimited)}};
  const auto available = meminfo_bytes(context.host.read("/proc/meminfo").value_or(""), "MemAvailable");
  if (available) {
    text += "; " + size_text(*available) + " available on the host";
    facts.emplace_back("available_bytes", Json(*available));
  }
  const auto wanted = static_cast<uint64_t>(context.config.min_memory);
  if (wanted == 0) return info(text, std::move(facts));
  if (memory < wanted)
    return fail_check(text + "; " + size_text(wanted) + " asked for", "", std::move(facts));
  if (available && *available < wanted)
    return warn(text + ": less than the " + size_text(wanted) + " asked for", "", std::move(facts));
  return pass(text, std::move(facts));
}

CheckResult check_cpus(const CheckContext& context) {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
  const CgroupLimits cgroup = read_cgroup(context.host);
  double cpus = allowed;
  std::string text = count_text(static_cast<size_t>(allowed), "CPU") + " may be used";
  if (cgroup.cpus > 0 && cgroup.cpus < cpus) {
    cpus = cgroup.cpus;
    char number[32];
    std::snprintf(number, sizeof number, "%.3g", cgroup.cpus);
    text = std::string(number) + " CPUs by the container's limit, on " + std::to_string(allowed);
  }
  JsonObject facts{{"cpus", Json(cpus)}};
  if (cpus == 0) return not_checked("the system does not tell");
  if (context.config.min_cpus <= 0) return info(text, std::move(facts));
  if (cpus < context.config.min_cpus) {
    char number[32];
    std::snprintf(number, sizeof number, "%.3g", context.config.min_cpus);
    return fail_check(text + "; " + number + " asked for", "", std::move(facts));
  }
  return pass(text, std::move(facts));
}

}  // namespace hadal
