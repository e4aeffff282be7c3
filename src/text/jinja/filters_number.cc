// Filters about numbers, and Python's int() and float() of text.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/utf8.h"
#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/numbers.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"
#include "text/jinja/strings.h"
#include "text/jinja/unicode.h"

namespace hadal::jinja {

namespace {

// White space off both ends, digits of any script as ASCII; "" when some other character is not ASCII.
std::string ascii_number(std::string_view text) {
  std::string out;
  text = strip(text, nullptr, true, true);
  while (!text.empty()) {
    const Utf8Decoded d = utf8_decode(text);
    text.remove_prefix(static_cast<size_t>(d.length));
    const int digit = decimal_value(d.code_point);
    if (digit >= 0) {
      out += static_cast<char>('0' + digit);
    } else if (d.code_point < 128) {
      out += static_cast<char>(d.code_point);
    } else {
      return "";
    }
  }
  return out;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

// Underscores may stand between digits only.
bool drop_underscores(std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '_') {
      out += s[i];
      continue;
    }
    const bool between = i > 0 && i + 1 < s.size() &&
                         std::isalnum(static_cast<unsigned char>(s[i - 1])) != 0 &&
                         std::isalnum(static_cast<unsigned char>(s[i + 1])) != 0;
    if (!between) return false;
  }
  s = std::move(out);
  return true;
}

Value truncated(Runtime& rt, double v) {
  if (std::abs(v) > 1.6e38) too_big();
  return rt.integer(static_cast<int128>(v));
}

}  // namespace

std::optional<Value> int_of_text(Runtime& rt, std::string_view text, int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) value_error("int() base must be >= 2 and <= 36, or 0");
  std::string s = ascii_number(text);
  bool negative = false;
  if (!s.empty() && (s[0] == '+' || s[0] == '-')) {
    negative = s[0] == '-';
    s.erase(0, 1);
  }
  if (s.size() > 2 && s[0] == '0') {
    const char kind = static_cast<char>(s[1] | 0x20);
    const int64_t prefix = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (prefix != 0 && (base == prefix || base == 0)) {
      base = prefix;
      s.erase(0, s[2] == '_' ? 3 : 2);
    }
  }
  if (base == 0) {
    base = 10;
    if (s.size() > 1 && s[0] == '0' && s.find_first_not_of("0_") != std::string::npos) return std::nullopt;
  }
  if (s.empty() || !drop_underscores(s)) return std::nullopt;
  int128 value = 0;
  for (char c : s) {
    const int digit = digit_of(c);
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, static_cast<int128>(base), &value) ||
        __builtin_add_overflow(value, int128{digit}, &value)) {
      too_big();
    }
  }
  return rt.integer(negative ? -value : value);
}

std::optional<double> float_of_text(std::string_view text) {
  std::string s = ascii_number(text);
  if (s.empty() || !drop_underscores(s)) return std::nullopt;
  std::string body = s[0] == '+' || s[0] == '-' ? s.substr(1) : s;
  std::transform(body.begin(), body.end(), body.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool negative = s[0] == '-';
  if (body == "inf" || body == "infinity") return negative ? -INFINITY : INFINITY;
  if (body == "nan") return std::nan("");
  if (body.empty() || body.find_first_not_of("0123456789.e+-") != std::string::npos || body[0] == '+' ||
      body[0] == '-') {
    return std::nullopt;
  }
  char* end = nullptr;
  const double v = std::strtod(body.c_str(), &end);
  if (end != body.c_str() + body.size()) return std::nullopt;
  return negative ? -v : v;
}

namespace {

std::optional<double> float_of(Runtime& rt, Value v) {
  if (v.is_number()) return to_double(v);
  if (v.is_str()) return float_of_text(v.str());
  if (v.is_undefined()) rt.raise_undefined(v);
  return std::nullopt;
}

Value filter_int(Runtime& rt, Value self, const Value* args) {
  const Value otherwise = args[0].missing() ? Value::from_int(0) : args[0];
  if (self.is_str()) {
    const int64_t base = args[1].missing() ? 10 : to_index(rt, args[1]);
    if (base == 0 || (base >= 2 && base <= 36)) {
      if (const auto v = int_of_text(rt, self.str(), base)) return *v;
    }
    const auto v = float_of_text(self.str());
    return v && std::isfinite(*v) ? truncated(rt, *v) : otherwise;
  }
  if (self.is_int()) return rt.integer(to_int128(self));
  if (self.is(Tag::kFloat)) {
    if (std::isinf(self.number)) fail(ErrorKind::kOverflow, "cannot convert float infinity to integer");
    return std::isnan(self.number) ? otherwise : truncated(rt, self.number);
  }
  if (self.is_undefined()) rt.raise_undefined(self);
  return otherwise;
}

Value filter_float(Runtime& rt, Value self, const Value* args) {
  if (const auto v = float_of(rt, self)) return Value::from_float(*v);
  return args[0].missing() ? Value::from_float(0.0) : args[0];
}

Value filter_abs(Runtime& rt, Value self, const Value*) {
  if (self.is(Tag::kFloat)) return Value::from_float(std::abs(self.number));
  if (!self.is_int()) type_error("bad operand type for abs(): '" + std::string(type_name(self)) + "'");
  return to_int128(self) < 0 ? negate(rt, self) : rt.integer(to_int128(self));
}

// Half to even at 10**digits, digits > 0.
int128 round_int(int128 v, int64_t digits) {
  if (digits > 38) return 0;
  int128 unit = 1;
  for (int64_t i = 0; i < digits; ++i) unit *= 10;
  int128 quotient = v / unit, rest = v % unit;
  if (rest < 0) {
    rest += unit;
    --quotient;
  }
  const int128 twice = rest - (unit - rest);
  if (twice > 0 || (twice == 0 && quotient % 2 != 0)) ++quotient;
  return quotient * unit;
}

Value round_common(Runtime& rt, Value v, Value precision) {
  if (v.is_undefined() || !v.is_number()) {
    type_error("type " + std::string(type_name(v)) + " doesn't define __round__ method");
  }
  if (precision.is_none()) {
    if (v.is_int()) return rt.integer(to_int128(v));
    if (std::isnan(v.number)) value_error("cannot convert float NaN to integer");
    if (std::isinf(v.number)) fail(ErrorKind::kOverflow, "cannot convert float infinity to integer");
    return truncated(rt, std::nearbyint(v.number));
  }
  const int64_t digits = precision.missing() ? 0 : to_index(rt, precision);
  if (v.is_int()) return rt.integer(digits >= 0 ? to_int128(v) : round_int(to_int128(v), -digits));
  if (!std::isfinite(v.number)) return v;
  if (digits > 323) return v;
  if (digits < -308) return Value::from_float(std::copysign(0.0, v.number));
  if (digits >= 0) {
    const double r = std::strtod(fixed(v.number, static_cast<int>(digits)).c_str(), nullptr);
    if (std::isinf(r)) fail(ErrorKind::kOverflow, "rounded value too large to represent");
    return Value::from_float(r);
  }
  const double unit = std::pow(10.0, static_cast<double>(-digits));
  return Value::from_float(std::nearbyint(v.number / unit) * unit);
}

Value filter_round(Runtime& rt, Value self, const Value* args) {
  const Value precision = args[0];
  const std::string_view method = args[1].missing() ? "common" : args[1].is_str() ? args[1].str() : "";
  if (method != "common" && method != "ceil" && method != "floor") {
    fail(ErrorKind::kFilterArgument, "method must be common, ceil or floor");
  }
  if (method == "common") return round_common(rt, self, precision);
  const Value scale = power(rt, Value::from_int(10), precision.missing() ? Value::from_int(0) : precision);
  const Value scaled = multiply(rt, self, scale);
  if (!scaled.is_number()) type_error("must be real number, not " + std::string(type_name(scaled)));
  Value whole = scaled;
  if (scaled.is(Tag::kFloat)) {
    if (std::isnan(scaled.number)) value_error("cannot convert float NaN to integer");
    if (std::isinf(scaled.number)) fail(ErrorKind::kOverflow, "cannot convert float infinity to integer");
    whole = truncated(rt, method == "ceil" ? std::ceil(scaled.number) : std::floor(scaled.number));
  }
  return divide(rt, whole, scale);
}

Value filter_filesizeformat(Runtime& rt, Value self, const Value* args) {
  const bool binary = !args[0].missing() && truthy(rt, args[0]);
  const auto size = float_of(rt, self);
  if (!size) {
    if (self.is_str()) value_error("could not convert string to float: " + repr(rt, self));
    type_error("float() argument must be a string or a real number, not '" + std::string(type_name(self)) +
               "'");
  }
  const double base = binary ? 1024 : 1000;
  if (*size == 1) return rt.view("1 Byte");
  if (*size < base) return rt.text(int_to_string(to_int128(truncated(rt, *size))) + " Bytes");
  static constexpr const char* kUnits[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
  double unit = base;
  for (int i = 0; i < 8; ++i) {
    unit *= base;
    if (*size < unit || i == 7) {
      const std::string prefix = binary && i == 0 ? "K" : kUnits[i];
      return rt.text(fixed(base * *size / unit, 1) + " " + prefix + (binary ? "iB" : "B"));
    }
  }
  return {};
}

constexpr FilterInfo kNumberFilters[] = {
    {"abs", {"", 0, false}, filter_abs},           {"filesizeformat", {"binary"}, filter_filesizeformat},
    {"float", {"default"}, filter_float},          {"int", {"default base"}, filter_int},
    {"round", {"precision method"}, filter_round},
};

}  // namespace

const FilterInfo* find_number_filter(std::string_view name) {
  const auto at = std::find_if(std::begin(kNumberFilters), std::end(kNumberFilters),
                               [name](const FilterInfo& f) { return f.name == name; });
  return at == std::end(kNumberFilters) ? nullptr : at;
}

}  // namespace hadal::jinja
