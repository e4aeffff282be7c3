// Changes to a manifest's text that keep its comments and layout: what `--fix` writes. Each helper gives
// nothing where the place is such that the change is not surely right. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "deploy/finding.h"
#include "deploy/validate/value.h"

namespace hadal {

// The scalar as another text, written as a double-quoted string where quote is set.
std::optional<TextEdit> replace_scalar(const Value& scalar, std::string_view text, bool quote);
std::optional<TextEdit> rename_key(const Value& value, std::string_view name);
// The member of a map or the item of a list, with the lines it alone stands on.
std::optional<TextEdit> remove_value(std::string_view source, const Value& value);
// "key: text" after the map's last member (block) or within its braces (flow).
std::optional<TextEdit> insert_member(std::string_view source, const Value& map, std::string_view key,
                                      std::string_view text);
// One line before the member, at its indent.
std::optional<TextEdit> insert_before(std::string_view source, const Value& member, std::string_view line);

// The text with the edits done; those that overlap an earlier one are left out. num_applied: how many.
std::string apply_edits(std::string_view text, std::vector<TextEdit> edits, int* num_applied = nullptr);

// "text" as a double-quoted YAML string.
std::string yaml_quoted(std::string_view text);

}  // namespace hadal
