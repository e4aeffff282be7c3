// Reading Kubernetes objects: members by dotted path, labels and annotations by key. A missing or mistyped
// member reads as empty, so that answers of any server can be looked at without checks. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace hadal::cluster {

// Below this, objects of others are not looked into.
inline constexpr int kMaxObjectDepth = 64;

// "status.conditions", "spec.containers.0.image"; null where a step is missing.
const Json* json_at(const Json& root, std::string_view path);
// "" where it is no string.
std::string_view text_at(const Json& root, std::string_view path);
int64_t int_at(const Json& root, std::string_view path, int64_t otherwise = 0);
bool bool_at(const Json& root, std::string_view path, bool otherwise = false);
// Empty where it is no array or object.
const JsonArray& array_at(const Json& root, std::string_view path);
const JsonObject& object_at(const Json& root, std::string_view path);
// A string as it is, numbers and booleans as JSON writes them, "" for the rest.
std::string scalar_text(const Json* value);

std::string_view label_of(const Json& object, std::string_view key);
std::string_view annotation_of(const Json& object, std::string_view key);
inline std::string_view name_of(const Json& object) {
  return text_at(object, "metadata.name");
}
inline std::string_view namespace_of(const Json& object) {
  return text_at(object, "metadata.namespace");
}
inline std::string_view kind_of(const Json& object) {
  return text_at(object, "kind");
}
// "Deployment llm/dsr1".
std::string title_of(const Json& object);

// Removes a member; whether it was there.
bool remove_member(Json& object, std::string_view key);
// The member itself, made as an empty object where it is missing.
Json& member_of(Json& object, std::string_view key);

// A condition of status.conditions by type; null: none.
const Json* condition_of(const Json& object, std::string_view type);
bool condition_is(const Json& object, std::string_view type, std::string_view status);

// Whether labels carry every pair of matchLabels (and the matchExpressions) of a LabelSelector. An empty
// selector matches all, as Kubernetes has it.
bool selector_matches(const Json& selector, const JsonObject& labels);
// The same for a plain map, as in a Service; an empty map matches nothing.
bool map_selector_matches(const JsonObject& selector, const JsonObject& labels);

// Seconds since 1970 of "2026-01-02T03:04:05Z" (and with fractions or an offset); 0 where it is none.
int64_t parse_rfc3339(std::string_view text);
std::string format_rfc3339(int64_t seconds);
// "45s", "12m", "3h5m", "4d".
std::string age_text(int64_t seconds);

std::string base64_encode(std::string_view bytes);
// Errors: kInvalidArgument.
Result<std::string> base64_decode(std::string_view text);

}  // namespace hadal::cluster
