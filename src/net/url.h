// Url: an http or https address taken apart. Value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

struct Url {
  bool tls = false;
  std::string host;  // without brackets where it is an IPv6 address
  uint16_t port = 0;
  std::string target = "/";  // path and query
  // "host:port", brackets around IPv6: the Host header.
  std::string authority() const;
};

// "http://host:port/path?query"; the scheme may be missing (http). Errors: kInvalidArgument naming the text.
Result<Url> parse_url(std::string_view text);

}  // namespace hadal
