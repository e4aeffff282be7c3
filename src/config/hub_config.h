// HubConfig: what hadal pull and hadal push is asked to do. A value; any thread.
#pragma once

#include <string>
#include <vector>

namespace hadal {

struct HubConfig {
  std::vector<std::string> arguments;  // those that are no flags
};

}  // namespace hadal
