// Methods of str. On Markup they give Markup, as markupsafe does.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/format.h"
#include "text/jinja/methods.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"
#include "text/jinja/strings.h"
#include "text/jinja/unicode.h"

namespace hadal::jinja {

namespace {

template <std::string (*f)(std::string_view)>
Value mapped_str(Runtime& rt, Value self, const Value*) {
  rt.step(self.length / 16);
  return rt.text(f(self.str()), self.markup);
}

void need_str(Value v, const char* what) {
  if (!v.is_str()) type_error(std::string(what) + " must be str, not " + std::string(type_name(v)));
}

template <bool left, bool right>
Value stripped(Runtime&, Value self, const Value* args) {
  if (args[0].missing() || args[0].is_none())
    return Value::from_view(strip(self.str(), nullptr, left, right), self.markup);
  need_str(args[0], "strip arg");
  const std::string_view chars = args[0].str();
  return Value::from_view(strip(self.str(), &chars, left, right), self.markup);
}

Value views(Runtime& rt, const std::vector<std::string_view>& parts, bool markup) {
  std::vector<Value> out;
  out.reserve(parts.size());
  for (std::string_view part : parts) out.push_back(Value::from_view(part, markup));
  return rt.list(out);
}

template <bool from_right>
Value split_method(Runtime& rt, Value self, const Value* args) {
  rt.step(self.length / 16);
  const int64_t max_splits = args[1].missing() ? -1 : to_index(rt, args[1]);
  if (args[0].missing() || args[0].is_none())
    return views(rt, split_space(self.str(), max_splits, from_right), self.markup);
  need_str(args[0], "separator");
  if (args[0].length == 0) value_error("empty separator");
  return views(rt, split(self.str(), args[0].str(), max_splits, from_right), self.markup);
}

Value splitlines_method(Runtime& rt, Value self, const Value* args) {
  rt.step(self.length / 16);
  return views(rt, split_lines(self.str(), !args[0].missing() && truthy(rt, args[0])), self.markup);
}

template <bool from_right>
Value partition_method(Runtime& rt, Value self, const Value* args) {
  need_str(args[0], "separator");
  if (args[0].length == 0) value_error("empty separator");
  const std::string_view s = self.str(), separator = args[0].str();
  const size_t at = from_right ? s.rfind(separator) : s.find(separator);
  const bool m = self.markup;
  if (at == std::string_view::npos) {
    return from_right ? rt.tuple({rt.view("", m), rt.view("", m), self})
                      : rt.tuple({self, rt.view("", m), rt.view("", m)});
  }
  return rt.tuple(
      {rt.view(s.substr(0, at), m), rt.view(separator, m), rt.view(s.substr(at + separator.size()), m)});
}

// The part of a text that optional start and end arguments select, and where it begins.
struct Part {
  std::string_view text;
  int64_t start;
  bool valid;  // false: start lies beyond the end
};
Part part_of(Runtime& rt, Value self, Value start, Value end) {
  if ((start.missing() || start.is_none()) && (end.missing() || end.is_none())) return {self.str(), 0, true};
  const int64_t length = rt.length(self);
  const auto place = [&](Value v, int64_t otherwise) {
    if (v.missing() || v.is_none()) return otherwise;
    if (!v.is_int()) type_error("slice indices must be integers or None or have an __index__ method");
    int64_t i = to_index(rt, v);
    if (i < 0) i = std::max<int64_t>(0, i + length);
    return i;
  };
  const int64_t from = place(start, 0), to = std::min(place(end, length), length);
  if (from > to) return {"", from, false};
  return {substring(self.str(), static_cast<size_t>(from), static_cast<size_t>(to)), from, true};
}

template <bool at_end>
Value affix_method(Runtime& rt, Value self, const Value* args) {
  const Part part = part_of(rt, self, args[1], args[2]);
  const auto has = [&](Value v) {
    return part.valid && (at_end ? part.text.ends_with(v.str()) : part.text.starts_with(v.str()));
  };
  const char* what = at_end ? "endswith" : "startswith";
  if (args[0].is(Tag::kTuple)) {
    for (Value v : *args[0].seq) {
      if (!v.is_str())
        type_error("tuple for " + std::string(what) + " must only contain str, not " +
                   std::string(type_name(v)));
      if (has(v)) return Value::from_bool(true);
    }
    return Value::from_bool(false);
  }
  if (!args[0].is_str()) {
    type_error(std::string(what) + " first arg must be str or a tuple of str, not " +
               std::string(type_name(args[0])));
  }
  return Value::from_bool(has(args[0]));
}

template <bool from_right, bool raises>
Value find_method_of_str(Runtime& rt, Value self, const Value* args) {
  need_str(args[0], "argument");
  rt.step(self.length / 64);
  const Part part = part_of(rt, self, args[1], args[2]);
  size_t at = std::string_view::npos;
  if (part.valid) at = from_right ? part.text.rfind(args[0].str()) : part.text.find(args[0].str());
  if (at == std::string_view::npos) {
    if (raises) value_error("substring not found");
    return Value::from_int(-1);
  }
  return Value::from_int(part.start + static_cast<int64_t>(count_code_points(part.text.substr(0, at))));
}

Value str_count_method(Runtime& rt, Value self, const Value* args) {
  need_str(args[0], "argument");
  rt.step(self.length / 64);
  const Part part = part_of(rt, self, args[1], args[2]);
  return Value::from_int(part.valid ? static_cast<int64_t>(count_occurrences(part.text, args[0].str())) : 0);
}

Value replace_method(Runtime& rt, Value self, const Value* args) {
  need_str(args[0], "replace() argument 1");
  need_str(args[1], "replace() argument 2");
  const int64_t count = args[2].missing() ? -1 : to_index(rt, args[2]);
  Value to = args[1];
  if (self.markup && !to.markup) to = rt.text(escape_html(to.str()));
  return rt.text(replace_bounded(rt, self.str(), args[0].str(), to.str(), count), self.markup);
}

Value join_method(Runtime& rt, Value self, const Value* args) {
  std::string out;
  Iter* it = rt.iterate(args[0]);
  Value item;
  int64_t index = 0;
  while (it->next(rt, item)) {
    rt.step();
    if (index > 0) out += self.str();
    if (self.markup) {
      const Value s = soft_str(rt, item);
      out += s.markup ? std::string(s.str()) : escape_html(s.str());
    } else {
      if (!item.is_str()) {
        type_error("sequence item " + std::to_string(index) + ": expected str instance, " +
                   std::string(type_name(item)) + " found");
      }
      out += item.str();
    }
    ++index;
    if (out.size() > rt.limits().max_output) fail(ErrorKind::kLimit, "the result of join is too long");
  }
  return rt.text(out, self.markup);
}

template <int side>
Value justify_method(Runtime& rt, Value self, const Value* args) {
  char32_t fill = ' ';
  if (!args[1].missing()) {
    if (!args[1].is_str() || count_code_points(args[1].str()) != 1) {
      type_error("The fill character must be exactly one character long");
    }
    fill = utf8_decode(args[1].str()).code_point;
  }
  return justify(rt, self, to_index(rt, args[0]), fill, side);
}

Value zfill_method(Runtime& rt, Value self, const Value* args) {
  const int64_t width = to_index(rt, args[0]);
  const bool sign = self.length > 0 && (self.chars[0] == '+' || self.chars[0] == '-');
  const Value digits = sign ? rt.view(self.str().substr(1), self.markup) : self;
  const Value padded = justify(rt, digits, sign ? width - 1 : width, '0', 1);
  return sign ? rt.text(std::string(self.str().substr(0, 1)) + std::string(padded.str()), self.markup)
              : padded;
}

template <bool at_end>
Value remove_affix(Runtime&, Value self, const Value* args) {
  need_str(args[0], "argument");
  std::string_view s = self.str();
  const std::string_view affix = args[0].str();
  if (at_end && !affix.empty() && s.ends_with(affix)) s.remove_suffix(affix.size());
  if (!at_end && s.starts_with(affix)) s.remove_prefix(affix.size());
  return Value::from_view(s, self.markup);
}

Value expandtabs_method(Runtime& rt, Value self, const Value* args) {
  const int64_t size = args[0].missing() ? 8 : to_index(rt, args[0]);
  const auto tabs = static_cast<int64_t>(count_occurrences(self.str(), "\t"));
  if (tabs > 0 && size > static_cast<int64_t>(rt.limits().max_output) / tabs)
    fail(ErrorKind::kLimit, "expandtabs makes too much");
  rt.step(self.length / 16);
  return rt.text(expand_tabs(self.str(), size), self.markup);
}

template <CharClass cls, bool empty>
Value all_of_class(Runtime& rt, Value self, const Value*) {
  rt.step(self.length / 16);
  const std::u32string s = decode(self.str());
  if (s.empty()) return Value::from_bool(empty);
  return Value::from_bool(std::all_of(s.begin(), s.end(), [](char32_t c) { return has_class(c, cls); }));
}

Value isalnum_method(Runtime& rt, Value self, const Value*) {
  rt.step(self.length / 16);
  const std::u32string s = decode(self.str());
  return Value::from_bool(!s.empty() && std::all_of(s.begin(), s.end(), [](char32_t c) {
    return has_class(c, CharClass::kAlpha) || has_class(c, CharClass::kDecimal) ||
           has_class(c, CharClass::kDigit) || has_class(c, CharClass::kNumeric);
  }));
}

template <bool (*f)(std::string_view)>
Value tested(Runtime& rt, Value self, const Value*) {
  rt.step(self.length / 16);
  return Value::from_bool(f(self.str()));
}

Value format_method(Runtime& rt, Value self, const Args& args) {
  return str_format(rt, self, args);
}

Value format_map_method(Runtime& rt, Value self, const Value* args) {
  if (args[0].is_undefined()) rt.raise_undefined(args[0]);
  if (!args[0].is(Tag::kDict)) type_error("format_map() argument must be a mapping");
  Args named;
  for (uint32_t i = 0; i < args[0].dict->size; ++i) {
    if (args[0].dict->keys[i].is_str())
      named.keyword.emplace_back(args[0].dict->keys[i].str(), args[0].dict->values[i]);
  }
  return str_format(rt, self, named);
}

Value encode_method(Runtime&, Value, const Value*) {
  fail(ErrorKind::kLimit, "bytes are not supported in chat templates");
}

constexpr MethodInfo kMethods[] = {
    {"capitalize", kNone, mapped_str<to_capitalized>},
    {"casefold", kNone, mapped_str<to_casefold>},
    {"center", {"width fillchar", 1, false}, justify_method<0>},
    {"count", {"sub start end", 1, false}, str_count_method},
    {"encode", {"encoding errors"}, encode_method},
    {"endswith", {"suffix start end", 1, false}, affix_method<true>},
    {"expandtabs", {"tabsize"}, expandtabs_method},
    {"find", {"sub start end", 1, false}, find_method_of_str<false, false>},
    {"format", {""}, nullptr, format_method},
    {"format_map", {"mapping", 1, false}, format_map_method},
    {"index", {"sub start end", 1, false}, find_method_of_str<false, true>},
    {"isalnum", kNone, isalnum_method},
    {"isalpha", kNone, all_of_class<CharClass::kAlpha, false>},
    {"isascii", kNone, tested<is_ascii>},
    {"isdecimal", kNone, all_of_class<CharClass::kDecimal, false>},
    {"isdigit", kNone, all_of_class<CharClass::kDigit, false>},
    {"isidentifier", kNone, tested<is_identifier>},
    {"islower", kNone, tested<is_lower_text>},
    {"isnumeric", kNone, all_of_class<CharClass::kNumeric, false>},
    {"isprintable", kNone, all_of_class<CharClass::kPrintable, true>},
    {"isspace", kNone, all_of_class<CharClass::kSpace, false>},
    {"istitle", kNone, tested<is_title_text>},
    {"isupper", kNone, tested<is_upper_text>},
    {"join", {"iterable", 1, false}, join_method},
    {"ljust", {"width fillchar", 1, false}, justify_method<-1>},
    {"lower", kNone, mapped_str<to_lower>},
    {"lstrip", {"chars", 0, false}, stripped<true, false>},
    {"partition", {"sep", 1, false}, partition_method<false>},
    {"removeprefix", {"prefix", 1, false}, remove_affix<false>},
    {"removesuffix", {"suffix", 1, false}, remove_affix<true>},
    {"replace", {"old new count", 2, false}, replace_method},
    {"rfind", {"sub start end", 1, false}, find_method_of_str<true, false>},
    {"rindex", {"sub start end", 1, false}, find_method_of_str<true, true>},
    {"rjust", {"width fillchar", 1, false}, justify_method<1>},
    {"rpartition", {"sep", 1, false}, partition_method<true>},
    {"rsplit", {"sep maxsplit"}, split_method<true>},
    {"rstrip", {"chars", 0, false}, stripped<false, true>},
    {"split", {"sep maxsplit"}, split_method<false>},
    {"splitlines", {"keepends"}, splitlines_method},
    {"startswith", {"prefix start end", 1, false}, affix_method<false>},
    {"strip", {"chars", 0, false}, stripped<true, true>},
    {"swapcase", kNone, mapped_str<swap_case>},
    {"title", kNone, mapped_str<to_title>},
    {"upper", kNone, mapped_str<to_upper>},
    {"zfill", {"width", 1, false}, zfill_method},
};

}  // namespace

const MethodInfo* find_str_method(std::string_view name) {
  const auto at = std::find_if(std::begin(kMethods), std::end(kMethods),
                               [name](const MethodInfo& m) { return m.name == name; });
  return at == std::end(kMethods) ? nullptr : at;
}

}  // namespace hadal::jinja
