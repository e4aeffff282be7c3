#include "config/server_config.h"

#include <string_view>

#include "base/file.h"

namespace hadal {
namespace {

constexpr size_t kMaxKeyFileBytes = size_t{1} << 20;

bool is_printable_key(std::string_view key) {
  for (char c : key) {
    if (c <= ' ' || c > '~') return false;
  }
  return !key.empty();
}

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

Status positive(std::string_view flag, double value) {
  if (value > 0) return {};
  return invalid_argument(flag, " is ", value, ": it must be positive");
}

}  // namespace

Status validate_server_config(const ServerConfig& c) {
  if (c.host.empty()) return invalid_argument("--host is empty");
  if (c.port < 0 || c.port > 65535) return invalid_argument("--port is ", c.port, ": it takes 0 to 65535");
  for (const std::string& key : c.api_keys) {
    if (!is_printable_key(key))
      return invalid_argument("--api-key: a key must be printable ASCII without spaces");
  }
  if (c.tls_cert_file.empty() != c.tls_key_file.empty()) {
    return invalid_argument("TLS needs both --ssl-certfile and --ssl-keyfile");
  }
  HADAL_RETURN_IF_ERROR(positive("--max-connections", c.max_connections));
  HADAL_RETURN_IF_ERROR(positive("--max-body-bytes", static_cast<double>(c.max_body_bytes)));
  if (c.drain_timeout < 0)
    return invalid_argument("--drain-timeout is ", c.drain_timeout, ": it must not be negative");
  if (c.num_io_threads < 0 || c.num_io_threads > 256) {
    return invalid_argument("--io-threads is ", c.num_io_threads, ": it takes 0 to 256");
  }
  if (c.num_tokenizer_threads < 0 || c.num_tokenizer_threads > 256) {
    return invalid_argument("--tokenizer-worker-num is ", c.num_tokenizer_threads, ": it takes 0 to 256");
  }
  for (const std::string& name : c.served_model_names) {
    if (name.empty()) return invalid_argument("--served-model-name is empty");
  }
  return {};
}

Status load_api_keys(ServerConfig& config) {
  if (config.api_key_file.empty()) return {};
  HADAL_ASSIGN(const std::string text, read_file(config.api_key_file, kMaxKeyFileBytes));
  size_t line_number = 0;
  size_t found = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = trim(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    ++line_number;
    if (line.empty() || line[0] == '#') continue;
    if (!is_printable_key(line)) {
      return invalid_argument(config.api_key_file, ":", line_number,
                              ": a key must be printable ASCII without spaces");
    }
    config.api_keys.emplace_back(line);
    ++found;
  }
  // An empty file must not quietly open the server to everybody.
  if (found == 0) return invalid_argument(config.api_key_file, " holds no key");
  return {};
}

}  // namespace hadal
