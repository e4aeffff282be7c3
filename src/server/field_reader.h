// FieldReader: typed, ranged access to the members of a request's JSON object, with OpenAI's error messages
// and codes. The first error sticks and later calls do nothing, so that a parser reads as a list of its
// fields. A null member counts as absent. On one thread, as long as the Json lives.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "server/api_error.h"

namespace hadal {

class FieldReader {
 public:
  // prefix: path of the object in the request: "messages[0]." or "".
  explicit FieldReader(const Json& object, std::string prefix = "")
      : object_(object), prefix_(std::move(prefix)) {}

  bool ok() const { return !error_.has_value(); }
  const std::optional<ApiError>& error() const { return error_; }
  void fail(ApiError error) {
    if (ok()) error_ = std::move(error);
  }
  // Takes over the error of a nested reader.
  void adopt(const FieldReader& other) {
    if (!other.ok()) fail(*other.error());
  }
  std::string path(std::string_view name) const { return prefix_ + std::string(name); }

  // The member, or nullptr when absent or null, or after an error.
  const Json* get(std::string_view name) const;
  bool has(std::string_view name) const { return get(name) != nullptr; }
  const Json* require(std::string_view name);

  // Each leaves `out` alone when the member is absent; true when it was there and good.
  bool boolean(std::string_view name, bool& out);
  bool integer(std::string_view name, int64_t min, int64_t max, int64_t& out);
  bool integer(std::string_view name, int64_t min, int64_t max, int32_t& out);
  bool number(std::string_view name, double min, double max, double& out);
  bool number(std::string_view name, double min, double max, float& out);
  bool string(std::string_view name, std::string& out);
  const Json* object(std::string_view name);
  const Json* array(std::string_view name, size_t min_len, size_t max_len);
  // One of `values`, or an error that lists them.
  bool choice(std::string_view name, std::initializer_list<std::string_view> values, std::string& out);
  // The member would change the answer's meaning and cannot be honoured.
  void refuse(std::string_view name, std::string_view why);

  // Error makers, also for values that have no name of their own ("stop[2]").
  static ApiError type_error(std::string_view path, std::string_view expected, const Json& got);
  // A number without a fraction, however it is written: 1, 1.0 and 1e0 are the same integer, as JSON Schema
  // has it.
  static std::optional<int64_t> to_integer(const Json& value);
  static ApiError length_error(std::string_view path, size_t min_len, size_t max_len, size_t got);
  static std::optional<ApiError> check_integer(std::string_view path, const Json& value, int64_t min,
                                               int64_t max);
  static std::optional<ApiError> check_number(std::string_view path, const Json& value, double min,
                                              double max);

 private:
  const Json& object_;
  const std::string prefix_;
  std::optional<ApiError> error_;
};

}  // namespace hadal
