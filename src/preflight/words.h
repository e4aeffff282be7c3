// Small text helpers of the checks: sizes, lists, versions. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

// "64 GiB", "1.5 GiB", "512 B".
std::string size_text(uint64_t bytes);
// "2.4 GB/s", "310 MB/s" (powers of 1000).
std::string rate_text(double bytes_per_second);
// "12.5 us", "1.2 ms", "3 s".
std::string time_text(double seconds);
// "a, b and 3 more" where there are more than `most`.
std::string list_text(const std::vector<std::string>& names, size_t most = 4);
// "1 GPU", "2 GPUs".
std::string count_text(size_t count, std::string_view noun);
// Without empty parts.
std::vector<std::string> split(std::string_view text, char separator);
std::vector<std::string> split_lines(std::string_view text);
std::string trimmed(std::string_view text);
// Less than, equal, greater than 0, part by part: "550.54" < "550.127.05".
int compare_dotted_versions(std::string_view a, std::string_view b);
// All of `text` is a whole number.
std::optional<int64_t> whole_number(std::string_view text, int base = 10);
// "Key:   value" lines: the value of `key`, or "".
std::string value_of(std::string_view text, std::string_view key);

}  // namespace hadal
