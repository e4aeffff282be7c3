// Tells templates (Helm's, whose text becomes YAML when it is rendered) from YAML with an error in it and
// from what is no text at all. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace hadal {

// Text like YAML with "{{ ... }}" in it.
bool looks_like_template(std::string_view text);

// The text with every "{{ ... }}" as a word of the same length; lines that hold nothing else become blank.
// Lines and columns stay.
std::string without_template_actions(std::string_view text);

// A file of a chart: below its "templates" folder.
bool is_chart_template_path(std::string_view path);

}  // namespace hadal
