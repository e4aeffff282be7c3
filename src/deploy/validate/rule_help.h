// Small checks that many rules share. Pure but for what they report; any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "deploy/validate/manifest_set.h"

namespace hadal {

// "\"x\"" or a number as it stands.
std::string shown_text(View value);
// Reports "object/enum" where a string is none of the choices, nor empty. Says whether it is fine.
bool check_choice(Reporter& reporter, View value, std::initializer_list<std::string_view> choices);
// The same where the server gives an empty string no default.
bool check_filled_choice(Reporter& reporter, View value, std::initializer_list<std::string_view> choices);
// Reports "object/range" where an integer is outside.
bool check_range(Reporter& reporter, View value, int64_t low, int64_t high);
// The schema's words too: what both find is told once.
std::string missing_field(std::string_view name);
// Reports `rule` at `map` where the member is absent or an empty string.
bool check_present(Reporter& reporter, View map, std::string_view key,
                   std::string_view rule = "object/required");
// The member that exists of these; more than one, or none where `needed`, is reported with `rule`.
std::string_view check_one_of(Reporter& reporter, View map, std::initializer_list<std::string_view> keys,
                              std::string_view rule, bool needed);
// An absolute number or "25%": the number of `total`, rounded up where `up`. -1: neither.
int64_t scaled_value(View value, int64_t total, bool up);
void check_int_or_percent(Reporter& reporter, View value, bool at_most_hundred);

// A labelSelector: its expressions, keys and values.
void check_label_selector(Reporter& reporter, View selector);
bool is_empty_selector(View selector);
// Whether labels (a map) carry what the selector asks for; matchExpressions too.
bool selector_matches(View selector, View labels);

}  // namespace hadal
