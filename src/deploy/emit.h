// YAML out: block style, every string in double quotes, so that "true", "8.0" and "0123" stay text for every
// reader, comments above their fields. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "deploy/render.h"

namespace hadal {

// One document without "---". A string with line breaks becomes a double-quoted scalar over several lines.
std::string to_yaml(const Json& value, const std::vector<FieldComment>& comments = {});

// A member "#name" of an object is the comment on its member "name": takes them all out of `value`.
std::vector<FieldComment> take_comments(Json& value);

// A string as a YAML double-quoted scalar, quotes included. `indent`: of continued lines, where it has line
// breaks.
std::string yaml_quoted(std::string_view text, int indent = 0);

}  // namespace hadal
