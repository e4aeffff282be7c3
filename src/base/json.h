// Json: a small owned JSON value that keeps key order (chat templates print tool schemas in the order they
// came), a strict parser (simdjson) and an append-only writer. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace hadal {

class Json;
using JsonArray = std::vector<Json>;
using JsonMember = std::pair<std::string, Json>;
// Ordered as written. A key that appears twice keeps its first place and its last value, as Python's json
// does.
using JsonObject = std::vector<JsonMember>;

class Json {
 public:
  enum class Kind { kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject };

  Json() = default;
  Json(std::nullptr_t) {}                                       // NOLINT: conversions are the point
  Json(bool value) : value_(value) {}                           // NOLINT
  Json(int value) : value_(static_cast<int64_t>(value)) {}      // NOLINT
  Json(int64_t value) : value_(value) {}                        // NOLINT
  Json(uint64_t value);                                         // NOLINT: kInt where it fits
  Json(double value) : value_(value) {}                         // NOLINT
  Json(const char* value);                                      // NOLINT
  Json(std::string value) : value_(std::move(value)) {}         // NOLINT
  Json(std::string_view value) : value_(std::string(value)) {}  // NOLINT
  Json(JsonArray value) : value_(std::move(value)) {}           // NOLINT
  Json(JsonObject value) : value_(std::move(value)) {}          // NOLINT

  Kind kind() const { return static_cast<Kind>(value_.index()); }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_int() const { return kind() == Kind::kInt; }  // fits int64
  bool is_number() const { return kind() == Kind::kInt || kind() == Kind::kUint || kind() == Kind::kDouble; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }

  // Each aborts on another kind: test first.
  bool as_bool() const { return std::get<bool>(value_); }
  int64_t as_int() const { return std::get<int64_t>(value_); }
  uint64_t as_uint() const;
  double as_double() const;  // any number
  const std::string& as_string() const { return std::get<std::string>(value_); }
  const JsonArray& as_array() const { return std::get<JsonArray>(value_); }
  JsonArray& as_array() { return std::get<JsonArray>(value_); }
  const JsonObject& as_object() const { return std::get<JsonObject>(value_); }
  JsonObject& as_object() { return std::get<JsonObject>(value_); }

  // The member, or nullptr when absent or when this is no object. Linear: objects here are small.
  const Json* find(std::string_view key) const;
  // Sets or replaces a member; makes a null value an object.
  void set(std::string_view key, Json value);

  // "null", "boolean", "integer", "number", "string", "array", "object".
  std::string_view kind_name() const;
  bool operator==(const Json& other) const { return value_ == other.value_; }

 private:
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, JsonArray, JsonObject> value_;
};

// Parses one JSON document: strict RFC 8259, UTF-8 checked, nesting at most max_depth.
// Errors: kInvalidArgument with the parser's reason and, where known, the byte offset.
Result<Json> parse_json(std::string_view text, int max_depth = 128);

// Compact ("," and ":"), or indented with `indent` spaces where positive. Non-finite doubles become null.
// Strings must be valid UTF-8; bytes that are not are written as U+FFFD so that the output always is.
std::string to_json(const Json& value, int indent = 0);

// Appends JSON text to a string the caller owns; the caller keeps the order of calls well-formed.
// No allocation beyond the string's own growth: used for every streamed chunk.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& value(int64_t number);
  JsonWriter& value(int number) { return value(static_cast<int64_t>(number)); }
  JsonWriter& value(uint64_t number);
  JsonWriter& value(double number);  // shortest text that reads back the same; non-finite becomes null
  JsonWriter& null();
  JsonWriter& value(const Json& json);
  JsonWriter& raw(std::string_view json);  // already JSON text
  template <typename T>
  JsonWriter& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }

 private:
  void separate();
  std::string& out_;
  bool need_comma_ = false;
};

// Appends `text` with JSON escapes and without quotes.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace hadal
