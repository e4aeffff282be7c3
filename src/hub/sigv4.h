// AWS Signature Version 4 for S3 and what speaks like it (docs.aws.amazon.com, "Signature Version 4 signing
// process" and "Authenticating requests: using the Authorization header"). Pure; any thread.
//
// Written here because libcurl 7.88's own signer leaves out x-amz-content-sha256 and signs unsorted queries,
// valueless parameters and reserved characters wrongly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http_message.h"

namespace hadal {

struct AwsCredentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // of temporary credentials
  bool empty() const { return access_key.empty(); }
};

struct SigningRequest {
  std::string method = "GET";
  std::string host;  // as in the Host field: with the port where it is not the scheme's
  std::string path;  // not encoded: "/bucket/a key"
  std::vector<std::pair<std::string, std::string>> query;  // not encoded
  HttpHeaders headers;                                     // further fields to sign
  std::string payload_sha256;                              // hex, or "UNSIGNED-PAYLOAD"
};

// "YYYYMMDDTHHMMSSZ".
std::string amz_date(int64_t unix_seconds);
// The path as it is sent and signed: every byte but letters, digits and -._~/ encoded once, nothing tidied.
std::string s3_path(std::string_view path);
// Sorted and encoded, as it is sent and signed: "a=1&b=".
std::string s3_query(std::vector<std::pair<std::string, std::string>> query);
// The fields to send with the request: those given, x-amz-date, x-amz-content-sha256, x-amz-security-token
// where there is one, and Authorization. Without credentials: those given alone.
HttpHeaders sign_v4(const SigningRequest& request, const AwsCredentials& credentials, std::string_view region,
                    std::string_view service, const std::string& date);
// What is hashed and signed, for tests.
std::string canonical_request(const SigningRequest& request, const HttpHeaders& signed_fields);

inline constexpr char kEmptySha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

}  // namespace hadal
