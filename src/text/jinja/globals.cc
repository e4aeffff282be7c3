// Global functions: range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
#include <ctime>

#include <limits>

#include "text/jinja/builtins.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"

namespace hadal::jinja {

namespace {

constexpr int64_t kMaxRange = 100000;  // of Jinja2's sandbox

void no_keywords(const Args& args, const char* what) {
  if (!args.keyword.empty()) type_error(std::string(what) + "() takes no keyword arguments");
}

Value global_range(Runtime& rt, const Args& args) {
  no_keywords(args, "range");
  const size_t n = args.positional.size();
  if (n < 1 || n > 3) type_error("range expected 1 to 3 arguments, got " + std::to_string(n));
  const int64_t start = n > 1 ? to_index(rt, args.positional[0]) : 0;
  const int64_t stop = to_index(rt, args.positional[n > 1 ? 1 : 0]);
  const int64_t step = n > 2 ? to_index(rt, args.positional[2]) : 1;
  if (step == 0) value_error("range() arg 3 must not be zero");
  const int128 distance = step > 0 ? static_cast<int128>(stop) - start : static_cast<int128>(start) - stop;
  const int128 by = step > 0 ? static_cast<int128>(step) : -static_cast<int128>(step);
  const int128 size = distance > 0 ? (distance - 1) / by + 1 : 0;
  if (size > kMaxRange) {
    fail(ErrorKind::kOverflow, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
  }
  return Value::from_pointer(Tag::kRange,
                             rt.arena.make<Range>(Range{start, stop, step, static_cast<int64_t>(size)}));
}

// dict(*args, **kwargs): at most one mapping or list of pairs, then the keywords.
void fill_dict(Runtime& rt, Dict& dict, const Args& args) {
  if (args.positional.size() > 1) {
    type_error("dict expected at most 1 argument, got " + std::to_string(args.positional.size()));
  }
  if (!args.positional.empty()) {
    const Value from = args.positional[0];
    if (from.is_undefined()) rt.raise_undefined(from);
    if (from.is(Tag::kDict)) {
      for (uint32_t i = 0; i < from.dict->size; ++i) rt.set(dict, from.dict->keys[i], from.dict->values[i]);
    } else {
      for (Value item : rt.to_vector(from)) {
        const std::vector<Value> pair = rt.to_vector(item);
        if (pair.size() != 2)
          value_error("dictionary update sequence element has the wrong length; 2 is required");
        rt.set(dict, pair[0], pair[1]);
      }
    }
  }
  for (const auto& [name, value] : args.keyword) rt.set(dict, Value::from_view(name), value);
}

Value global_dict(Runtime& rt, const Args& args) {
  Dict* dict = rt.new_dict(args.keyword.size());
  fill_dict(rt, *dict, args);
  return rt.dict_value(dict);
}

Value global_namespace(Runtime& rt, const Args& args) {
  auto* ns = rt.arena.make<Namespace>();
  fill_dict(rt, ns->attributes, args);
  for (uint32_t i = 0; i < ns->attributes.size; ++i) {
    const Value key = ns->attributes.keys[i];
    if (key.is_str() && key.str().starts_with("_")) {
      fail(ErrorKind::kSecurity,
           "Chat templates cannot store underscore-prefixed attributes on a namespace, but got " +
               repr(rt, key) + ". Please rename the attribute.");
    }
  }
  return Value::from_pointer(Tag::kNamespace, ns);
}

Value global_cycler(Runtime& rt, const Args& args) {
  no_keywords(args, "cycler");
  if (args.positional.empty()) fail(ErrorKind::kRuntime, "at least one item has to be provided");
  const Value items = rt.tuple(args.positional);
  return Value::from_pointer(Tag::kCycler, rt.arena.make<Cycler>(Cycler{items.seq, 0}));
}

Value global_joiner(Runtime& rt, const Args& args) {
  std::vector<Value> bound;
  bind({"sep"}, args, "joiner", bound);
  const Value separator = bound[0].missing() ? Value::from_view(", ") : bound[0];
  return Value::from_pointer(Tag::kJoiner, rt.arena.make<Joiner>(Joiner{separator, false}));
}

Value global_raise(Runtime& rt, const Args& args) {
  std::vector<Value> bound;
  bind({"message", 1}, args, "raise_exception", bound);
  std::string message;
  append_str(rt, message, bound[0]);
  fail(ErrorKind::kRaised, std::move(message));
}

// strftime of the C locale, whatever locale the process runs in.
std::string format_time(const std::tm& t, std::string_view format) {
  static constexpr const char* kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                          "Thursday", "Friday", "Saturday"};
  static constexpr const char* kMonths[] = {"January",   "February", "March",    "April",
                                            "May",       "June",     "July",     "August",
                                            "September", "October",  "November", "December"};
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const char c = format[++i];
    const std::string day = kDays[t.tm_wday], month = kMonths[t.tm_mon];
    switch (c) {
      case 'a':
        out += day.substr(0, 3);
        continue;
      case 'A':
        out += day;
        continue;
      case 'b':
      case 'h':
        out += month.substr(0, 3);
        continue;
      case 'B':
        out += month;
        continue;
      case 'p':
        out += t.tm_hour < 12 ? "AM" : "PM";
        continue;
      case 'P':
        out += t.tm_hour < 12 ? "am" : "pm";
        continue;
      case 'c':
        out += format_time(t, "%a %b %e %H:%M:%S %Y");
        continue;
      case 'r':
        out += format_time(t, "%I:%M:%S %p");
        continue;
      case 'x':
        out += format_time(t, "%m/%d/%y");
        continue;
      case 'X':
        out += format_time(t, "%H:%M:%S");
        continue;
      case 'f':
        out += "000000";
        continue;  // replaced by the caller, who knows the microseconds
      case 'z':
      case 'Z':
        continue;  // datetime.now() knows no time zone
      default:
        break;
    }
    std::string one = {'%', c};
    // Digits and padding flags of glibc: "%-d".
    while ((one.back() == '-' || one.back() == '_' || one.back() == '^' || one.back() == '#' ||
            one.back() == '0') &&
           i + 1 < format.size()) {
      one += format[++i];
    }
    char buffer[128];
    const size_t length = std::strftime(buffer, sizeof buffer, one.c_str(), &t);
    out.append(buffer, length);
  }
  return out;
}

Value global_strftime_now(Runtime& rt, const Args& args) {
  std::vector<Value> bound;
  bind({"format", 1}, args, "strftime_now", bound);
  if (!bound[0].is_str())
    type_error("strftime() argument 1 must be str, not " + std::string(type_name(bound[0])));
  std::string format(bound[0].str());
  const auto since = rt.now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  int64_t seconds = micros / 1000000;
  int64_t fraction = micros % 1000000;
  if (fraction < 0) {
    fraction += 1000000;
    --seconds;
  }
  char digits[16];
  std::snprintf(digits, sizeof digits, "%06d", static_cast<int>(fraction));
  for (size_t at = 0; (at = format.find('%', at)) != std::string::npos && at + 1 < format.size();) {
    if (format[at + 1] == 'f') {
      format.replace(at, 2, digits);
      at += 6;
    } else {
      at += 2;
    }
  }
  const auto when = static_cast<std::time_t>(seconds);
  std::tm local{};
  localtime_r(&when, &local);
  return rt.text(format_time(local, format));
}

Value global_lipsum(Runtime&, const Args&) {
  fail(ErrorKind::kLimit, "lipsum is not supported in chat templates");
}

constexpr GlobalFunction kGlobals[] = {
    {"range", "function", global_range},
    {"dict", "TemplateDict", global_dict},
    {"namespace", "type", global_namespace},
    {"cycler", "type", global_cycler},
    {"joiner", "type", global_joiner},
    {"raise_exception", "function", global_raise},
    {"strftime_now", "function", global_strftime_now},
    {"lipsum", "function", global_lipsum},
};

}  // namespace

const GlobalFunction* find_global(std::string_view name) {
  for (const GlobalFunction& global : kGlobals) {
    if (global.name == name) return &global;
  }
  return nullptr;
}

}  // namespace hadal::jinja
