// DeployConfig: what the commands of hadal deploy is asked to do. A value; any thread.
#pragma once

#include <string>
#include <vector>

namespace hadal {

struct DeployConfig {
  std::vector<std::string> arguments;  // those that are no flags

  // render, schema
  std::string format;  // render: yaml, kustomize, helm; schema: json, markdown; "" the first
  std::string output;  // file or directory; "": standard output
};

}  // namespace hadal
