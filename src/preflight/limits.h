// Limits: what the system lets this process have: /proc/self/limits and the control group's files. Parsers
// are pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "preflight/host.h"

namespace hadal {

inline constexpr uint64_t kUnlimited = ~uint64_t{0};

struct Limit {
  uint64_t soft = 0;
  uint64_t hard = 0;
};

// The line of /proc/self/limits that begins with `name`: "Max locked memory".
std::optional<Limit> parse_limit(std::string_view limits, std::string_view name);
// "64 KiB" or "unlimited".
std::string limit_text(uint64_t limit, bool bytes);

struct CgroupLimits {
  bool found = false;
  uint64_t memory = kUnlimited;         // bytes
  std::optional<uint64_t> memory_used;  // bytes
  double cpus = 0;                      // 0: no limit
};
// Version 2, or the controllers of version 1; the least over the group and those above it.
CgroupLimits read_cgroup(const Host& host);

// Bit `number` of the line "CapEff" in /proc/self/status.
bool has_capability(std::string_view status, int number);

// Bytes of a line of /proc/meminfo, "MemTotal".
std::optional<uint64_t> meminfo_bytes(std::string_view meminfo, std::string_view key);

}  // namespace hadal
