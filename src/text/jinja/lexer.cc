#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "text/jinja/strings.h"
#include "text/jinja/unicode.h"

namespace hadal::jinja {

namespace {

// \r\n and \r become \n; one newline at the very end is dropped.
std::string normalize_newlines(std::string_view source, bool drop_last) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      out += '\n';
    } else {
      out += source[i];
    }
  }
  if (drop_last && out.ends_with('\n')) out.pop_back();
  return out;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) root();
    tokens_.push_back({TokenType::kEof, line_, ""});
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool starts(std::string_view s) const { return rest().starts_with(s); }
  [[noreturn]] void error(std::string message) const { fail(ErrorKind::kSyntax, std::move(message), line_); }
  void advance(size_t n) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<int64_t>(at_),
                                         source_.begin() + static_cast<int64_t>(at_ + n), '\n'));
    at_ += n;
    if (n > 0) line_starting_ = source_[at_ - 1] == '\n';
  }
  void skip_space() {
    while (at_ < source_.size()) {
      const Utf8Decoded d = utf8_decode(rest());
      if (!is_space(d.code_point)) break;
      advance(static_cast<size_t>(d.length));
    }
  }
  void emit(TokenType type, std::string text) { tokens_.push_back({type, line_, std::move(text)}); }

  // Text up to the next tag, then the tag.
  void root() {
    const size_t brace = find_tag(at_);
    const bool raw = brace != std::string::npos && source_[brace + 1] == '%' && raw_length(brace) > 0;
    const size_t stop = std::min(brace, source_.size());
    const std::string_view text = std::string_view(source_).substr(at_, stop - at_);
    if (brace == std::string::npos) {
      if (!text.empty()) emit(TokenType::kData, std::string(text));
      advance(text.size());
      return;
    }
    const char kind = source_[brace + 1];
    const char sign = brace + 2 < source_.size() ? source_[brace + 2] : ' ';
    const std::string_view kept = kept_text(text, sign, kind == '{');
    if (!kept.empty()) emit(TokenType::kData, std::string(kept));
    advance(text.size());
    if (raw) {
      advance(raw_length(at_));
      raw_block();
      return;
    }
    advance(2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (kind == '#') {
      comment();
    } else {
      emit(kind == '{' ? TokenType::kVariableBegin : TokenType::kBlockBegin, "");
      inside(kind == '{');
    }
  }
  size_t find_tag(size_t from) const {
    for (size_t i = source_.find('{', from); i != std::string::npos; i = source_.find('{', i + 1)) {
      if (i + 1 < source_.size() && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#'))
        return i;
    }
    return std::string::npos;
  }
  // What is left of the text before a tag: "-" strips it, else lstrip_blocks takes the blanks of the tag's
  // own line.
  std::string_view kept_text(std::string_view text, char sign, bool variable) const {
    if (sign == '-') return strip(text, nullptr, false, true);
    if (sign == '+' || variable) return text;
    const size_t newline = text.rfind('\n');
    const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
    if (line_start == 0 && !line_starting_) return text;
    const std::string_view last = text.substr(line_start);
    if (!last.empty() && strip(last, nullptr, true, false).empty()) return text.substr(0, line_start);
    return text;
  }
  // Bytes of "{% raw %}" with its signs and white space at `from`; 0 when it is something else.
  size_t raw_length(size_t from) const {
    std::string_view s = std::string_view(source_).substr(from + 2);
    if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
    s = strip(s, nullptr, true, false);
    if (!s.starts_with("raw")) return 0;
    s = strip(s.substr(3), nullptr, true, false);
    if (s.starts_with("-%}")) {
      s = strip(s.substr(3), nullptr, true, false);
    } else if (s.starts_with("%}")) {
      s.remove_prefix(2);
    } else {
      return 0;
    }
    return source_.size() - s.size() - from;
  }
  void raw_block() {
    for (size_t i = source_.find("{%", at_); i != std::string::npos; i = source_.find("{%", i + 1)) {
      std::string_view s = std::string_view(source_).substr(i + 2);
      const char sign = s.empty() ? ' ' : s[0];
      if (sign == '-' || sign == '+') s.remove_prefix(1);
      s = strip(s, nullptr, true, false);
      if (!s.starts_with("endraw")) continue;
      s = strip(s.substr(6), nullptr, true, false);
      if (s.starts_with("+%}")) {
        s.remove_prefix(3);
      } else if (s.starts_with("-%}")) {
        s = strip(s.substr(3), nullptr, true, false);
      } else if (s.starts_with("%}")) {
        s.remove_prefix(2);
        if (s.starts_with('\n')) s.remove_prefix(1);
      } else {
        continue;
      }
      const std::string_view text = std::string_view(source_).substr(at_, i - at_);
      const std::string_view kept = kept_text(text, sign, false);
      if (!kept.empty()) emit(TokenType::kData, std::string(kept));
      advance(source_.size() - s.size() - at_);
      return;
    }
    if (at_ < source_.size()) error("Missing end of raw directive");
  }
  void comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos && at_ == source_.size()) return;  // Jinja2 lets a tag at the very end pass
    if (end == std::string::npos) error("Missing end of comment tag");
    const char sign = end > at_ ? source_[end - 1] : ' ';
    advance(end + 2 - at_);
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && starts("\n")) {
      advance(1);
    }
  }
  // Tokens up to the end of the tag.
  void inside(bool variable) {
    while (true) {
      if (at_ >= source_.size()) return;  // the parser reports the end of the template
      if (balance_.empty() && tag_end(variable)) return;
      const Utf8Decoded d = utf8_decode(rest());
      if (is_space(d.code_point)) {
        advance(static_cast<size_t>(d.length));
        continue;
      }
      if (number()) continue;
      if (name(d.code_point)) continue;
      if (source_[at_] == '\'' || source_[at_] == '"') {
        string();
        continue;
      }
      sign();
    }
  }
  bool tag_end(bool variable) {
    const std::string_view end = variable ? "}}" : "%}";
    const bool minus = starts("-") && rest().substr(1).starts_with(end);
    const bool plus = !variable && starts("+") && rest().substr(1).starts_with(end);
    if (!minus && !plus && !starts(end)) return false;
    emit(variable ? TokenType::kVariableEnd : TokenType::kBlockEnd, "");
    advance(minus || plus ? 3 : 2);
    if (minus) {
      skip_space();
    } else if (!plus && !variable && starts("\n")) {
      advance(1);
    }
    return true;
  }
  // Digits with single underscores between them, from `i`; returns the end, or `i` when there is none.
  template <typename IsDigit>
  size_t digits(size_t i, IsDigit is, bool leading_underscore = false) const {
    const size_t start = i;
    while (i < source_.size()) {
      if (is(source_[i])) {
        ++i;
      } else if (source_[i] == '_' && (i > start || leading_underscore) && i + 1 < source_.size() &&
                 is(source_[i + 1])) {
        ++i;
      } else {
        break;
      }
    }
    return i;
  }
  bool number() {
    if (!is_digit(source_[at_])) return false;
    const auto decimal = [](char c) { return is_digit(c); };
    if (size_t end = float_end(decimal); end > at_) {
      emit(TokenType::kFloat, without_underscores(at_, end));
      advance(end - at_);
      return true;
    }
    size_t end = at_;
    const char second = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : ' ';
    if (source_[at_] == '0' && (second == 'b' || second == 'o' || second == 'x')) {
      const auto is = [second](char c) {
        if (second == 'x') return hex_digit(c) >= 0;
        return c >= '0' && c <= (second == 'b' ? '1' : '7');
      };
      const size_t stop = digits(at_ + 2, is, true);
      if (stop > at_ + 2) end = stop;
    }
    if (end == at_) {
      end = source_[at_] == '0' ? digits(at_, [](char c) { return c == '0'; }) : digits(at_, decimal);
    }
    emit(TokenType::kInteger, without_underscores(at_, end));
    advance(end - at_);
    return true;
  }
  template <typename IsDigit>
  size_t float_end(IsDigit decimal) const {
    if (at_ > 0 && source_[at_ - 1] == '.') return at_;
    const size_t whole = digits(at_, decimal);
    size_t end = whole;
    bool fraction = false;
    if (end < source_.size() && source_[end] == '.' && end + 1 < source_.size() &&
        is_digit(source_[end + 1])) {
      end = digits(end + 1, decimal);
      fraction = true;
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      size_t i = end + 1;
      if (i < source_.size() && (source_[i] == '+' || source_[i] == '-')) ++i;
      if (i < source_.size() && is_digit(source_[i])) return digits(i, decimal);
    }
    return fraction ? end : at_;
  }
  std::string without_underscores(size_t from, size_t to) const {
    std::string out = source_.substr(from, to - from);
    out.erase(std::remove(out.begin(), out.end(), '_'), out.end());
    return out;
  }
  bool name(char32_t first) {
    const auto part = [](char32_t c, CharClass cls) {
      if (c < 128) {
        const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        return letter || c == '_' || (cls == CharClass::kIdentifierContinue && c >= '0' && c <= '9');
      }
      return has_class(c, cls);
    };
    if (!part(first, CharClass::kIdentifierStart)) return false;
    size_t end = at_;
    while (end < source_.size()) {
      const Utf8Decoded d = utf8_decode(std::string_view(source_).substr(end));
      if (!part(d.code_point, CharClass::kIdentifierContinue)) break;
      end += static_cast<size_t>(d.length);
    }
    emit(TokenType::kName, source_.substr(at_, end - at_));
    advance(end - at_);
    return true;
  }
  void string() {
    const char quote = source_[at_];
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size())
      error(std::string("unexpected char '") + quote + "' at " + std::to_string(at_));
    emit(TokenType::kString, unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
    advance(end + 1 - at_);
  }
  // Python's unicode-escape.
  std::string unescape(std::string_view s) const {
    std::string out;
    out.reserve(s.size());
    for (size_t i = 0; i < s.size(); ++i) {
      if (s[i] != '\\') {
        out += s[i];
        continue;
      }
      ++i;
      switch (s[i]) {
        case '\n':
          break;
        case '\\':
        case '\'':
        case '"':
          out += s[i];
          break;
        case 'a':
          out += '\a';
          break;
        case 'b':
          out += '\b';
          break;
        case 'f':
          out += '\f';
          break;
        case 'n':
          out += '\n';
          break;
        case 'r':
          out += '\r';
          break;
        case 't':
          out += '\t';
          break;
        case 'v':
          out += '\v';
          break;
        case 'x':
          append_code(out, s, i, 2);
          break;
        case 'u':
          append_code(out, s, i, 4);
          break;
        case 'U':
          append_code(out, s, i, 8);
          break;
        case 'N':
          error("\\N{...} escapes are not supported; write the character itself");
        default:
          if (s[i] >= '0' && s[i] <= '7') {
            append_octal(out, s, i);
          } else {
            out += '\\';
            out += s[i];
          }
      }
    }
    return out;
  }
  void append_code(std::string& out, std::string_view s, size_t& i, size_t count) const {
    char32_t code = 0;
    for (size_t k = 1; k <= count; ++k) {
      const int digit = i + k < s.size() ? hex_digit(s[i + k]) : -1;
      if (digit < 0) error("truncated \\" + std::string(1, s[i]) + " escape in a string");
      code = code * 16 + static_cast<char32_t>(digit);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      error("an escape in a string is not a Unicode character");
    utf8_append(out, code);
    i += count;
  }
  static void append_octal(std::string& out, std::string_view s, size_t& i) {
    char32_t code = 0;
    size_t k = 0;
    while (k < 3 && i + k < s.size() && s[i + k] >= '0' && s[i + k] <= '7')
      code = code * 8 + static_cast<char32_t>(s[i + k++] - '0');
    utf8_append(out, code);
    i += k - 1;
  }
  void sign() {
    static constexpr std::array<std::string_view, 26> kSigns = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (std::string_view s : kSigns) {
      if (!starts(s)) continue;
      if (s == "(" || s == "[" || s == "{") balance_ += s == "(" ? ')' : s == "[" ? ']' : '}';
      if (s == ")" || s == "]" || s == "}") {
        if (balance_.empty()) error("unexpected '" + std::string(s) + "'");
        if (balance_.back() != s[0])
          error("unexpected '" + std::string(s) + "', expected '" + balance_.back() + "'");
        balance_.pop_back();
      }
      emit(TokenType::kOperator, std::string(s));
      advance(s.size());
      return;
    }
    const auto n = static_cast<size_t>(utf8_decode(rest()).length);
    error("unexpected char '" + std::string(rest().substr(0, n)) + "' at " + std::to_string(at_));
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::string balance_;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(normalize_newlines(source, true)).run();
}

}  // namespace hadal::jinja
