// nearest_name: what a misspelt name was meant to be. A pure function; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hadal {

// The candidate with the fewest letters to insert, remove or change (Levenshtein's distance), or one that
// begins with `name`; "" where none is near.
std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace hadal
