#include "hub/sigv4.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "hub/digest.h"
#include "hub/field_text.h"
#include "hub/web_address.h"

namespace hadal {
namespace {

// Trimmed, and runs of spaces within made one.
std::string folded(std::string_view value) {
  std::string out;
  for (char c : value) {
    const bool space = c == ' ' || c == '\t';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// By name; values of one name joined by commas.
std::map<std::string, std::string> canonical_fields(const HttpHeaders& headers) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : headers.fields()) {
    const auto [at, fresh] = out.emplace(lower_case(name), folded(value));
    if (!fresh) at->second += "," + folded(value);
  }
  return out;
}

std::string field_names(const std::map<std::string, std::string>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += (out.empty() ? "" : ";") + name;
  return out;
}

}  // namespace

std::string amz_date(int64_t unix_seconds) {
  const auto seconds = static_cast<time_t>(unix_seconds);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return text;
}

std::string s3_path(std::string_view path) {
  return path.empty() ? "/" : percent_encode(path, true);
}

std::string s3_query(std::vector<std::pair<std::string, std::string>> query) {
  for (auto& [name, value] : query) {
    name = percent_encode(name, false);
    value = percent_encode(value, false);
  }
  std::sort(query.begin(), query.end());
  std::string out;
  for (const auto& [name, value] : query) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

std::string canonical_request(const SigningRequest& request, const HttpHeaders& signed_fields) {
  const auto fields = canonical_fields(signed_fields);
  std::string out = request.method + "\n" + s3_path(request.path) + "\n" + s3_query(request.query) + "\n";
  for (const auto& [name, value] : fields) out += name + ":" + value + "\n";
  return out + "\n" + field_names(fields) + "\n" + request.payload_sha256;
}

HttpHeaders sign_v4(const SigningRequest& request, const AwsCredentials& credentials, std::string_view region,
                    std::string_view service, const std::string& date) {
  HttpHeaders out = request.headers;
  if (credentials.empty()) return out;
  out.set("x-amz-date", date);
  out.set("x-amz-content-sha256", request.payload_sha256);
  if (!credentials.session_token.empty()) out.set("x-amz-security-token", credentials.session_token);
  HttpHeaders signed_fields = out;
  signed_fields.set("host", request.host);
  const std::string day = date.substr(0, 8);
  const std::string scope = day + "/" + std::string(region) + "/" + std::string(service) + "/aws4_request";
  const std::string text = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" +
                           to_hex(digest_of(DigestKind::kSha256, canonical_request(request, signed_fields)));
  std::string key = hmac_of_sha256("AWS4" + credentials.secret_key, day);
  for (std::string_view step : {region, service, std::string_view("aws4_request")})
    key = hmac_of_sha256(key, step);
  out.set("Authorization", "AWS4-HMAC-SHA256 Credential=" + credentials.access_key + "/" + scope +
                               ", SignedHeaders=" + field_names(canonical_fields(signed_fields)) +
                               ", Signature=" + to_hex(hmac_of_sha256(key, text)));
  return out;
}

}  // namespace hadal
