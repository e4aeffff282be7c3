#include "config/server_config.h"

#include <algorithm>
#include <string_view>

#include "base/file.h"
#include "base/join_text.h"

namespace hadal {
namespace {

Status check_readable(std::string_view flag, const std::string& path) {
  if (path.empty() || (path_exists(path) && !is_directory(path))) return {};
  return invalid_argument(flag, ": there is no file \"", path, "\"");
}

Status check_origin(const std::string& origin) {
  const size_t scheme = origin.find("://");
  const bool printable =
      std::all_of(origin.begin(), origin.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (origin == "*" || (printable && scheme != std::string::npos && scheme > 0)) return {};
  return invalid_argument("--cors-allow-origin is \"", origin,
                          "\": it takes * or an origin like https://chat.example.com");
}

}  // namespace

Status validate_server_config(const ServerConfig& c) {
  if (c.host.empty()) {
    return invalid_argument("--host is empty: it takes an address, 127.0.0.1 or 0.0.0.0 for all");
  }
  if (c.port < 0 || c.port > 65535) return invalid_argument("--port is ", c.port, ": it takes 0 to 65535");
  const std::pair<const char*, int64_t> counts[] = {
      {"--max-connections", c.max_connections},
      {"--max-body-bytes", static_cast<int64_t>(c.max_body_bytes)},
      {"--io-threads", c.num_io_threads},
      {"--tokenizer-worker-num", c.num_tokenizer_threads},
  };
  for (const auto& [flag, value] : counts) {
    if (value < 1) return invalid_argument(flag, " is ", value, ": it takes 1 or more");
  }
  for (const std::string& origin : c.cors_origins) HADAL_RETURN_IF_ERROR(check_origin(origin));
  if (c.tls_cert_file.empty() != c.tls_key_file.empty()) {
    return c.tls_key_file.empty() ? invalid_argument("--ssl-certfile needs --ssl-keyfile too")
                                  : invalid_argument("--ssl-keyfile needs --ssl-certfile too");
  }
  HADAL_RETURN_IF_ERROR(check_readable("--ssl-certfile", c.tls_cert_file));
  HADAL_RETURN_IF_ERROR(check_readable("--ssl-keyfile", c.tls_key_file));
  HADAL_RETURN_IF_ERROR(check_readable("--api-key-file", c.api_key_file));
  const auto known =
      std::find(std::begin(kReasoningParsers), std::end(kReasoningParsers), c.reasoning_parser);
  if (!c.reasoning_parser.empty() && known == std::end(kReasoningParsers)) {
    return invalid_argument("--reasoning-parser is \"", c.reasoning_parser, "\": it takes ",
                            join_text(kReasoningParsers, ", "));
  }
  return {};
}

}  // namespace hadal
