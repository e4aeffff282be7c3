// Addresses as hubs use them: percent-encoding, which host a secret belongs to, where a redirect leads, and
// what of an address may be shown. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

// RFC 3986: all but letters, digits and -._~ becomes %XX; slashes stay where keep_slashes.
std::string percent_encode(std::string_view text, bool keep_slashes);

// "host:port" or "host" of an address; never its user, password, path or query.
std::string web_host(std::string_view url);
// Without user, password, query and fragment: a signed address shows nothing that can be used.
std::string shown_url(std::string_view url);
// Same scheme, host and port: where a secret for `a` may be sent to `b`.
bool same_origin(const std::string& a, const std::string& b);
// The address that a Location field means, seen from `base`. Errors: kInvalidArgument (not http or https;
// from https to http, which would show everything to anyone on the way).
Result<std::string> redirect_target(const std::string& base, const std::string& location);
// "http://user:password@host/" without the user and password, which are put in `user_info` (percent-decoded).
Result<std::string> without_user_info(const std::string& url, std::string& user_info);

// What a Retry-After field asks for, in seconds from `now` (RFC 9110 section 10.2.3: seconds or a date).
// Nothing where it is neither; dates that are past give 0.
std::optional<int64_t> parse_retry_after(std::string_view text, int64_t now);
// The address of rel="next" in a Link field (RFC 8288); "": none.
std::string next_link(std::string_view field);

}  // namespace hadal
