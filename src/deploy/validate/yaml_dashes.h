// "-name: x": a list item whose dash lacks its blank, and the lines that belong to it. Pure; any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/yaml_tree.h"
#include "deploy/finding.h"
#include "deploy/validate/yaml_lines.h"

namespace hadal {

// The dash's place in the line.
std::optional<size_t> tight_dash(std::string_view line);

// The last line that stands further in than column `column` (from 0) without a gap below `line`.
int last_line_of_item(std::string_view text, const std::vector<TextLine>& lines, int line, size_t column);

// The blank after the dash, and the lines of the item that stand a little beside its first key moved under
// it. Nothing moved where they stand under it already.
std::vector<TextEdit> dash_edits(std::string_view text, const std::vector<TextLine>& lines, int line,
                                 size_t dash);

// A map that was meant to be a list: all of its items, the keys at the dashes' column moved under them.
// Empty: it begins with another key, or stands in braces.
std::vector<TextEdit> dash_edits_of_map(std::string_view text, const YamlNode& map);

}  // namespace hadal
