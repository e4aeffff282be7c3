// CurlClient: HTTP over libcurl for the commands that talk to other people's servers (object stores, model
// hubs, the Kubernetes API): redirects, proxies, client certificates, HTTP/2 where the server has it.
// Blocking; keeps connections between requests. One thread at a time; make one client per thread.
//
// Proxies: CurlOptions::proxy, or else libcurl's variables (https_proxy, no_proxy, ...).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"

namespace hadal {

// What libcurl wants once before it is used; any thread, any number of times.
void initialize_curl();

struct CurlOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  // Silence from the server that ends the request.
  std::chrono::milliseconds read_timeout{60'000};
  int64_t min_rate = 1;         // of a GET, bytes a second; fewer over read_timeout are silence too
  std::string proxy;            // "http://host:port"; "": from the environment; "none": no proxy
  std::string http_proxy;       // for http addresses, where `proxy` is ""
  std::string ca_file;          // PEM, in place of the system's
  std::string ca_pem;           // the same, as text
  std::string client_cert_pem;  // with client_key_pem: who we are
  std::string client_key_pem;
  std::string server_name;  // checked against the certificate in place of the URL's host
  bool insecure = false;    // TLS without verifying the server
  std::string user_agent = "hadal";
};

struct CurlRequest {
  std::string method = "GET";
  std::string url;
  HttpHeaders headers;
  std::string body;  // sent where it is not empty, and always with POST, PUT and PATCH
  // Redirects to follow. Authorization goes only to the first host, and no redirect leaves https for http.
  int max_redirects = 0;
  size_t max_body_bytes = size_t{64} << 20;    // of a body that is kept
  std::chrono::milliseconds total_timeout{0};  // of the whole request; 0: none
};

struct CurlResponse {
  int status = 0;
  HttpHeaders headers;  // of the last answer
  std::string body;
  std::string url;  // after redirects
};

class CurlClient {
 public:
  explicit CurlClient(CurlOptions options);
  ~CurlClient();
  CurlClient(CurlClient&&) noexcept;
  CurlClient& operator=(CurlClient&&) noexcept;

  // Takes pieces of the body as they come; false ends the request (kCancelled). Bodies of errors (400 and up)
  // are kept, and not given to it.
  using OnData = std::function<bool(std::string_view data)>;

  // Any status is a success. Errors: kInvalidArgument (URL), kUnavailable (cannot connect, name unknown,
  // TLS), kDeadlineExceeded, kCancelled (stop), kDataLoss (cut), kTooLarge; each names the host and what
  // failed.
  Result<CurlResponse> send(const CurlRequest& request, const OnData& on_data = {},
                            std::stop_token stop = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
