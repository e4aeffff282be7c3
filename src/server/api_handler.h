// ApiHandler: the server's routes on top of HttpServer: authentication, CORS, request ids, health, and
// handing what takes time to the tokenizer pool. Called on the io threads; answers the small routes at once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/http_server.h"
#include "server/request_jobs.h"
#include "server/routes.h"
#include "server/server_state.h"

namespace hadal {

class ApiHandler : public HttpHandler {
 public:
  explicit ApiHandler(ServerState& state) : state_(state), jobs_(state) {}

  std::optional<HttpResponse> check_head(HttpRequest& head) override;
  void handle(std::shared_ptr<HttpExchange> exchange) override;
  HttpResponse error_response(int status, std::string_view message, HttpRequest& head) override;
  void on_done(const HttpExchange& exchange, const HttpOutcome& outcome) override;
  // io thread: ends an answer that is under way with an error: a 503 where nothing was sent, else an event.
  void shut_down(const std::shared_ptr<HttpExchange>& exchange);

 private:
  std::optional<ApiError> refusal(const HttpRequest& head) const;
  HttpHeaders answer_headers(const HttpRequest& request) const;
  void ensure_request_id(HttpRequest& request);
  void respond_preflight(const RouteInfo& info, const HttpRequest& request, HttpResponse& out) const;
  void respond_now(const RouteInfo& info, HttpExchange& exchange);
  void start_job(Route route, const std::shared_ptr<HttpExchange>& exchange);
  std::string models_body() const;
  void model_object(class JsonWriter& json, const std::string& name) const;
  // Status and body of a health route.
  std::pair<int, std::string> health(Route route) const;
  const char* health_state(bool& alive, bool& ready) const;

  ServerState& state_;
  RequestJobs jobs_;
};

}  // namespace hadal
