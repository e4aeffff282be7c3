// "HOST:PORT" as --dist-init-addr takes it. A pure function; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

struct NetName {
  std::string host;  // without brackets
  int port = 0;
};

// "10.0.0.1:20000", "name:20000", "[::1]:20000". Errors: kInvalidArgument.
Result<NetName> parse_net_name(std::string_view text);
// 127.0.0.0/8 or ::1.
bool is_loopback_address(std::string_view address);

}  // namespace hadal
