// Filters that make text of text.
#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"
#include "text/jinja/strings.h"
#include "text/jinja/unicode.h"
#include "text/jinja/wordwrap.h"

namespace hadal::jinja {

namespace {

template <std::string (*f)(std::string_view)>
Value mapped(Runtime& rt, Value self, const Value*) {
  const Value s = soft_str(rt, self);
  rt.step(s.length / 16);
  return rt.text(f(s.str()), s.markup);
}

Value filter_escape(Runtime& rt, Value self, const Value*) {
  if (self.is_str() && self.markup) return self;
  return rt.text(escape_html(str_view(rt, self)), true);
}

Value filter_forceescape(Runtime& rt, Value self, const Value*) {
  return rt.text(escape_html(str_view(rt, self)), true);
}

Value filter_safe(Runtime& rt, Value self, const Value*) {
  Value s = soft_str(rt, self);
  s.markup = true;
  return s;
}

Value filter_string(Runtime& rt, Value self, const Value*) {
  return soft_str(rt, self);
}

Value filter_trim(Runtime& rt, Value self, const Value* args) {
  const Value s = soft_str(rt, self);
  if (args[0].missing() || args[0].is_none())
    return Value::from_view(strip(s.str(), nullptr, true, true), s.markup);
  if (!args[0].is_str()) type_error("strip arg must be None or str");
  const std::string_view chars = args[0].str();
  return Value::from_view(strip(s.str(), &chars, true, true), s.markup);
}

Value filter_replace(Runtime& rt, Value self, const Value* args) {
  const std::string_view s = str_view(rt, self), from = str_view(rt, args[0]), to = str_view(rt, args[1]);
  const int64_t count = args[2].missing() || args[2].is_none() ? -1 : to_index(rt, args[2]);
  return rt.text(replace_bounded(rt, s, from, to, count));
}

Value filter_center(Runtime& rt, Value self, const Value* args) {
  const Value s = soft_str(rt, self);
  const int64_t width = args[0].missing() ? 80 : to_index(rt, args[0]);
  return justify(rt, s, width, ' ', 0);
}

// Words start at the beginning and after any of "-", white space, "(", "{", "[", "<".
Value filter_title(Runtime& rt, Value self, const Value*) {
  const Value s = soft_str(rt, self);
  rt.step(s.length / 16);
  const std::u32string in = decode(s.str());
  const auto separates = [](char32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
  };
  std::string out;
  for (size_t at = 0; at < in.size();) {
    size_t end = at + 1;
    while (end < in.size() && separates(in[end]) == separates(in[at])) ++end;
    out += to_upper(encode(std::u32string_view(in).substr(at, 1)));
    out += to_lower(encode(std::u32string_view(in).substr(at + 1, end - at - 1)));
    at = end;
  }
  return rt.text(out);
}

Value filter_indent(Runtime& rt, Value self, const Value* args) {
  if (self.is_undefined()) rt.raise_undefined(self);
  if (!self.is_str())
    type_error("unsupported operand type(s) for +=: '" + std::string(type_name(self)) + "' and 'str'");
  std::string width;
  if (!args[0].missing() && args[0].is_str()) {
    width = args[0].str();
  } else {
    const int64_t n = args[0].missing() ? 4 : to_index(rt, args[0]);
    if (n > 1 << 16) fail(ErrorKind::kLimit, "indent is too wide");
    width.assign(static_cast<size_t>(std::max<int64_t>(n, 0)), ' ');
  }
  const bool first = is_true(rt, args[1], false);
  const bool blank = is_true(rt, args[2], false);
  const std::string text = std::string(self.str()) + "\n";
  std::string out = first ? width : "";
  bool at_start = true;
  for (std::string_view line : split_lines(text, false)) {
    if (!at_start) out += '\n';
    if (!at_start && (blank || !line.empty())) out += width;
    at_start = false;
    out += line;
    if (out.size() > rt.limits().max_output) fail(ErrorKind::kLimit, "the indented text is too long");
  }
  return rt.text(out, self.markup);
}

Value filter_truncate(Runtime& rt, Value self, const Value* args) {
  const int64_t length = args[0].missing() ? 255 : to_index(rt, args[0]);
  const bool kill_words = is_true(rt, args[1], false);
  const Value end = args[2].missing() ? Value::from_view("...") : args[2];
  if (!end.is_str()) type_error("the end of truncate must be a string");
  const int64_t leeway = args[3].missing() || args[3].is_none() ? 5 : to_index(rt, args[3]);
  const int64_t end_length = rt.length(end);
  if (length < end_length) {
    fail(ErrorKind::kAssertion,
         "expected length >= " + std::to_string(end_length) + ", got " + std::to_string(length));
  }
  if (leeway < 0) fail(ErrorKind::kAssertion, "expected leeway >= 0, got " + std::to_string(leeway));
  const int64_t size = rt.length(self);
  if (size < 0) type_error("object of type '" + std::string(type_name(self)) + "' has no len()");
  if (size <= length + leeway) return self;
  if (!self.is_str()) type_error("only text can be truncated");
  std::string_view kept = substring(self.str(), 0, static_cast<size_t>(length - end_length));
  if (!kill_words) kept = split(kept, " ", 1, true).front();
  return add(rt, rt.view(kept, self.markup), end);
}

Value filter_wordcount(Runtime& rt, Value self, const Value*) {
  const Value s = soft_str(rt, self);
  rt.step(s.length / 16);
  int64_t count = 0;
  bool inside = false;
  for (char32_t c : decode(s.str())) {
    const bool word = c == '_' || has_class(c, CharClass::kAlpha) || has_class(c, CharClass::kNumeric);
    if (word && !inside) ++count;
    inside = word;
  }
  return Value::from_int(count);
}

Value filter_wordwrap(Runtime& rt, Value self, const Value* args) {
  if (self.is_undefined()) rt.raise_undefined(self);
  if (!self.is_str())
    fail(ErrorKind::kAttribute,
         "'" + std::string(type_name(self)) + "' object has no attribute 'splitlines'");
  WrapStyle style;
  style.width = args[0].missing() ? 79 : to_index(rt, args[0]);
  style.break_long_words = is_true(rt, args[1], true);
  style.break_on_hyphens = is_true(rt, args[3], true);
  const std::string_view newline = args[2].missing() || args[2].is_none() ? "\n" : args[2].str();
  rt.step(self.length / 4);
  std::string out;
  bool first = true;
  for (std::string_view line : split_lines(self.str(), false)) {
    if (!first) out += newline;
    first = false;
    bool first_piece = true;
    for (const std::string& piece : wrap_line(line, style)) {
      if (!first_piece) out += newline;
      first_piece = false;
      out += piece;
    }
  }
  return rt.text(out);
}

Value filter_format(Runtime& rt, Value self, const Args& args) {
  if (!args.positional.empty() && !args.keyword.empty()) {
    fail(ErrorKind::kFilterArgument, "can't handle positional and keyword arguments at the same time");
  }
  const Value s = soft_str(rt, self);
  if (args.keyword.empty()) return printf_format(rt, s, rt.tuple(args.positional));
  Dict* dict = rt.new_dict(args.keyword.size());
  for (const auto& [name, value] : args.keyword) rt.set(*dict, rt.view(name), value);
  return printf_format(rt, s, rt.dict_value(dict));
}

void remove_between(std::string& s, std::string_view open, std::string_view close) {
  std::string out;
  size_t at = 0;
  while (true) {
    const size_t start = s.find(open, at);
    const size_t end = start == std::string::npos ? start : s.find(close, start);
    if (end == std::string::npos) break;
    out += s.substr(at, start - at);
    at = end + close.size();
  }
  s = out + s.substr(at);
}

Value filter_striptags(Runtime& rt, Value self, const Value*) {
  std::string s(str_view(rt, self));
  remove_between(s, "<!--", "-->");
  remove_between(s, "<", ">");
  std::string out;
  for (std::string_view word : split_space(s, -1, false)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  static constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
      {"&lt;", "<"},  {"&gt;", ">"},        {"&quot;", "\""}, {"&#34;", "\""},
      {"&#39;", "'"}, {"&nbsp;", "\u00a0"}, {"&amp;", "&"}};
  for (const auto& [entity, text] : kEntities) out = replace(out, entity, text, -1);
  return rt.text(out);
}

void append_url_quoted(std::string& out, std::string_view s, bool for_query) {
  for (char c : s) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !for_query);
    if (plain) {
      out += c;
    } else if (c == ' ' && for_query) {
      out += '+';
    } else {
      static constexpr char kHex[] = "0123456789ABCDEF";
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
}

Value filter_urlencode(Runtime& rt, Value self, const Value*) {
  std::string out;
  if (self.is_str() || !rt.is_iterable(self)) {
    append_url_quoted(out, str_view(rt, self), false);
    return rt.text(out);
  }
  std::vector<Value> pairs;
  if (self.is(Tag::kDict)) {
    for (uint32_t i = 0; i < self.dict->size; ++i)
      pairs.push_back(rt.tuple({self.dict->keys[i], self.dict->values[i]}));
  } else {
    pairs = rt.to_vector(self);
  }
  for (Value pair : pairs) {
    const std::vector<Value> kv = rt.to_vector(pair);
    if (kv.size() != 2) value_error("urlencode needs pairs of key and value");
    if (!out.empty()) out += '&';
    append_url_quoted(out, str_view(rt, kv[0]), true);
    out += '=';
    append_url_quoted(out, str_view(rt, kv[1]), true);
  }
  return rt.text(out);
}

Value filter_xmlattr(Runtime& rt, Value self, const Value* args) {
  if (self.is_undefined()) rt.raise_undefined(self);
  if (!self.is(Tag::kDict))
    fail(ErrorKind::kAttribute, "'" + std::string(type_name(self)) + "' object has no attribute 'items'");
  std::string out;
  for (uint32_t i = 0; i < self.dict->size; ++i) {
    const Value key = self.dict->keys[i], value = self.dict->values[i];
    if (value.is_none() || value.is_undefined()) continue;
    if (!key.is_str()) type_error("expected string or bytes-like object");
    if (key.str().find_first_of(" \t\n\r\f\v/>=") != std::string_view::npos) {
      value_error("Invalid character in attribute name: " + repr(rt, key));
    }
    if (!out.empty()) out += ' ';
    out += filter_escape(rt, key, nullptr).str();
    out += "=\"";
    out += filter_escape(rt, value, nullptr).str();
    out += '"';
  }
  if (is_true(rt, args[0], true) && !out.empty()) out.insert(0, 1, ' ');
  return rt.text(out);
}

Value filter_tojson(Runtime& rt, Value self, const Value* args) {
  JsonStyle style;
  style.ensure_ascii = is_true(rt, args[0], false);
  std::string indent;
  if (!args[1].missing() && !args[1].is_none()) {
    style.has_indent = true;
    style.item_separator = ",";
    if (args[1].is_str()) {
      indent = args[1].str();
    } else {
      const int64_t n = to_index(rt, args[1]);
      if (n > 1024) fail(ErrorKind::kLimit, "the indent of tojson is too wide");
      indent.assign(static_cast<size_t>(std::max<int64_t>(n, 0)), ' ');
    }
    style.indent = indent;
  }
  if (!args[2].missing() && !args[2].is_none()) {
    const std::vector<Value> pair = rt.to_vector(args[2]);
    if (pair.size() != 2) value_error("separators must be two strings");
    if (!pair[0].is_str() || !pair[1].is_str()) type_error("separators must be strings");
    style.item_separator = pair[0].str();
    style.key_separator = pair[1].str();
  }
  style.sort_keys = is_true(rt, args[3], false);
  return rt.text(json_dumps(rt, self, style));
}

// Python's pprint, for values whose text fits on one line: dict keys are sorted.
Value sorted_dicts(Runtime& rt, Value v) {
  Depth depth(rt);
  if (v.is(Tag::kList) || v.is(Tag::kTuple)) {
    std::vector<Value> items;
    for (Value item : *v.seq) items.push_back(sorted_dicts(rt, item));
    return v.is(Tag::kList) ? rt.list(items) : rt.tuple(items);
  }
  if (!v.is(Tag::kDict)) return v;
  std::vector<uint32_t> order(v.dict->size);
  for (uint32_t i = 0; i < v.dict->size; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return compare(rt, CompareOp::kLt, v.dict->keys[a], v.dict->keys[b]);
  });
  Dict* dict = rt.new_dict(v.dict->size);
  for (uint32_t i : order) rt.set(*dict, v.dict->keys[i], sorted_dicts(rt, v.dict->values[i]));
  return rt.dict_value(dict);
}

Value filter_pprint(Runtime& rt, Value self, const Value*) {
  const std::string one_line = repr(rt, sorted_dicts(rt, self));
  if (count_code_points(one_line) > 80 && !self.is_number()) {
    fail(ErrorKind::kLimit, "pprint of values longer than one line is not supported in chat templates");
  }
  return rt.text(one_line);
}

Value filter_urlize(Runtime&, Value, const Args&) {
  fail(ErrorKind::kLimit, "urlize is not supported in chat templates");
}

constexpr FilterInfo kTextFilters[] = {
    {"capitalize", {""}, mapped<to_capitalized>},
    {"center", {"width"}, filter_center},
    {"e", {""}, filter_escape},
    {"escape", {""}, filter_escape},
    {"forceescape", {""}, filter_forceescape},
    {"format", {""}, nullptr, filter_format},
    {"indent", {"width first blank"}, filter_indent},
    {"lower", {""}, mapped<to_lower>},
    {"pprint", {""}, filter_pprint},
    {"replace", {"old new count", 2}, filter_replace},
    {"safe", {""}, filter_safe},
    {"string", {""}, filter_string},
    {"striptags", {""}, filter_striptags},
    {"title", {""}, filter_title},
    {"tojson", {"ensure_ascii indent separators sort_keys"}, filter_tojson},
    {"trim", {"chars"}, filter_trim},
    {"truncate", {"length killwords end leeway"}, filter_truncate},
    {"upper", {""}, mapped<to_upper>},
    {"urlencode", {""}, filter_urlencode},
    {"urlize", {""}, nullptr, filter_urlize},
    {"wordcount", {""}, filter_wordcount},
    {"wordwrap", {"width break_long_words wrapstring break_on_hyphens"}, filter_wordwrap},
    {"xmlattr", {"autospace"}, filter_xmlattr},
};

}  // namespace

const FilterInfo* find_text_filter(std::string_view name) {
  const auto at = std::find_if(std::begin(kTextFilters), std::end(kTextFilters),
                               [name](const FilterInfo& f) { return f.name == name; });
  return at == std::end(kTextFilters) ? nullptr : at;
}

}  // namespace hadal::jinja
