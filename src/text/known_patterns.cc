#include "text/known_patterns.h"

#include <utility>

namespace hadal {
namespace {

constexpr std::pair<KnownPattern, std::string_view> kPatterns[] = {
    {KnownPattern::kGpt2, R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {KnownPattern::kLlama3,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {KnownPattern::kQwen2,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {KnownPattern::kQwen35,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {KnownPattern::kDeepseekNumbers, R"(\p{N}{1,3})"},
    {KnownPattern::kDeepseekHan, "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"},
    {KnownPattern::kDeepseekWords,
     "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
     "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"},
    {KnownPattern::kSingleNumber, R"(\p{N})"},
};

bool ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool newline(char c) {
  return c == '\n' || c == '\r';
}

// A text and its classes, by byte position.
class Cursor {
 public:
  Cursor(const UnicodeTables& tables, std::string_view text) : tables_(tables), text_(text) {}
  size_t size() const { return text_.size(); }
  char operator[](size_t i) const { return text_[i]; }
  // Class byte at i and the position after it; 0 at the end.
  uint8_t at(size_t i, size_t& after) const {
    if (i >= text_.size()) return 0;
    uint32_t length = 0;
    const uint8_t classes = tables_.classes_at(text_.data() + i, length);
    after = i + length;
    return classes;
  }
  // End of the run of code points with any of `classes`.
  size_t run(size_t i, uint8_t classes) const {
    size_t after = 0;
    while (at(i, after) & classes) i = after;
    return i;
  }
  // End of the run of code points with none of them.
  size_t run_without(size_t i, uint8_t classes) const {
    size_t after = 0;
    while (i < size() && !(at(i, after) & classes)) i = after;
    return i;
  }
  size_t newlines(size_t i) const {
    while (i < size() && newline(text_[i])) ++i;
    return i;
  }

 private:
  const UnicodeTables& tables_;
  std::string_view text_;
};

// 's 't 're 've 'm 'll 'd at `i`, where text[i] is an apostrophe; 0 when none. U+017F folds to s.
size_t contraction(const Cursor& text, size_t i, bool ignore_case) {
  const auto letter = [&](size_t k) -> char {
    if (k >= text.size()) return 0;
    const char c = text[k];
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char a = letter(i + 1);
  const char b = letter(i + 2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return i + 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return i + 3;
  if (ignore_case && a == '\xC5' && b == '\xBF') return i + 3;
  return 0;
}

// \s+(?!\S)|\s+ at `i`, with `with_newlines` \s*[\r\n]+ before them. text[i] is white space.
size_t white_space(const Cursor& text, size_t i, bool with_newlines) {
  size_t end = i;
  size_t last = i;           // start of the run's last code point
  size_t after_newline = 0;  // end of the run's last newline
  size_t after = 0;
  while (text.at(end, after) & kWhiteSpace) {
    last = end;
    if (newline(text[end])) after_newline = after;
    end = after;
  }
  if (with_newlines && after_newline > 0) return after_newline;
  return end == text.size() || last == i ? end : last;
}

size_t gpt2(const Cursor& text, size_t i) {
  if (text[i] == '\'') {
    const size_t end = contraction(text, i, false);
    if (end > 0) return end;
  }
  size_t after = 0;
  size_t begin = i;
  uint8_t classes = text.at(i, after);
  if (text[i] == ' ' && after < text.size()) {
    begin = after;
    classes = text.at(begin, after);
  }
  if (classes & kLetter) return text.run(after, kLetter);
  if (classes & kNumber) return text.run(after, kNumber);
  if (!(classes & kWhiteSpace)) return text.run_without(after, kLetter | kNumber | kWhiteSpace);
  return white_space(text, i, false);
}

// The cl100k family. kLetters: what counts as a letter; kMaxNumbers: digits per piece.
template <uint8_t kLetters, int kMaxNumbers>
size_t cl100k(const Cursor& text, size_t i) {
  constexpr uint8_t kNotOther = kLetters | kNumber | kWhiteSpace;
  if (text[i] == '\'') {
    const size_t end = contraction(text, i, true);
    if (end > 0) return end;
  }
  size_t after = 0;
  const uint8_t classes = text.at(i, after);
  if (classes & kLetters) return text.run(after, kLetters);
  if (classes & kNumber) {
    size_t next = 0;
    for (int n = 1; n < kMaxNumbers && (text.at(after, next) & kNumber); ++n) after = next;
    return after;
  }
  size_t after_next = 0;
  const uint8_t next = text.at(after, after_next);
  if ((next & kLetters) && !newline(text[i])) return text.run(after_next, kLetters);
  if (!(classes & kWhiteSpace)) return text.newlines(text.run_without(after, kNotOther));
  if (text[i] == ' ' && after < text.size() && !(next & kNotOther)) {
    return text.newlines(text.run_without(after_next, kNotOther));
  }
  return white_space(text, i, true);
}

// 0: no match starts at i.
size_t deepseek_words(const Cursor& text, size_t i) {
  constexpr uint8_t kWord = kLetter | kMark;
  constexpr uint8_t kSign = kPunctuation | kSymbol;
  size_t after = 0;
  const uint8_t classes = text.at(i, after);
  if (classes & kWord) return text.run(after, kWord);
  if (classes & kSign) {
    if (static_cast<unsigned char>(text[i]) < 0x80 && after < text.size() && ascii_letter(text[after])) {
      while (after < text.size() && ascii_letter(text[after])) ++after;
      return after;
    }
    return text.newlines(text.run(after, kSign));
  }
  size_t after_next = 0;
  const uint8_t next = text.at(after, after_next);
  if ((next & kWord) && !newline(text[i])) return text.run(after_next, kWord);
  if (text[i] == ' ' && (next & kSign)) return text.newlines(text.run(after_next, kSign));
  return classes & kWhiteSpace ? white_space(text, i, true) : 0;
}

bool han_or_kana(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF);
}

Span find_han(std::string_view text, size_t from) {
  size_t i = from;
  const auto matches = [&](CodePoint& c) {
    c = decode_valid(text.data() + i);
    return han_or_kana(c.value);
  };
  CodePoint c{};
  for (; i < text.size(); i += c.length) {
    if (static_cast<unsigned char>(text[i]) < 0xE3) {  // below U+3000
      c.length = 1;
      continue;
    }
    if (!matches(c)) continue;
    const size_t begin = i;
    for (i += c.length; i < text.size() && matches(c);) i += c.length;
    return {begin, i};
  }
  return {};
}

Span find_numbers(const UnicodeTables& tables, std::string_view text, size_t from, int most) {
  const Cursor cursor(tables, text);
  size_t after = 0;
  for (size_t i = from; i < text.size(); i = after) {
    if (!(cursor.at(i, after) & kNumber)) continue;
    size_t end = after;
    for (int n = 1; n < most && (cursor.at(end, after) & kNumber); ++n) end = after;
    return {i, end};
  }
  return {};
}

}  // namespace

std::string_view pattern_text(KnownPattern pattern) {
  for (const auto& [known, text] : kPatterns) {
    if (known == pattern) return text;
  }
  return {};
}

std::optional<KnownPattern> recognize_pattern(std::string_view regex) {
  for (const auto& [known, text] : kPatterns) {
    if (text == regex) return known;
  }
  return std::nullopt;
}

Span find_known(KnownPattern pattern, const UnicodeTables& tables, std::string_view text, size_t from) {
  if (from >= text.size()) return {};
  const Cursor cursor(tables, text);
  switch (pattern) {
    case KnownPattern::kGpt2:
      return {from, gpt2(cursor, from)};
    case KnownPattern::kLlama3:
      return {from, cl100k<kLetter, 3>(cursor, from)};
    case KnownPattern::kQwen2:
      return {from, cl100k<kLetter, 1>(cursor, from)};
    case KnownPattern::kQwen35:
      return {from, cl100k<kLetter | kMark, 1>(cursor, from)};
    case KnownPattern::kDeepseekNumbers:
      return find_numbers(tables, text, from, 3);
    case KnownPattern::kDeepseekHan:
      return find_han(text, from);
    case KnownPattern::kSingleNumber:
      return find_numbers(tables, text, from, 1);
    case KnownPattern::kDeepseekWords:
      break;
  }
  size_t after = 0;
  for (size_t i = from; i < text.size(); i = after) {
    const size_t end = deepseek_words(cursor, i);
    if (end > 0) return {i, end};
    cursor.at(i, after);
  }
  return {};
}

}  // namespace hadal
