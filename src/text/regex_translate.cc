#include "text/regex_translate.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <vector>

#include "base/utf8.h"
#include "text/unicode.h"

namespace hadal {
namespace {

// Inside [...]: PCRE2 items that together are the class as Unicode 16 and Oniguruma have it.
constexpr std::string_view kSpaceItems =
    "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
constexpr std::string_view kNotSpaceItems =
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{"
    "2027}"
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";
// Oniguruma's \w: letters, marks, decimal and letter numbers, connectors, Other_Alphabetic, and its Latin-1
// table.
constexpr std::string_view kWordExtras =
    "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{"
    "1f170}-\\x{1f189}";

std::string range_items(const std::vector<CodePointRange>& ranges) {
  std::string out;
  char buffer[40];
  for (const CodePointRange& range : ranges) {
    if (range.last >= 0xD800 && range.first <= 0xDFFF) continue;  // surrogates are not in UTF-8 text
    std::snprintf(buffer, sizeof buffer, "\\x{%x}-\\x{%x}", static_cast<unsigned>(range.first),
                  static_cast<unsigned>(range.last));
    out += buffer;
  }
  return out;
}

// PCRE2's own table is fast; the ranges that newer Unicode versions added are listed beside it.
std::string category_items(std::string_view name) {
  std::vector<CodePointRange> extra;
  const std::vector<CodePointRange> changed = changed_category_ranges();
  for (const CodePointRange& range : category_ranges(name)) {
    for (const CodePointRange& c : changed) {
      const char32_t first = std::max(range.first, c.first);
      const char32_t last = std::min(range.last, c.last);
      if (first <= last) extra.push_back({first, last});
    }
  }
  return "\\p{" + std::string(name) + "}" + range_items(extra);
}

std::string complement_items(std::string_view name) {
  std::vector<CodePointRange> out;
  char32_t begin = 0;
  for (const CodePointRange& range : category_ranges(name)) {
    if (range.first > begin) out.push_back({begin, range.first - 1});
    begin = range.last + 1;
  }
  if (begin < 0x110000) out.push_back({begin, 0x10FFFF});
  // Surrogates cannot be named in a UTF pattern.
  std::vector<CodePointRange> split;
  for (const CodePointRange& r : out) {
    if (r.first < 0xD800) split.push_back({r.first, std::min<char32_t>(r.last, 0xD7FF)});
    if (r.last > 0xDFFF) split.push_back({std::max<char32_t>(r.first, 0xE000), r.last});
  }
  return range_items(split);
}

// "Letter" and the like; "" for what is no general category.
std::string short_category(std::string_view name) {
  std::string key;
  for (const char c : name) {
    if (c != '_' && c != ' ' && c != '-')
      key += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  static constexpr std::pair<std::string_view, std::string_view> kLong[] = {
      {"letter", "L"},           {"mark", "M"},
      {"number", "N"},           {"punctuation", "P"},
      {"symbol", "S"},           {"separator", "Z"},
      {"uppercaseletter", "Lu"}, {"lowercaseletter", "Ll"},
      {"titlecaseletter", "Lt"}, {"modifierletter", "Lm"},
      {"otherletter", "Lo"},     {"decimalnumber", "Nd"}};
  for (const auto& [text, code] : kLong) {
    if (key == text) return std::string(code);
  }
  if (name == "C" || name == "Cn") return "";  // PCRE2 is asked: its unassigned code points are many
  return category_ranges(name).empty() ? "" : std::string(name);
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  Result<std::string> run() {
    while (at_ < in_.size()) {
      Status status = in_[at_] == '[' ? bracket() : token();
      if (!status.ok()) return std::move(status).error();
    }
    return std::move(out_);
  }

 private:
  Status token() {
    const char c = in_[at_];
    if (c == '\\') {
      atom_ = out_.size();
      return escape(false);
    }
    if (c == '(') return group();
    if (c == ')') {
      atom_ = groups_.empty() ? out_.size() : groups_.back();
      if (!groups_.empty()) groups_.pop_back();
    } else if (c == '{') {
      return interval();
    } else if (c != '*' && c != '+' && c != '?' && c != '|') {
      atom_ = out_.size();
    }
    out_ += c;
    ++at_;
    return {};
  }

  // (?m) of Ruby is dot-matches-newline: PCRE2's (?s).
  Status group() {
    if (in_.substr(at_).starts_with("(?~")) {
      return make_error(ErrorCode::kUnsupported, "regex: the absence operator (?~...) is not supported");
    }
    groups_.push_back(out_.size());
    out_ += in_[at_++];
    if (at_ >= in_.size() || in_[at_] != '?') return {};
    size_t end = at_ + 1;
    while (end < in_.size() && (std::isalpha(static_cast<unsigned char>(in_[end])) || in_[end] == '-')) ++end;
    if (end >= in_.size() || (in_[end] != ':' && in_[end] != ')')) return {};
    for (; at_ < end; ++at_) out_ += in_[at_] == 'm' ? 's' : in_[at_];
    return {};
  }

  // X{n,m}+ repeats the interval in Ruby; PCRE2 would read it as possessive.
  Status interval() {
    const size_t end = in_.find('}', at_);
    const std::string_view body = in_.substr(at_, end == std::string_view::npos ? 1 : end - at_ + 1);
    const bool numeric = body.size() > 2 && std::all_of(body.begin() + 1, body.end() - 1, [](char c) {
                           return (c >= '0' && c <= '9') || c == ',';
                         });
    if (!numeric) {
      atom_ = out_.size();
      out_ += "\\{";
      ++at_;
      return {};
    }
    at_ += body.size();
    if (body[1] == ',') {
      out_ += "{0" + std::string(body.substr(1));  // {,m} is literal text to PCRE2 10.42
    } else {
      out_ += body;
    }
    if (at_ < in_.size() && in_[at_] == '+') {
      out_.insert(atom_, "(?:");
      out_ += ")+";
      ++at_;
    }
    return {};
  }

  Status escape(bool in_class) {
    if (at_ + 1 >= in_.size()) return invalid_argument("regex: ends in a backslash");
    const char c = in_[at_ + 1];
    const auto items = [&](std::string_view text, bool negated) {
      out_ += in_class ? std::string(text) : (negated ? "[^" : "[") + std::string(text) + "]";
      at_ += 2;
      return Status();
    };
    switch (c) {
      case 's':
        return items(kSpaceItems, false);
      case 'S':
        return in_class ? items(kNotSpaceItems, false) : items(kSpaceItems, true);
      case 'd':
        return items(category_items("Nd"), false);
      case 'D':
        return in_class ? items(complement_items("Nd"), false) : items(category_items("Nd"), true);
      case 'w':
        return items(word_items(), false);
      case 'W':
        if (in_class) return make_error(ErrorCode::kUnsupported, "regex: \\W inside [...] is not supported");
        return items(word_items(), true);
      case 'h':
        return items("0-9a-fA-F", false);
      case 'H':
        return in_class ? items("\\x00-/:-@G-`g-\\x{10ffff}", false) : items("0-9a-fA-F", true);
      case 'p':
      case 'P':
        return property(in_class);
      case 'u':
        return unicode_escape();
      default:
        break;
    }
    // Any other escape means the same to both; a multi-byte character after the backslash is itself.
    const int length = std::max(1, utf8_valid_length(in_.substr(at_ + 1)));
    out_ += in_.substr(at_, 1 + static_cast<size_t>(length));
    at_ += 1 + static_cast<size_t>(length);
    return {};
  }

  static std::string word_items() {
    return category_items("L") + category_items("M") + category_items("Nd") + category_items("Nl") +
           category_items("Pc") + std::string(kWordExtras);
  }

  Status property(bool in_class) {
    const size_t end = in_.find('}', at_);
    if (at_ + 2 >= in_.size() || in_[at_ + 2] != '{' || end == std::string_view::npos) {
      return invalid_argument("regex: \\p needs {name}");
    }
    std::string_view name = in_.substr(at_ + 3, end - at_ - 3);
    bool negated = in_[at_ + 1] == 'P';
    if (name.starts_with("^")) {
      negated = !negated;
      name.remove_prefix(1);
    }
    const std::string category = short_category(name);
    if (category.empty()) {
      out_ += (negated ? "\\P{" : "\\p{") + std::string(name) + "}";
    } else if (in_class) {
      out_ += negated ? complement_items(category) : category_items(category);
    } else {
      out_ += (negated ? "[^" : "[") + category_items(category) + "]";
    }
    at_ = end + 1;
    return {};
  }

  Status unicode_escape() {
    const std::string_view digits = in_.substr(std::min(at_ + 2, in_.size()), 4);
    if (digits.size() != 4 || !std::all_of(digits.begin(), digits.end(), [](char c) {
          return std::isxdigit(static_cast<unsigned char>(c));
        })) {
      return invalid_argument("regex: \\u needs four hexadecimal digits");
    }
    out_ += "\\x{" + std::string(digits) + "}";
    at_ += 6;
    return {};
  }

  Status bracket() {
    atom_ = out_.size();
    out_ += in_[at_++];
    if (at_ < in_.size() && in_[at_] == '^') out_ += in_[at_++];
    bool first = true;
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == ']' && !first) {
        out_ += c;
        ++at_;
        return {};
      }
      if (c == ']') {
        out_ += "\\]";
        ++at_;
      } else if (c == '\\') {
        HADAL_RETURN_IF_ERROR(escape(true));
      } else if (c == '&' && in_.substr(at_).starts_with("&&")) {
        return make_error(ErrorCode::kUnsupported, "regex: class intersection && is not supported");
      } else if (c == '[') {
        HADAL_RETURN_IF_ERROR(nested());
      } else {
        out_ += c;
        ++at_;
      }
      first = false;
    }
    return invalid_argument("regex: [ without ]");
  }

  // [[:alpha:]] is copied; a class in a class is a union, which PCRE2 10.42 lacks.
  Status nested() {
    if (in_.substr(at_).starts_with("[:")) {
      const size_t end = in_.find(":]", at_);
      if (end != std::string_view::npos) {
        out_ += in_.substr(at_, end + 2 - at_);
        at_ = end + 2;
        return {};
      }
    }
    return make_error(ErrorCode::kUnsupported, "regex: a class inside a class is not supported");
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
  size_t atom_ = 0;  // where the last atom begins in out_
  std::vector<size_t> groups_;
};

}  // namespace

Result<std::string> translate_regex(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace hadal
