#include "hub/api_client.h"

#include <condition_variable>
#include <mutex>

#include "hub/hub_json.h"
#include "hub/transfer_loop.h"
#include "hub/transfer_text.h"
#include "hub/web_address.h"
#include "hub/xml_reader.h"

namespace hadal {
namespace {

constexpr std::chrono::milliseconds kBackoff{500};
constexpr std::chrono::milliseconds kMaxBackoff{30'000};

bool is_passing(int status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

// What the body of an error says, without anything that could be a secret or control a terminal.
std::string body_text(const CurlResponse& response) {
  std::string text = hub_error_text(response.body);
  if (text.empty() && response.body.find("<Error>") != std::string::npos && response.body.size() < 65536) {
    const auto xml = parse_xml(response.body);
    if (xml.ok()) text = xml->value("Code");
  }
  std::string out;
  for (char c : text.substr(0, 200)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return out;
}

// What went wrong with a try, for whoever waits for the next one.
std::string problem_of(const Result<CurlResponse>& response, const std::string& host) {
  if (response.ok()) return host + " answers " + std::to_string(response->status);
  // "HOST: what libcurl says"
  const std::string& text = response.error().message;
  return "cannot reach " + host + ": " +
         (text.starts_with(host + ": ") ? text.substr(host.size() + 2) : text);
}

}  // namespace

CurlOptions curl_options(const HubConfig& config) {
  CurlOptions options;
  options.connect_timeout = config.connect_timeout;
  options.read_timeout = config.read_timeout;
  options.min_rate = 1024;
  options.proxy = config.proxy;
  options.http_proxy = config.http_proxy;
  options.ca_file = config.ca_file;
  options.insecure = config.insecure;
  return options;
}

ApiClient::ApiClient(const HubConfig& config, std::stop_token stop,
                     std::function<void(const std::string&)> notice, std::chrono::seconds longest_wait)
    : client_(curl_options(config)),
      max_failures_(config.retries),
      longest_wait_(longest_wait),
      stop_(std::move(stop)),
      notice_(std::move(notice)) {}

bool ApiClient::pause(std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop_, time, [] { return false; });
  return !stop_.stop_requested();
}

Result<CurlResponse> ApiClient::send(const std::function<CurlRequest()>& make) {
  for (int failures = 0;; ++failures) {
    const CurlRequest request = make();
    const std::string host = web_host(request.url);
    auto response = client_.send(request, {}, stop_);
    if (stop_.stop_requested()) return make_error(ErrorCode::kCancelled, "stopped");
    if (response.ok() && !is_passing(response->status)) return response;
    // Bytes that a broken answer left on the connection are no reason to give up.
    const bool noise = !response.ok() && response.error().message.find("HTTP/0.9") != std::string::npos;
    const bool fatal = !response.ok() && !noise &&
                       (response.error().code == ErrorCode::kInvalidArgument ||
                        response.error().code == ErrorCode::kTooLarge ||
                        response.error().code == ErrorCode::kPermissionDenied ||
                        response.error().message.find("certificate") != std::string::npos);
    const bool certificate = fatal && response.error().message.find("certificate") != std::string::npos;
    if (certificate) {
      // "HOST: what libcurl says"
      const std::string& text = response.error().message;
      return make_error(
          response.error().code, host, " ",
          certificate_problem(text.starts_with(host + ": ") ? text.substr(host.size() + 2) : text));
    }
    if (fatal) return response;
    if (failures >= max_failures_) {
      // A connection that breaks at every try is one that cannot be used.
      if (!response.ok())
        return make_error(
            response.error().code == ErrorCode::kDataLoss ? ErrorCode::kUnavailable : response.error().code,
            response.error().message, "; given up after ", failures + 1, " tries");
      return response;
    }
    auto wait = std::min(kMaxBackoff, kBackoff * (1 << std::min(failures, 10)));
    wait = wait / 2 + std::chrono::milliseconds(random_() % static_cast<uint64_t>(wait.count() / 2 + 1));
    const std::string* after = response.ok() ? response->headers.find("Retry-After") : nullptr;
    if (after != nullptr) {
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      const auto asked =
          parse_retry_after(*after, std::chrono::duration_cast<std::chrono::seconds>(now).count());
      if (asked && *asked > longest_wait_.count()) {
        return make_error(ErrorCode::kUnavailable, host, " answers ", response->status,
                          " and asks to come back in ", *asked, " seconds: run the same command again then");
      }
      if (asked) wait = std::chrono::milliseconds(*asked * 1000);
    }
    if (notice_) notice_(trying_again(problem_of(response, host), wait, failures + 2, max_failures_ + 1));
    if (!pause(wait)) return make_error(ErrorCode::kCancelled, "stopped");
  }
}

Error status_error(const CurlResponse& response, const std::string& url, const std::string& what) {
  const std::string said = body_text(response);
  const std::string head = what + ": " + web_host(url) + " answers " + std::to_string(response.status) + " " +
                           std::string(http_reason(response.status)) +
                           (said.empty() ? "" : " (" + said + ")");
  if (const std::string* region = response.headers.find("x-amz-bucket-region");
      region != nullptr && (response.status == 301 || response.status == 400)) {
    return make_error(ErrorCode::kInvalidArgument, head, ": the bucket is in region ", region->substr(0, 40),
                      ": give --region");
  }
  switch (response.status) {
    case 401:
      return make_error(
          ErrorCode::kUnauthenticated, head,
          ": it is not there, or asks for a token or keys; see --token-file in hadal pull --help");
    case 403:
      return make_error(ErrorCode::kPermissionDenied, head,
                        ": the token or keys may not read it; a gated model's terms must be accepted first");
    case 404:
      return make_error(ErrorCode::kNotFound, head, ": check the name and the revision");
    default:
      return make_error(ErrorCode::kUnavailable, head);
  }
}

}  // namespace hadal
