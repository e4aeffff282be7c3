#include "hub/web_address.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "net/http_message.h"

namespace hadal {
namespace {

using CurlUrl = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

// An answer that asks for more than a year means never.
constexpr int64_t kMaxRetryAfter = 365 * 86400;

CurlUrl parse(const std::string& url) {
  CurlUrl out(curl_url(), curl_url_cleanup);
  if (out && curl_url_set(out.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) out.reset();
  return out;
}

std::string part(const CurlUrl& url, CURLUPart what, unsigned flags = 0) {
  char* text = nullptr;
  if (!url || curl_url_get(url.get(), what, &text, flags) != CURLUE_OK || text == nullptr) return "";
  const std::string out(text);
  curl_free(text);
  return out;
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string percent_encode(std::string_view text, bool keep_slashes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slashes);
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string web_host(std::string_view url) {
  const size_t scheme = url.find("://");
  const size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  const std::string_view authority = url.substr(begin, end - begin);
  const size_t at = authority.rfind('@');
  return std::string(at == std::string_view::npos ? authority : authority.substr(at + 1));
}

std::string shown_url(std::string_view url) {
  const size_t scheme = url.find("://");
  const size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t path = std::min(url.find_first_of("/?#", begin), url.size());
  const size_t end = std::min(url.find_first_of("?#", begin), url.size());
  return std::string(url.substr(0, begin)) + web_host(url) + std::string(url.substr(path, end - path));
}

bool same_origin(const std::string& a, const std::string& b) {
  const CurlUrl x = parse(a), y = parse(b);
  if (!x || !y) return false;
  const auto equal = [&](CURLUPart what, unsigned flags) {
    return equals_ignoring_case(part(x, what, flags), part(y, what, flags));
  };
  return equal(CURLUPART_SCHEME, 0) && equal(CURLUPART_HOST, 0) && equal(CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

Result<std::string> redirect_target(const std::string& base, const std::string& location) {
  const CurlUrl url = parse(base);
  const bool secure = equals_ignoring_case(part(url, CURLUPART_SCHEME), "https");
  const Error bad = invalid_argument(web_host(base), " redirects to an address that is not understood");
  if (!url || location.empty()) return bad;
  if (curl_url_set(url.get(), CURLUPART_URL, location.c_str(), CURLU_URLENCODE) != CURLUE_OK) return bad;
  const std::string scheme = part(url, CURLUPART_SCHEME);
  const std::string target = part(url, CURLUPART_URL);
  if (target.empty()) return bad;
  const bool to_https = equals_ignoring_case(scheme, "https");
  if (!to_https && !equals_ignoring_case(scheme, "http")) {
    return invalid_argument(web_host(base), " redirects to ", scheme, ", which is not fetched");
  }
  if (secure && !to_https) {
    return invalid_argument(web_host(base), " redirects from https to plain http at ", web_host(target),
                            ", which is not followed");
  }
  return target;
}

Result<std::string> without_user_info(const std::string& url, std::string& user_info) {
  const CurlUrl parsed = parse(url);
  const std::string scheme = part(parsed, CURLUPART_SCHEME);
  if (!parsed || (scheme != "http" && scheme != "https") || part(parsed, CURLUPART_HOST).empty()) {
    return invalid_argument("\"", shown_url(url), "\" is no http or https address");
  }
  const std::string user = part(parsed, CURLUPART_USER, CURLU_URLDECODE);
  const std::string password = part(parsed, CURLUPART_PASSWORD, CURLU_URLDECODE);
  if (!user.empty() || !password.empty()) user_info = user + ":" + password;
  curl_url_set(parsed.get(), CURLUPART_USER, nullptr, 0);
  curl_url_set(parsed.get(), CURLUPART_PASSWORD, nullptr, 0);
  curl_url_set(parsed.get(), CURLUPART_FRAGMENT, nullptr, 0);
  return part(parsed, CURLUPART_URL);
}

std::optional<int64_t> parse_retry_after(std::string_view text, int64_t now) {
  text = trim_blanks(text);
  if (text.empty() || text.size() > 64) return std::nullopt;
  if (text.find_first_not_of("0123456789") == std::string_view::npos) {
    int64_t seconds = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
    return read.ec == std::errc() ? std::min(seconds, kMaxRetryAfter) : kMaxRetryAfter;
  }
  // A date begins with a letter: "-5" and "1.5" are nothing.
  const char first = text.front();
  if (!((first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z'))) return std::nullopt;
  const time_t at = curl_getdate(std::string(text).c_str(), nullptr);
  if (at < 0) return std::nullopt;
  return std::clamp<int64_t>(static_cast<int64_t>(at) - now, 0, kMaxRetryAfter);
}

std::string next_link(std::string_view field) {
  while (!field.empty()) {
    const size_t open = field.find('<');
    const size_t close = field.find('>', open == std::string_view::npos ? 0 : open);
    if (open == std::string_view::npos || close == std::string_view::npos) return "";
    const std::string_view url = field.substr(open + 1, close - open - 1);
    const size_t end = std::min(field.find(",", close), field.size());
    const std::string_view parameters = field.substr(close + 1, end - close - 1);
    if (parameters.find("rel=\"next\"") != std::string_view::npos ||
        parameters.find("rel=next") != std::string_view::npos) {
      return std::string(url);
    }
    field.remove_prefix(std::min(end + 1, field.size()));
  }
  return "";
}

}  // namespace hadal
