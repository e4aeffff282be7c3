#include "text/jinja/format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"
#include "text/jinja/strings.h"

namespace hadal::jinja {

namespace {

constexpr int64_t kMaxWidth = 1 << 20;
constexpr int kMaxPrecision = 1000;

std::string print_float(double v, char type, int precision, bool alternate) {
  if (std::isnan(v) || std::isinf(v)) {
    const bool upper = type == 'F' || type == 'E' || type == 'G';
    std::string s = std::isnan(v) ? "nan" : v < 0 ? "-inf" : "inf";
    if (upper)
      std::transform(s.begin(), s.end(), s.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return s;
  }
  const char format[] = {
      '%', alternate ? '#' : '.', alternate ? '.' : '*', alternate ? '*' : type, alternate ? type : '\0',
      '\0'};
  std::string out(static_cast<size_t>(std::snprintf(nullptr, 0, format, precision, v)), '\0');
  std::snprintf(out.data(), out.size() + 1, format, precision, v);
  return out;
}

std::string int_in_base(int128 v, int base, bool upper) {
  const bool negative = v < 0;
  auto rest = negative ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v);
  std::string out;
  do {
    const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    out += digits[static_cast<int>(rest % static_cast<unsigned>(base))];
    rest /= static_cast<unsigned>(base);
  } while (rest > 0);
  if (negative) out += '-';
  std::reverse(out.begin(), out.end());
  return out;
}

std::string ascii_repr(const std::string& s) {
  std::string out;
  for (char32_t c : decode(s)) {
    char buffer[16];
    if (c < 0x80) {
      out += static_cast<char>(c);
      continue;
    }
    std::snprintf(buffer, sizeof buffer,
                  c <= 0xFF     ? "\\x%02x"
                  : c <= 0xFFFF ? "\\u%04x"
                                : "\\U%08x",
                  static_cast<unsigned>(c));
    out += buffer;
  }
  return out;
}

// One conversion of `%`.
struct Conversion {
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  int64_t width = 0;
  int precision = -1;
  char type = 0;
};

class PrintfFormatter {
 public:
  PrintfFormatter(Runtime& rt, std::string_view format, bool markup, Value values)
      : rt_(rt), rest_(format), markup_(markup), values_(values) {}

  std::string run() {
    while (!rest_.empty()) {
      const size_t percent = std::min(rest_.find('%'), rest_.size());
      out_ += rest_.substr(0, percent);
      rest_.remove_prefix(percent);
      if (!rest_.empty()) {
        rest_.remove_prefix(1);
        conversion();
      }
    }
    const bool mapping = values_.tag == Tag::kDict || values_.tag == Tag::kList || values_.is_undefined() ||
                         values_.tag == Tag::kRange || values_.tag == Tag::kSelf;
    const bool all_used = values_.tag == Tag::kTuple ? used_ == values_.seq->size : used_ > 0 || mapping;
    if (!all_used) type_error("not all arguments converted during string formatting");
    return std::move(out_);
  }

 private:
  char take() {
    if (rest_.empty()) value_error("incomplete format");
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }
  Value next_value() {
    if (!keyed_.missing()) return keyed_;
    if (values_.tag == Tag::kTuple) {
      if (used_ >= values_.seq->size) type_error("not enough arguments for format string");
      return values_.seq->items[used_++];
    }
    if (used_++ > 0) type_error("not enough arguments for format string");
    return values_;
  }
  void key() {
    size_t depth = 1, at = 0;
    for (; at < rest_.size() && depth > 0; ++at)
      depth += rest_[at] == '(' ? 1 : rest_[at] == ')' ? size_t(-1) : 0;
    if (depth > 0) value_error("incomplete format key");
    const Value name = Value::from_view(rest_.substr(0, at - 1));
    rest_.remove_prefix(at);
    if (values_.tag == Tag::kTuple || values_.is_str() || values_.is_number() || values_.is_none())
      type_error("format requires a mapping");
    if (values_.is_undefined()) rt_.raise_undefined(values_);
    if (values_.tag != Tag::kDict) type_error("format requires a mapping");
    const Value* found = rt_.find(*values_.dict, name);
    if (found == nullptr) fail(ErrorKind::kKey, repr(rt_, name));
    keyed_ = *found;
    used_ = 1;
  }
  int64_t number(bool& given) {
    given = true;
    if (!rest_.empty() && rest_[0] == '*') {
      take();
      const Value v = next_value();
      if (!v.is_int()) type_error("* wants int");
      return std::clamp<int64_t>(to_index(rt_, v), -kMaxWidth - 1, kMaxWidth + 1);
    }
    int64_t n = 0;
    given = !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9';
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9')
      n = std::min<int64_t>(n * 10 + (take() - '0'), kMaxWidth + 1);
    return n;
  }
  void conversion() {
    keyed_ = Value();
    Conversion c;
    if (!rest_.empty() && rest_[0] == '(') {
      take();
      key();
    }
    for (bool flags = true; flags && !rest_.empty();) {
      switch (rest_[0]) {
        case '-':
          c.left = true;
          break;
        case '+':
          c.plus = true;
          break;
        case ' ':
          c.space = true;
          break;
        case '0':
          c.zero = true;
          break;
        case '#':
          c.alternate = true;
          break;
        default:
          flags = false;
      }
      if (flags) take();
    }
    bool given = false;
    c.width = number(given);
    if (c.width < 0) {
      c.left = true;
      c.width = -c.width;
    }
    if (!rest_.empty() && rest_[0] == '.') {
      take();
      c.precision = static_cast<int>(std::max<int64_t>(0, number(given)));
    }
    if (c.width > kMaxWidth || c.precision > kMaxPrecision)
      fail(ErrorKind::kLimit, "a width or precision of % is too large");
    if (!rest_.empty() && (rest_[0] == 'h' || rest_[0] == 'l' || rest_[0] == 'L')) take();
    c.type = take();
    if (c.type == '%') {
      out_ += '%';
      return;
    }
    emit(c, next_value());
  }
  int128 as_int(Value v, char type) {
    if (v.is_int()) return to_int128(v);
    if (v.is_undefined()) rt_.raise_undefined(v);
    if (v.tag == Tag::kFloat && (type == 'd' || type == 'i' || type == 'u')) {
      if (std::isnan(v.number)) value_error("cannot convert float NaN to integer");
      if (std::isinf(v.number)) fail(ErrorKind::kOverflow, "cannot convert float infinity to integer");
      if (std::abs(v.number) > 1.6e38)
        fail(ErrorKind::kLimit, "integers of more than 127 bits are not supported");
      return static_cast<int128>(v.number);
    }
    type_error(std::string("%") + type + " format: a real number is required, not " +
               std::string(type_name(v)));
  }
  void emit(const Conversion& c, Value v) {
    std::string body, sign;
    bool numeric = true;
    switch (c.type) {
      case 's':
      case 'r':
      case 'a': {
        if (c.type == 's') {
          append_str(rt_, body, v);
        } else {
          append_repr(rt_, body, v);
          if (c.type == 'a') body = ascii_repr(body);
        }
        if (markup_ && !(v.is_str() && v.markup)) body = escape_html(body);
        if (c.precision >= 0) body = std::string(substring(body, 0, static_cast<size_t>(c.precision)));
        numeric = false;
        break;
      }
      case 'c': {
        if (v.is_str()) {
          if (count_code_points(v.str()) != 1) type_error("%c requires int or char");
          body = v.str();
        } else {
          if (!v.is_int()) type_error("%c requires int or char");
          const int128 code = to_int128(v);
          if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
            fail(ErrorKind::kOverflow, "%c arg not in range(0x110000)");
          }
          utf8_append(body, static_cast<char32_t>(code));
        }
        numeric = false;
        break;
      }
      case 'd':
      case 'i':
      case 'u':
        body = int_to_string(as_int(v, c.type));
        break;
      case 'x':
      case 'X':
        body = int_in_base(as_int(v, c.type), 16, c.type == 'X');
        break;
      case 'o':
        body = int_in_base(as_int(v, c.type), 8, false);
        break;
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': {
        if (v.is_undefined()) rt_.raise_undefined(v);
        if (!v.is_number()) type_error("must be real number, not " + std::string(type_name(v)));
        body = print_float(to_double(v), c.type, c.precision < 0 ? 6 : c.precision, c.alternate);
        break;
      }
      default:
        value_error(std::string("unsupported format character '") + c.type + "'");
    }
    if (numeric) split_sign(c, body, sign);
    pad(c, sign, body, numeric);
  }
  static void split_sign(const Conversion& c, std::string& body, std::string& sign) {
    if (body[0] == '-') {
      sign = "-";
      body.erase(0, 1);
    } else if (c.plus) {
      sign = "+";
    } else if (c.space) {
      sign = " ";
    }
    const bool is_int =
        c.type == 'd' || c.type == 'i' || c.type == 'u' || c.type == 'x' || c.type == 'X' || c.type == 'o';
    if (is_int && c.precision > static_cast<int>(body.size())) {
      body.insert(0, static_cast<size_t>(c.precision) - body.size(), '0');
    }
    if (c.alternate && (c.type == 'x' || c.type == 'X' || c.type == 'o')) sign += std::string("0") + c.type;
  }
  void pad(const Conversion& c, const std::string& sign, const std::string& body, bool numeric) {
    const auto length = static_cast<int64_t>(sign.size() + count_code_points(body));
    const auto fill = static_cast<size_t>(std::max<int64_t>(0, c.width - length));
    rt_.step(static_cast<int64_t>((fill + body.size()) / 64));
    if (c.left) {
      out_ += sign + body + std::string(fill, ' ');
    } else if (c.zero && numeric) {
      out_ += sign + std::string(fill, '0') + body;
    } else {
      out_ += std::string(fill, ' ') + sign + body;
    }
    if (out_.size() > rt_.limits().max_output) fail(ErrorKind::kLimit, "the formatted text is too long");
  }

  Runtime& rt_;
  std::string_view rest_;
  bool markup_;
  Value values_, keyed_;
  uint32_t used_ = 0;
  std::string out_;
};

// [[fill]align][sign][z][#][0][width][grouping][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = 0, sign = '-', grouping = 0, type = 0;
  bool alternate = false, zero = false;
  int64_t width = 0;
  int precision = -1;
};

bool is_align(char c) {
  return c == '<' || c == '>' || c == '=' || c == '^';
}

Spec parse_spec(std::string_view s, Value v) {
  const auto invalid = [&]() {
    value_error("Invalid format specifier '" + std::string(s) + "' for object of type '" +
                std::string(type_name(v)) + "'");
  };
  Spec spec;
  std::string_view rest = s;
  if (!rest.empty()) {
    const auto n = static_cast<size_t>(utf8_decode(rest).length);
    if (rest.size() > n && is_align(rest[n])) {
      spec.fill = rest.substr(0, n);
      spec.align = rest[n];
      rest.remove_prefix(n + 1);
    } else if (is_align(rest[0])) {
      spec.align = rest[0];
      rest.remove_prefix(1);
    }
  }
  const auto next_is = [&](std::string_view set) {
    return !rest.empty() && set.find(rest[0]) != std::string_view::npos;
  };
  const auto take = [&]() {
    const char c = rest[0];
    rest.remove_prefix(1);
    return c;
  };
  if (next_is("+- ")) spec.sign = take();
  if (next_is("#")) spec.alternate = take() == '#';
  if (next_is("0")) {
    spec.zero = take() == '0';
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = v.is_str() ? '<' : '=';
    }
  }
  while (next_is("0123456789"))
    spec.width = std::min<int64_t>(spec.width * 10 + (take() - '0'), kMaxWidth + 1);
  if (next_is(",_")) spec.grouping = take();
  if (next_is(".")) {
    take();
    if (!next_is("0123456789")) value_error("Format specifier missing precision");
    spec.precision = 0;
    while (next_is("0123456789"))
      spec.precision = std::min(spec.precision * 10 + (take() - '0'), kMaxPrecision + 1);
  }
  if (rest.size() > 1) invalid();
  if (!rest.empty()) spec.type = take();
  if (spec.width > kMaxWidth || spec.precision > kMaxPrecision)
    fail(ErrorKind::kLimit, "a width or precision is too large");
  return spec;
}

std::string pad_to(const Spec& spec, char default_align, const std::string& sign, const std::string& body) {
  const auto length = static_cast<int64_t>(count_code_points(sign) + count_code_points(body));
  const int64_t fill = std::max<int64_t>(0, spec.width - length);
  const char align = spec.align == 0 ? default_align : spec.align;
  int64_t before = align == '>' || align == '=' ? fill : align == '^' ? fill / 2 : 0;
  std::string left, right;
  for (int64_t i = 0; i < before; ++i) left += spec.fill;
  for (int64_t i = before; i < fill; ++i) right += spec.fill;
  return align == '=' ? sign + left + body : left + sign + body + right;
}

void group_digits(std::string& digits, char separator, int every) {
  size_t end = 0;
  while (end < digits.size() && std::isxdigit(static_cast<unsigned char>(digits[end])) != 0 &&
         digits[end] != '.') {
    if (digits[end] == 'e' && every == 3) break;
    ++end;
  }
  for (auto at = static_cast<int64_t>(end) - every; at > 0; at -= every)
    digits.insert(static_cast<size_t>(at), 1, separator);
}

std::string sign_text(const Spec& spec, std::string& body) {
  if (!body.empty() && body[0] == '-') {
    body.erase(0, 1);
    return "-";
  }
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

std::string pad_grouped(const Spec& spec, const std::string& sign, std::string body, int every) {
  if (spec.grouping != 0) {
    // Zero fill is grouped with the digits.
    if (spec.align == '=' && spec.fill == "0") {
      const auto room = [&](const std::string& b) {
        std::string grouped = b;
        group_digits(grouped, spec.grouping, every);
        return static_cast<int64_t>(sign.size() + grouped.size());
      };
      while (room(body) < spec.width) body.insert(0, 1, '0');
    }
    group_digits(body, spec.grouping, every);
    if (spec.align == '=' && spec.fill == "0" && body[0] == spec.grouping) body.erase(0, 1);
  }
  return pad_to(spec, '>', sign, body);
}

std::string format_int(const Spec& spec, int128 v) {
  if (spec.precision >= 0) value_error("Precision not allowed in integer format specifier");
  std::string body, prefix;
  int every = 3;
  switch (spec.type) {
    case 0:
    case 'd':
    case 'n':
      body = int_to_string(v);
      break;
    case 'b':
      body = int_in_base(v, 2, false);
      prefix = "0b";
      every = 4;
      break;
    case 'o':
      body = int_in_base(v, 8, false);
      prefix = "0o";
      every = 4;
      break;
    case 'x':
      body = int_in_base(v, 16, false);
      prefix = "0x";
      every = 4;
      break;
    case 'X':
      body = int_in_base(v, 16, true);
      prefix = "0X";
      every = 4;
      break;
    case 'c':
      if (v < 0 || v > 0x10FFFF || (v >= 0xD800 && v < 0xE000))
        fail(ErrorKind::kOverflow, "%c arg not in range(0x110000)");
      utf8_append(body, static_cast<char32_t>(v));
      return pad_to(spec, '<', "", body);
    default:
      value_error(std::string("Unknown format code '") + spec.type + "' for object of type 'int'");
  }
  if (spec.grouping == ',' && every == 4)
    value_error(std::string("Cannot specify ',' with '") + spec.type + "'.");
  std::string sign = sign_text(spec, body);
  if (spec.alternate) sign += prefix;
  return pad_grouped(spec, sign, body, every);
}

std::string format_float(const Spec& spec, double v) {
  std::string body;
  switch (spec.type) {
    case 0:
      if (spec.precision < 0) {
        body = float_repr(v);
      } else {
        body = print_float(v, 'g', std::max(spec.precision, 1), spec.alternate);
        if (body.find_first_of(".en") == std::string::npos) {
          // Like 'g', but with at least one digit after the point; scientific one digit earlier.
          if (static_cast<int>(body.size() - (body[0] == '-')) >= std::max(spec.precision, 1)) {
            body = print_float(v, 'e', std::max(spec.precision, 1) - 1, false);
          } else {
            body += ".0";
          }
        }
      }
      break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      body = print_float(v, spec.type, spec.precision < 0 ? 6 : spec.precision, spec.alternate);
      break;
    case 'n':
      body = print_float(v, 'g', spec.precision < 0 ? 6 : spec.precision, spec.alternate);
      break;
    case '%':
      body = print_float(v * 100, 'f', spec.precision < 0 ? 6 : spec.precision, spec.alternate) + "%";
      break;
    default:
      value_error(std::string("Unknown format code '") + spec.type + "' for object of type 'float'");
  }
  const std::string sign = sign_text(spec, body);
  return pad_grouped(spec, sign, body, 3);
}

std::string format_text(const Spec& spec, std::string_view s) {
  if (spec.type != 0 && spec.type != 's') {
    value_error(std::string("Unknown format code '") + spec.type + "' for object of type 'str'");
  }
  if (spec.sign != '-') value_error("Sign not allowed in string format specifier");
  if (spec.alternate) value_error("Alternate form (#) not allowed in string format specifier");
  if (spec.align == '=') value_error("'=' alignment not allowed in string format specifier");
  if (spec.grouping != 0) value_error("Cannot specify ',' with 's'.");
  if (spec.precision >= 0) s = substring(s, 0, static_cast<size_t>(spec.precision));
  return pad_to(spec, '<', "", std::string(s));
}

}  // namespace

std::string fixed(double v, int precision) {
  return print_float(v, 'f', precision, false);
}

Value printf_format(Runtime& rt, Value format, Value values) {
  PrintfFormatter formatter(rt, format.str(), format.markup, values);
  return rt.text(formatter.run(), format.markup);
}

std::string format_value(Runtime& rt, Value v, std::string_view spec) {
  if (v.is_str() || v.is_number()) {
    if (spec.empty()) {
      std::string out;
      append_str(rt, out, v);
      return out;
    }
    const Spec parsed = parse_spec(spec, v);
    if (v.is_str()) return format_text(parsed, v.str());
    if (v.tag == Tag::kFloat) return format_float(parsed, v.number);
    const bool as_float =
        parsed.type != 0 && std::string_view("eEfFgG%").find(parsed.type) != std::string_view::npos;
    if (as_float) return format_float(parsed, to_double(v));
    return format_int(parsed, to_int128(v));
  }
  if (!spec.empty())
    type_error("unsupported format string passed to " + std::string(type_name(v)) + ".__format__");
  std::string out;
  append_str(rt, out, v);
  return out;
}

}  // namespace hadal::jinja
