#include "preflight/words.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <span>

#include "base/join_text.h"

namespace hadal {
namespace {

// Three digits at the most, without zeros at the end of a fraction.
std::string short_number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, value < 9.95 ? "%.1f" : "%.0f", value);
  std::string out(buffer);
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

std::string scaled(double value, double step, const std::array<const char*, 6>& units) {
  size_t unit = 0;
  while (value >= step && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  return short_number(value) + " " + units[unit];
}

}  // namespace

std::string size_text(uint64_t bytes) {
  return scaled(static_cast<double>(bytes), 1024, {"B", "KiB", "MiB", "GiB", "TiB", "PiB"});
}

std::string rate_text(double bytes_per_second) {
  return scaled(bytes_per_second, 1000, {"B/s", "kB/s", "MB/s", "GB/s", "TB/s", "PB/s"});
}

std::string time_text(double seconds) {
  if (seconds < 1e-3) return short_number(seconds * 1e6) + " us";
  if (seconds < 1) return short_number(seconds * 1e3) + " ms";
  if (seconds < 600) return short_number(seconds) + " s";
  return short_number(seconds / 60) + " min";
}

std::string list_text(const std::vector<std::string>& names, size_t most) {
  if (names.size() <= most) return join_text(names, ", ");
  return join_text(std::span(names).first(most), ", ") + " and " + std::to_string(names.size() - most) +
         " more";
}

std::string count_text(size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    const std::string part = trimmed(text.substr(begin, end - begin));
    if (!part.empty()) out.push_back(part);
    begin = end + 1;
  }
  return out;
}

std::vector<std::string> split_lines(std::string_view text) {
  return split(text, '\n');
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

int compare_dotted_versions(std::string_view a, std::string_view b) {
  const auto x = split(a, '.');
  const auto y = split(b, '.');
  for (size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
    const int64_t left = i < x.size() ? whole_number(x[i]).value_or(0) : 0;
    const int64_t right = i < y.size() ? whole_number(y[i]).value_or(0) : 0;
    if (left != right) return left < right ? -1 : 1;
  }
  return 0;
}

std::optional<int64_t> whole_number(std::string_view text, int base) {
  int64_t value = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string value_of(std::string_view text, std::string_view key) {
  for (const std::string& line : split_lines(text)) {
    if (!line.starts_with(key)) continue;
    const std::string rest = trimmed(std::string_view(line).substr(key.size()));
    if (rest.starts_with(':')) return trimmed(std::string_view(rest).substr(1));
  }
  return "";
}

}  // namespace hadal
