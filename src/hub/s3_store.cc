#include "hub/s3_store.h"

#include <algorithm>
#include <charconv>

#include "hub/digest.h"
#include "hub/field_text.h"
#include "hub/web_address.h"
#include "hub/xml_reader.h"
#include "net/http_message.h"

namespace hadal {
namespace {

constexpr size_t kMaxObjects = 200'000;

// Keys come as in a query: some stores write a space as a plus.
std::string decode_key(std::string text) {
  std::replace(text.begin(), text.end(), '+', ' ');
  return percent_decode(text);
}

std::string unquoted(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

bool is_hex_etag(const std::string& text, size_t length) {
  return text.size() == length && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Status parse_s3_list(std::string_view xml, std::vector<S3Object>& objects, std::string& next) {
  HADAL_ASSIGN(const XmlNode root, parse_xml(xml));
  if (root.name != "ListBucketResult") return invalid_argument("the answer is no list of objects");
  const bool encoded = root.value("EncodingType") == "url";
  for (const XmlNode& node : root.children) {
    if (node.name != "Contents") continue;
    S3Object object;
    object.key = encoded ? decode_key(node.value("Key")) : node.value("Key");
    object.size = number_in(node.value("Size"));
    object.etag = node.value("ETag");
    if (object.key.empty() || object.size < 0)
      return invalid_argument("the list has an object without key or size");
    if (objects.size() >= kMaxObjects)
      return make_error(ErrorCode::kTooLarge, "over ", kMaxObjects, " objects");
    objects.push_back(std::move(object));
  }
  next = root.value("IsTruncated") == "true" ? root.value("NextContinuationToken") : "";
  return {};
}

Checksum s3_checksum(const HttpHeaders& headers) {
  const std::string own = header_of(headers, kS3Sha256Field);
  if (is_hex_etag(own, 64)) return {Checksum::Kind::kSha256, own};
  const std::string etag = unquoted(header_of(headers, "ETag"));
  const bool etag_of_parts = etag.size() > 33 && etag[32] == '-' && is_hex_etag(etag.substr(0, 32), 32);
  const std::string sum = header_of(headers, "x-amz-checksum-sha256");
  const size_t dash = sum.find('-');
  const std::string raw = from_base64(sum.substr(0, dash));
  if (raw.size() == 32) {
    // After an upload in parts a SHA-256 is always that of the parts; some stores leave the "-N" out.
    const bool parts = dash != std::string::npos || etag_of_parts;
    return {parts ? Checksum::Kind::kSha256OfParts : Checksum::Kind::kSha256, to_hex(raw)};
  }
  // With keys of the user or of KMS the ETag is no MD5.
  const std::string encryption = header_of(headers, "x-amz-server-side-encryption");
  const bool opaque = encryption.starts_with("aws:kms") ||
                      headers.find("x-amz-server-side-encryption-customer-algorithm") != nullptr;
  if (!opaque && is_hex_etag(etag, 32)) return {Checksum::Kind::kMd5, etag};
  if (!opaque && etag_of_parts) return {Checksum::Kind::kMd5OfParts, etag.substr(0, 32)};
  return {};
}

S3Store::S3Store(S3Access access, std::string bucket)
    : access_(std::move(access)), bucket_(std::move(bucket)) {
  const size_t scheme = access_.endpoint.find("://") + 3;
  const size_t slash = std::min(access_.endpoint.find('/', scheme), access_.endpoint.size());
  host_ = access_.endpoint.substr(scheme, slash - scheme);
  base_path_ = access_.endpoint.substr(slash);
  // A certificate for *.host does not cover a bucket with dots.
  if (access_.path_style || bucket_.find('.') != std::string::npos) {
    base_path_ += "/" + bucket_;
  } else {
    host_ = bucket_ + "." + host_;
  }
  origin_ = access_.endpoint.substr(0, scheme) + host_;
}

std::string S3Store::path(const std::string& key) const {
  return base_path_ + "/" + key;
}

std::string S3Store::url(const std::string& key, const S3Query& query) const {
  const std::string text = s3_query(query);
  return origin_ + s3_path(path(key)) + (text.empty() ? "" : "?" + text);
}

CurlRequest S3Store::request(const std::string& method, const std::string& key, const S3Query& query,
                             const HttpHeaders& headers, std::string body) const {
  SigningRequest signing;
  signing.method = method;
  signing.host = host_;
  signing.path = path(key);
  signing.query = query;
  signing.headers = headers;
  signing.payload_sha256 = body.empty() ? kEmptySha256 : to_hex(digest_of(DigestKind::kSha256, body));
  CurlRequest out;
  out.method = method;
  out.url = url(key, query);
  out.headers = sign_v4(signing, access_.credentials, access_.region, "s3", amz_date(unix_now()));
  out.body = std::move(body);
  return out;
}

HttpHeaders S3Store::get_headers(const std::string& key) const {
  return request("GET", key).headers;
}

Result<std::vector<S3Object>> S3Store::list(ApiClient& api, const std::string& prefix) const {
  std::vector<S3Object> objects;
  std::string token;
  do {
    S3Query query{{"list-type", "2"}, {"encoding-type", "url"}, {"max-keys", "1000"}, {"prefix", prefix}};
    if (!token.empty()) query.emplace_back("continuation-token", token);
    HADAL_ASSIGN(const CurlResponse response, api.send([&] { return request("GET", "", query); }));
    const std::string what = "the list of s3://" + bucket_ + "/" + prefix;
    if (response.status != 200) return status_error(response, url(""), what);
    std::string next;
    const Status parsed = parse_s3_list(response.body, objects, next);
    if (!parsed.ok()) return make_error(parsed.error().code, what, ": ", parsed.error().message);
    if (!next.empty() && next == token) return make_error(ErrorCode::kDataLoss, what, " has no end");
    token = next;
  } while (!token.empty());
  return objects;
}

Result<RemoteFile> S3Store::head(ApiClient& api, const std::string& key) const {
  const HttpHeaders headers{{"x-amz-checksum-mode", "ENABLED"}};
  const std::string what = "s3://" + bucket_ + "/" + key;
  HADAL_ASSIGN(const CurlResponse response, api.send([&] { return request("HEAD", key, {}, headers); }));
  if (response.status != 200) return status_error(response, url(key), what);
  RemoteFile file;
  file.url = url(key);
  file.etag = header_of(response.headers, "ETag");
  file.size = number_in(header_of(response.headers, "Content-Length"));
  file.checksum = s3_checksum(response.headers);
  const bool parts = file.checksum.kind == Checksum::Kind::kSha256OfParts ||
                     file.checksum.kind == Checksum::Kind::kMd5OfParts;
  if (!parts) return file;
  // The size of the first part is that of all but the last, for all programs that upload.
  HADAL_ASSIGN(const CurlResponse part, api.send([&] {
    return request("HEAD", key, {{"partNumber", "1"}}, headers);
  }));
  file.checksum.part_bytes = number_in(header_of(part.headers, "Content-Length"));
  if (part.status / 100 != 2 || file.checksum.part_bytes <= 0) file.checksum = {};
  return file;
}

}  // namespace hadal
