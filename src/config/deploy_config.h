// DeployConfig: what the commands of hadal deploy is asked to do. A value; any thread.
#pragma once

#include <string>
#include <vector>

namespace hadal {

struct DeployConfig {
  std::vector<std::string> arguments;  // those that are no flags
};

}  // namespace hadal
