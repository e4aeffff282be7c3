// ApiClient: small requests to hubs and stores (lists, heads), tried again where that can help: lost
// connections, 408, 429, 5xx; waits as Retry-After says. One thread; blocking.
#pragma once

#include <chrono>
#include <functional>
#include <random>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "config/hub_config.h"
#include "net/curl_client.h"

namespace hadal {

class ApiClient {
 public:
  // longest_wait: for a Retry-After; more than that is an error.
  ApiClient(const HubConfig& config, std::stop_token stop, std::function<void(const std::string&)> notice,
            std::chrono::seconds longest_wait = std::chrono::minutes(30));

  // make: the request, anew for each try (signatures have a date). Any status but those that are tried again
  // is a success. Errors: kUnavailable after the last try, kCancelled; each names the host.
  Result<CurlResponse> send(const std::function<CurlRequest()>& make);

 private:
  bool pause(std::chrono::milliseconds time);

  CurlClient client_;
  const int max_failures_;
  const std::chrono::seconds longest_wait_;
  const std::stop_token stop_;
  const std::function<void(const std::string&)> notice_;
  std::mt19937_64 random_{std::random_device{}()};
};

CurlOptions curl_options(const HubConfig& config);
// The error for a status that is no success: names host, status and what can be done; `what` was asked for.
Error status_error(const CurlResponse& response, const std::string& url, const std::string& what);

}  // namespace hadal
