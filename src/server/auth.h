// ApiKeys: who may use the API. Keys are compared in constant time and never logged. Immutable; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/server_config.h"
#include "net/http_message.h"

namespace hadal {

class ApiKeys {
 public:
  // The keys of the configuration and of its file. Errors: kInvalidArgument (an empty key, one that no header
  // can carry), kNotFound or kIo naming the file.
  static Result<ApiKeys> load(const ServerConfig& config);
  ApiKeys() = default;
  explicit ApiKeys(std::vector<std::string> keys) : keys_(std::move(keys)) {}

  bool required() const { return !keys_.empty(); }
  // By `Authorization: Bearer KEY` or `X-API-Key: KEY`. True when none is required.
  bool allows(const HttpHeaders& headers) const;

 private:
  bool matches(std::string_view key) const;
  std::vector<std::string> keys_;
};

// The time depends on the lengths alone.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace hadal
