#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>

#include "base/json.h"
#include "chat/chat_backend.h"
#include "net/http_client.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

// The message of OpenAI's error shape, or the body's beginning.
std::string error_text(const HttpResponse& response) {
  constexpr size_t kMaxShown = 300;
  const auto body = parse_json(response.body);
  if (body.ok()) {
    const Json* error = body->find("error");
    const Json* message = error == nullptr ? nullptr : error->find("message");
    if (message != nullptr && message->is_string()) return message->as_string();
  }
  return "HTTP " + std::to_string(response.status) + ": " + response.body.substr(0, kMaxShown);
}

std::string text_at(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

int number_at(const Json* object, std::string_view key) {
  const Json* value = object == nullptr ? nullptr : object->find(key);
  return value != nullptr && value->is_int() ? static_cast<int>(value->as_int()) : 0;
}

// A server that is there says its models at once; a person waits for this answer.
constexpr auto kConnectTimeout = std::chrono::seconds(5);
constexpr auto kModelsTimeout = std::chrono::seconds(10);

constexpr auto kLoadPoll = std::chrono::milliseconds(500);

constexpr int kUnauthorized = 401;
constexpr int kNotReady = 503;

std::string seconds_text(std::chrono::milliseconds time) {
  const int64_t seconds = (time.count() + 999) / 1000;
  return seconds < 120 ? std::to_string(seconds) + " s" : std::to_string(seconds / 60) + " min";
}

class UrlBackend final : public ChatBackend {
 public:
  UrlBackend(ChatConfig config, Url base, ChatNotice notice)
      : config_(std::move(config)), base_(std::move(base)), notice_(std::move(notice)) {}

  Status connect() {
    // No other server than one that loads has no list of models yet.
    const auto response = ask_when_loaded([this] { return get("/v1/models"); }, true, {});
    if (!response.ok()) return unreachable(response.error());
    if (response->status == kUnauthorized) {
      return make_error(ErrorCode::kUnavailable, config_.target, ": ", error_text(*response),
                        " (--api-key KEY or HADAL_CHAT_API_KEY gives the server's key)");
    }
    if (response->status != 200) {
      return make_error(ErrorCode::kUnavailable, config_.target, ": ", error_text(*response),
                        response->status == kNotReady ? " (--load-timeout SECONDS waits longer)" : "");
    }
    const auto parsed = parse_json(response->body);
    if (!parsed.ok()) {
      return make_error(ErrorCode::kUnavailable, config_.target,
                        " does not speak the OpenAI API: ", parsed.error().message, " at /v1/models");
    }
    const Json& body = *parsed;
    const Json* data = body.find("data");
    if (data == nullptr || !data->is_array() || data->as_array().empty()) {
      return make_error(ErrorCode::kUnavailable, config_.target, " lists no model at /v1/models");
    }
    if (config_.model_name.empty()) config_.model_name = text_at(data->as_array().front(), "id");
    return {};
  }

  std::string describe() const override { return config_.model_name + " at " + config_.target; }

  Result<ChatAnswer> answer(const std::vector<ChatTurn>& turns, const ChatSink& sink,
                            std::stop_token stop) override {
    HttpRequest request = make_request("POST");
    request.body = request_body(turns);
    request.headers.add("Content-Type", "application/json");
    ChatAnswer out;
    Status failure;
    Clock::time_point start;
    const auto on_event = [&](const SseEvent& event) {
      if (event.data == "[DONE]") return true;
      failure = take_event(event.data, sink, start, out);
      return failure.ok() && !stop.stop_requested();
    };
    // The server may have been started anew since the last answer.
    auto response = ask_when_loaded(
        [&] {
          start = Clock::now();
          return fetch_events(at("/v1/chat/completions"), request, on_event, options(), stop);
        },
        false, stop);
    out.seconds = seconds_since(start);
    if (!failure.ok()) return std::move(failure).error();
    if (stop.stop_requested()) {
      out.stopped = true;
      return out;
    }
    if (!response.ok()) return std::move(response).error();
    if (response->status != 200) return make_error(ErrorCode::kUnavailable, error_text(*response));
    return out;
  }

 private:
  Url at(const std::string& path) const {
    Url url = base_;
    std::string prefix = base_.target;
    while (!prefix.empty() && prefix.back() == '/') prefix.pop_back();
    // Both http://host:1 and http://host:1/v1 are common.
    if (prefix.ends_with("/v1")) prefix.resize(prefix.size() - 3);
    url.target = prefix + path;
    return url;
  }

  Result<HttpResponse> get(const std::string& path) const {
    HttpClientOptions quick = options();
    quick.read_timeout = kModelsTimeout;
    return fetch(at(path), make_request("GET"), quick);
  }

  // How far a server is that says that it loads: 0 to 1; negative where it does not say. Nothing: it does not
  // load. /startupz is hadal's own: of a server that has none, `unknown` says whether it loads.
  std::optional<double> load_progress(bool unknown) const {
    const auto response = get("/startupz");
    if (!response.ok() || response->status != kNotReady) {
      const bool silent = !response.ok() || response->status != 200;
      return silent && unknown ? std::optional<double>(-1) : std::nullopt;
    }
    const auto body = parse_json(response->body);
    const Json* progress = body.ok() ? body->find("progress") : nullptr;
    return progress != nullptr && progress->is_number() ? progress->as_double() : -1;
  }

  // ask(), again and again while the server answers that it loads; load_timeout at the most.
  template <typename Ask>
  Result<HttpResponse> ask_when_loaded(const Ask& ask, bool unknown_loads, std::stop_token stop) const {
    auto response = ask();
    const auto until = Clock::now() + config_.load_timeout;
    bool waited = false;
    while (response.ok() && response->status == kNotReady && Clock::now() < until && !stop.stop_requested()) {
      const auto progress = load_progress(unknown_loads);
      if (!progress) {
        response = ask();  // it may have become ready between the two
        break;
      }
      waited = true;
      notice_(waiting_text(*progress));
      pause(stop);
      auto next = ask();
      // A machine that reads a model may be too busy to answer in time.
      if (!next.ok() && next.error().code == ErrorCode::kDeadlineExceeded) continue;
      response = std::move(next);
    }
    if (waited) notice_("");
    return response;
  }

  std::string waiting_text(double progress) const {
    char percent[16] = "";
    if (progress > 0) std::snprintf(percent, sizeof percent, " %.0f%%,", std::min(progress, 1.0) * 100);
    return "waiting for the model to load..." + std::string(percent) + " " +
           seconds_text(config_.load_timeout) + " at the most (Ctrl-C ends)";
  }

  static void pause(std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, kLoadPoll, [] { return false; });
  }

  Error unreachable(const Error& error) const {
    // OpenSSL's "certificate verify failed".
    const bool distrust = base_.tls && error.message.find("certificate") != std::string::npos;
    return make_error(error.code, "cannot reach ", config_.target, ": ", error.message,
                      distrust ? " (--tls-ca-file FILE names the certificates to trust)" : "");
  }

  HttpClientOptions options() const {
    HttpClientOptions out;
    out.connect_timeout = kConnectTimeout;
    out.ca_file = config_.tls_ca_file;
    out.insecure = config_.insecure;
    return out;
  }

  HttpRequest make_request(const std::string& method) const {
    HttpRequest request;
    request.method = method;
    if (!config_.api_key.empty()) request.headers.add("Authorization", "Bearer " + config_.api_key);
    return request;
  }

  std::string request_body(const std::vector<ChatTurn>& turns) const {
    std::string body;
    JsonWriter json(body);
    json.begin_object().member("model", config_.model_name).member("stream", true);
    json.key("stream_options").begin_object().member("include_usage", true).end_object();
    if (config_.temperature >= 0) json.member("temperature", config_.temperature);
    if (config_.top_p >= 0) json.member("top_p", config_.top_p);
    if (config_.max_tokens > 0) json.member("max_completion_tokens", config_.max_tokens);
    json.key("messages").begin_array();
    for (const ChatTurn& turn : turns) {
      json.begin_object().member("role", turn.role).member("content", turn.content).end_object();
    }
    json.end_array().end_object();
    return body;
  }

  static Status take_event(const std::string& data, const ChatSink& sink, Clock::time_point start,
                           ChatAnswer& out) {
    HADAL_ASSIGN(const Json event, parse_json(data));
    if (const Json* error = event.find("error")) {
      return make_error(ErrorCode::kUnavailable, text_at(*error, "message"));
    }
    if (const Json* usage = event.find("usage"); usage != nullptr && usage->is_object()) {
      out.prompt_tokens = number_at(usage, "prompt_tokens");
      out.completion_tokens = number_at(usage, "completion_tokens");
      out.cached_tokens = number_at(usage->find("prompt_tokens_details"), "cached_tokens");
    }
    const Json* choices = event.find("choices");
    if (choices == nullptr || !choices->is_array() || choices->as_array().empty()) return {};
    const Json& choice = choices->as_array().front();
    if (text_at(choice, "finish_reason") == "length") out.cut = true;
    const Json* delta = choice.find("delta");
    if (delta == nullptr) return {};
    const std::string content = text_at(*delta, "content");
    const std::string reasoning = text_at(*delta, "reasoning_content");
    if (content.empty() && reasoning.empty()) return {};
    if (out.content.empty() && out.reasoning.empty()) out.first_token_seconds = seconds_since(start);
    out.content += content;
    out.reasoning += reasoning;
    sink(reasoning, content);
    return {};
  }

  ChatConfig config_;
  const Url base_;
  const ChatNotice notice_;
};

}  // namespace

Result<std::unique_ptr<ChatBackend>> make_url_backend(const ChatConfig& config, ChatNotice notice) {
  HADAL_ASSIGN(Url base, parse_url(config.target));
  auto backend = std::make_unique<UrlBackend>(config, std::move(base), std::move(notice));
  HADAL_RETURN_IF_ERROR(backend->connect());
  return std::unique_ptr<ChatBackend>(std::move(backend));
}

}  // namespace hadal
