// How much memory this process may still take: the machine's and its control group's limits. Any thread, at
// start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

// The least of MemAvailable and, for every control group above the process (v2, or v1's memory controller),
// its limit minus what it uses that cannot be reclaimed. Errors: kIo when /proc/meminfo cannot be read.
Result<int64_t> available_memory();

// "MemAvailable: 123 kB" of /proc/meminfo's text, in bytes.
std::optional<int64_t> parse_mem_available(std::string_view meminfo);
// A limit file's number; none for "max" and v1's "no limit" value.
std::optional<int64_t> parse_memory_limit(std::string_view text);
// One field of memory.stat, in bytes.
std::optional<int64_t> parse_memory_stat(std::string_view text, std::string_view field);
// This process's path in the v2 hierarchy ("0::/path") or in v1's memory controller, from /proc/self/cgroup.
std::string parse_cgroup_path(std::string_view text, bool v2);

}  // namespace hadal
