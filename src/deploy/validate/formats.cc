#include "deploy/validate/formats.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace hadal {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_alpha(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}
bool is_alnum(char c) {
  return is_alpha(c) || is_digit(c);
}

bool all_of(std::string_view text, auto&& test) {
  return std::all_of(text.begin(), text.end(), test);
}

// "M", "Ki", "m", "e3": the factor; nullopt: none.
std::optional<long double> quantity_factor(std::string_view suffix) {
  constexpr std::pair<std::string_view, int> kDecimal[] = {{"n", -9}, {"u", -6}, {"m", -3}, {"", 0},
                                                           {"k", 3},  {"M", 6},  {"G", 9},  {"T", 12},
                                                           {"P", 15}, {"E", 18}};
  for (const auto& [name, power] : kDecimal) {
    if (suffix == name) return std::pow(10.0L, power);
  }
  constexpr std::string_view kBinary = "KMGTPE";
  if (suffix.size() == 2 && suffix[1] == 'i') {
    const size_t place = kBinary.find(suffix[0]);
    if (place != std::string_view::npos) return std::pow(2.0L, 10 * (static_cast<int>(place) + 1));
  }
  if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E')) {
    std::string_view digits = suffix.substr(1);
    if (digits[0] == '+') digits.remove_prefix(1);
    int power = 0;
    const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), power);
    if (r.ec == std::errc() && r.ptr == digits.data() + digits.size() && power > -400 && power < 400)
      return std::pow(10.0L, power);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Quantity> parse_quantity(std::string_view text) {
  if (text.empty() || text.size() > 128) return std::nullopt;
  bool negative = false;
  if (text[0] == '+' || text[0] == '-') {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  long double value = 0;
  long double scale = 1;
  int num_digits = 0;
  bool fraction = false;
  size_t i = 0;
  for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !fraction)); ++i) {
    if (text[i] == '.') {
      fraction = true;
      continue;
    }
    value = value * 10 + (text[i] - '0');
    if (fraction) scale *= 10;
    ++num_digits;
  }
  if (num_digits == 0) return std::nullopt;
  const std::optional<long double> factor = quantity_factor(text.substr(i));
  if (!factor) return std::nullopt;
  Quantity out;
  out.value = value / scale * *factor * (negative ? -1 : 1);
  // A part smaller than a thousandth of a unit counts as a fraction too.
  out.is_integer =
      std::fabs(out.value - std::round(out.value)) < 1e-12L * std::max(1.0L, std::fabs(out.value));
  return out;
}

std::optional<int64_t> parse_go_duration(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  long double total = 0;
  while (!text.empty()) {
    long double value = 0;
    long double scale = 1;
    size_t i = 0;
    int digits = 0;
    bool fraction = false;
    for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !fraction)); ++i) {
      if (text[i] == '.') {
        fraction = true;
        continue;
      }
      value = value * 10 + (text[i] - '0');
      if (fraction) scale *= 10;
      ++digits;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(i);
    size_t unit = 0;
    while (unit < text.size() && !is_digit(text[unit]) && text[unit] != '.') ++unit;
    const std::string_view name = text.substr(0, unit);
    constexpr std::pair<std::string_view, long double> kUnits[] = {
        {"ns", 1},    {"us", 1e3L}, {"\xC2\xB5s", 1e3L}, {"\xCE\xBCs", 1e3L},
        {"ms", 1e6L}, {"s", 1e9L},  {"m", 60e9L},        {"h", 3600e9L}};
    const auto* found = std::find_if(std::begin(kUnits), std::end(kUnits),
                                     [&](const auto& entry) { return entry.first == name; });
    if (found == std::end(kUnits)) return std::nullopt;
    total += value / scale * found->second;
    text.remove_prefix(unit);
  }
  if (total > 9.2233720368e18L) return std::nullopt;
  return static_cast<int64_t>(negative ? -total : total);
}

std::optional<int64_t> parse_prometheus_duration(std::string_view text) {
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"y", 31'536'000'000}, {"w", 604'800'000}, {"d", 86'400'000}, {"h", 3'600'000},
      {"m", 60'000},         {"s", 1'000},       {"ms", 1}};
  size_t next_unit = 0;
  int64_t total = 0;
  while (!text.empty()) {
    int64_t value = 0;
    const auto r = std::from_chars(text.data(), text.data() + text.size(), value);
    if (r.ec != std::errc() || !is_digit(text[0]) || value > 100'000'000) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(r.ptr - text.data()));
    size_t length = 0;
    while (length < text.size() && is_lower(text[length])) ++length;
    size_t unit = next_unit;
    while (unit < std::size(kUnits) && kUnits[unit].first != text.substr(0, length)) ++unit;
    if (unit == std::size(kUnits)) return std::nullopt;
    total += value * kUnits[unit].second;
    next_unit = unit + 1;
    text.remove_prefix(length);
  }
  return total;
}

// Howard Hinnant's algorithm on the proleptic Gregorian calendar ("chrono-Compatible Low-Level Date
// Algorithms").
int64_t days_from_civil(int64_t year, int month, int day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

CivilDate civil_from_days(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t doe = days - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  CivilDate out;
  out.day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  out.month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  out.year = yoe + era * 400 + (out.month <= 2 ? 1 : 0);
  return out;
}

namespace {

// A fixed count of digits; -1: something else.
int digits_at(std::string_view text, size_t place, size_t count) {
  if (place + count > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(place, count)) {
    if (!is_digit(c)) return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool is_valid_date(int year, int month, int day) {
  if (year < 0 || month < 1 || month > 12 || day < 1) return false;
  const int64_t next = month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, month + 1, 1);
  return day <= next - days_from_civil(year, month, 1);
}

// "Z", "+02:00": seconds east of UTC.
std::optional<int> zone_offset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const int hours = digits_at(text, 1, 2);
  const int minutes = digits_at(text, 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
}

}  // namespace

bool is_date(std::string_view text) {
  return text.size() == 10 && text[4] == '-' && text[7] == '-' &&
         is_valid_date(digits_at(text, 0, 4), digits_at(text, 5, 2), digits_at(text, 8, 2));
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  if (text.size() < 20 || !is_date(text.substr(0, 10)) || (text[10] != 'T' && text[10] != 't') ||
      text[13] != ':' || text[16] != ':')
    return std::nullopt;
  const int hour = digits_at(text, 11, 2);
  const int minute = digits_at(text, 14, 2);
  const int second = digits_at(text, 17, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return std::nullopt;
  Timestamp out;
  size_t i = 19;
  if (text[i] == '.') {
    int32_t scale = 100'000'000;
    const size_t begin = ++i;
    for (; i < text.size() && is_digit(text[i]); ++i, scale /= 10) out.nanos += (text[i] - '0') * scale;
    if (i == begin) return std::nullopt;
  }
  const std::optional<int> offset = zone_offset(text.substr(i));
  if (!offset) return std::nullopt;
  const int64_t days = days_from_civil(digits_at(text, 0, 4), digits_at(text, 5, 2), digits_at(text, 8, 2));
  out.seconds = days * 86400 + hour * 3600 + minute * 60 + second - *offset;
  return out;
}

bool is_dns1123_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         all_of(text, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

bool is_dns1123_subdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view label = text.substr(begin, end - begin);
    // A label of a subdomain has no limit of its own.
    if (label.empty() || label.front() == '-' || label.back() == '-' ||
        !all_of(label, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; }))
      return false;
    begin = end + 1;
  }
  return true;
}

bool is_dns1035_label(std::string_view text) {
  return is_dns1123_label(text) && is_lower(text[0]);
}

namespace {

bool is_name_part(std::string_view name) {
  return !name.empty() && name.size() <= 63 && is_alnum(name.front()) && is_alnum(name.back()) &&
         all_of(name, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

bool is_qualified_name(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_name_part(text);
  return is_dns1123_subdomain(text.substr(0, slash)) && is_name_part(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) {
  return text.empty() || is_name_part(text);
}

bool is_port_name(std::string_view text) {
  return !text.empty() && text.size() <= 15 && text.find("--") == std::string_view::npos &&
         text.front() != '-' && text.back() != '-' &&
         all_of(text, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; }) &&
         std::any_of(text.begin(), text.end(), is_lower);
}

bool is_env_name(std::string_view text) {
  return !text.empty() && all_of(text, [](char c) { return c >= ' ' && c <= '~' && c != '='; });
}

bool is_c_identifier(std::string_view text) {
  return !text.empty() && !is_digit(text[0]) && all_of(text, [](char c) { return is_alnum(c) || c == '_'; });
}

bool is_config_key(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text != "." && !text.starts_with("..") &&
         all_of(text, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_base64(std::string_view text) {
  std::string clean(text);
  std::erase_if(clean, [](char c) { return c == '\n' || c == '\r'; });
  if (clean.size() % 4 != 0) return false;
  size_t length = clean.size();
  for (int i = 0; i < 2 && length > 0 && clean[length - 1] == '='; ++i) --length;
  return all_of(std::string_view(clean).substr(0, length),
                [](char c) { return is_alnum(c) || c == '+' || c == '/'; });
}

bool is_uuid(std::string_view text) {
  const auto is_hex = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  if (text.size() == 32) return all_of(text, is_hex);
  if (text.size() != 36) return false;
  for (size_t i = 0; i < 36; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex(text[i])) return false;
  }
  return true;
}

std::string IpAddress::to_string() const {
  char out[INET6_ADDRSTRLEN] = "";
  inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes.data(), out, sizeof out);
  return out;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  const std::string copy(text);
  IpAddress out;
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  if (inet_pton(AF_INET, copy.c_str(), out.bytes.data()) == 1) return out;
  out.is_v6 = true;
  if (inet_pton(AF_INET6, copy.c_str(), out.bytes.data()) == 1) return out;
  return std::nullopt;
}

std::optional<Cidr> parse_cidr(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<IpAddress> address = parse_ip(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  int prefix = -1;
  const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  if (!address || r.ec != std::errc() || r.ptr != digits.data() + digits.size() || prefix < 0 ||
      prefix > address->size() * 8 || (digits.size() > 1 && digits[0] == '0'))
    return std::nullopt;
  return Cidr{*address, prefix};
}

bool matches_format(std::string_view format, std::string_view text) {
  if (format == "date-time") return parse_timestamp(text).has_value();
  if (format == "date") return is_date(text);
  if (format == "duration") return parse_go_duration(text).has_value();
  if (format == "byte") return is_base64(text);
  if (format == "quantity") return parse_quantity(text).has_value();
  if (format == "uuid") return is_uuid(text);
  if (format == "cidr") return parse_cidr(text).has_value();
  if (format == "ipv4" || format == "ipv6") {
    const std::optional<IpAddress> ip = parse_ip(text);
    return ip && ip->is_v6 == (format == "ipv6");
  }
  if (format == "uri") return text.find(':') != std::string_view::npos || text.starts_with("/");
  if (format == "email") return text.find('@') != std::string_view::npos;
  return true;
}

int compare_versions(std::string_view a, std::string_view b) {
  const auto next = [](std::string_view& text) {
    while (!text.empty() && !is_digit(text[0])) text.remove_prefix(1);
    int value = 0;
    const auto r = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<size_t>(r.ptr - text.data()));
    // What follows a dash is a pre-release's name.
    if (!text.empty() && text[0] != '.') text = {};
    return value;
  };
  for (int i = 0; i < 3; ++i) {
    const int x = next(a);
    const int y = next(b);
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

}  // namespace hadal
