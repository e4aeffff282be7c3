#include "preflight/system_checks.h"

#include <set>

#include "base/join_text.h"
#include "preflight/host.h"
#include "preflight/limits.h"
#include "preflight/words.h"

namespace hadal {
namespace {

constexpr const char* kOldestKernel = "5.4";
constexpr int kCapSysAdmin = 21;

// The word in brackets of "always [madvise] never".
std::string chosen(const std::string& text) {
  const size_t begin = text.find('[');
  const size_t end = text.find(']');
  return begin == std::string::npos || end == std::string::npos || end < begin
             ? ""
             : text.substr(begin + 1, end - begin - 1);
}

size_t numa_nodes(const Host& host) {
  size_t count = 0;
  for (const std::string& name : host.list("/sys/devices/system/node")) {
    count += name.starts_with("node") && whole_number(std::string_view(name).substr(4)) ? 1 : 0;
  }
  return count;
}

}  // namespace

CheckResult check_kernel(const CheckContext& context) {
  const auto release = context.host.read("/proc/sys/kernel/osrelease");
  if (!release) return not_checked("/proc/sys/kernel/osrelease cannot be read");
  const std::string version = release->substr(0, release->find_first_not_of("0123456789."));
  JsonObject facts{{"release", Json(*release)}};
  if (compare_dotted_versions(version, kOldestKernel) < 0)
    return warn("Linux " + *release + " is older than " + kOldestKernel, "", std::move(facts));
  return pass("Linux " + *release, std::move(facts));
}

CheckResult check_cpu_features(const CheckContext& context) {
  const auto text = context.host.read("/proc/cpuinfo");
  if (!text) return not_checked("/proc/cpuinfo cannot be read");
  const auto words = split(value_of(*text, "flags"), ' ');
  const std::set<std::string> flags(words.begin(), words.end());
  const std::string model = value_of(*text, "model name");
  if (flags.empty()) return info((model.empty() ? "the CPU" : model) + ": /proc/cpuinfo lists no flags");
  std::vector<std::string> has;
  for (const auto& [flag, name] : {std::pair{"avx2", "AVX2"},
                                   {"avx512f", "AVX-512"},
                                   {"avx512_vnni", "VNNI"},
                                   {"avx512_bf16", "BF16"},
                                   {"amx_tile", "AMX"}}) {
    if (flags.contains(flag)) has.push_back(name);
  }
  JsonArray list;
  for (const std::string& name : has) list.push_back(Json(name));
  JsonObject facts{{"model", Json(model)}, {"features", Json(std::move(list))}};
  if (!flags.contains("avx2"))
    return warn(model + ": no AVX2, models run slowly on this CPU", "", std::move(facts));
  return info(model + ": " + join_text(has, ", "), std::move(facts));
}

CheckResult check_hugepages(const CheckContext& context) {
  const std::string thp =
      chosen(context.host.read("/sys/kernel/mm/transparent_hugepage/enabled").value_or(""));
  const std::string meminfo = context.host.read("/proc/meminfo").value_or("");
  const std::string reserved = value_of(meminfo, "HugePages_Total");
  if (thp.empty() && reserved.empty()) return not_checked("the kernel does not tell");
  std::string text = "transparent huge pages: " + (thp.empty() ? "unknown" : thp);
  if (!reserved.empty() && reserved != "0")
    text += "; " + reserved + " pages of " + value_of(meminfo, "Hugepagesize") +
            " are reserved, and lost to everything else";
  if (thp == "never") return warn(text + ": the CPU's weights are read through small pages");
  return info(text);
}

CheckResult check_numa_balancing(const CheckContext& context) {
  const auto setting = context.host.read_number("/proc/sys/kernel/numa_balancing");
  const size_t nodes = numa_nodes(context.host);
  const std::string text = count_text(nodes, "NUMA node");
  if (nodes == 0) return not_checked("sysfs shows no NUMA node");
  if (nodes == 1) return pass("one NUMA node: nothing to balance");
  if (!setting) return not_checked(text + "; the kernel does not tell about balancing");
  if (*setting != 0) return warn(text + ", and the kernel moves pages between them while they are used");
  return pass(text + ", automatic balancing off");
}

CheckResult check_user(const CheckContext& context) {
  const std::string status = context.host.read("/proc/self/status").value_or("");
  const unsigned user = context.host.user_id();
  const std::string text =
      "user " + std::to_string(user) + (context.host.has_user_name() ? "" : " (without a name)");
  JsonObject facts{{"uid", Json(static_cast<int64_t>(user))}};
  if (status.empty()) return not_checked("/proc/self/status cannot be read");
  const bool pod = !context.host.variable("KUBERNETES_SERVICE_HOST").empty();
  if (has_capability(status, kCapSysAdmin))
    return info(text + " with SYS_ADMIN: " +
                    (pod ? "the pod is privileged, which hadal does not need" : "hadal does not need it"),
                std::move(facts));
  if (user == 0) return info(text + ": root is not needed", std::move(facts));
  return pass(text + ", no more rights than needed", std::move(facts));
}

CheckResult check_home(const CheckContext& context) {
  const std::string home = context.host.variable("HOME");
  if (home.empty()) return warn("HOME is not set: libraries write their caches to /", "");
  if (!context.host.exists(home)) return warn("HOME=" + home + " does not exist");
  const Status status = context.host.can_write(home);
  if (!status.ok()) return warn("HOME=" + home + " is not writable: " + status.error().message);
  return pass("HOME=" + home + " is writable");
}

CheckResult check_clock_sync(const CheckContext& context) {
  const ClockState clock = context.host.clock();
  if (!clock.known) return not_checked("the kernel does not tell the state of the clock");
  JsonObject facts{{"synchronized", Json(clock.synchronized)}, {"max_error_seconds", Json(clock.max_error)}};
  // Where nothing disciplines the clock through the kernel (a guest whose host does) it counts as not
  // synchronized.
  if (!clock.synchronized)
    return warn("the kernel's clock is not synchronized by NTP, as far as it knows", "", std::move(facts));
  return pass("synchronized, at most " + time_text(clock.max_error) + " off", std::move(facts));
}

}  // namespace hadal
