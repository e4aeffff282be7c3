// Python's int() and float() of text. Pure but for the arena.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/runtime.h"

namespace hadal::jinja {

// Nothing where Python raises ValueError for the text. base as int(text, base).
std::optional<Value> int_of_text(Runtime& rt, std::string_view text, int64_t base);
std::optional<double> float_of_text(std::string_view text);

}  // namespace hadal::jinja
