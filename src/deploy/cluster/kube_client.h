// KubeClient: one conversation with a Kubernetes API server: credentials on every request, a refused one
// renewed once, busy and broken answers tried again within bounds. Every request it is given may be sent
// twice (reads, server-side apply, deletion under preconditions). Blocking; one thread at a time: another
// thread takes a client of its own from another().
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/kube_config.h"
#include "deploy/cluster/kube_credential.h"
#include "deploy/cluster/kube_path.h"
#include "net/curl_client.h"

namespace hadal::cluster {

inline constexpr char kFieldManager[] = "hadal";

struct KubeCall {
  std::string method = "GET";
  std::string path;
  KubeQuery query;
  Json body;  // null: none
  std::string content_type = "application/json";
  bool is_json = true;    // of the answer; false: any text
  bool try_again = true;  // false: the first answer stands, whatever it is
};

struct KubeReply {
  int status = 0;
  Json body;                          // null where it is no JSON
  std::string text;                   // where it is not
  std::vector<std::string> warnings;  // the server's words on what was sent
  bool ok() const { return status >= 200 && status < 300; }
};

struct KubeClientOptions {
  int max_attempts = 6;
  std::chrono::milliseconds first_delay{200};   // doubles, with a random part
  std::chrono::milliseconds max_delay{10'000};  // also of a Retry-After
  std::chrono::milliseconds read_timeout{30'000};
};

// What a refusal says, with the field causes and the fix, as the operator reads it.
Error kube_error(const KubeReply& reply, std::string_view what);

class KubeClient {
 public:
  KubeClient(KubeTarget target, std::shared_ptr<KubeCredentialSource> credentials,
             KubeClientOptions options = {}, std::stop_token stop = {});
  ~KubeClient();
  KubeClient(KubeClient&&) noexcept;

  // Any status is a success. Errors: kUnavailable, kDeadlineExceeded, kDataLoss (the connection, after the
  // last try), kUnauthenticated (no credential), kCancelled (stop).
  Result<KubeReply> call(const KubeCall& call);
  // The object, or list, at the path. Errors also: what kube_error makes of a refusal.
  Result<Json> get(const std::string& path, const KubeQuery& query = {});
  // Every item, fetched in pieces, with its apiVersion and kind. resource_version (may be null): the list's.
  Result<std::vector<Json>> list(const std::string& path, KubeQuery query = {},
                                 std::string* resource_version = nullptr);
  Result<std::string> get_text(const std::string& path, const KubeQuery& query = {});
  // Gives the body as it comes. Returns at its end: the status, with the body of an error.
  Result<KubeReply> stream(const std::string& path, const KubeQuery& query, const CurlClient::OnData& on_data,
                           std::chrono::milliseconds silence);

  const KubeTarget& target() const { return target_; }
  std::stop_token stop_token() const { return stop_; }
  KubeClient another(std::stop_token stop) const;
  // False: told to stop before the time was up.
  bool sleep(std::chrono::milliseconds time) const;

 private:
  Result<CurlResponse> send_once(const KubeCall& call, const CurlClient::OnData& on_data,
                                 std::chrono::milliseconds silence);
  // How long to wait before the next try; nullopt: the answer stands.
  std::optional<std::chrono::milliseconds> delay_after(const Result<CurlResponse>& answer, int attempt) const;

  const KubeTarget target_;
  const std::shared_ptr<KubeCredentialSource> credentials_;
  const KubeClientOptions options_;
  const std::stop_token stop_;
  std::string cert_in_use_;
  std::chrono::milliseconds silence_in_use_{0};
  std::unique_ptr<CurlClient> curl_;
};

}  // namespace hadal::cluster
