// Short ways to write Kubernetes objects in C++. Internal to deploy/render.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "deploy/spec.h"

namespace hadal {

inline Json obj(JsonObject members) {
  return Json(std::move(members));
}
inline Json arr(JsonArray items) {
  return Json(std::move(items));
}

// Sets the member unless the value is null, or an empty string, array or object.
inline void put(Json& object, std::string_view key, Json value) {
  if (value.is_null()) return;
  if (value.is_string() && value.as_string().empty()) return;
  if (value.is_array() && value.as_array().empty()) return;
  if (value.is_object() && value.as_object().empty()) return;
  object.set(key, std::move(value));
}
// The comment above member `key`, which is set after it (see take_comments).
inline void why(Json& object, std::string_view key, std::string_view comment) {
  object.set("#" + std::string(key), Json(comment));
}
// Sets a member under a comment.
inline void put_why(Json& object, std::string_view key, Json value, std::string_view comment) {
  why(object, key, comment);
  object.set(key, std::move(value));
}

inline Json map_json(const StringPairs& pairs) {
  JsonObject out;
  for (const auto& [key, value] : pairs) out.emplace_back(key, value);
  return Json(std::move(out));
}
// Adds the members of `more` that are not there.
inline void merge_missing(Json& object, const Json& more) {
  if (!more.is_object()) return;
  for (const auto& [key, value] : more.as_object()) {
    if (object.find(key) == nullptr) object.set(key, value);
  }
}

// The name of a quantity of bytes: "700Gi", "512Mi".
std::string quantity_text(double bytes);

}  // namespace hadal
