// CEL's own functions: conversions, sizes, arithmetic, optionals, lists, sets.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/json.h"
#include "base/utf8.h"
#include "deploy/validate/cel/cel_eval.h"

namespace hadal {
namespace {

constexpr double kTwo63 = 9223372036854775808.0;

CelValue no_overload(const std::string& name, const CelList& args) {
  std::string types;
  for (const CelValue& arg : args) types += (types.empty() ? "" : ", ") + arg.type_name();
  return cel_error("no such overload: " + name + "(" + types + ")");
}

template <typename T>
CelValue integer_arithmetic(std::string_view op, T a, T b) {
  T out = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &out);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &out);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &out);
  } else {
    if (b == 0) return cel_error("division by zero");
    if constexpr (std::is_signed_v<T>) {
      if (a == std::numeric_limits<T>::min() && b == -1)
        return op == "%" ? CelValue(T{0}) : cel_error("integer overflow");
    }
    out = op == "/" ? a / b : a % b;
  }
  return overflow ? cel_error("integer overflow") : CelValue(out);
}

CelValue time_arithmetic(std::string_view op, const CelValue& a, const CelValue& b) {
  const bool minus = op == "-";
  if (a.is<CelDuration>() && b.is<CelDuration>() && (minus || op == "+")) {
    const CelValue nanos = integer_arithmetic(op, a.get<CelDuration>().nanos, b.get<CelDuration>().nanos);
    return nanos.is_error() ? nanos : CelValue(CelDuration{nanos.get<int64_t>()});
  }
  constexpr int64_t kBillion = 1'000'000'000;
  if (a.is<Timestamp>() && b.is<CelDuration>() && (minus || op == "+")) {
    Timestamp out = a.get<Timestamp>();
    const int64_t nanos = b.get<CelDuration>().nanos;
    const int64_t sign = minus ? -1 : 1;
    out.seconds += sign * (nanos / kBillion);
    int64_t rest = out.nanos + sign * (nanos % kBillion);
    if (rest < 0) {
      rest += kBillion;
      out.seconds -= 1;
    } else if (rest >= kBillion) {
      rest -= kBillion;
      out.seconds += 1;
    }
    out.nanos = static_cast<int32_t>(rest);
    return CelValue(out);
  }
  if (a.is<CelDuration>() && b.is<Timestamp>() && op == "+") return time_arithmetic(op, b, a);
  if (a.is<Timestamp>() && b.is<Timestamp>() && minus) {
    const Timestamp& x = a.get<Timestamp>();
    const Timestamp& y = b.get<Timestamp>();
    const CelValue seconds = integer_arithmetic<int64_t>("*", x.seconds - y.seconds, kBillion);
    if (seconds.is_error()) return seconds;
    const CelValue nanos = integer_arithmetic<int64_t>("+", seconds.get<int64_t>(), x.nanos - y.nanos);
    return nanos.is_error() ? nanos : CelValue(CelDuration{nanos.get<int64_t>()});
  }
  return cel_error("no such overload: " + a.type_name() + " " + std::string(op) + " " + b.type_name());
}

CelValue to_int(const CelValue& v) {
  if (v.is<int64_t>()) return v;
  if (v.is<uint64_t>())
    return v.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
               ? cel_error("integer overflow")
               : CelValue(static_cast<int64_t>(v.get<uint64_t>()));
  if (v.is<double>()) {
    const double d = v.get<double>();
    if (!(d > -kTwo63 && d < kTwo63)) return cel_error("integer overflow");
    return CelValue(static_cast<int64_t>(d));
  }
  if (v.is<Timestamp>()) return CelValue(v.get<Timestamp>().seconds);
  if (!v.is_string()) return no_overload("int", {v});
  int64_t out = 0;
  const std::string& text = v.text();
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size() || text.empty())
    return cel_error("\"" + text + "\" is no integer");
  return CelValue(out);
}

CelValue to_uint(const CelValue& v) {
  if (v.is<uint64_t>()) return v;
  if (v.is<int64_t>())
    return v.get<int64_t>() < 0 ? cel_error("integer overflow")
                                : CelValue(static_cast<uint64_t>(v.get<int64_t>()));
  if (v.is<double>()) {
    const double d = v.get<double>();
    if (!(d > -1.0 && d < 2 * kTwo63)) return cel_error("integer overflow");
    return CelValue(d < 0 ? uint64_t{0} : static_cast<uint64_t>(d));
  }
  if (!v.is_string()) return no_overload("uint", {v});
  uint64_t out = 0;
  const std::string& text = v.text();
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size() || text.empty())
    return cel_error("\"" + text + "\" is no unsigned integer");
  return CelValue(out);
}

CelValue to_double(const CelValue& v) {
  if (v.is<double>()) return v;
  if (v.is<int64_t>()) return CelValue(static_cast<double>(v.get<int64_t>()));
  if (v.is<uint64_t>()) return CelValue(static_cast<double>(v.get<uint64_t>()));
  if (!v.is_string()) return no_overload("double", {v});
  double out = 0;
  const std::string& text = v.text();
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size() || text.empty())
    return cel_error("\"" + text + "\" is no number");
  return CelValue(out);
}

CelValue to_bool(const CelValue& v) {
  if (v.is<bool>()) return v;
  if (!v.is_string()) return no_overload("bool", {v});
  for (const std::string_view word : {"true", "True", "TRUE", "t", "1"}) {
    if (v.text() == word) return CelValue(true);
  }
  for (const std::string_view word : {"false", "False", "FALSE", "f", "0"}) {
    if (v.text() == word) return CelValue(false);
  }
  return cel_error("\"" + v.text() + "\" is no boolean");
}

// One argument and a conversion's name.
CelValue convert(const std::string& name, const CelValue& v, bool& handled) {
  handled = true;
  if (name == "int") return to_int(v);
  if (name == "uint") return to_uint(v);
  if (name == "double") return to_double(v);
  if (name == "bool") return to_bool(v);
  if (name == "string") return cel_to_text(v);
  if (name == "dyn") return v;
  if (name == "type") return CelValue(CelType{v.type_name()});
  if (name == "bytes") {
    if (v.is<CelBytes>()) return v;
    return v.is_string() ? CelValue(CelBytes{v.text()}) : no_overload(name, {v});
  }
  if (name == "duration") {
    if (v.is<CelDuration>()) return v;
    if (!v.is_string()) return no_overload(name, {v});
    const auto nanos = parse_go_duration(v.text());
    return nanos ? CelValue(CelDuration{*nanos}) : cel_error("\"" + v.text() + "\" is no duration");
  }
  if (name == "timestamp") {
    if (v.is<Timestamp>()) return v;
    // The years 1 to 9999, as CEL has them.
    constexpr int64_t kFirst = -62'135'596'800;
    constexpr int64_t kLast = 253'402'300'799;
    if (v.is<int64_t>())
      return v.get<int64_t>() < kFirst || v.get<int64_t>() > kLast ? cel_error("timestamp out of range")
                                                                   : CelValue(Timestamp{v.get<int64_t>(), 0});
    if (!v.is_string()) return no_overload(name, {v});
    const auto time = parse_timestamp(v.text());
    return time ? CelValue(*time) : cel_error("\"" + v.text() + "\" is no timestamp");
  }
  handled = false;
  return CelValue();
}

CelValue size_of(const CelValue& v) {
  if (v.is_string()) return CelValue(static_cast<int64_t>(cel_code_points(v.text()).size()));
  if (v.is<CelBytes>()) return CelValue(static_cast<int64_t>(v.get<CelBytes>().data.size()));
  if (v.is_list() || v.is_map()) return CelValue(static_cast<int64_t>(cel_size(v)));
  return no_overload("size", {v});
}

bool is_zero(const CelValue& v) {
  if (v.is<CelNull>()) return true;
  if (v.is<bool>()) return !v.get<bool>();
  if (v.is<int64_t>()) return v.get<int64_t>() == 0;
  if (v.is<uint64_t>()) return v.get<uint64_t>() == 0;
  if (v.is<double>()) return v.get<double>() == 0;
  if (v.is_string()) return v.text().empty();
  return (v.is_list() || v.is_map()) && cel_size(v) == 0;
}

CelValue optional_function(const std::string& name, CelList& args, bool& handled) {
  handled = true;
  if (name == "optional.of" && args.size() == 1) return cel_optional(args[0]);
  if (name == "optional.none" && args.empty()) return cel_none();
  if (name == "optional.ofNonZeroValue" && args.size() == 1)
    return is_zero(args[0]) ? cel_none() : cel_optional(args[0]);
  if (!args.empty() && args[0].is<CelOptional>()) {
    const auto& value = args[0].get<CelOptional>().value;
    if (name == "hasValue" && args.size() == 1) return CelValue(value != nullptr);
    if (name == "value" && args.size() == 1)
      return value != nullptr ? *value : cel_error("optional.none() has no value");
    if (name == "orValue" && args.size() == 2) return value != nullptr ? *value : args[1];
    if (name == "or" && args.size() == 2) return value != nullptr ? args[0] : args[1];
  }
  handled = false;
  return CelValue();
}

bool contains_all(const CelList& all, const CelList& part, const SchemaSet& schemas) {
  return std::all_of(part.begin(), part.end(), [&](const CelValue& item) {
    return std::any_of(all.begin(), all.end(),
                       [&](const CelValue& v) { return cel_equal(v, item, schemas); });
  });
}

CelValue set_function(CelEvaluator& evaluator, const std::string& name, CelList& args, bool& handled) {
  const bool known = name == "sets.contains" || name == "sets.equivalent" || name == "sets.intersects";
  handled = known && args.size() == 2 && args[0].is_list() && args[1].is_list();
  if (!handled) return CelValue();
  if (!evaluator.charge(cel_size(args[0]) * (cel_size(args[1]) + 1)))
    return cel_error("the rule takes too long");
  const CelList a = cel_elements(args[0], evaluator.schemas());
  const CelList b = cel_elements(args[1], evaluator.schemas());
  if (name == "sets.contains") return CelValue(contains_all(a, b, evaluator.schemas()));
  if (name == "sets.equivalent")
    return CelValue(contains_all(a, b, evaluator.schemas()) && contains_all(b, a, evaluator.schemas()));
  return CelValue(std::any_of(b.begin(), b.end(), [&](const CelValue& item) {
    return contains_all(a, {item}, evaluator.schemas());
  }));
}

CelValue extreme(const std::string& name, const CelList& items) {
  if (items.empty()) return cel_error(name + "() of an empty list");
  const CelValue* best = &items[0];
  for (const CelValue& item : items) {
    const std::optional<int> order = cel_compare(item, *best);
    if (!order) return cel_error("items of different types have no order");
    if (name == "min" ? *order < 0 : *order > 0) best = &item;
  }
  return *best;
}

CelValue list_function(CelEvaluator& evaluator, const std::string& name, CelList& args, bool& handled) {
  handled = false;
  if (args.empty() || !args[0].is_list()) return CelValue();
  if (!evaluator.charge(cel_size(args[0]))) return cel_error("the rule takes too long");
  const CelList items = cel_elements(args[0], evaluator.schemas());
  handled = true;
  if (args.size() == 1 && name == "isSorted") {
    for (size_t i = 1; i < items.size(); ++i) {
      if (cel_compare(items[i - 1], items[i]).value_or(0) > 0) return CelValue(false);
    }
    return CelValue(true);
  }
  if (args.size() == 1 && (name == "min" || name == "max")) return extreme(name, items);
  if (args.size() == 1 && name == "sum") {
    CelValue sum = items.empty() ? CelValue(int64_t{0}) : items[0];
    for (size_t i = 1; i < items.size() && !sum.is_error(); ++i)
      sum = cel_arithmetic(evaluator, "+", sum, items[i]);
    return sum;
  }
  if (args.size() == 2 && (name == "indexOf" || name == "lastIndexOf")) {
    int64_t found = -1;
    for (size_t i = 0; i < items.size(); ++i) {
      if ((found < 0 || name == "lastIndexOf") && cel_equal(items[i], args[1], evaluator.schemas()))
        found = static_cast<int64_t>(i);
    }
    return CelValue(found);
  }
  if (args.size() == 1 && name == "flatten") {
    CelList out;
    for (const CelValue& item : items) {
      CelList inner = item.is_list() ? cel_elements(item, evaluator.schemas()) : CelList{item};
      out.insert(out.end(), inner.begin(), inner.end());
    }
    return evaluator.charge(out.size()) ? cel_list(std::move(out)) : cel_error("the rule takes too long");
  }
  handled = false;
  return CelValue();
}

}  // namespace

CelValue cel_to_text(const CelValue& v) {
  if (v.is_string()) return v;
  if (v.is<bool>()) return CelValue(std::string(v.get<bool>() ? "true" : "false"));
  if (v.is<int64_t>()) return CelValue(std::to_string(v.get<int64_t>()));
  if (v.is<uint64_t>()) return CelValue(std::to_string(v.get<uint64_t>()));
  if (v.is<double>()) return CelValue(to_json(Json(v.get<double>())));
  if (v.is<CelBytes>())
    return utf8_is_valid(v.get<CelBytes>().data) ? CelValue(v.get<CelBytes>().data)
                                                 : cel_error("bytes are no UTF-8");
  if (v.is<CelUrl>()) return CelValue(v.get<CelUrl>().text);
  if (v.is<IpAddress>()) return CelValue(v.get<IpAddress>().to_string());
  if (v.is<Cidr>())
    return CelValue(v.get<Cidr>().address.to_string() + "/" + std::to_string(v.get<Cidr>().prefix));
  if (v.is<CelDuration>())
    return CelValue(to_json(Json(static_cast<double>(v.get<CelDuration>().nanos) / 1e9)) + "s");
  if (v.is<Timestamp>()) {
    const int64_t seconds = v.get<Timestamp>().seconds;
    const int64_t days = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400;
    const CivilDate date = civil_from_days(days);
    const auto rest = static_cast<int>(seconds - days * 86400);
    char out[64];
    std::snprintf(out, sizeof out, "%04lld-%02d-%02dT%02d:%02d:%02dZ", static_cast<long long>(date.year),
                  date.month, date.day, rest / 3600, rest / 60 % 60, rest % 60);
    return CelValue(std::string(out));
  }
  return no_overload("string", {v});
}

CelValue cel_arithmetic(CelEvaluator& evaluator, std::string_view op, const CelValue& a, const CelValue& b) {
  if (a.is<int64_t>() && b.is<int64_t>()) return integer_arithmetic(op, a.get<int64_t>(), b.get<int64_t>());
  if (a.is<uint64_t>() && b.is<uint64_t>())
    return integer_arithmetic(op, a.get<uint64_t>(), b.get<uint64_t>());
  if (a.is<double>() && b.is<double>() && op != "%") {
    const double x = a.get<double>();
    const double y = b.get<double>();
    if (op == "+") return CelValue(x + y);
    if (op == "-") return CelValue(x - y);
    return CelValue(op == "*" ? x * y
                              : (y == 0 ? std::copysign(std::numeric_limits<double>::infinity(), x) : x / y));
  }
  if (op == "+") {
    if (a.is_string() && b.is_string())
      return evaluator.charge(a.text().size() + b.text().size()) ? CelValue(a.text() + b.text())
                                                                 : cel_error("the rule takes too long");
    if (a.is<CelBytes>() && b.is<CelBytes>())
      return evaluator.charge(a.get<CelBytes>().data.size() + b.get<CelBytes>().data.size())
                 ? CelValue(CelBytes{a.get<CelBytes>().data + b.get<CelBytes>().data})
                 : cel_error("the rule takes too long");
    if (a.is_list() && b.is_list()) {
      if (!evaluator.charge((cel_size(a) + cel_size(b)) * 8)) return cel_error("the rule takes too long");
      CelList out = cel_elements(a, evaluator.schemas());
      for (CelValue& item : cel_elements(b, evaluator.schemas())) out.push_back(std::move(item));
      return cel_list(std::move(out));
    }
  }
  return time_arithmetic(op, a, b);
}

CelValue call_cel_function(CelEvaluator& evaluator, const std::string& name, bool has_target, CelList args) {
  bool handled = false;
  CelValue out;
  if (!has_target && args.size() == 1) {
    out = convert(name, args[0], handled);
    if (handled) return out;
  }
  if (name == "size" && args.size() == 1) return size_of(args[0]);
  out = optional_function(name, args, handled);
  if (!handled) out = set_function(evaluator, name, args, handled);
  if (!handled) out = call_cel_kube_function(evaluator, name, has_target, args, handled);
  if (!handled && has_target) out = list_function(evaluator, name, args, handled);
  if (!handled) out = call_cel_text_function(evaluator, name, args, handled);
  if (!handled && has_target) out = call_cel_time_function(name, args, handled);
  return handled ? out : no_overload(name, args);
}

}  // namespace hadal
