// PreflightConfig: what hadal preflight is asked to do. A value; any thread.
#pragma once

#include <string>
#include <vector>

namespace hadal {

struct PreflightConfig {
  std::vector<std::string> arguments;  // those that are no flags
};

}  // namespace hadal
