#include "config/flag_fields.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

namespace hadal {
namespace {

template <typename T>
Status parse_integer(T& out, std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto r = std::from_chars(text.data(), end, value);
  if (r.ec != std::errc() || r.ptr != end)
    return invalid_argument("\"", text, "\" is not a whole number in range");
  out = value;
  return {};
}
struct Suffix {
  std::string_view text;
  int64_t factor;
};
// As SGLang 0.5.23 takes them (human_readable_int in python/sglang/srt/utils/common.py): powers of 1000, with
// decimals allowed, and of 1024. 32K and 1m are neither there: other programs read them in different ways.
constexpr Suffix kSuffixes[] = {
    {"k", 1'000},
    {"M", 1'000'000},
    {"G", 1'000'000'000},
    {"T", 1'000'000'000'000},
    {"Ki", int64_t{1} << 10},
    {"Mi", int64_t{1} << 20},
    {"Gi", int64_t{1} << 30},
    {"Ti", int64_t{1} << 40},
};

// Digits, then maybe a point and digits, times the factor; nullopt: it is no such number, no whole number of
// tokens, or out of range.
std::optional<int64_t> scaled(std::string_view number, int64_t factor, bool decimals) {
  const size_t point = number.find('.');
  std::string digits(number.substr(0, point));
  if (point != std::string_view::npos) {
    const std::string_view fraction = number.substr(point + 1);
    if (!decimals || digits.empty() || fraction.empty()) return std::nullopt;
    digits += fraction;
    for (size_t i = 0; i < fraction.size(); ++i) {
      if (factor % 10 != 0) return std::nullopt;
      factor /= 10;
    }
  }
  const bool only_digits = digits.find_first_not_of("0123456789") == std::string::npos;
  int64_t value = 0;
  const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (!only_digits || r.ec != std::errc() || __builtin_mul_overflow(value, factor, &value))
    return std::nullopt;
  return value;
}

// Nullopt: neither a whole number nor one with a suffix, or out of range.
std::optional<int64_t> parse_scaled(std::string_view text, int64_t largest) {
  int64_t whole = 0;
  if (parse_integer(whole, text).ok()) return whole <= largest ? std::optional(whole) : std::nullopt;
  for (const Suffix& suffix : kSuffixes) {
    if (!text.ends_with(suffix.text)) continue;
    const bool decimals = suffix.text.size() == 1;
    const auto value = scaled(text.substr(0, text.size() - suffix.text.size()), suffix.factor, decimals);
    return value && *value <= largest ? value : std::nullopt;
  }
  return std::nullopt;
}

template <typename T>
Status parse_tokens(T& out, std::string_view text) {
  const auto value = text.ends_with('T') || text.ends_with("Ti")
                         ? std::nullopt
                         : parse_scaled(text, std::numeric_limits<T>::max());
  if (!value) {
    return invalid_argument("\"", text,
                            "\" is not a number of tokens in range: it takes a whole number, or one like 32k "
                            "(32000), 1.5M, 32Ki (32768) or 1Mi");
  }
  out = static_cast<T>(*value);
  return {};
}

}  // namespace

Status parse_flag(std::string& out, std::string_view text) {
  out = text;
  return {};
}

Status parse_flag(bool& out, std::string_view text) {
  for (std::string_view yes : {"true", "1", "yes", "on"}) {
    if (text == yes) return out = true, Status();
  }
  for (std::string_view no : {"false", "0", "no", "off"}) {
    if (text == no) return out = false, Status();
  }
  return invalid_argument("\"", text, "\" is neither true nor false");
}

Status parse_flag(int& out, std::string_view text) {
  return parse_integer(out, text);
}
Status parse_flag(int64_t& out, std::string_view text) {
  return parse_integer(out, text);
}
Status parse_flag(size_t& out, std::string_view text) {
  return parse_integer(out, text);
}

Status parse_token_flag(int& out, std::string_view text) {
  return parse_tokens(out, text);
}
Status parse_token_flag(int64_t& out, std::string_view text) {
  return parse_tokens(out, text);
}
Status parse_byte_flag(int64_t& out, std::string_view text) {
  const auto value = parse_scaled(text, std::numeric_limits<int64_t>::max());
  if (!value || *value < 0) {
    return invalid_argument(
        "\"", text, "\" is not a number of bytes: it takes a whole number, or one like 500M, 1.5G or 4Gi");
  }
  out = *value;
  return {};
}

Status parse_flag(double& out, std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto r = std::from_chars(text.data(), end, value);
  if (r.ec != std::errc() || r.ptr != end || !std::isfinite(value)) {
    return invalid_argument("\"", text, "\" is not a number");
  }
  out = value;
  return {};
}

Status parse_flag(std::chrono::milliseconds& out, std::string_view text) {
  constexpr double kMaxSeconds = 1e9;
  constexpr struct {
    std::string_view name;
    double seconds;
  } kUnits[] = {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  std::string_view number = text;
  double unit = 1;
  for (const auto& row : kUnits) {
    if (!text.ends_with(row.name)) continue;
    number = text.substr(0, text.size() - row.name.size());
    unit = row.seconds;
    break;
  }
  double count = 0;
  if (!parse_flag(count, number).ok() || count < 0 || count * unit > kMaxSeconds)
    return invalid_argument("\"", text,
                            "\" is not a time: write seconds, or a number with a unit, as 90s, 15m or 24h");
  out = std::chrono::milliseconds(static_cast<int64_t>(count * unit * 1000));
  return {};
}

Status parse_flag(std::vector<std::string>& out, std::string_view text) {
  if (text.empty()) return invalid_argument("is empty");
  out.emplace_back(text);
  return {};
}

std::string show_flag(const std::string& value) {
  return value;
}
std::string show_flag(bool value) {
  return value ? "true" : "false";
}
std::string show_flag(int value) {
  return std::to_string(value);
}
std::string show_flag(int64_t value) {
  return std::to_string(value);
}
std::string show_flag(size_t value) {
  return std::to_string(value);
}
std::string show_flag(double value) {
  char buffer[40];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}
std::string show_flag(std::chrono::milliseconds value) {
  return show_flag(static_cast<double>(value.count()) / 1000);
}
std::string show_flag(const std::vector<std::string>&) {
  return "";
}

}  // namespace hadal
