// What parse_model_config and model_config_from_gguf share. Included by src/config/model_config*.cc only.
#pragma once

#include <string>
#include <string_view>

#include "config/model_config.h"

namespace hadal {

// "LlamaForCausalLM, MistralForCausalLM, ...": for messages.
std::string supported_architectures();

// Reads typed members of one JSON object. The first error is kept and later reads return their defaults, so a
// parser reads all its fields and asks for status() once.
class JsonFields {
 public:
  // prefix names the object in messages: "config.json" or "config.json: rope_scaling". `object` outlives
  // this.
  JsonFields(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

  const Status& status() const { return status_; }
  void fail(Error error) {
    if (status_.ok()) status_ = std::move(error);
  }
  // nullptr when absent or null.
  const Json* find(std::string_view key) const;
  bool is_null(std::string_view key) const;  // present and null

  // Absent or null: the default. Otherwise an integer in [min, max], or an error naming the key.
  int64_t integer(std::string_view key, int64_t fallback, int64_t min = 0, int64_t max = INT32_MAX);
  int small(std::string_view key, int fallback) { return static_cast<int>(integer(key, fallback)); }
  double number(std::string_view key, double fallback);
  bool boolean(std::string_view key, bool fallback);
  std::string text(std::string_view key, std::string_view fallback);
  const std::string& prefix() const { return prefix_; }

 private:
  void wrong(std::string_view key, std::string_view expected, const Json& found);
  const Json& object_;
  std::string prefix_;
  Status status_;
};

}  // namespace hadal
