// Methods of Python's built-in types that templates may call.
#pragma once

#include "text/jinja/runtime.h"

namespace hadal::jinja {

// Of methods without arguments.
inline constexpr Signature kNone{"", 0, false};

// nullptr when values of this kind have no such method.
const MethodInfo* find_str_method(std::string_view name);
const MethodInfo* find_method(Tag tag, std::string_view name);
// list.append, dict.update and the others that would change a value: the sandbox hides them.
bool is_mutating_method(Tag tag, std::string_view name);

}  // namespace hadal::jinja
