// From a flag's text to a field of Settings, and back to text for --help: what the flag tables are made of.
// Internal to config/. Pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace hadal {

// Errors say what the text is not; the caller names the flag.
Status parse_flag(std::string& out, std::string_view text);
Status parse_flag(bool& out, std::string_view text);  // true, 1, yes, on; false, 0, no, off
Status parse_flag(int& out, std::string_view text);
Status parse_flag(int64_t& out, std::string_view text);
Status parse_flag(size_t& out, std::string_view text);
Status parse_flag(double& out, std::string_view text);
// "90" (seconds), "500ms", "90s", "15m", "24h", "2d".
Status parse_flag(std::chrono::milliseconds& out, std::string_view text);
Status parse_flag(std::vector<std::string>& out, std::string_view text);  // adds one
// A count of tokens: a whole number, or one with a suffix as SGLang 0.5.23 takes it.
Status parse_token_flag(int& out, std::string_view text);
Status parse_token_flag(int64_t& out, std::string_view text);
// A count of bytes: a whole number, or one with k, M, G, T (powers of 1000) or Ki, Mi, Gi, Ti.
Status parse_byte_flag(int64_t& out, std::string_view text);

std::string show_flag(const std::string& value);
std::string show_flag(bool value);
std::string show_flag(int value);
std::string show_flag(int64_t value);
std::string show_flag(size_t value);
std::string show_flag(double value);
std::string show_flag(std::chrono::milliseconds value);
std::string show_flag(const std::vector<std::string>& value);

// The setter and the default's printer of one field.
template <auto Part, auto Field>
struct FlagField {
  static Status set(Settings& s, std::string_view value) { return parse_flag((s.*Part).*Field, value); }
  static std::string show(const Settings& s) { return show_flag((s.*Part).*Field); }
};
template <auto Part, auto Field>
struct TokenFlagField : FlagField<Part, Field> {
  static Status set(Settings& s, std::string_view value) { return parse_token_flag((s.*Part).*Field, value); }
};
template <auto Part, auto Field>
struct ByteFlagField : FlagField<Part, Field> {
  static Status set(Settings& s, std::string_view value) { return parse_byte_flag((s.*Part).*Field, value); }
};
// Seconds as a double, which take a unit too.
template <auto Part, auto Field>
struct SecondsFlagField : FlagField<Part, Field> {
  static Status set(Settings& s, std::string_view value) {
    std::chrono::milliseconds time{0};
    HADAL_RETURN_IF_ERROR(parse_flag(time, value));
    (s.*Part).*Field = static_cast<double>(time.count()) / 1000;
    return {};
  }
};
template <auto Part, auto Field>
Status set_false_flag(Settings& s, std::string_view value) {
  bool flag = false;
  HADAL_RETURN_IF_ERROR(parse_flag(flag, value));
  (s.*Part).*Field = !flag;
  return {};
}

// The last two members of a FlagSpec.
#define HADAL_FIELD(kind, field) &kind<field>::set, &kind<field>::show

// FlagSpec::repeats.
inline constexpr bool kOnce = false;
inline constexpr bool kMany = true;

}  // namespace hadal
