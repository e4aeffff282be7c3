// str.format (declared in format.h): replacement fields, nested fields in specifications, conversions.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/format.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"

namespace hadal::jinja {

namespace {

class FieldFormatter {
 public:
  FieldFormatter(Runtime& rt, const Args& args, bool markup) : rt_(rt), args_(args), markup_(markup) {}

  std::string run(std::string_view format, int depth) {
    if (depth < 0) value_error("Max string recursion exceeded");
    std::string out;
    while (!format.empty()) {
      const size_t at = std::min(format.find_first_of("{}"), format.size());
      out += format.substr(0, at);
      format.remove_prefix(at);
      if (format.empty()) break;
      if (format.size() > 1 && format[1] == format[0]) {
        out += format[0];
        format.remove_prefix(2);
        continue;
      }
      if (format[0] == '}') value_error("Single '}' encountered in format string");
      if (format.size() == 1) value_error("Single '{' encountered in format string");
      out += field(format, depth);
      if (out.size() > rt_.limits().max_output) fail(ErrorKind::kLimit, "the formatted text is too long");
    }
    return out;
  }

 private:
  // Reads "{name!conversion:spec}" off the front.
  std::string field(std::string_view& format, int depth) {
    size_t end = 1;
    int nested = 1;
    size_t name_end = 0;
    bool bracket = false;
    for (; end < format.size(); ++end) {
      const char c = format[end];
      if (name_end == 0) {
        if (c == '[') bracket = true;
        if (c == ']') bracket = false;
        if (!bracket && (c == '!' || c == ':')) name_end = end;
      }
      if (c == '{') {
        if (name_end == 0) value_error("unexpected '{' in field name");
        ++nested;
      }
      if (c == '}' && !bracket && --nested == 0) break;
    }
    if (end == format.size()) value_error("expected '}' before end of string");
    if (name_end == 0) name_end = end;
    const std::string_view name = format.substr(1, name_end - 1);
    std::string_view rest = format.substr(name_end, end - name_end);
    format.remove_prefix(end + 1);
    char conversion = 0;
    if (!rest.empty() && rest[0] == '!') {
      if (rest.size() < 2) value_error("end of string while looking for conversion specifier");
      conversion = rest[1];
      rest.remove_prefix(2);
      if (!rest.empty() && rest[0] != ':') value_error("expected ':' after conversion specifier");
    }
    if (!rest.empty()) rest.remove_prefix(1);
    Value v = lookup(name);
    const std::string spec = run(rest, depth - 1);
    v = converted(v, conversion);
    const bool safe = v.is_str() && v.markup;
    std::string text = format_value(rt_, v, spec);
    return markup_ && !safe ? escape_html(text) : text;
  }
  Value converted(Value v, char conversion) {
    switch (conversion) {
      case 0:
        return v;
      case 's':
        return soft_str(rt_, v);
      case 'r':
        return rt_.text(repr(rt_, v));
      case 'a':
        return rt_.text(repr(rt_, v));
      default:
        value_error(std::string("Unknown conversion specifier ") + conversion);
    }
  }
  Value positional(int64_t index) {
    if (index >= static_cast<int64_t>(args_.positional.size())) {
      fail(ErrorKind::kIndex,
           "Replacement index " + std::to_string(index) + " out of range for positional args tuple");
    }
    return args_.positional[static_cast<size_t>(index)];
  }
  // `whole`: the field is nothing but this part; only then Python's Formatter looks at its numbering.
  Value first_part(std::string_view name, bool whole) {
    const bool digits = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    if (name.empty() && whole) {
      if (next_ < 0)
        value_error("cannot switch from manual field specification to automatic field numbering");
      return positional(next_++);
    }
    if (digits) {
      if (whole && next_ > 0)
        value_error("cannot switch from automatic field numbering to manual field specification");
      if (whole) next_ = -1;
      return positional(name.size() > 9 ? int64_t{1} << 40 : std::stoll(std::string(name)));
    }
    for (const auto& [key, value] : args_.keyword) {
      if (key == name) return value;
    }
    fail(ErrorKind::kKey, "'" + std::string(name) + "'");
  }
  Value lookup(std::string_view name) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    Value v = first_part(name.substr(0, end), end == name.size());
    name.remove_prefix(end);
    while (!name.empty()) {
      if (name[0] == '.') {
        const size_t stop = std::min(name.find_first_of(".[", 1), name.size());
        if (stop == 1) value_error("Empty attribute in format string");
        v = get_attribute(rt_, v, rt_.text(name.substr(1, stop - 1)));
        name.remove_prefix(stop);
        continue;
      }
      const size_t stop = name.find(']');
      if (name[0] != '[' || stop == std::string_view::npos) value_error("Missing ']' in format string");
      const std::string_view key = name.substr(1, stop - 1);
      if (key.empty()) value_error("Empty attribute in format string");
      const bool digits = key.find_first_not_of("0123456789") == std::string_view::npos && key.size() < 19;
      v = get_item(rt_, v, digits ? Value::from_int(std::stoll(std::string(key))) : rt_.text(key));
      name.remove_prefix(stop + 1);
    }
    return v;
  }

  Runtime& rt_;
  const Args& args_;
  bool markup_;
  int64_t next_ = 0;
};

}  // namespace

Value str_format(Runtime& rt, Value format, const Args& args) {
  FieldFormatter formatter(rt, args, format.markup);
  return rt.text(formatter.run(format.str(), 2), format.markup);
}

}  // namespace hadal::jinja
