#include "text/jinja/wordwrap.h"

#include <algorithm>

#include "text/jinja/error.h"
#include "text/jinja/strings.h"
#include "text/jinja/unicode.h"

namespace hadal::jinja {

namespace {

bool is_blank(char32_t c) {
  return c == ' ' || (c >= 9 && c <= 13);
}
bool is_word(char32_t c) {
  return c == '_' || has_class(c, CharClass::kAlpha) || has_class(c, CharClass::kNumeric);
}
bool is_letter(char32_t c) {
  return is_word(c) && !has_class(c, CharClass::kDecimal);
}
bool may_precede_dash(char32_t c) {
  return is_word(c) ||
         (c < 128 && std::string_view("!\"'&.,?").find(static_cast<char>(c)) != std::string_view::npos);
}

// Cuts a line into blanks, words, parts of hyphenated words, and dashes between words: textwrap's rules.
class Chunker {
 public:
  Chunker(const std::u32string& s, bool hyphens) : s_(s), hyphens_(hyphens) {}
  std::vector<std::u32string> run() {
    std::vector<std::u32string> out;
    for (size_t at = 0; at < s_.size();) {
      const size_t end = chunk_end(at);
      out.push_back(s_.substr(at, end - at));
      at = end;
    }
    return out;
  }

 private:
  size_t chunk_end(size_t at) const {
    size_t end = at + 1;
    if (is_blank(s_[at])) {
      while (end < s_.size() && is_blank(s_[end])) ++end;
      return end;
    }
    if (hyphens_ && at > 0 && may_precede_dash(s_[at - 1])) {
      if (const size_t dash = dash_end(at); dash > at) return dash;
    }
    for (; end < s_.size() && !is_blank(s_[end]); ++end) {
      if (!hyphens_) continue;
      if (hyphen_at(end)) return end + 1;
      if (may_precede_dash(s_[end - 1]) && dash_end(end) > end) return end;
    }
    return end;
  }
  // The end of two or more dashes that a word character follows, else `at`.
  size_t dash_end(size_t at) const {
    size_t end = at;
    while (end < s_.size() && s_[end] == '-') ++end;
    return end - at >= 2 && end < s_.size() && is_word(s_[end]) ? end : at;
  }
  bool letter(size_t at) const { return at < s_.size() && is_letter(s_[at]); }
  bool hyphen_at(size_t at) const {
    if (s_[at] != '-') return false;
    const bool before = (at >= 2 && letter(at - 2) && letter(at - 1)) ||
                        (at >= 3 && letter(at - 3) && s_[at - 2] == '-' && letter(at - 1));
    if (!before || !letter(at + 1)) return false;
    return letter(at + 2) || (at + 2 < s_.size() && s_[at + 2] == '-' && letter(at + 3));
  }

  const std::u32string& s_;
  bool hyphens_;
};

bool all_blank(const std::u32string& s) {
  return std::all_of(s.begin(), s.end(), is_space);
}

// Puts as much of a word that is longer than a line as fits.
void break_word(std::vector<std::u32string>& chunks, std::vector<std::u32string>& line, size_t room,
                const WrapStyle& style) {
  std::u32string& chunk = chunks.back();
  if (!style.break_long_words) {
    if (line.empty()) {
      line.push_back(chunk);
      chunks.pop_back();
    }
    return;
  }
  size_t end = room;
  if (style.break_on_hyphens && chunk.size() > room && room > 0) {
    const size_t hyphen = chunk.rfind(U'-', room - 1);
    if (hyphen != std::u32string::npos && hyphen > 0 && chunk.find_first_not_of(U'-') < hyphen)
      end = hyphen + 1;
  }
  line.push_back(chunk.substr(0, end));
  chunk.erase(0, end);
}

}  // namespace

std::vector<std::string> wrap_line(std::string_view text, const WrapStyle& style) {
  if (style.width <= 0) value_error("invalid width " + std::to_string(style.width) + " (must be > 0)");
  const auto width = static_cast<size_t>(style.width);
  const std::u32string s = decode(text);
  std::vector<std::u32string> chunks = Chunker(s, style.break_on_hyphens).run();
  std::reverse(chunks.begin(), chunks.end());
  std::vector<std::string> lines;
  while (!chunks.empty()) {
    if (!lines.empty() && all_blank(chunks.back())) chunks.pop_back();
    std::vector<std::u32string> line;
    size_t length = 0;
    while (!chunks.empty() && length + chunks.back().size() <= width) {
      length += chunks.back().size();
      line.push_back(std::move(chunks.back()));
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().size() > width) break_word(chunks, line, width - length, style);
    if (!line.empty() && all_blank(line.back())) line.pop_back();
    if (line.empty()) continue;
    std::string joined;
    for (const std::u32string& chunk : line) joined += encode(chunk);
    lines.push_back(std::move(joined));
  }
  return lines;
}

}  // namespace hadal::jinja
