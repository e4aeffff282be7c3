// PlanConfig: what hadal plan is asked to do. A value; any thread.
#pragma once

#include <string>
#include <vector>

namespace hadal {

struct PlanConfig {
  std::vector<std::string> arguments;  // those that are no flags
};

}  // namespace hadal
