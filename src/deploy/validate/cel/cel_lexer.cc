#include "deploy/validate/cel/cel_lexer.h"

#include <charconv>

#include "base/utf8.h"

namespace hadal {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_ident_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr std::string_view kTwoLetters[] = {"==", "!=", "<=", ">=", "&&", "||"};

}  // namespace

Error CelLexer::fail(std::string_view what) const {
  return invalid_argument(what, " at character ", place_ + 1, " of the rule");
}

void CelLexer::skip_blanks() {
  while (place_ < text_.size()) {
    const char c = text_[place_];
    if (c == '/' && text_.substr(place_).starts_with("//")) {
      while (place_ < text_.size() && text_[place_] != '\n') ++place_;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
      ++place_;
    } else {
      return;
    }
  }
}

Result<CelToken> CelLexer::next() {
  skip_blanks();
  CelToken token;
  token.offset = place_;
  if (place_ >= text_.size()) return token;
  const std::string_view rest = text_.substr(place_);
  const char c = rest[0];
  if (is_digit(c) || (c == '.' && rest.size() > 1 && is_digit(rest[1]))) return number();
  // A string's prefix: r, b, rb, br.
  for (size_t length = 0; length <= 2 && length < rest.size(); ++length) {
    if (rest[length] == '"' || rest[length] == '\'') {
      const std::string_view prefix = rest.substr(0, length);
      place_ += length;
      return string_literal(prefix.find_first_of("rR") != std::string_view::npos,
                            prefix.find_first_of("bB") != std::string_view::npos);
    }
    if (std::string_view("rRbB").find(rest[length]) == std::string_view::npos) break;
  }
  if (is_ident_start(c)) {
    size_t end = 1;
    while (end < rest.size() && (is_ident_start(rest[end]) || is_digit(rest[end]))) ++end;
    token.kind = CelToken::Kind::kIdent;
    token.text = rest.substr(0, end);
    place_ += end;
    return token;
  }
  token.kind = CelToken::Kind::kPunct;
  for (const std::string_view two : kTwoLetters) {
    if (rest.starts_with(two)) token.text = two;
  }
  if (token.text.empty()) {
    if (std::string_view("()[]{}.,?:+-*/%<>!").find(c) == std::string_view::npos)
      return fail("a character that CEL does not know");
    token.text = c;
  }
  place_ += token.text.size();
  return token;
}

Result<CelToken> CelLexer::number() {
  CelToken token;
  token.offset = place_;
  const char* begin = text_.data() + place_;
  const char* end = text_.data() + text_.size();
  const bool hex = end - begin > 2 && begin[0] == '0' && (begin[1] == 'x' || begin[1] == 'X');
  if (hex) begin += 2;
  const auto whole = std::from_chars(begin, end, token.integer, hex ? 16 : 10);
  const bool point = !hex && whole.ptr != end &&
                     ((*whole.ptr == '.' && whole.ptr + 1 != end && is_digit(whole.ptr[1])) ||
                      *whole.ptr == 'e' || *whole.ptr == 'E');
  if (point) {
    const auto real = std::from_chars(begin, end, token.number);
    if (real.ec != std::errc()) return fail("a number out of range");
    token.kind = CelToken::Kind::kDouble;
    place_ = static_cast<size_t>(real.ptr - text_.data());
    return token;
  }
  if (whole.ec != std::errc()) return fail("a number out of range");
  place_ = static_cast<size_t>(whole.ptr - text_.data());
  token.kind = CelToken::Kind::kInt;
  if (place_ < text_.size() && (text_[place_] == 'u' || text_[place_] == 'U')) {
    token.kind = CelToken::Kind::kUint;
    ++place_;
  }
  return token;
}

Result<CelToken> CelLexer::string_literal(bool raw, bool bytes) {
  CelToken token;
  token.kind = bytes ? CelToken::Kind::kBytes : CelToken::Kind::kString;
  token.offset = place_;
  const std::string_view rest = text_.substr(place_);
  const std::string_view quote =
      rest.starts_with("\"\"\"") || rest.starts_with("'''") ? rest.substr(0, 3) : rest.substr(0, 1);
  place_ += quote.size();
  while (true) {
    if (place_ >= text_.size()) return fail("a string that does not end");
    if (text_.substr(place_).starts_with(quote)) break;
    const char c = text_[place_];
    if (quote.size() == 1 && (c == '\n' || c == '\r')) return fail("a line ends inside a string");
    ++place_;
    if (c == '\\' && !raw) {
      HADAL_RETURN_IF_ERROR(escape(token.text, bytes));
    } else {
      token.text += c;
    }
  }
  place_ += quote.size();
  return token;
}

// After the backslash.
Status CelLexer::escape(std::string& out, bool bytes) {
  if (place_ >= text_.size()) return fail("a string that does not end");
  const char c = text_[place_++];
  constexpr std::string_view kLetters = "abfnrtv\\?\"'`";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\?\"'`";
  if (const size_t i = kLetters.find(c); i != std::string_view::npos) {
    out += kMeanings[i];
    return {};
  }
  int count = 0;
  int base = 16;
  if (c == 'x' || c == 'X') count = 2;
  if (c == 'u') count = 4;
  if (c == 'U') count = 8;
  if (c >= '0' && c <= '3') {
    --place_;
    count = 3;
    base = 8;
  }
  if (count == 0) return fail("an escape that CEL does not know");
  uint32_t value = 0;
  for (int i = 0; i < count; ++i, ++place_) {
    const int digit = place_ < text_.size() ? hex_value(text_[place_]) : -1;
    if (digit < 0 || digit >= base) return fail("an escape that CEL does not know");
    value = value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
  }
  if (bytes && (base == 8 || count == 2)) {
    out += static_cast<char>(value);
    return {};
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return fail("no Unicode character");
  utf8_append(out, value);
  return {};
}

}  // namespace hadal
