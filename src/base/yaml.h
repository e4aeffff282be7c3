// Reads YAML into Json. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

// One YAML document; mappings keep their order; plain scalars are typed by the YAML 1.2 core schema
// (true/false, null, integers, floats; "yes" and "on" stay strings). Quoted scalars are strings.
// Errors: kInvalidArgument with line and column; duplicate keys and nesting over 64 are errors.
Result<Json> parse_yaml(std::string_view text);

struct YamlSetting {
  std::string key;
  int line = 0;  // from 1
  bool is_list = false;
  std::vector<std::string> values;  // one unless it is a list; none for "key:" and "key: null"
};
// A flat file of settings: one mapping of keys to plain values or lists of them, each as the text that stands
// there (so 007 stays 007). Errors: kInvalidArgument with the line, also for a value that is a mapping.
Result<std::vector<YamlSetting>> parse_yaml_settings(std::string_view text);

}  // namespace hadal
