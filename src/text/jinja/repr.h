// How Python prints values: str(), repr(), json.dumps, and HTML escaping as markupsafe does it.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/runtime.h"

namespace hadal::jinja {

// str(v), appended. Undefined prints nothing.
void append_str(Runtime& rt, std::string& out, Value v);
void append_repr(Runtime& rt, std::string& out, Value v);
std::string repr(Runtime& rt, Value v);
// str(v) as a value; strings come back as they are (Markup kept).
Value soft_str(Runtime& rt, Value v);
// str(v) as a view that lives as long as the render.
std::string_view str_view(Runtime& rt, Value v);

// repr(float): the shortest digits that read back the same.
std::string float_repr(double v);
std::string int_to_string(int128 v);

// & < > ' " as markupsafe.escape.
std::string escape_html(std::string_view s);

// replace() of strings.h with the size of the result bounded.
std::string replace_bounded(Runtime& rt, std::string_view s, std::string_view from, std::string_view to,
                            int64_t count);
// str.center (side 0), ljust (-1: text left), rjust (1).
Value justify(Runtime& rt, Value s, int64_t width, char32_t fill, int side);

struct JsonStyle {
  bool ensure_ascii = false;
  bool has_indent = false;
  std::string_view indent;  // one level
  std::string_view item_separator = ", ";
  std::string_view key_separator = ": ";
  bool sort_keys = false;
};
// json.dumps. TypeError for values that JSON has no form for.
std::string json_dumps(Runtime& rt, Value v, const JsonStyle& style);

}  // namespace hadal::jinja
