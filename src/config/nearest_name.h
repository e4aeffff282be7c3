// nearest_name: what a misspelt name was meant to be. A pure function; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hadal {

// Letters to insert, remove or change (Levenshtein).
int edit_distance(std::string_view a, std::string_view b);

// The candidate at the smallest edit distance, or one that begins with `name`; "" where none is near.
std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace hadal
