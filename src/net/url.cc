#include "net/url.h"

#include <algorithm>
#include <charconv>

#include "net/http_message.h"

namespace hadal {

std::string Url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  std::string out = v6 ? "[" + host + "]" : host;
  if (port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  std::string_view rest = text;
  if (const size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    url.tls = equals_ignoring_case(rest.substr(0, scheme), "https");
    if (!url.tls && !equals_ignoring_case(rest.substr(0, scheme), "http")) {
      return invalid_argument("\"", text, "\" is not an http:// or https:// address");
    }
    rest.remove_prefix(scheme + 3);
  }
  const size_t path = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, path);
  std::string_view target = rest.substr(path, std::min(rest.find('#', path), rest.size()) - path);
  if (authority.find('@') != std::string_view::npos) {
    return invalid_argument("\"", text, "\": user names in addresses are not supported, use --api-key");
  }
  url.port = url.tls ? 443 : 80;
  size_t colon = authority.rfind(':');
  if (!authority.empty() && authority.front() == '[') {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return invalid_argument("\"", text, "\": missing ']'");
    url.host = authority.substr(1, close - 1);
    if (close + 1 == authority.size())
      colon = std::string_view::npos;
    else if (authority[close + 1] != ':')
      return invalid_argument("\"", text, "\": expected ':' after ']'");
  } else {
    url.host = authority.substr(0, std::min(colon, authority.size()));
  }
  if (colon != std::string_view::npos) {
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (error != std::errc() || end != digits.data() + digits.size() || url.port == 0) {
      return invalid_argument("\"", text, "\": \"", digits, "\" is not a port");
    }
  }
  if (url.host.empty() || !is_header_value(text) || text.find(' ') != std::string_view::npos) {
    return invalid_argument("\"", text, "\" is not an address like http://127.0.0.1:30000");
  }
  url.target = target;
  if (url.target.empty() || url.target.front() != '/') url.target.insert(0, "/");
  return url;
}

}  // namespace hadal
