// Reads YAML into Json (yaml-cpp, reading only). Any thread.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

// One YAML document; mappings keep their order; plain scalars are typed by the YAML 1.2 core schema
// (true/false, null, integers, floats; "yes" and "on" stay strings). Quoted scalars are strings.
// Errors: kInvalidArgument with line and column; duplicate keys and nesting over 64 are errors.
Result<Json> parse_yaml(std::string_view text);

}  // namespace hadal
