#include "server/auth.h"

#include <algorithm>

#include "base/file.h"

namespace hadal {
namespace {

constexpr size_t kMaxKeyFileBytes = size_t{1} << 20;

std::string_view trim_header(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

}  // namespace

bool constant_time_equal(std::string_view a, std::string_view b) {
  // Walks all of `a`, the caller's key, whatever b is: no early end, no branch on a byte.
  volatile unsigned difference = static_cast<unsigned>(a.size() ^ b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const auto other = b.empty() ? 0u : static_cast<unsigned char>(b[i % b.size()]);
    difference = difference | (static_cast<unsigned char>(a[i]) ^ other);
  }
  return difference == 0;
}

Result<ApiKeys> ApiKeys::load(const ServerConfig& config) {
  std::vector<std::string> keys = config.api_keys;
  if (!config.api_key_file.empty()) {
    const auto text = read_file(config.api_key_file, kMaxKeyFileBytes);
    if (!text.ok()) return make_error(text.error().code, "--api-key-file: ", text.error().message);
    std::string_view rest = *text;
    const size_t before = keys.size();
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = trim_header(rest.substr(0, end));
      if (!line.empty() && line.front() != '#') keys.emplace_back(line);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (keys.size() == before) {
      return invalid_argument("--api-key-file: \"", config.api_key_file,
                              "\" holds no key: write one a line, or leave the flag out");
    }
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (trim_header(keys[i]) == keys[i] && !keys[i].empty() && is_header_value(keys[i])) continue;
    // Never the key itself.
    const bool in_file = i >= config.api_keys.size();
    return invalid_argument(in_file ? "--api-key-file: \"" + config.api_key_file + "\" holds a key"
                                    : std::string("--api-key is a key"),
                            " that is empty, or has characters that no HTTP header can carry");
  }
  return ApiKeys(std::move(keys));
}

bool ApiKeys::matches(std::string_view key) const {
  bool found = false;
  for (const std::string& known : keys_) found = constant_time_equal(key, known) | found;
  return found;
}

bool ApiKeys::allows(const HttpHeaders& headers) const {
  if (!required()) return true;
  bool allowed = false;
  if (const std::string* value = headers.find("Authorization")) {
    constexpr std::string_view kScheme = "Bearer ";
    if (value->size() > kScheme.size() && equals_ignoring_case(value->substr(0, kScheme.size()), kScheme)) {
      allowed = matches(trim_header(std::string_view(*value).substr(kScheme.size())));
    }
  }
  if (const std::string* value = headers.find("X-API-Key")) allowed = matches(trim_header(*value)) | allowed;
  return allowed;
}

}  // namespace hadal
