#include "text/jinja/repr.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/iterators.h"
#include "text/jinja/ops.h"
#include "text/jinja/strings.h"
#include "text/jinja/unicode.h"

namespace hadal::jinja {

namespace {

void append_container(Runtime& rt, std::string& out, Value v);

void append_hex(std::string& out, const char* prefix, uint32_t v, int digits) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "%s%0*x", prefix, digits, v);
  out += buffer;
}

void append_str_repr(std::string& out, std::string_view s) {
  const bool single = s.find('\'') != std::string_view::npos && s.find('"') == std::string_view::npos;
  const char quote = single ? '"' : '\'';
  out += quote;
  while (!s.empty()) {
    const Utf8Decoded d = utf8_decode(s);
    const char32_t c = d.code_point;
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20 || c == 0x7F) {
      append_hex(out, "\\x", c, 2);
    } else if (c < 0x7F || has_class(c, CharClass::kPrintable)) {
      out += s.substr(0, static_cast<size_t>(d.length));
    } else if (c <= 0xFF) {
      append_hex(out, "\\x", c, 2);
    } else if (c <= 0xFFFF) {
      append_hex(out, "\\u", c, 4);
    } else {
      append_hex(out, "\\U", c, 8);
    }
    s.remove_prefix(static_cast<size_t>(d.length));
  }
  out += quote;
}

void append_items(Runtime& rt, std::string& out, const Value* items, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (i > 0) out += ", ";
    append_repr(rt, out, items[i]);
  }
}

void append_dict(Runtime& rt, std::string& out, const Dict& d) {
  out += '{';
  for (uint32_t i = 0; i < d.size; ++i) {
    if (i > 0) out += ", ";
    append_repr(rt, out, d.keys[i]);
    out += ": ";
    append_repr(rt, out, d.values[i]);
  }
  out += '}';
}

void append_view(Runtime& rt, std::string& out, const DictView& view) {
  const Dict& d = *view.dict;
  out += view.kind == DictView::Kind::kKeys     ? "dict_keys(["
         : view.kind == DictView::Kind::kValues ? "dict_values(["
                                                : "dict_items([";
  if (view.kind != DictView::Kind::kItems) {
    append_items(rt, out, view.kind == DictView::Kind::kKeys ? d.keys : d.values, d.size);
  } else {
    for (uint32_t i = 0; i < d.size; ++i) {
      out += i > 0 ? ", (" : "(";
      append_repr(rt, out, d.keys[i]);
      out += ", ";
      append_repr(rt, out, d.values[i]);
      out += ')';
    }
  }
  out += "])";
}

void append_range(std::string& out, const Range& r) {
  out += "range(" + std::to_string(r.start) + ", " + std::to_string(r.stop);
  if (r.step != 1) out += ", " + std::to_string(r.step);
  out += ')';
}

void append_namespace(Runtime& rt, std::string& out, Namespace& ns) {
  out += "<Namespace ";
  append_dict(rt, out, ns.attributes);
  out += '>';
}

// Python prints these with an address in memory, which no template can depend on.
void append_object(std::string& out, Value v) {
  if (v.tag == Tag::kMethod) {
    out += "<built-in method " + std::string(v.method->info->name) + " of " +
           std::string(type_name(v.method->self)) + " object>";
  } else if (v.tag == Tag::kGlobal) {
    out += v.global->type_name == "type" ? "<class '" + std::string(v.global->name) + "'>"
                                         : "<function " + std::string(v.global->name) + ">";
  } else {
    out += "<" + std::string(type_name(v)) + " object>";
  }
}

void append_json_string(std::string& out, std::string_view s, bool ensure_ascii) {
  out += '"';
  while (!s.empty()) {
    const auto byte = static_cast<unsigned char>(s[0]);
    if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\' && (byte != 0x7F || !ensure_ascii)) {
      out += s[0];
      s.remove_prefix(1);
      continue;
    }
    const Utf8Decoded d = utf8_decode(s);
    const char32_t c = d.code_point;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\b':
        out += "\\b";
        break;
      default:
        if (c < 0x20) {
          append_hex(out, "\\u", c, 4);
        } else if (!ensure_ascii) {
          out += s.substr(0, static_cast<size_t>(d.length));
        } else if (c > 0xFFFF) {
          append_hex(out, "\\u", 0xD800 + ((c - 0x10000) >> 10), 4);
          append_hex(out, "\\u", 0xDC00 + ((c - 0x10000) & 0x3FF), 4);
        } else {
          append_hex(out, "\\u", c, 4);
        }
    }
    s.remove_prefix(static_cast<size_t>(d.length));
  }
  out += '"';
}

class JsonDumper {
 public:
  JsonDumper(Runtime& rt, const JsonStyle& style) : rt_(rt), style_(style) {}

  void dump(Value v) {
    rt_.step();
    if (out.size() > rt_.limits().max_output) fail(ErrorKind::kLimit, "the JSON text is too long");
    switch (v.tag) {
      case Tag::kNone:
        out += "null";
        return;
      case Tag::kBool:
        out += v.boolean ? "true" : "false";
        return;
      case Tag::kInt:
      case Tag::kBigInt:
        out += int_to_string(to_int128(v));
        return;
      case Tag::kFloat:
        out += json_float(v.number);
        return;
      case Tag::kStr:
        append_json_string(out, v.str(), style_.ensure_ascii);
        return;
      case Tag::kList:
      case Tag::kTuple:
        array(*v.seq);
        return;
      case Tag::kDict:
        object(*v.dict);
        return;
      default:
        type_error("Object of type " + std::string(type_name(v)) + " is not JSON serializable");
    }
  }
  std::string out;

 private:
  static std::string json_float(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d > 0 ? "Infinity" : "-Infinity";
    return float_repr(d);
  }
  void newline() {
    if (!style_.has_indent) return;
    out += '\n';
    for (int i = 0; i < level_; ++i) out += style_.indent;
  }
  void array(const Seq& seq) {
    if (seq.size == 0) {
      out += "[]";
      return;
    }
    Depth depth(rt_);
    out += '[';
    ++level_;
    for (uint32_t i = 0; i < seq.size; ++i) {
      if (i > 0) out += style_.item_separator;
      newline();
      dump(seq.items[i]);
    }
    --level_;
    newline();
    out += ']';
  }
  void object(const Dict& d) {
    if (d.size == 0) {
      out += "{}";
      return;
    }
    Depth depth(rt_);
    std::vector<uint32_t> order(d.size);
    for (uint32_t i = 0; i < d.size; ++i) order[i] = i;
    if (style_.sort_keys) {
      std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
        return compare(rt_, CompareOp::kLt, d.keys[a], d.keys[b]);
      });
    }
    out += '{';
    ++level_;
    for (uint32_t i = 0; i < d.size; ++i) {
      if (i > 0) out += style_.item_separator;
      newline();
      key(d.keys[order[i]]);
      out += style_.key_separator;
      dump(d.values[order[i]]);
    }
    --level_;
    newline();
    out += '}';
  }
  void key(Value k) {
    switch (k.tag) {
      case Tag::kStr:
        append_json_string(out, k.str(), style_.ensure_ascii);
        return;
      case Tag::kNone:
        out += "\"null\"";
        return;
      case Tag::kBool:
        out += k.boolean ? "\"true\"" : "\"false\"";
        return;
      case Tag::kInt:
      case Tag::kBigInt:
        out += '"' + int_to_string(to_int128(k)) + '"';
        return;
      case Tag::kFloat:
        out += '"' + json_float(k.number) + '"';
        return;
      default:
        type_error("keys must be str, int, float, bool or None, not " + std::string(type_name(k)));
    }
  }

  Runtime& rt_;
  const JsonStyle& style_;
  int level_ = 0;
};

}  // namespace

void append_str(Runtime& rt, std::string& out, Value v) {
  if (v.is_str()) {
    out += v.str();
  } else if (!v.is_undefined()) {
    append_repr(rt, out, v);
  }
}

void append_repr(Runtime& rt, std::string& out, Value v) {
  rt.step();
  if (out.size() > rt.limits().max_output) fail(ErrorKind::kLimit, "the text of a value is too long");
  switch (v.tag) {
    case Tag::kMissing:
      return;
    case Tag::kUndefined:
      out += "Undefined";
      return;
    case Tag::kNone:
      out += "None";
      return;
    case Tag::kBool:
      out += v.boolean ? "True" : "False";
      return;
    case Tag::kInt:
    case Tag::kBigInt:
      out += int_to_string(to_int128(v));
      return;
    case Tag::kFloat:
      out += float_repr(v.number);
      return;
    case Tag::kStr:
      if (v.markup) out += "Markup(";
      append_str_repr(out, v.str());
      if (v.markup) out += ')';
      return;
    case Tag::kRange:
      append_range(out, *v.range);
      return;
    case Tag::kLoop:
      out += "<LoopContext " + std::to_string(v.loop->index0() + 1) + "/" +
             std::to_string(v.loop->length(rt)) + ">";
      return;
    case Tag::kMacro:
      out += macro_repr(*v.macro);
      return;
    case Tag::kSelf:
      out += "<TemplateReference None>";
      return;
    default:
      break;
  }
  if (std::find(rt.in_repr.begin(), rt.in_repr.end(), v.pointer) != rt.in_repr.end()) {
    out += v.is(Tag::kList)        ? "[...]"
           : v.is(Tag::kTuple)     ? "(...)"
           : v.is(Tag::kNamespace) ? "<Namespace {...}>"
                                   : "{...}";
    return;
  }
  Depth depth(rt);
  rt.in_repr.push_back(v.pointer);
  append_container(rt, out, v);
  rt.in_repr.pop_back();
}

namespace {

void append_container(Runtime& rt, std::string& out, Value v) {
  switch (v.tag) {
    case Tag::kList:
      out += '[';
      append_items(rt, out, v.seq->items, v.seq->size);
      out += ']';
      return;
    case Tag::kTuple:
      out += '(';
      append_items(rt, out, v.seq->items, v.seq->size);
      out += v.seq->size == 1 ? ",)" : ")";
      return;
    case Tag::kDict:
      append_dict(rt, out, *v.dict);
      return;
    case Tag::kDictView:
      append_view(rt, out, *v.view);
      return;
    case Tag::kNamespace:
      append_namespace(rt, out, *v.ns);
      return;
    default:
      append_object(out, v);
      return;
  }
}

}  // namespace

std::string repr(Runtime& rt, Value v) {
  std::string out;
  append_repr(rt, out, v);
  return out;
}

Value soft_str(Runtime& rt, Value v) {
  if (v.is_str()) return v;
  std::string out;
  append_str(rt, out, v);
  return rt.text(out);
}

std::string_view str_view(Runtime& rt, Value v) {
  return soft_str(rt, v).str();
}

std::string float_repr(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  char buffer[64];
  // Scientific form gives the shortest digits; Python writes plain form for exponents in [-4, 16).
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
  const std::string_view s(buffer, static_cast<size_t>(end - buffer));
  const size_t e = s.find('e');
  std::string digits;
  const bool negative = s[0] == '-';
  for (char c : s.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  int exponent = 0;
  const char* from = s.data() + e + 1;
  if (*from == '+') ++from;
  std::from_chars(from, end, exponent);
  std::string out = negative ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += "." + digits.substr(1);
    out += exponent < 0 ? "e-" : "e+";
    if (std::abs(exponent) < 10) out += '0';
    return out + std::to_string(std::abs(exponent));
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1)
    return out + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  return out + digits.substr(0, static_cast<size_t>(exponent) + 1) + "." +
         digits.substr(static_cast<size_t>(exponent) + 1);
}

std::string int_to_string(int128 v) {
  if (v == 0) return "0";
  const bool negative = v < 0;
  auto rest = negative ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v);
  std::string out;
  for (; rest > 0; rest /= 10) out += static_cast<char>('0' + static_cast<int>(rest % 10));
  if (negative) out += '-';
  std::reverse(out.begin(), out.end());
  return out;
}

std::string escape_html(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (char c : s) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string replace_bounded(Runtime& rt, std::string_view s, std::string_view from, std::string_view to,
                            int64_t count) {
  rt.step(static_cast<int64_t>(s.size() / 64));
  if (to.size() > from.size()) {
    size_t times = count_occurrences(s, from);
    if (count >= 0) times = std::min(times, static_cast<size_t>(count));
    if (times > 0 && (to.size() - from.size()) > rt.limits().max_output / times) {
      fail(ErrorKind::kLimit, "the result of replace is too long");
    }
  }
  return replace(s, from, to, count);
}

Value justify(Runtime& rt, Value s, int64_t width, char32_t fill, int side) {
  const int64_t missing = width - rt.length(s);
  if (missing <= 0) return s;
  if (missing > static_cast<int64_t>(rt.limits().max_output) / 4)
    fail(ErrorKind::kLimit, "a width is too large");
  // Python puts the odd one of a centred text on the left when both counts are odd.
  const int64_t left = side > 0 ? missing : side < 0 ? 0 : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) utf8_append(out, fill);
  out += s.str();
  for (int64_t i = left; i < missing; ++i) utf8_append(out, fill);
  return rt.text(out, s.markup);
}

std::string json_dumps(Runtime& rt, Value v, const JsonStyle& style) {
  JsonDumper dumper(rt, style);
  dumper.dump(v);
  return std::move(dumper.out);
}

}  // namespace hadal::jinja
