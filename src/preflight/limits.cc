#include "preflight/limits.h"

#include <algorithm>
#include <charconv>

#include "preflight/words.h"

namespace hadal {
namespace {

std::optional<uint64_t> limit_value(std::string_view word) {
  if (word == "unlimited") return kUnlimited;
  uint64_t value = 0;
  const auto r = std::from_chars(word.data(), word.data() + word.size(), value);
  if (r.ec != std::errc() || r.ptr != word.data() + word.size()) return std::nullopt;
  return value;
}

void take_memory(const Host& host, const std::string& directory, const char* limit, const char* used,
                 CgroupLimits& out) {
  const auto text = host.read(directory + limit);
  if (!text) return;
  out.found = true;
  const auto value = limit_value(*text);  // "max" is none
  // Version 1 writes a limit that is none as the largest number of pages.
  if (!value || *value > (uint64_t{1} << 62) || *value >= out.memory) return;
  out.memory = *value;
  if (const auto bytes = host.read_number(directory + used)) out.memory_used = static_cast<uint64_t>(*bytes);
}

void take_cpus(double quota, double period, CgroupLimits& out) {
  if (quota <= 0 || period <= 0) return;
  const double cpus = quota / period;
  if (out.cpus == 0 || cpus < out.cpus) out.cpus = cpus;
}

void read_v2(const Host& host, const std::string& directory, CgroupLimits& out) {
  take_memory(host, directory, "/memory.max", "/memory.current", out);
  const auto words = split(host.read(directory + "/cpu.max").value_or(""), ' ');
  if (words.size() != 2) return;
  out.found = true;
  const auto quota = whole_number(words[0]);
  const auto period = whole_number(words[1]);
  if (quota && period) take_cpus(static_cast<double>(*quota), static_cast<double>(*period), out);
}

void read_v1(const Host& host, const std::string& memory, const std::string& cpu, CgroupLimits& out) {
  take_memory(host, "/sys/fs/cgroup/memory" + memory, "/memory.limit_in_bytes", "/memory.usage_in_bytes",
              out);
  const auto quota = host.read_number("/sys/fs/cgroup/cpu" + cpu + "/cpu.cfs_quota_us");
  const auto period = host.read_number("/sys/fs/cgroup/cpu" + cpu + "/cpu.cfs_period_us");
  if (!quota || !period) return;
  out.found = true;
  take_cpus(static_cast<double>(*quota), static_cast<double>(*period), out);
}

// "/a/b" gives "/a/b", "/a" and "".
std::vector<std::string> with_parents(std::string path) {
  std::vector<std::string> out;
  if (path.find("..") != std::string::npos) path.clear();  // outside of this namespace's root
  while (!path.empty() && path != "/" && out.size() < 64) {
    out.push_back(path);
    path.resize(std::min(path.rfind('/'), path.size()));
  }
  out.push_back("");
  return out;
}

}  // namespace

std::optional<Limit> parse_limit(std::string_view limits, std::string_view name) {
  for (const std::string& line : split_lines(limits)) {
    if (!line.starts_with(name)) continue;
    const auto words = split(std::string_view(line).substr(name.size()), ' ');
    if (words.size() < 2) return std::nullopt;
    const auto soft = limit_value(words[0]);
    const auto hard = limit_value(words[1]);
    if (!soft || !hard) return std::nullopt;
    return Limit{*soft, *hard};
  }
  return std::nullopt;
}

std::string limit_text(uint64_t limit, bool bytes) {
  if (limit == kUnlimited) return "unlimited";
  return bytes ? size_text(limit) : std::to_string(limit);
}

CgroupLimits read_cgroup(const Host& host) {
  CgroupLimits out;
  std::string own_v2;
  std::string own_memory;
  std::string own_cpu;
  for (const std::string& line : split_lines(host.read("/proc/self/cgroup").value_or(""))) {
    // "0::/path" or "4:cpu,cpuacct:/path"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = split(std::string_view(line).substr(first + 1, second - first - 1), ',');
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) own_v2 = path;
    for (const std::string& one : controllers) {
      if (one == "memory") own_memory = path;
      if (one == "cpu") own_cpu = path;
    }
  }
  for (const std::string& path : with_parents(own_v2)) read_v2(host, "/sys/fs/cgroup" + path, out);
  for (const std::string& memory : with_parents(own_memory)) read_v1(host, memory, "", out);
  for (const std::string& cpu : with_parents(own_cpu)) read_v1(host, "", cpu, out);
  return out;
}

bool has_capability(std::string_view status, int number) {
  uint64_t bits = 0;
  const std::string text = value_of(status, "CapEff");
  const auto r = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
  return r.ec == std::errc() && number >= 0 && number < 64 && ((bits >> number) & 1) != 0;
}

std::optional<uint64_t> meminfo_bytes(std::string_view meminfo, std::string_view key) {
  const auto words = split(value_of(meminfo, key), ' ');
  if (words.empty()) return std::nullopt;
  const auto number = whole_number(words[0]);
  if (!number || *number < 0 || *number > (int64_t{1} << 50)) return std::nullopt;
  const bool kibibytes = words.size() > 1 && words[1] == "kB";
  return static_cast<uint64_t>(*number) * (kibibytes ? 1024 : 1);
}

}  // namespace hadal
