#include "server/api_handler.h"

#include <algorithm>

#include "base/log.h"
#include "base/utf8.h"
#include "net/sse.h"

namespace hadal {
namespace {

constexpr std::string_view kRequestId = "X-Request-ID";
constexpr size_t kMaxRequestIdLen = 256;

// What proxies send ("1-67891233-abcdef012345678912345678;Root=1", "7/=+"), and nothing that a log's reader
// or a header could take for its own syntax.
bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxRequestIdLen &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

// Header names a browser may ask to send: tokens, commas and spaces.
bool is_header_list(std::string_view text) {
  return text.size() <= 1024 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '_' || c == ',' || c == ' ';
         });
}

bool is_json(const HttpRequest& request) {
  const std::string* type = request.headers.find("Content-Type");
  if (!type) return true;
  std::string_view media = std::string_view(*type).substr(0, type->find(';'));
  while (media.ends_with(' ')) media.remove_suffix(1);
  return equals_ignoring_case(media, "application/json");
}

HttpResponse json_response(std::string body, int status = 200) {
  HttpResponse response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

}  // namespace

void ApiHandler::ensure_request_id(HttpRequest& request) {
  const std::string* given = request.headers.find(kRequestId);
  if (!given || !is_request_id(*given)) request.headers.set(kRequestId, state_.next_id("req-"));
}

HttpHeaders ApiHandler::answer_headers(const HttpRequest& request) const {
  HttpHeaders headers;
  if (const std::string* id = request.headers.find(kRequestId)) headers.add(kRequestId, *id);
  const auto& origins = state_.config.cors_origins;
  if (origins.empty()) return headers;
  const bool any = std::find(origins.begin(), origins.end(), "*") != origins.end();
  if (!any) headers.add("Vary", "Origin");
  const std::string* origin = request.headers.find("Origin");
  if (!origin) return headers;
  if (any) {
    headers.add("Access-Control-Allow-Origin", "*");
  } else if (std::find(origins.begin(), origins.end(), *origin) != origins.end()) {
    headers.add("Access-Control-Allow-Origin", *origin);
  } else {
    return headers;
  }
  headers.add("Access-Control-Expose-Headers", "X-Request-ID, Retry-After");
  return headers;
}

// Why a request is turned away before its body is read; the order is: who, where, how, what.
std::optional<ApiError> ApiHandler::refusal(const HttpRequest& head) const {
  const RouteInfo* info = find_route(head.path);
  if (head.method == "OPTIONS" && (info || head.path == "*")) return std::nullopt;
  if (!(info && info->is_open) && !state_.keys.allows(head.headers)) {
    return http_api_error(
        401, "Incorrect or missing API key: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.");
  }
  const bool hidden = info && info->route == Route::kMetrics && !state_.config.enable_metrics;
  if (!info || hidden) {
    return http_api_error(404, "Invalid URL (" + head.method.substr(0, 32) + " " +
                                   utf8_sanitize(head.path.substr(0, 256)) + ")");
  }
  if (!allows_method(*info, head.method)) {
    return http_api_error(405, "Not allowed to " + head.method.substr(0, 32) + " on " +
                                   std::string(info->path) + ": use " + std::string(allowed_methods(*info)) +
                                   ".");
  }
  if (info->is_post) {
    if (!is_json(head)) return http_api_error(415, "Unsupported Content-Type: send 'application/json'.");
    const std::string* coding = head.headers.find("Content-Encoding");
    if (coding && !equals_ignoring_case(*coding, "identity")) {
      return http_api_error(415, "Unsupported Content-Encoding: send the body as it is.");
    }
  }
  const bool needs_model = info->is_post || info->route == Route::kModels || info->route == Route::kModel;
  if (needs_model && !state_.ready.load(std::memory_order_acquire)) {
    return http_api_error(503, "The model is still being loaded.");
  }
  if (info->is_post && state_.draining.load(std::memory_order_relaxed)) {
    return http_api_error(503, "The server is shutting down.");
  }
  return std::nullopt;
}

std::optional<HttpResponse> ApiHandler::check_head(HttpRequest& head) {
  ensure_request_id(head);
  const auto error = refusal(head);
  if (!error) return std::nullopt;
  HttpResponse response = api_error_response(*error, state_.config.retry_after_seconds);
  response.headers.add_all(answer_headers(head));
  if (error->status == 405) response.headers.add("Allow", allowed_methods(*find_route(head.path)));
  return response;
}

HttpResponse ApiHandler::error_response(int status, std::string_view message, HttpRequest& head) {
  ensure_request_id(head);
  std::string text(message);
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  HttpResponse response =
      api_error_response(http_api_error(status, text + "."), state_.config.retry_after_seconds);
  response.headers.add_all(answer_headers(head));
  return response;
}

void ApiHandler::respond_preflight(const RouteInfo& info, const HttpRequest& request,
                                   HttpResponse& out) const {
  out.status = 204;
  out.headers.add("Allow", allowed_methods(info));
  if (!out.headers.find("Access-Control-Allow-Origin") ||
      !request.headers.find("Access-Control-Request-Method"))
    return;
  out.headers.add("Access-Control-Allow-Methods", allowed_methods(info));
  const std::string* wanted = request.headers.find("Access-Control-Request-Headers");
  out.headers.add(
      "Access-Control-Allow-Headers",
      wanted && is_header_list(*wanted) ? *wanted : "Authorization, Content-Type, X-API-Key, X-Request-ID");
  out.headers.add("Access-Control-Max-Age", "600");
}

void ApiHandler::handle(std::shared_ptr<HttpExchange> exchange) {
  state_.num_active.fetch_add(1);
  exchange->keep_until_done(
      std::shared_ptr<void>(nullptr, [this](void*) { state_.num_active.fetch_sub(1); }));
  const HttpRequest& request = exchange->request();
  const RouteInfo* info = find_route(request.path);
  if (request.method == "OPTIONS") {
    static constexpr RouteInfo kAny{Route::kHealth, "*", false, true};
    HttpResponse response;
    response.headers = answer_headers(request);
    respond_preflight(info ? *info : kAny, request, response);
    exchange->respond(std::move(response));
  } else if (info->is_post) {
    start_job(info->route, exchange);
  } else {
    respond_now(*info, *exchange);
  }
}

void ApiHandler::start_job(Route route, const std::shared_ptr<HttpExchange>& exchange) {
  auto job = std::make_shared<RequestJob>();
  job->exchange = exchange;
  job->headers = answer_headers(exchange->request());
  job->request_id = *exchange->request().headers.find(kRequestId);
  job->body = exchange->take_body();
  auto cancel = std::make_shared<CancelSlot>();
  exchange->set_on_abort([cancel](HttpAbort why) {
    cancel->abandon(why == HttpAbort::kShutdown ? CancelReason::kShutdown : CancelReason::kClientGone);
  });
  const size_t size = job->body.size();
  const bool fits = state_.queued_bytes.fetch_add(size) + size <= state_.config.max_total_body_bytes;
  const bool posted = fits && state_.pool->try_post([this, route, job, cancel, size] {
    state_.queued_bytes.fetch_sub(size);
    switch (route) {
      case Route::kChatCompletions:
        return jobs_.run_chat(std::move(*job), cancel);
      case Route::kCompletions:
        return jobs_.run_completion(std::move(*job), cancel);
      case Route::kEmbeddings:
        return jobs_.run_embedding(std::move(*job), cancel);
      case Route::kTokenize:
        return jobs_.run_tokenize(std::move(*job));
      case Route::kDetokenize:
        return jobs_.run_detokenize(std::move(*job));
      default:
        return;
    }
  });
  if (posted) return;
  state_.queued_bytes.fetch_sub(size);
  HttpResponse response =
      api_error_response(http_api_error(429, "Too many requests wait to be tokenized: try again later."),
                         state_.config.retry_after_seconds);
  response.headers.add_all(job->headers);
  exchange->respond(std::move(response));
}

void ApiHandler::respond_now(const RouteInfo& info, HttpExchange& exchange) {
  HttpResponse response;
  switch (info.route) {
    case Route::kModels:
      response = json_response(models_body());
      break;
    case Route::kModel: {
      const std::string name = percent_decode(exchange.request().path.substr(info.path.find('{')));
      if (const auto error = jobs_.check_model(utf8_sanitize(name))) {
        response = api_error_response(*error, state_.config.retry_after_seconds);
      } else {
        std::string body;
        JsonWriter json(body);
        model_object(json, name);
        response = json_response(std::move(body));
      }
      break;
    }
    case Route::kMetrics:
      response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      state_.metrics.gauge("hadal_http_active_requests", "HTTP requests being answered")
          .set(static_cast<double>(state_.num_active.load()));
      state_.metrics.gauge("hadal_http_tokenizer_queue", "Requests that wait for a tokenizer thread")
          .set(static_cast<double>(state_.pool->queued()));
      response.body = state_.metrics.to_text();
      break;
    case Route::kVersion:
      response = json_response("{\"version\":" + to_json(Json(state_.version)) + "}");
      break;
    case Route::kOpenApi: {
      const bool ready = state_.ready.load(std::memory_order_acquire);
      response = json_response(ready ? state_.openapi_of_model : state_.openapi);
      break;
    }
    default: {
      auto [status, body] = health(info.route);
      response = json_response(std::move(body), status);
      response.headers.add("Cache-Control", "no-store");
    }
  }
  response.headers.add_all(answer_headers(exchange.request()));
  exchange.respond(std::move(response));
}

void ApiHandler::model_object(JsonWriter& json, const std::string& name) const {
  json.begin_object().member("id", name).member("object", "model").member("created", state_.model->created);
  json.member("owned_by", "hadal").member("root", state_.model->names.front()).key("parent").null();
  json.member("max_model_len", state_.model->context_length).end_object();
}

std::string ApiHandler::models_body() const {
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("object", "list").key("data").begin_array();
  for (const std::string& name : state_.model->names) model_object(json, name);
  json.end_array().end_object();
  return body;
}

const char* ApiHandler::health_state(bool& alive, bool& ready) const {
  alive = true;
  ready = false;
  if (!state_.ready.load(std::memory_order_acquire)) return "starting";
  const EngineStats stats = state_.model->engine->stats();
  const double stall = std::chrono::duration<double>(state_.config.stall_timeout).count();
  if (stats.phase == EnginePhase::kFailed || stats.phase == EnginePhase::kStopped) {
    alive = false;
    return stats.phase == EnginePhase::kFailed ? "failed" : "stopped";
  }
  if (stall > 0 && stats.seconds_since_progress > stall) {
    alive = false;
    return "stalled";
  }
  if (state_.draining.load(std::memory_order_relaxed) || stats.phase == EnginePhase::kDraining)
    return "draining";
  ready = stats.phase == EnginePhase::kRunning;
  return ready ? "ok" : "starting";
}

std::pair<int, std::string> ApiHandler::health(Route route) const {
  bool alive = false;
  bool ready = false;
  const std::string_view status = health_state(alive, ready);
  const bool started = status != "starting";
  const bool good = route == Route::kLivez ? alive : route == Route::kStartupz ? started : ready;
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("status", status);
  if (route == Route::kStartupz) {
    json.member("phase", started ? "running" : state_.phase.load(std::memory_order_relaxed));
    json.member("progress", started ? 1.0 : state_.progress.load(std::memory_order_relaxed));
  }
  if (status == "failed") json.member("reason", state_.model->engine->stats().failure);
  json.end_object();
  return {good ? 200 : 503, std::move(body)};
}

void ApiHandler::shut_down(const std::shared_ptr<HttpExchange>& exchange) {
  const ApiError error =
      http_api_error(503, "The server is shutting down and could not finish this request in time.");
  exchange->abort(HttpAbort::kShutdown);
  HttpWrite write;
  write.exchange = exchange;
  write.head = std::make_unique<HttpResponse>(api_error_response(error, state_.config.retry_after_seconds));
  write.head->headers.add_all(answer_headers(exchange->request()));
  write.whole = true;
  append_sse_data(write.data, api_error_body(error));
  write.log.emplace_back("error", "shutting_down");
  std::vector<HttpWrite> writes;
  writes.push_back(std::move(write));
  HttpServer::post_writes(std::move(writes));
}

void ApiHandler::on_done(const HttpExchange& exchange, const HttpOutcome& outcome) {
  const HttpRequest& request = exchange.request();
  const RouteInfo* info = find_route(request.path);
  const std::string route = info ? std::string(info->path) : "other";
  const int status = outcome.client_gone ? 499 : outcome.status;
  state_.metrics
      .counter("hadal_http_requests_total", "HTTP requests by route and status; 499: the client left",
               {{"route", route}, {"status", std::to_string(status)}})
      .add();
  state_.metrics
      .histogram("hadal_http_request_seconds", "Time from a request's head to its answer's end",
                 latency_buckets(600), {{"route", route}})
      .observe(outcome.seconds);
  if (!state_.config.access_log || (info && info->is_open)) return;
  const std::string* id = request.headers.find(kRequestId);
  LogLine line(LogLevel::kInfo, "request");
  line.field("request_id", Json(id ? *id : "")).field("method", Json(request.method.substr(0, 32)));
  line.field("path", Json(utf8_sanitize(request.path.substr(0, 256)))).field("status", Json(status));
  line.field("seconds", Json(outcome.seconds)).field("bytes", Json(static_cast<int64_t>(outcome.bytes_sent)));
  line.field("peer", Json(request.peer));
  for (const auto& [name, value] : exchange.log_fields()) line.field(name, value);
}

}  // namespace hadal
