// Value: what a manifest's YAML says as Kubernetes reads it (scalars typed, "<<" merged, the last of double
// keys), each part with its place in the text and its parent. Built once for a document, const afterwards;
// any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/yaml_tree.h"

namespace hadal {

class Value;

struct ValueMember;

class Value {
 public:
  enum class Kind { kScalar, kList, kMap };

  Kind kind = Kind::kScalar;
  Json scalar;                         // null, bool, integer, double or string
  std::vector<Value> items;            // of a list
  std::vector<ValueMember> members;    // of a map, in order
  const YamlNode* node = nullptr;      // null: a default that stands nowhere
  const Value* parent = nullptr;       // null: the document
  const YamlNode* key_node = nullptr;  // of a map's member
  const std::string* key_text = nullptr;

  bool is_map() const { return kind == Kind::kMap; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_null() const { return is_scalar() && scalar.is_null(); }
  bool is_string() const { return is_scalar() && scalar.is_string(); }
  bool is_integer() const {
    return is_scalar() && (scalar.kind() == Json::Kind::kInt || scalar.kind() == Json::Kind::kUint);
  }
  // "string", "integer", "map", ... as an operator calls it.
  std::string_view kind_name() const;
  const Value* find(std::string_view key) const;
};

struct ValueMember {
  std::string key;
  Value value;
};

// Values of a document's root; nodes are those of the stream, which must outlive the value.
Value to_value(const YamlNode& root);
// Sets every parent, below and at `root`, anew: after a tree was built or changed.
void link_parents(Value& root);
// "spec.containers[0].name"; "" for the document.
std::string value_path(const Value& value);
// Without places.
Json value_to_json(const Value& value);

// A path into a value that need not exist: every step of nothing is nothing.
class View {
 public:
  View() = default;
  View(const Value* value) : value_(value) {}   // NOLINT: conversions are the point
  View(const Value& value) : value_(&value) {}  // NOLINT
  const Value* get() const { return value_; }
  // Of nothing: an empty value without a place.
  const Value& operator*() const;
  bool exists() const { return value_ != nullptr && !value_->is_null(); }
  bool is_map() const { return value_ != nullptr && value_->is_map(); }
  bool is_list() const { return value_ != nullptr && value_->is_list(); }
  bool is_string() const { return value_ != nullptr && value_->is_string(); }

  View operator[](std::string_view key) const { return value_ == nullptr ? View() : View(value_->find(key)); }
  // "spec.template.spec".
  View at(std::string_view dotted_path) const;
  // The text of a string; "" for everything else.
  std::string_view text() const;
  // The text of any scalar, "8" for 8.
  std::string any_text() const;
  std::optional<int64_t> integer() const;
  int64_t integer_or(int64_t otherwise) const { return integer().value_or(otherwise); }
  bool is_true() const { return value_ != nullptr && value_->scalar.is_bool() && value_->scalar.as_bool(); }
  std::span<const Value> items() const;
  std::span<const ValueMember> members() const;

 private:
  const Value* value_ = nullptr;
};

}  // namespace hadal
