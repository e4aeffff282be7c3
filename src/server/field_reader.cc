#include "server/field_reader.h"

#include <cmath>

namespace hadal {
namespace {

// "an integer", "a string": as the error messages name a value's type.
std::string with_article(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      return "null";
    case Json::Kind::kBool:
      return "a boolean";
    case Json::Kind::kInt:
    case Json::Kind::kUint:
      return "an integer";
    case Json::Kind::kDouble:
      return "a decimal number";
    case Json::Kind::kString:
      return "a string";
    case Json::Kind::kArray:
      return "an array";
    case Json::Kind::kObject:
      return "an object";
  }
  return "null";
}

std::string number_text(double value) {
  std::string text = to_json(Json(value));
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

// Not "quoted": GCC 13's <chrono> brings in std::quoted, which a std::string argument would find first.
std::string in_quotes(std::string_view path) {
  return "'" + std::string(path) + "'";
}

}  // namespace

const Json* FieldReader::get(std::string_view name) const {
  if (!ok()) return nullptr;
  const Json* member = object_.find(name);
  return member && !member->is_null() ? member : nullptr;
}

const Json* FieldReader::require(std::string_view name) {
  const Json* member = get(name);
  if (!member && ok()) {
    fail(invalid_param(path(name), "Missing required parameter: " + in_quotes(path(name)) + ".",
                       "missing_required_parameter"));
  }
  return member;
}

ApiError FieldReader::type_error(std::string_view path, std::string_view expected, const Json& got) {
  return invalid_param(std::string(path),
                       "Invalid type for " + in_quotes(path) + ": expected " + std::string(expected) +
                           ", but got " + with_article(got) + " instead.",
                       "invalid_type");
}

ApiError FieldReader::length_error(std::string_view path, size_t min_len, size_t max_len, size_t got) {
  if (got < min_len) {
    return invalid_param(std::string(path),
                         "Invalid " + in_quotes(path) +
                             ": empty array. Expected an array with minimum length " +
                             std::to_string(min_len) + ", but got an empty array instead.",
                         "empty_array");
  }
  return invalid_param(
      std::string(path),
      "Invalid " + in_quotes(path) + ": array too long. Expected an array with maximum length " +
          std::to_string(max_len) + ", but got an array with length " + std::to_string(got) + " instead.",
      "array_above_max_length");
}

std::optional<int64_t> FieldReader::to_integer(const Json& value) {
  if (value.is_int()) return value.as_int();
  if (value.kind() != Json::Kind::kDouble) return std::nullopt;
  const double number = value.as_double();
  // 2^63 is the first double over the range, and -2^63 may stand for a number below it.
  if (number != std::floor(number) || number <= -0x1p63 || number >= 0x1p63) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::optional<ApiError> FieldReader::check_integer(std::string_view path, const Json& value, int64_t min,
                                                   int64_t max) {
  const std::optional<int64_t> number = to_integer(value);
  const bool is_large = !number && value.is_number() && value.as_double() == std::floor(value.as_double());
  if (!number && !is_large) return type_error(path, "an integer", value);
  const bool above = number ? *number > max : value.as_double() > 0;
  if (number && *number >= min && *number <= max) return std::nullopt;
  return invalid_param(std::string(path),
                       "Invalid " + in_quotes(path) + ": integer " +
                           (above ? "above maximum" : "below minimum") + " value. Expected a value " +
                           (above ? "<= " : ">= ") + std::to_string(above ? max : min) + ", but got " +
                           to_json(value) + " instead.",
                       above ? "integer_above_max_value" : "integer_below_min_value");
}

std::optional<ApiError> FieldReader::check_number(std::string_view path, const Json& value, double min,
                                                  double max) {
  if (!value.is_number()) return type_error(path, "a decimal", value);
  const double v = value.as_double();
  if (v >= min && v <= max) return std::nullopt;
  const bool above = v > max;
  return invalid_param(std::string(path),
                       "Invalid " + in_quotes(path) + ": decimal " +
                           (above ? "above maximum" : "below minimum") + " value. Expected a value " +
                           (above ? "<= " : ">= ") + number_text(above ? max : min) + ", but got " +
                           number_text(v) + " instead.",
                       above ? "decimal_above_max_value" : "decimal_below_min_value");
}

bool FieldReader::boolean(std::string_view name, bool& out) {
  const Json* member = get(name);
  if (!member) return false;
  if (!member->is_bool()) {
    fail(type_error(path(name), "a boolean", *member));
    return false;
  }
  out = member->as_bool();
  return true;
}

bool FieldReader::integer(std::string_view name, int64_t min, int64_t max, int64_t& out) {
  const Json* member = get(name);
  if (!member) return false;
  if (auto error = check_integer(path(name), *member, min, max)) {
    fail(std::move(*error));
    return false;
  }
  out = *to_integer(*member);
  return true;
}

bool FieldReader::integer(std::string_view name, int64_t min, int64_t max, int32_t& out) {
  int64_t wide = 0;
  if (!integer(name, min, max, wide)) return false;
  out = static_cast<int32_t>(wide);
  return true;
}

bool FieldReader::number(std::string_view name, double min, double max, double& out) {
  const Json* member = get(name);
  if (!member) return false;
  if (auto error = check_number(path(name), *member, min, max)) {
    fail(std::move(*error));
    return false;
  }
  out = member->as_double();
  return true;
}

bool FieldReader::number(std::string_view name, double min, double max, float& out) {
  double wide = 0;
  if (!number(name, min, max, wide)) return false;
  out = static_cast<float>(wide);
  return true;
}

bool FieldReader::string(std::string_view name, std::string& out) {
  const Json* member = get(name);
  if (!member) return false;
  if (!member->is_string()) {
    fail(type_error(path(name), "a string", *member));
    return false;
  }
  out = member->as_string();
  return true;
}

const Json* FieldReader::object(std::string_view name) {
  const Json* member = get(name);
  if (!member) return nullptr;
  if (!member->is_object()) {
    fail(type_error(path(name), "an object", *member));
    return nullptr;
  }
  return member;
}

const Json* FieldReader::array(std::string_view name, size_t min_len, size_t max_len) {
  const Json* member = get(name);
  if (!member) return nullptr;
  if (!member->is_array()) {
    fail(type_error(path(name), "an array", *member));
    return nullptr;
  }
  const size_t size = member->as_array().size();
  if (size < min_len || size > max_len) {
    fail(length_error(path(name), min_len, max_len, size));
    return nullptr;
  }
  return member;
}

bool FieldReader::choice(std::string_view name, std::initializer_list<std::string_view> values,
                         std::string& out) {
  std::string text;
  if (!string(name, text)) return false;
  std::string list;
  for (std::string_view value : values) {
    if (text == value) {
      out = text;
      return true;
    }
    if (!list.empty()) list += ", ";
    list += in_quotes(value);
  }
  fail(invalid_param(path(name),
                     "Invalid value: " + in_quotes(text) + ". Supported values are: " + list + ".",
                     "invalid_value"));
  return false;
}

void FieldReader::refuse(std::string_view name, std::string_view why) {
  if (!has(name)) return;
  fail(invalid_param(path(name),
                     "Unsupported parameter: " + in_quotes(path(name)) + ": " + std::string(why) + ".",
                     "unsupported_parameter"));
}

}  // namespace hadal
