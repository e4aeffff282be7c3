// CelValue: a value of the Common Expression Language. Parts of a manifest stay where they are and are read
// with their schema, which gives them their types (a string of format "duration" is a duration). Values; any
// thread while the manifest lives.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "deploy/validate/formats.h"
#include "deploy/validate/schema.h"
#include "deploy/validate/value.h"

namespace hadal {

class CelValue;
using CelList = std::vector<CelValue>;
using CelMap = std::vector<std::pair<CelValue, CelValue>>;

struct CelNull {
  bool operator==(const CelNull&) const = default;
};
struct CelBytes {
  std::string data;
  bool operator==(const CelBytes&) const = default;
};
struct CelDuration {
  int64_t nanos = 0;
};
struct CelType {
  std::string name;
};
struct CelUrl {
  std::string text;
};
// No answer, and why. Operators hand it on; "&&" and "||" may swallow it.
struct CelError {
  std::string message;
};
// A list or map of the manifest. schema kNone: of any type.
struct CelData {
  const Value* value = nullptr;
  Schema::Id schema = Schema::kNone;
};
struct CelOptional {
  std::shared_ptr<const CelValue> value;  // null: none
};
struct CelFormat {
  std::string name;  // of format.dns1123Label()
};

class CelValue {
 public:
  using Storage =
      std::variant<CelNull, bool, int64_t, uint64_t, double, std::string, CelBytes,
                   std::shared_ptr<const CelList>, std::shared_ptr<const CelMap>, CelData, CelDuration,
                   Timestamp, CelType, Quantity, IpAddress, Cidr, CelUrl, CelOptional, CelFormat, CelError>;
  CelValue() = default;
  template <typename T>
  requires(!std::is_same_v<std::remove_cvref_t<T>, CelValue>) CelValue(T&& value)
      : storage_(std::forward<T>(value)) {}  // NOLINT: conversions are the point

  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(storage_);
  }
  template <typename T>
  const T& get() const {
    return std::get<T>(storage_);
  }
  bool is_error() const { return is<CelError>(); }
  bool is_string() const { return is<std::string>(); }
  bool is_list() const;
  bool is_map() const;
  const std::string& text() const { return get<std::string>(); }
  // "int", "list", ...
  std::string type_name() const;

 private:
  Storage storage_;
};

inline CelValue cel_error(std::string message) {
  return CelValue(CelError{std::move(message)});
}
CelValue cel_list(CelList items);
CelValue cel_map(CelMap entries);
CelValue cel_optional(CelValue value);
CelValue cel_none();

// A part of a manifest, typed by its schema.
CelValue cel_from_value(const Value& value, Schema::Id schema, const SchemaSet& schemas);

// Of a list: its elements; of a map: its keys. Those of a manifest are made on the way.
CelList cel_elements(const CelValue& value, const SchemaSet& schemas);
size_t cel_size(const CelValue& list_or_map);
CelValue cel_at(const CelValue& list, size_t index, const SchemaSet& schemas);
// The map's value of a key, an error where there is none.
CelValue cel_lookup(const CelValue& map, const CelValue& key, const SchemaSet& schemas);
// A field by its name in a rule: "__namespace__" is "namespace".
CelValue cel_field(const CelValue& object, std::string_view name, const SchemaSet& schemas);
bool cel_has_field(const CelValue& object, std::string_view name, const SchemaSet& schemas);

bool cel_equal(const CelValue& a, const CelValue& b, const SchemaSet& schemas, int depth = 0);
// -1, 0, 1; nullopt: not comparable.
std::optional<int> cel_compare(const CelValue& a, const CelValue& b);

// "abc" with its code points: CEL counts those.
std::vector<std::string_view> cel_code_points(std::string_view text);

}  // namespace hadal
