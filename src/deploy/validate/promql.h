// check_promql: whether Prometheus would take an expression, and which metrics it asks for. Grammar: the
// Prometheus documentation (querying/basics, operators, functions). Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct PromqlAnswer {
  std::string error;  // "": it is an expression of PromQL
  size_t offset = 0;  // of the error
  std::vector<std::string> metrics;
  bool is_range = false;  // a range vector: no value to compare
};

PromqlAnswer check_promql(std::string_view text);

}  // namespace hadal
