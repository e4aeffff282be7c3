#include "runtime/host_memory.h"

#include <algorithm>
#include <charconv>

#include "base/file.h"

namespace hadal {
namespace {

// v1 writes "no limit" as the largest multiple of the page size.
constexpr int64_t kNoLimit = int64_t{1} << 60;

std::optional<int64_t> parse_number(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + begin, text.data() + text.size(), value);
  if (error != std::errc() || end == text.data() + begin) return std::nullopt;
  return value;
}

template <typename F>
void for_each_line(std::string_view text, F&& f) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    f(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string read_or_empty(const std::string& path) {
  auto text = read_file(path, size_t{1} << 20);
  return text.ok() ? std::move(text).value() : std::string();
}

struct CgroupFiles {
  std::string root;
  const char* limit;
  const char* usage;
  const char* reclaimable;  // field of memory.stat: page cache that can go
};

// What one group leaves: limit - usage + reclaimable page cache. None where it has no limit.
std::optional<int64_t> group_headroom(const CgroupFiles& files, const std::string& directory) {
  const auto limit = parse_memory_limit(read_or_empty(directory + "/" + files.limit));
  if (!limit) return std::nullopt;
  const int64_t usage = parse_number(read_or_empty(directory + "/" + files.usage)).value_or(0);
  const int64_t cache =
      parse_memory_stat(read_or_empty(directory + "/memory.stat"), files.reclaimable).value_or(0);
  return std::max<int64_t>(*limit - usage + std::min(cache, usage), 0);
}

// The tightest group from the process's own up to the root.
std::optional<int64_t> cgroup_headroom(const CgroupFiles& files, std::string path) {
  std::optional<int64_t> least;
  while (true) {
    const auto headroom = group_headroom(files, files.root + path);
    if (headroom) least = std::min(*headroom, least.value_or(*headroom));
    const size_t slash = path.find_last_of('/');
    if (path.empty() || slash == std::string::npos) return least;
    path.resize(slash);
  }
}

}  // namespace

std::optional<int64_t> parse_mem_available(std::string_view meminfo) {
  constexpr std::string_view kField = "MemAvailable:";
  std::optional<int64_t> bytes;
  for_each_line(meminfo, [&](std::string_view line) {
    if (line.substr(0, kField.size()) != kField) return;
    const auto kib = parse_number(line.substr(kField.size()));
    if (kib && *kib >= 0 && *kib < kNoLimit / 1024) bytes = *kib * 1024;
  });
  return bytes;
}

std::optional<int64_t> parse_memory_limit(std::string_view text) {
  const auto value = parse_number(text);
  if (!value || *value < 0 || *value >= kNoLimit) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_memory_stat(std::string_view text, std::string_view field) {
  std::optional<int64_t> value;
  for_each_line(text, [&](std::string_view line) {
    if (line.size() > field.size() && line.substr(0, field.size()) == field && line[field.size()] == ' ') {
      value = parse_number(line.substr(field.size()));
    }
  });
  return value;
}

std::string parse_cgroup_path(std::string_view text, bool v2) {
  std::string path;
  for_each_line(text, [&](std::string_view line) {
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) return;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (v2 ? line.substr(0, first) == "0" && controllers.empty() : controllers == "memory") {
      path = std::string(line.substr(second + 1));
    }
  });
  return path == "/" ? std::string() : path;
}

Result<int64_t> available_memory() {
  HADAL_ASSIGN(const std::string meminfo, read_file("/proc/meminfo"));
  auto available = parse_mem_available(meminfo);
  if (!available) return make_error(ErrorCode::kIo, "/proc/meminfo has no MemAvailable");
  const std::string groups = read_or_empty("/proc/self/cgroup");
  const CgroupFiles v2{"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};
  const CgroupFiles v1{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                       "total_inactive_file"};
  for (const CgroupFiles* files : {&v2, &v1}) {
    const auto headroom = cgroup_headroom(*files, parse_cgroup_path(groups, files == &v2));
    if (headroom) available = std::min(*available, *headroom);
  }
  return *available;
}

}  // namespace hadal
