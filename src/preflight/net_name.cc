#include "preflight/net_name.h"

#include "preflight/words.h"

namespace hadal {

Result<NetName> parse_net_name(std::string_view text) {
  const auto bad = [&] { return invalid_argument("\"", text, "\" is not HOST:PORT"); };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const auto port = whole_number(text.substr(colon + 1));
  if (host.empty() || !port || *port < 1 || *port > 65535) return bad();
  return NetName{std::string(host), static_cast<int>(*port)};
}

bool is_loopback_address(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
}

}  // namespace hadal
