#include "deploy/cluster/kube_client.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <random>

#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

constexpr int kPageSize = 500;
constexpr size_t kMaxItems = 200'000;

ErrorCode error_code_of_status(int status) {
  switch (status) {
    case 400:
    case 409:
    case 422:
      return ErrorCode::kInvalidArgument;
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
    case 410:
      return ErrorCode::kNotFound;
    case 413:
      return ErrorCode::kTooLarge;
    case 415:
      return ErrorCode::kUnsupported;
    case 429:
      return ErrorCode::kResourceExhausted;
    case 504:
      return ErrorCode::kDeadlineExceeded;
    default:
      return status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInternal;
  }
}

std::string shortened(std::string_view text, size_t limit) {
  const std::string line(text.substr(0, text.find('\n')));
  return line.size() <= limit ? line : line.substr(0, limit) + "...";
}

// The text of `Warning: 299 - "text"` (RFC 7234 section 5.5).
std::string warning_text(const std::string& value) {
  const size_t open = value.find('"'), close = value.rfind('"');
  if (open == std::string::npos || close <= open) return value;
  std::string out;
  for (size_t i = open + 1; i < close; ++i) {
    if (value[i] == '\\' && i + 1 < close) ++i;
    out += value[i];
  }
  return out;
}

KubeReply make_reply(CurlResponse answer, bool is_json) {
  KubeReply out;
  out.status = answer.status;
  for (const auto& [name, value] : answer.headers.fields()) {
    if (equals_ignoring_case(name, "Warning")) out.warnings.push_back(warning_text(value));
  }
  if (is_json || answer.status >= 400) {
    auto parsed = parse_json(answer.body);
    if (parsed.ok()) out.body = std::move(*parsed);
  }
  if (out.body.is_null()) out.text = std::move(answer.body);
  return out;
}

// A certificate that is refused now will be refused again.
bool may_retry(const Error& error) {
  if (error.message.find("certificate") != std::string::npos ||
      error.message.find("SSL peer") != std::string::npos)
    return false;
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDataLoss ||
         error.code == ErrorCode::kDeadlineExceeded;
}

}  // namespace

Error kube_error(const KubeReply& reply, std::string_view what) {
  std::string message(text_at(reply.body, "message"));
  if (message.empty()) message = shortened(reply.text, 300);
  if (message.empty()) message = "HTTP " + std::to_string(reply.status);
  // The message lists the causes, but for some servers and proxies.
  for (const Json& cause : array_at(reply.body, "details.causes")) {
    const std::string_view field = text_at(cause, "field"), text = text_at(cause, "message");
    if (message.find(text) == std::string::npos)
      message += "\n  " + std::string(field) + (field.empty() ? "" : ": ") + std::string(text);
  }
  if (reply.status == 401)
    message += ": the cluster does not accept these credentials; log in again or choose another --context";
  if (reply.status == 403) message += "; docs/deploy.md lists the rights that hadal deploy needs";
  return make_error(error_code_of_status(reply.status), what, what.empty() ? "" : ": ", message);
}

KubeClient::KubeClient(KubeTarget target, std::shared_ptr<KubeCredentialSource> credentials,
                       KubeClientOptions options, std::stop_token stop)
    : target_(std::move(target)), credentials_(std::move(credentials)), options_(options), stop_(stop) {}
KubeClient::~KubeClient() = default;
KubeClient::KubeClient(KubeClient&&) noexcept = default;

KubeClient KubeClient::another(std::stop_token stop) const {
  return KubeClient(target_, credentials_, options_, std::move(stop));
}

bool KubeClient::sleep(std::chrono::milliseconds time) const {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop_, time, [] { return false; });
  return !stop_.stop_requested();
}

Result<CurlResponse> KubeClient::send_once(const KubeCall& call, const CurlClient::OnData& on_data,
                                           std::chrono::milliseconds silence) {
  HADAL_ASSIGN(const KubeCredential credential, credentials_->get());
  if (curl_ == nullptr || cert_in_use_ != credential.client_cert_pem || silence_in_use_ != silence) {
    CurlOptions options;
    options.read_timeout = silence;
    options.proxy = target_.cluster.proxy_url;
    options.ca_pem = target_.cluster.ca_pem;
    options.client_cert_pem = credential.client_cert_pem;
    options.client_key_pem = credential.client_key_pem;
    options.server_name = target_.cluster.tls_server_name;
    options.insecure = target_.cluster.insecure;
    curl_ = std::make_unique<CurlClient>(std::move(options));
    cert_in_use_ = credential.client_cert_pem;
    silence_in_use_ = silence;
  }
  CurlRequest request;
  request.method = call.method;
  request.url = target_.cluster.server + call.path + query_text(call.query);
  request.headers.add("Accept", call.is_json ? "application/json" : "*/*");
  if (!credential.authorization.empty()) request.headers.add("Authorization", credential.authorization);
  if (!target_.user.impersonate.empty()) request.headers.add("Impersonate-User", target_.user.impersonate);
  for (const std::string& group : target_.user.impersonate_groups)
    request.headers.add("Impersonate-Group", group);
  if (!call.body.is_null()) {
    request.headers.add("Content-Type", call.content_type);
    request.body = to_json(call.body);
  }
  return curl_->send(request, on_data, stop_);
}

std::optional<std::chrono::milliseconds> KubeClient::delay_after(const Result<CurlResponse>& answer,
                                                                 int attempt) const {
  if (attempt >= options_.max_attempts || stop_.stop_requested()) return std::nullopt;
  if (!answer.ok() && !may_retry(answer.error())) return std::nullopt;
  const int status = answer.ok() ? answer->status : 0;
  if (answer.ok() && status != 429 && status != 500 && status != 502 && status != 503 && status != 504)
    return std::nullopt;
  auto delay = std::min(options_.max_delay, options_.first_delay * (1 << std::min(attempt - 1, 10)));
  if (const std::string* after = answer.ok() ? answer->headers.find("Retry-After") : nullptr) {
    int seconds = 0;
    std::from_chars(after->data(), after->data() + after->size(), seconds);
    delay = std::clamp(std::chrono::milliseconds(std::chrono::seconds(std::clamp(seconds, 0, 3600))), delay,
                       options_.max_delay);
  }
  std::random_device random;
  return delay + delay * static_cast<int>(random() % 30) / 100;
}

Result<KubeReply> KubeClient::call(const KubeCall& call) {
  bool renewed = false;
  for (int attempt = 1;; ++attempt) {
    auto answer = send_once(call, {}, options_.read_timeout);
    if (answer.ok() && answer->status == 401 && !renewed && credentials_->refresh()) {
      renewed = true;
      continue;
    }
    const auto delay = call.try_again ? delay_after(answer, attempt) : std::nullopt;
    if (!delay.has_value()) {
      if (answer.ok()) return make_reply(std::move(*answer), call.is_json);
      if (stop_.stop_requested()) return make_error(ErrorCode::kCancelled, "it was told to stop");
      const std::string tries = attempt > 1 ? " (tried " + std::to_string(attempt) + " times)" : "";
      return make_error(answer.error().code, "cannot reach the cluster of context ", target_.context, ": ",
                        answer.error().message, tries);
    }
    if (!sleep(*delay)) return make_error(ErrorCode::kCancelled, "it was told to stop");
  }
}

Result<Json> KubeClient::get(const std::string& path, const KubeQuery& query) {
  KubeCall request;
  request.path = path;
  request.query = query;
  HADAL_ASSIGN(KubeReply reply, call(request));
  if (!reply.ok()) return kube_error(reply, "");
  if (!reply.body.is_object())
    return make_error(ErrorCode::kDataLoss, path, " of the cluster is no JSON object: is ",
                      target_.cluster.server, " a Kubernetes API server?");
  return std::move(reply.body);
}

Result<std::vector<Json>> KubeClient::list(const std::string& path, KubeQuery query,
                                           std::string* resource_version) {
  std::vector<Json> out;
  std::string next;
  query.emplace_back("limit", std::to_string(kPageSize));
  const size_t num_fixed = query.size();
  do {
    query.resize(num_fixed);
    if (!next.empty()) query.emplace_back("continue", next);
    auto page = get(path, query);
    if (!page.ok() && page.error().code == ErrorCode::kNotFound && !next.empty()) {
      // The list grew too old to be continued (410): from the start.
      out.clear();
      next.clear();
      query.resize(num_fixed);
      page = get(path, query);
    }
    if (!page.ok()) return page.error();
    std::string kind(kind_of(*page));
    if (kind.ends_with("List")) kind.resize(kind.size() - 4);
    const std::string_view api_version = text_at(*page, "apiVersion");
    for (const Json& item : array_at(*page, "items")) {
      Json& added = out.emplace_back(item);
      if (kind_of(added).empty()) added.set("kind", kind);
      if (text_at(added, "apiVersion").empty()) added.set("apiVersion", api_version);
    }
    next = text_at(*page, "metadata.continue");
    if (resource_version != nullptr) *resource_version = text_at(*page, "metadata.resourceVersion");
    if (out.size() > kMaxItems)
      return make_error(ErrorCode::kTooLarge, path, " lists more than ", kMaxItems, " objects");
  } while (!next.empty());
  return out;
}

Result<std::string> KubeClient::get_text(const std::string& path, const KubeQuery& query) {
  KubeCall request;
  request.path = path;
  request.query = query;
  request.is_json = false;
  HADAL_ASSIGN(KubeReply reply, call(request));
  if (!reply.ok()) return kube_error(reply, "");
  return std::move(reply.text);
}

Result<KubeReply> KubeClient::stream(const std::string& path, const KubeQuery& query,
                                     const CurlClient::OnData& on_data, std::chrono::milliseconds silence) {
  KubeCall request;
  request.path = path;
  request.query = query;
  for (bool renewed = false;; renewed = true) {
    HADAL_ASSIGN(CurlResponse answer, send_once(request, on_data, silence));
    if (answer.status == 401 && !renewed && credentials_->refresh()) continue;
    return make_reply(std::move(answer), false);
  }
}

}  // namespace hadal::cluster
