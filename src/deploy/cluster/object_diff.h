// Objects as text, and what changed between two of them, without what the server itself keeps in every
// object. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace hadal::cluster {

// Without managedFields, resourceVersion, generation, status and hadal's own annotation. The values of a
// Secret are replaced by a digest, so that a change shows and the value does not.
Json comparable(Json object);
// YAML as kubectl writes it: keys in order, strings plain where they can be.
std::string to_yaml(const Json& value);
// A unified diff with three lines of context; "" where the texts are equal. Texts over a limit are shown as
// replaced whole.
std::string unified_diff(std::string_view before, std::string_view after, const std::string& before_name,
                         const std::string& after_name);

}  // namespace hadal::cluster
