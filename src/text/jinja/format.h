// Python's text formatting: `text % values`, str.format and format specifications.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/runtime.h"

namespace hadal::jinja {

// format % values, values a tuple, a mapping or one value.
Value printf_format(Runtime& rt, Value format, Value values);
// format.format(*args, **kwargs), fields looked up as templates look them up.
Value str_format(Runtime& rt, Value format, const Args& args);
// format(v, spec).
std::string format_value(Runtime& rt, Value v, std::string_view spec);

// Rounds half to even on the exact value: what Python's round() and %.Nf do.
std::string fixed(double v, int precision);

}  // namespace hadal::jinja
