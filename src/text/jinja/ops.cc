#include "text/jinja/ops.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "text/jinja/format.h"
#include "text/jinja/iterators.h"
#include "text/jinja/repr.h"
#include "text/jinja/strings.h"

namespace hadal::jinja {

namespace {

constexpr int kUnordered = 2;  // a NaN is involved

int sign_of(double v) {
  return v < 0 ? -1 : v > 0 ? 1 : 0;
}

// Compares exactly: no rounding of large integers.
int compare_int_float(int128 a, double b) {
  if (std::isnan(b)) return kUnordered;
  if (std::isinf(b)) return b > 0 ? -1 : 1;
  if (std::abs(b) > 1.6e38) return b > 0 ? -1 : 1;
  const double whole = std::trunc(b);
  const auto as_int = static_cast<int128>(whole);
  if (a != as_int) return a < as_int ? -1 : 1;
  return -sign_of(b - whole);
}

int compare_numbers(Value a, Value b) {
  if (a.tag == Tag::kInt && b.tag == Tag::kInt)
    return a.integer < b.integer ? -1 : a.integer > b.integer ? 1 : 0;
  if (a.is_int() && b.is_int()) {
    const int128 x = to_int128(a), y = to_int128(b);
    return x < y ? -1 : x > y ? 1 : 0;
  }
  if (a.is_int()) return compare_int_float(to_int128(a), b.number);
  if (b.is_int()) {
    const int r = compare_int_float(to_int128(b), a.number);
    return r == kUnordered ? r : -r;
  }
  if (std::isnan(a.number) || std::isnan(b.number)) return kUnordered;
  return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
}

bool is_set_like(Value v) {
  return v.tag == Tag::kDictView && v.view->kind != DictView::Kind::kValues;
}

bool equal_sequences(Runtime& rt, const Seq& a, const Seq& b) {
  if (a.size != b.size) return false;
  for (uint32_t i = 0; i < a.size; ++i) {
    if (!equals(rt, a.items[i], b.items[i])) return false;
  }
  return true;
}

bool equal_dicts(Runtime& rt, const Dict& a, const Dict& b) {
  if (a.size != b.size) return false;
  for (uint32_t i = 0; i < a.size; ++i) {
    const Value* other = rt.find(b, a.keys[i]);
    if (other == nullptr || !equals(rt, a.values[i], *other)) return false;
  }
  return true;
}

bool equal_views(Runtime& rt, Value a, Value b) {
  if (a.view->kind != b.view->kind || !is_set_like(a)) return a.view == b.view;
  if (a.view->dict->size != b.view->dict->size) return false;
  for (uint32_t i = 0; i < a.view->dict->size; ++i) {
    const Value* other = rt.find(*b.view->dict, a.view->dict->keys[i]);
    if (other == nullptr) return false;
    if (a.view->kind == DictView::Kind::kItems && !equals(rt, a.view->dict->values[i], *other)) return false;
  }
  return true;
}

bool by_order(CompareOp op, int order) {
  if (order == kUnordered) return false;
  switch (op) {
    case CompareOp::kLt:
      return order < 0;
    case CompareOp::kLe:
      return order <= 0;
    case CompareOp::kGt:
      return order > 0;
    default:
      return order >= 0;
  }
}

[[noreturn]] void no_order(CompareOp op, Value a, Value b) {
  const char* sign = op == CompareOp::kLt   ? "<"
                     : op == CompareOp::kLe ? "<="
                     : op == CompareOp::kGt ? ">"
                                            : ">=";
  type_error(std::string("'") + sign + "' not supported between instances of '" + std::string(type_name(a)) +
             "' and '" + std::string(type_name(b)) + "'");
}

[[noreturn]] void bad_operands(Runtime& rt, const char* op, Value a, Value b) {
  if (a.is_undefined()) rt.raise_undefined(a);
  if (b.is_undefined()) rt.raise_undefined(b);
  type_error(std::string("unsupported operand type(s) for ") + op + ": '" + std::string(type_name(a)) +
             "' and '" + std::string(type_name(b)) + "'");
}

Value repeat(Runtime& rt, Value v, Value times) {
  const int64_t n = std::max<int64_t>(0, to_index(rt, times));
  const auto max_bytes = static_cast<int64_t>(rt.limits().max_output);
  const int64_t unit = v.is_str() ? v.length : static_cast<int64_t>(v.seq->size) * 16;
  if (unit > 0 && n > max_bytes / unit) fail(ErrorKind::kLimit, "the result of * is too large");
  rt.step(n * unit / 64);
  if (v.is_str()) {
    char* at = rt.arena.chars(static_cast<size_t>(n * unit));
    for (int64_t i = 0; i < n && unit > 0; ++i) std::memcpy(at + i * unit, v.chars, v.length);
    return Value::from_view({at, static_cast<size_t>(n * unit)}, v.markup);
  }
  std::vector<Value> items;
  for (int64_t i = 0; i < n && unit > 0; ++i) items.insert(items.end(), v.seq->begin(), v.seq->end());
  return v.tag == Tag::kList ? rt.list(items) : rt.tuple(items);
}

bool repeats(Value v) {
  return v.is_str() || v.tag == Tag::kList || v.tag == Tag::kTuple;
}

double float_mod(double a, double b, double* quotient) {
  double mod = std::fmod(a, b);
  double div = (a - mod) / b;
  if (mod != 0) {
    if ((b < 0) != (mod < 0)) {
      mod += b;
      div -= 1;
    }
  } else {
    mod = std::copysign(0.0, b);
  }
  double whole = 0;
  if (div != 0) {
    whole = std::floor(div);
    if (div - whole > 0.5) whole += 1;
  } else {
    whole = std::copysign(0.0, a / b);
  }
  *quotient = whole;
  return mod;
}

Value concat_text(Runtime& rt, Value a, Value b) {
  if (a.markup != b.markup) {  // Markup escapes the plain side
    if (a.markup) {
      b = rt.text(escape_html(b.str()), true);
    } else {
      a = rt.text(escape_html(a.str()), true);
    }
  }
  const size_t total = size_t{a.length} + b.length;
  if (total > rt.limits().max_output) fail(ErrorKind::kLimit, "the result of + is too long");
  rt.step(static_cast<int64_t>(b.length / 256));
  return Value::from_view({rt.arena.concat(a.str(), b.str()), total}, a.markup);
}

}  // namespace

void too_big() {
  fail(ErrorKind::kLimit, "integers of more than 127 bits are not supported");
}

bool truthy(Runtime& rt, Value v) {
  switch (v.tag) {
    case Tag::kMissing:
    case Tag::kUndefined:
    case Tag::kNone:
      return false;
    case Tag::kBool:
      return v.boolean;
    case Tag::kInt:
      return v.integer != 0;
    case Tag::kFloat:
      return v.number != 0;
    case Tag::kStr:
      return v.length != 0;
    case Tag::kList:
    case Tag::kTuple:
      return v.seq->size != 0;
    case Tag::kDict:
      return v.dict->size != 0;
    case Tag::kRange:
      return v.range->size != 0;
    case Tag::kDictView:
      return v.view->dict->size != 0;
    case Tag::kLoop:
      return v.loop->length(rt) != 0;
    default:
      return true;
  }
}

bool equals(Runtime& rt, Value a, Value b) {
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.tag != b.tag) return false;
  switch (a.tag) {
    case Tag::kStr:
      return a.length == b.length && std::memcmp(a.chars, b.chars, a.length) == 0;
    case Tag::kNone:
    case Tag::kUndefined:
      return true;
    case Tag::kList:
    case Tag::kTuple: {
      rt.step();
      Depth depth(rt);
      return equal_sequences(rt, *a.seq, *b.seq);
    }
    case Tag::kDict: {
      rt.step();
      Depth depth(rt);
      return equal_dicts(rt, *a.dict, *b.dict);
    }
    case Tag::kRange: {
      const Range &x = *a.range, &y = *b.range;
      return x.size == y.size && (x.size == 0 || (x.start == y.start && (x.size == 1 || x.step == y.step)));
    }
    case Tag::kDictView: {
      Depth depth(rt);
      return equal_views(rt, a, b);
    }
    case Tag::kMethod:
      return a.method->info == b.method->info && same_object(a.method->self, b.method->self);
    default:
      return a.pointer == b.pointer;
  }
}

bool compare(Runtime& rt, CompareOp op, Value a, Value b) {
  switch (op) {
    case CompareOp::kEq:
      return equals(rt, a, b);
    case CompareOp::kNe:
      return !equals(rt, a, b);
    case CompareOp::kIn:
      return contains(rt, b, a);
    case CompareOp::kNotIn:
      return !contains(rt, b, a);
    default:
      break;
  }
  if (a.is_number() && b.is_number()) return by_order(op, compare_numbers(a, b));
  if (a.is_str() && b.is_str()) return by_order(op, a.str().compare(b.str()));
  if (a.tag == b.tag && (a.tag == Tag::kList || a.tag == Tag::kTuple)) {
    Depth depth(rt);
    const uint32_t shared = std::min(a.seq->size, b.seq->size);
    for (uint32_t i = 0; i < shared; ++i) {
      rt.step();
      if (!equals(rt, a.seq->items[i], b.seq->items[i]))
        return compare(rt, op, a.seq->items[i], b.seq->items[i]);
    }
    return by_order(op, a.seq->size < b.seq->size ? -1 : a.seq->size > b.seq->size ? 1 : 0);
  }
  if (a.is_undefined()) rt.raise_undefined(a);
  if (b.is_undefined()) rt.raise_undefined(b);
  no_order(op, a, b);
}

bool same_object(Value a, Value b) {
  if (a.tag != b.tag) return false;
  switch (a.tag) {
    case Tag::kNone:
      return true;
    case Tag::kBool:
      return a.boolean == b.boolean;
    case Tag::kInt:
      return a.integer == b.integer;
    case Tag::kFloat:
      return a.number == b.number;
    case Tag::kStr:
      return a.str() == b.str() && (a.chars == b.chars || a.length < 2);
    default:
      return a.pointer == b.pointer;
  }
}

double to_double(Value v) {
  if (v.tag == Tag::kFloat) return v.number;
  if (v.tag == Tag::kInt) return static_cast<double>(v.integer);
  return static_cast<double>(to_int128(v));
}

int64_t to_index(Runtime& rt, Value v) {
  (void)rt;
  if (v.tag == Tag::kInt) return v.integer;
  if (v.tag == Tag::kBool) return v.boolean ? 1 : 0;
  if (v.tag == Tag::kBigInt) fail(ErrorKind::kOverflow, "Python int too large to convert to C ssize_t");
  type_error("'" + std::string(type_name(v)) + "' object cannot be interpreted as an integer");
}

Value add(Runtime& rt, Value a, Value b) {
  if (a.is_str() && b.is_str()) return concat_text(rt, a, b);
  if (a.is_int() && b.is_int()) {
    int128 r = 0;
    if (__builtin_add_overflow(to_int128(a), to_int128(b), &r)) too_big();
    return rt.integer(r);
  }
  if (a.is_number() && b.is_number()) return Value::from_float(to_double(a) + to_double(b));
  if (a.tag == b.tag && (a.tag == Tag::kList || a.tag == Tag::kTuple)) {
    std::vector<Value> items(a.seq->begin(), a.seq->end());
    items.insert(items.end(), b.seq->begin(), b.seq->end());
    if (items.size() > rt.limits().max_output / 16) fail(ErrorKind::kLimit, "the result of + is too long");
    return a.tag == Tag::kList ? rt.list(items) : rt.tuple(items);
  }
  if (a.is_str() && !b.is_undefined()) {
    type_error("can only concatenate str (not \"" + std::string(type_name(b)) + "\") to str");
  }
  bad_operands(rt, "+", a, b);
}

Value subtract(Runtime& rt, Value a, Value b) {
  if (a.is_int() && b.is_int()) {
    int128 r = 0;
    if (__builtin_sub_overflow(to_int128(a), to_int128(b), &r)) too_big();
    return rt.integer(r);
  }
  if (a.is_number() && b.is_number()) return Value::from_float(to_double(a) - to_double(b));
  bad_operands(rt, "-", a, b);
}

Value multiply(Runtime& rt, Value a, Value b) {
  if (a.is_int() && b.is_int()) {
    int128 r = 0;
    if (__builtin_mul_overflow(to_int128(a), to_int128(b), &r)) too_big();
    return rt.integer(r);
  }
  if (a.is_number() && b.is_number()) return Value::from_float(to_double(a) * to_double(b));
  if (repeats(a) && b.is_int()) return repeat(rt, a, b);
  if (a.is_int() && repeats(b)) return repeat(rt, b, a);
  bad_operands(rt, "*", a, b);
}

Value divide(Runtime& rt, Value a, Value b) {
  if (!a.is_number() || !b.is_number()) bad_operands(rt, "/", a, b);
  if (to_double(b) == 0)
    fail(ErrorKind::kZeroDivision, a.is_int() && b.is_int() ? "division by zero" : "float division by zero");
  if (a.is_int() && b.is_int()) {
    return Value::from_float(
        static_cast<double>(static_cast<long double>(to_int128(a)) / static_cast<long double>(to_int128(b))));
  }
  return Value::from_float(to_double(a) / to_double(b));
}

Value floor_divide(Runtime& rt, Value a, Value b) {
  if (!a.is_number() || !b.is_number()) bad_operands(rt, "//", a, b);
  if (to_double(b) == 0) fail(ErrorKind::kZeroDivision, "integer division or modulo by zero");
  if (a.is_int() && b.is_int()) {
    const int128 x = to_int128(a), y = to_int128(b);
    if (y == -1) return negate(rt, a);
    int128 q = x / y;
    if (x % y != 0 && ((x < 0) != (y < 0))) --q;
    return rt.integer(q);
  }
  double q = 0;
  float_mod(to_double(a), to_double(b), &q);
  return Value::from_float(q);
}

Value modulo(Runtime& rt, Value a, Value b) {
  if (a.is_str()) return printf_format(rt, a, b);
  if (!a.is_number() || !b.is_number()) bad_operands(rt, "%", a, b);
  if (to_double(b) == 0) fail(ErrorKind::kZeroDivision, "integer modulo by zero");
  if (a.is_int() && b.is_int()) {
    const int128 x = to_int128(a), y = to_int128(b);
    if (y == -1) return Value::from_int(0);
    int128 m = x % y;
    if (m != 0 && ((m < 0) != (y < 0))) m += y;
    return rt.integer(m);
  }
  double q = 0;
  return Value::from_float(float_mod(to_double(a), to_double(b), &q));
}

Value power(Runtime& rt, Value a, Value b) {
  if (!a.is_number() || !b.is_number()) bad_operands(rt, "** or pow()", a, b);
  if (a.is_int() && b.is_int() && to_int128(b) >= 0) {
    int128 base = to_int128(a), result = 1;
    int128 exponent = to_int128(b);
    if (base == 0 || base == 1) return rt.integer(exponent == 0 ? 1 : base);
    if (base == -1) return rt.integer(exponent % 2 == 0 ? 1 : -1);
    for (; exponent > 0; exponent /= 2) {
      if (exponent % 2 == 1 && __builtin_mul_overflow(result, base, &result)) too_big();
      if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) too_big();
    }
    return rt.integer(result);
  }
  const double x = to_double(a), y = to_double(b);
  if (x == 0 && y < 0) fail(ErrorKind::kZeroDivision, "0.0 cannot be raised to a negative power");
  if (x < 0 && std::isfinite(x) && std::isfinite(y) && std::floor(y) != y) {
    fail(ErrorKind::kLimit, "complex numbers are not supported");
  }
  const double r = std::pow(x, y);
  if (std::isinf(r) && std::isfinite(x) && std::isfinite(y))
    fail(ErrorKind::kOverflow, "Numerical result out of range");
  return Value::from_float(r);
}

Value negate(Runtime& rt, Value v) {
  if (v.is_int()) {
    int128 r = 0;
    if (__builtin_sub_overflow(int128{0}, to_int128(v), &r)) too_big();
    return rt.integer(r);
  }
  if (v.tag == Tag::kFloat) return Value::from_float(-v.number);
  if (v.is_undefined()) rt.raise_undefined(v);
  type_error("bad operand type for unary -: '" + std::string(type_name(v)) + "'");
}

Value positive(Runtime& rt, Value v) {
  if (v.is_int()) return rt.integer(to_int128(v));
  if (v.tag == Tag::kFloat) return v;
  if (v.is_undefined()) rt.raise_undefined(v);
  type_error("bad operand type for unary +: '" + std::string(type_name(v)) + "'");
}

}  // namespace hadal::jinja
