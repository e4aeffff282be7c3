#include "text/jinja/strings.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/unicode.h"

namespace hadal::jinja {

namespace {

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The last code point of a text that is not empty.
Utf8Decoded last_code_point(std::string_view s) {
  size_t at = s.size() - 1;
  while (at > 0 && continues(s[at])) --at;
  return utf8_decode(s.substr(at));
}

bool strips(char32_t c, const std::string_view* chars) {
  if (chars == nullptr) return is_space(c);
  for (std::string_view rest = *chars; !rest.empty();) {
    const Utf8Decoded d = utf8_decode(rest);
    if (d.code_point == c) return true;
    rest.remove_prefix(static_cast<size_t>(d.length));
  }
  return false;
}

// A capital sigma that ends a word becomes the final form (Unicode 3.13, Final_Sigma), as in Python.
bool is_final_sigma(const std::u32string& s, size_t at) {
  size_t before = at;
  while (before > 0 && has_class(s[before - 1], CharClass::kCaseIgnorable)) --before;
  if (before == 0 || !has_class(s[before - 1], CharClass::kCased)) return false;
  size_t after = at + 1;
  while (after < s.size() && has_class(s[after], CharClass::kCaseIgnorable)) ++after;
  return after == s.size() || !has_class(s[after], CharClass::kCased);
}

void append_lower(std::u32string& out, const std::u32string& s, size_t at) {
  if (s[at] == 0x3A3) {
    out += is_final_sigma(s, at) ? char32_t{0x3C2} : char32_t{0x3C3};
  } else {
    append_case(out, s[at], CaseMap::kLower);
  }
}

std::string map_all(std::string_view s, CaseMap map) {
  if (is_ascii(s)) {
    std::string out(s);
    const bool lower = map == CaseMap::kLower || map == CaseMap::kFold;
    for (char& c : out) {
      if (lower && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
      if (!lower && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    }
    return out;
  }
  const std::u32string in = decode(s);
  std::u32string out;
  out.reserve(in.size() + 4);
  for (size_t i = 0; i < in.size(); ++i) {
    if (map == CaseMap::kLower) {
      append_lower(out, in, i);
    } else {
      append_case(out, in[i], map);
    }
  }
  return encode(out);
}

}  // namespace

size_t count_code_points(std::string_view s) {
  size_t n = 0;
  for (char c : s) n += !continues(c);
  return n;
}

bool is_ascii(std::string_view s) {
  unsigned char all = 0;
  for (char c : s) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

size_t byte_offset(std::string_view s, size_t index) {
  size_t at = 0;
  while (at < s.size() && index > 0) {
    ++at;
    while (at < s.size() && continues(s[at])) ++at;
    --index;
  }
  return at;
}

std::string_view substring(std::string_view s, size_t start, size_t stop) {
  if (stop <= start) return {};
  const size_t from = byte_offset(s, start);
  const size_t length = byte_offset(s.substr(from), stop - start);
  return s.substr(from, length);
}

std::u32string decode(std::string_view s) {
  std::u32string out;
  out.reserve(s.size());
  while (!s.empty()) {
    const Utf8Decoded d = utf8_decode(s);
    out += d.code_point;
    s.remove_prefix(static_cast<size_t>(d.length));
  }
  return out;
}

std::string encode(std::u32string_view s) {
  std::string out;
  out.reserve(s.size());
  for (char32_t c : s) utf8_append(out, c);
  return out;
}

std::string_view strip(std::string_view s, const std::string_view* chars, bool left, bool right) {
  while (left && !s.empty()) {
    const Utf8Decoded d = utf8_decode(s);
    if (!strips(d.code_point, chars)) break;
    s.remove_prefix(static_cast<size_t>(d.length));
  }
  while (right && !s.empty()) {
    const Utf8Decoded d = last_code_point(s);
    if (!strips(d.code_point, chars)) break;
    s.remove_suffix(static_cast<size_t>(d.length));
  }
  return s;
}

std::vector<std::string_view> split_space(std::string_view s, int64_t max_splits, bool from_right) {
  std::vector<std::string_view> out;
  // Only the side that is cut from is stripped: what is left after the last split keeps its far end.
  s = strip(s, nullptr, !from_right, from_right);
  while (!s.empty()) {
    if (max_splits >= 0 && static_cast<int64_t>(out.size()) == max_splits) {
      out.push_back(s);
      break;
    }
    size_t at = from_right ? s.size() : 0;
    size_t next = at;
    while (from_right ? at > 0 : at < s.size()) {
      const Utf8Decoded d = from_right ? last_code_point(s.substr(0, at)) : utf8_decode(s.substr(at));
      next = from_right ? at - static_cast<size_t>(d.length) : at + static_cast<size_t>(d.length);
      if (is_space(d.code_point)) break;
      at = next;
    }
    out.push_back(from_right ? s.substr(at) : s.substr(0, at));
    s = strip(from_right ? s.substr(0, at) : s.substr(at), nullptr, !from_right, from_right);
  }
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string_view> split(std::string_view s, std::string_view separator, int64_t max_splits,
                                    bool from_right) {
  std::vector<std::string_view> out;
  while (max_splits < 0 || static_cast<int64_t>(out.size()) < max_splits) {
    const size_t at = from_right ? s.rfind(separator) : s.find(separator);
    if (at == std::string_view::npos) break;
    if (from_right) {
      out.push_back(s.substr(at + separator.size()));
      s = s.substr(0, at);
    } else {
      out.push_back(s.substr(0, at));
      s = s.substr(at + separator.size());
    }
  }
  out.push_back(s);
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string_view> split_lines(std::string_view s, bool keep_ends) {
  std::vector<std::string_view> out;
  size_t start = 0;
  size_t at = 0;
  while (at < s.size()) {
    const Utf8Decoded d = utf8_decode(s.substr(at));
    const char32_t c = d.code_point;
    size_t next = at + static_cast<size_t>(d.length);
    const bool ends =
        (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (ends) {
      if (c == '\r' && next < s.size() && s[next] == '\n') ++next;
      out.push_back(s.substr(start, (keep_ends ? next : at) - start));
      start = next;
    }
    at = next;
  }
  if (start < s.size()) out.push_back(s.substr(start));
  return out;
}

std::string replace(std::string_view s, std::string_view from, std::string_view to, int64_t count) {
  std::string out;
  if (from.empty()) {  // Python puts `to` before every code point and at the end
    for (int64_t done = 0;; ++done) {
      if (count >= 0 && done >= count) break;
      out += to;
      if (s.empty()) break;
      const auto n = static_cast<size_t>(utf8_decode(s).length);
      out += s.substr(0, n);
      s.remove_prefix(n);
    }
    out += s;
    return out;
  }
  while (count != 0) {
    const size_t at = s.find(from);
    if (at == std::string_view::npos) break;
    out += s.substr(0, at);
    out += to;
    s.remove_prefix(at + from.size());
    --count;
  }
  out += s;
  return out;
}

size_t count_occurrences(std::string_view s, std::string_view sub) {
  if (sub.empty()) return count_code_points(s) + 1;
  size_t n = 0;
  for (size_t at = s.find(sub); at != std::string_view::npos; at = s.find(sub, at + sub.size())) ++n;
  return n;
}

std::string to_upper(std::string_view s) {
  return map_all(s, CaseMap::kUpper);
}
std::string to_lower(std::string_view s) {
  return map_all(s, CaseMap::kLower);
}
std::string to_casefold(std::string_view s) {
  return map_all(s, CaseMap::kFold);
}

std::string to_title(std::string_view s) {
  const std::u32string in = decode(s);
  std::u32string out;
  bool after_cased = false;
  for (size_t i = 0; i < in.size(); ++i) {
    if (after_cased) {
      append_lower(out, in, i);
    } else {
      append_case(out, in[i], CaseMap::kTitle);
    }
    after_cased = has_class(in[i], CharClass::kCased);
  }
  return encode(out);
}

std::string to_capitalized(std::string_view s) {
  const std::u32string in = decode(s);
  std::u32string out;
  for (size_t i = 0; i < in.size(); ++i) {
    if (i == 0) {
      append_case(out, in[i], CaseMap::kTitle);
    } else {
      append_lower(out, in, i);
    }
  }
  return encode(out);
}

std::string swap_case(std::string_view s) {
  const std::u32string in = decode(s);
  std::u32string out;
  for (size_t i = 0; i < in.size(); ++i) {
    if (has_class(in[i], CharClass::kUpper)) {
      append_lower(out, in, i);
    } else if (has_class(in[i], CharClass::kLower)) {
      append_case(out, in[i], CaseMap::kUpper);
    } else {
      out += in[i];
    }
  }
  return encode(out);
}

std::string expand_tabs(std::string_view s, int64_t tab_size) {
  std::string out;
  int64_t column = 0;
  for (char c : s) {
    if (c == '\t') {
      const int64_t spaces = tab_size > 0 ? tab_size - column % tab_size : 0;
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
      continue;
    }
    out += c;
    if (!continues(c)) ++column;
    if (c == '\n' || c == '\r') column = 0;
  }
  return out;
}

bool is_lower_text(std::string_view s) {
  bool found = false;
  for (char32_t c : decode(s)) {
    if (has_class(c, CharClass::kUpper) || has_class(c, CharClass::kTitle)) return false;
    found = found || has_class(c, CharClass::kLower);
  }
  return found;
}

bool is_upper_text(std::string_view s) {
  bool found = false;
  for (char32_t c : decode(s)) {
    if (has_class(c, CharClass::kLower) || has_class(c, CharClass::kTitle)) return false;
    found = found || has_class(c, CharClass::kUpper);
  }
  return found;
}

bool is_title_text(std::string_view s) {
  bool found = false;
  bool after_cased = false;
  for (char32_t c : decode(s)) {
    if (has_class(c, CharClass::kUpper) || has_class(c, CharClass::kTitle)) {
      if (after_cased) return false;
      found = after_cased = true;
    } else if (has_class(c, CharClass::kLower)) {
      if (!after_cased) return false;
      found = after_cased = true;
    } else {
      after_cased = false;
    }
  }
  return found;
}

bool is_identifier(std::string_view s) {
  bool first = true;
  for (char32_t c : decode(s)) {
    if (!has_class(c, first ? CharClass::kIdentifierStart : CharClass::kIdentifierContinue)) return false;
    first = false;
  }
  return !first;
}

}  // namespace hadal::jinja
