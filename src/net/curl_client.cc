#include "net/curl_client.h"

#include <curl/curl.h>

#include <optional>

namespace hadal {
namespace {

using CurlHeaders = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

// One request as it runs. libcurl calls its members.
struct Transfer {
  const CurlRequest& request;
  const CurlClient::OnData& on_data;
  const std::stop_token stop;
  CURL* easy;
  CurlResponse response = {};
  bool too_large = false;
  bool refused = false;

  size_t take_header(std::string_view line) {
    if (line.starts_with("HTTP/")) {
      // A new answer: after a redirect or "100 Continue".
      response.headers = {};
      response.body.clear();
      return line.size();
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return line.size();
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.back() == '\r' || value.back() == '\n' || value.back() == ' '))
      value.remove_suffix(1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    response.headers.add(line.substr(0, colon), value);
    return line.size();
  }

  bool take_data(std::string_view data) {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 300 && status < 400 && request.max_redirects > 0) return true;
    if (on_data && status < 400) {
      refused = !on_data(data);
      return !refused;
    }
    too_large = response.body.size() + data.size() > request.max_body_bytes;
    if (too_large) return false;
    response.body += data;
    return true;
  }
};

extern "C" size_t curl_on_header(char* data, size_t, size_t count, void* transfer) {
  return static_cast<Transfer*>(transfer)->take_header({data, count});
}
extern "C" size_t curl_on_data(char* data, size_t, size_t count, void* transfer) {
  return static_cast<Transfer*>(transfer)->take_data({data, count}) ? count : count + 1;
}
extern "C" int curl_on_progress(void* transfer, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(transfer)->stop.stop_requested() ? 1 : 0;
}

void set_blob(CURL* easy, CURLoption option, const std::string& text) {
  if (text.empty()) return;
  curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

std::string host_of(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  const size_t at = url.rfind('@', end);
  const size_t from = at != std::string::npos && at >= begin ? at + 1 : begin;
  return url.substr(from, end - from);
}

ErrorCode error_code_of(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return ErrorCode::kInvalidArgument;
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorCode::kDeadlineExceeded;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return ErrorCode::kDataLoss;
    case CURLE_ABORTED_BY_CALLBACK:
      return ErrorCode::kCancelled;
    default:
      return ErrorCode::kUnavailable;
  }
}

}  // namespace

void initialize_curl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  HADAL_CHECK(code == CURLE_OK) << curl_easy_strerror(code);
}

struct CurlClient::Impl {
  explicit Impl(CurlOptions o) : options(std::move(o)) {
    initialize_curl();
    easy.reset(curl_easy_init());
    HADAL_CHECK(easy != nullptr) << "out of memory";
  }

  void set_options(const CurlRequest& request, Transfer& transfer) {
    CURL* e = easy.get();
    curl_easy_reset(e);  // connections stay
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    const bool https = request.url.starts_with("https:");
    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, request.max_redirects > 0 ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_MAXREDIRS, static_cast<long>(request.max_redirects));
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT,
                     static_cast<long>(request.method == "GET" ? options.min_rate : 1));
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME,
                     static_cast<long>(std::max<int64_t>(1, options.read_timeout.count() / 1000)));
    curl_easy_setopt(e, CURLOPT_USERAGENT, options.user_agent.c_str());
    if (!options.proxy.empty()) {
      curl_easy_setopt(e, CURLOPT_PROXY, options.proxy == "none" ? "" : options.proxy.c_str());
    } else if (!https && !options.http_proxy.empty()) {
      curl_easy_setopt(e, CURLOPT_PROXY, options.http_proxy.c_str());
    }
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, curl_on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, curl_on_data);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, curl_on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, &transfer);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, error_text);
    error_text[0] = '\0';
    set_tls();
  }

  void set_tls() {
    CURL* e = easy.get();
    curl_easy_setopt(e, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, options.insecure ? 0L : 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, options.insecure ? 0L : 2L);
    if (!options.ca_file.empty()) curl_easy_setopt(e, CURLOPT_CAINFO, options.ca_file.c_str());
    set_blob(e, CURLOPT_CAINFO_BLOB, options.ca_pem);
    set_blob(e, CURLOPT_SSLCERT_BLOB, options.client_cert_pem);
    set_blob(e, CURLOPT_SSLKEY_BLOB, options.client_key_pem);
  }

  // libcurl checks the URL's host; another name is connected to, not asked for.
  CurlHeaders set_method(const CurlRequest& request) {
    CURL* e = easy.get();
    const bool has_body = !request.body.empty() || request.method == "POST" || request.method == "PUT" ||
                          request.method == "PATCH";
    if (has_body) {
      curl_easy_setopt(e, CURLOPT_POST, 1L);
      curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(e, CURLOPT_POSTFIELDS, request.body.data());
    }
    if (request.method == "HEAD") {
      curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else {
      curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    curl_slist* list = nullptr;
    const auto add = [&list](const std::string& line) {
      curl_slist* longer = curl_slist_append(list, line.c_str());
      if (longer != nullptr) list = longer;
    };
    for (const auto& [name, value] : request.headers.fields())
      add(value.empty() ? name + ";" : name + ": " + value);
    // Neither waits for "100 Continue" nor says that a body is a form.
    add("Expect:");
    if (has_body && request.headers.find("Content-Type") == nullptr) add("Content-Type:");
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, list);
    return CurlHeaders(list, &curl_slist_free_all);
  }

  // The server's certificate must name options.server_name: libcurl connects to the URL's address under it.
  CurlHeaders set_server_name(CurlRequest& request) {
    CurlHeaders none(nullptr, &curl_slist_free_all);
    if (options.server_name.empty()) return none;
    const std::string host = host_of(request.url);
    const size_t colon = host.rfind(':');
    const bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
    const std::string port = has_port ? host.substr(colon + 1) : "443";
    const std::string address = has_port ? host.substr(0, colon) : host;
    const std::string rule = options.server_name + ":" + port + ":" + address + ":" + port;
    curl_slist* list = curl_slist_append(nullptr, rule.c_str());
    request.url.replace(request.url.find(host), host.size(), options.server_name + ":" + port);
    curl_easy_setopt(easy.get(), CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_CONNECT_TO, list);
    return CurlHeaders(list, &curl_slist_free_all);
  }

  Error failure(CURLcode code, const Transfer& transfer, const std::string& host) const {
    if (transfer.stop.stop_requested() || transfer.refused)
      return make_error(ErrorCode::kCancelled, host, ": the request was ended");
    if (transfer.too_large) {
      return make_error(ErrorCode::kTooLarge, host, ": the answer is longer than ",
                        transfer.request.max_body_bytes, " bytes");
    }
    long proxy_status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    if (proxy_status == 403 || proxy_status == 407) {
      return make_error(ErrorCode::kPermissionDenied, host, ": the proxy answers ", proxy_status, " ",
                        http_reason(static_cast<int>(proxy_status)));
    }
    const char* text = error_text[0] != '\0' ? error_text : curl_easy_strerror(code);
    return make_error(error_code_of(code), host, ": ", text);
  }

  CurlOptions options;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy{nullptr, &curl_easy_cleanup};
  char error_text[CURL_ERROR_SIZE] = {};
};

CurlClient::CurlClient(CurlOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
CurlClient::~CurlClient() = default;
CurlClient::CurlClient(CurlClient&&) noexcept = default;
CurlClient& CurlClient::operator=(CurlClient&&) noexcept = default;

Result<CurlResponse> CurlClient::send(const CurlRequest& request, const OnData& on_data,
                                      std::stop_token stop) {
  CurlRequest sent = request;
  const std::string host = host_of(request.url);
  Transfer transfer{request, on_data, std::move(stop), impl_->easy.get()};
  impl_->set_options(sent, transfer);
  const CurlHeaders headers = impl_->set_method(sent);
  const CurlHeaders connect_to = impl_->set_server_name(sent);
  const CURLcode code = curl_easy_perform(impl_->easy.get());
  if (code != CURLE_OK) return impl_->failure(code, transfer, host);
  long status = 0;
  char* url = nullptr;
  curl_easy_getinfo(impl_->easy.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(impl_->easy.get(), CURLINFO_EFFECTIVE_URL, &url);
  transfer.response.status = static_cast<int>(status);
  transfer.response.url = url == nullptr ? request.url : url;
  return std::move(transfer.response);
}

}  // namespace hadal
