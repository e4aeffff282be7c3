// S3Store: one bucket: addresses, signed requests, lists and heads. S3's REST API
// (docs.aws.amazon.com/AmazonS3/latest/API), as MinIO, Ceph and others speak it too. One thread.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "hub/api_client.h"
#include "hub/credentials.h"
#include "hub/listing.h"

namespace hadal {

using S3Query = std::vector<std::pair<std::string, std::string>>;

struct S3Object {
  std::string key;
  int64_t size = 0;
  std::string etag;  // quotes kept
};

// One page of ListObjectsV2 with encoding-type=url. next: the continuation token; "": the last page.
Status parse_s3_list(std::string_view xml, std::vector<S3Object>& objects, std::string& next);
// What the fields of a HEAD say about the content's checksum; a part's size (of ETags and checksums of parts)
// is left 0.
Checksum s3_checksum(const HttpHeaders& headers);

class S3Store {
 public:
  S3Store(S3Access access, std::string bucket);

  const std::string& bucket() const { return bucket_; }
  std::string url(const std::string& key, const S3Query& query = {}) const;
  // Signed now. headers: further ones, signed too.
  CurlRequest request(const std::string& method, const std::string& key, const S3Query& query = {},
                      const HttpHeaders& headers = {}, std::string body = {}) const;
  HttpHeaders get_headers(const std::string& key) const;

  // All objects whose key begins so.
  Result<std::vector<S3Object>> list(ApiClient& api, const std::string& prefix) const;
  // Size, ETag and the best checksum that a HEAD gives. kNotFound.
  Result<RemoteFile> head(ApiClient& api, const std::string& key) const;

 private:
  std::string path(const std::string& key) const;
  const S3Access access_;
  const std::string bucket_;
  std::string origin_;  // "https://bucket.host"
  std::string host_;    // as signed
  std::string base_path_;
};

int64_t unix_now();

// What hadal push writes beside the content: the SHA-256 of the whole object, in hex.
inline constexpr char kS3Sha256Field[] = "x-amz-meta-hadal-sha256";

}  // namespace hadal
