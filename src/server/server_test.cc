// The routes, over real sockets.
#include <gtest/gtest.h>

#include "base/json.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/sse.h"
#include "server/test_server.h"

namespace hadal {
namespace {

Json parse(const HttpResponse& response) {
  auto value = parse_json(response.body);
  EXPECT_TRUE(value.ok()) << response.body;
  return value.ok() ? *value : Json();
}

std::vector<std::string> events(const HttpResponse& response) {
  std::vector<std::string> out;
  SseParser parser;
  EXPECT_TRUE(parser.push(response.body, [&](const SseEvent& e) { out.push_back(e.data); }).ok());
  return out;
}

TEST(Server, ChatAnswer) {
  TestServer server;
  const HttpResponse r = server.post("/v1/chat/completions", chat_body());
  ASSERT_EQ(r.status, 200) << r.body;
  EXPECT_EQ(*r.headers.find("Content-Type"), "application/json");
  const Json body = parse(r);
  EXPECT_TRUE(body.find("id")->as_string().starts_with("chatcmpl-"));
  const Json& choice = body.find("choices")->as_array()[0];
  EXPECT_EQ(choice.find("message")->find("content")->as_string(), "The quick brown f\xC3\xB6x ");
  EXPECT_EQ(choice.find("finish_reason")->as_string(), "stop");
  EXPECT_EQ(body.find("usage")->find("completion_tokens")->as_int(), 4);
  EXPECT_EQ(body.find("usage")->find("prompt_tokens_details")->find("cached_tokens")->as_int(), 9);
}

TEST(Server, ChatStreamHasRoleTextFinishUsageDone) {
  TestServer server;
  const HttpResponse r = server.post(
      "/v1/chat/completions", chat_body(R"("stream":true,"n":2,"stream_options":{"include_usage":true})"));
  ASSERT_EQ(r.status, 200);
  EXPECT_TRUE(r.headers.find("Content-Type")->starts_with("text/event-stream"));
  const auto list = events(r);
  ASSERT_GE(list.size(), 4u);
  EXPECT_EQ(list.back(), "[DONE]");
  std::string text[2];
  int finished = 0;
  for (size_t i = 0; i + 2 < list.size(); ++i) {
    const Json chunk = *parse_json(list[i]);
    EXPECT_TRUE(chunk.find("usage")->is_null());
    const Json& choice = chunk.find("choices")->as_array()[0];
    if (const Json* content = choice.find("delta")->find("content"))
      text[choice.find("index")->as_int()] += content->as_string();
    finished += choice.find("finish_reason")->is_string();
  }
  EXPECT_EQ(text[0], "The quick brown f\xC3\xB6x ");
  EXPECT_EQ(text[1], text[0]);
  EXPECT_EQ(finished, 2);
  const Json usage = *parse_json(list[list.size() - 2]);
  EXPECT_TRUE(usage.find("choices")->as_array().empty());
  EXPECT_EQ(usage.find("usage")->find("prompt_tokens")->as_int(), 19);
  EXPECT_EQ(usage.find("usage")->find("completion_tokens")->as_int(), 8);
}

TEST(Server, ReasoningIsSplitStreamedAndNot) {
  TestServer server({}, TestServer::short_answers(), false);
  server.attach_model([](ServedModel& m) { m.reasoning = ReasoningKind::kDeepseekR1; });
  const Json whole = parse(server.post("/v1/chat/completions", chat_body()));
  const Json& message = *whole.find("choices")->as_array()[0].find("message");
  EXPECT_EQ(message.find("reasoning_content")->as_string(), "The quick brown ");
  EXPECT_EQ(message.find("content")->as_string(), "f\xC3\xB6x ");
  EXPECT_EQ(whole.find("usage")->find("completion_tokens_details")->find("reasoning_tokens")->as_int(), 3);
  const auto held =
      events(server.post("/v1/chat/completions", chat_body(R"("stream":true,"stream_reasoning":false)")));
  int with_reasoning = 0;
  for (const std::string& event : held)
    with_reasoning += event.find("reasoning_content\":\"The quick brown \"") != std::string::npos;
  EXPECT_EQ(with_reasoning, 1);
  const Json hidden = parse(server.post("/v1/chat/completions", chat_body(R"("include_reasoning":false)")));
  EXPECT_EQ(hidden.find("choices")->as_array()[0].find("message")->find("reasoning_content"), nullptr);
}

TEST(Server, CompletionsWithEchoAndLogprobs) {
  TestServer server;
  const Json body = parse(server.post(
      "/v1/completions", R"({"model":"dummy","prompt":["ab","c"],"echo":true,"logprobs":1,"max_tokens":2})"));
  const Json& first = body.find("choices")->as_array()[0];
  EXPECT_EQ(first.find("text")->as_string(), "abThe quick ");
  EXPECT_EQ(first.find("finish_reason")->as_string(), "length");
  // <bos>, a, b, then two tokens.
  EXPECT_EQ(first.find("logprobs")->find("tokens")->as_array().size(), 5u);
  EXPECT_TRUE(first.find("logprobs")->find("token_logprobs")->as_array()[0].is_null());
  EXPECT_EQ(body.find("choices")->as_array()[1].find("index")->as_int(), 1);
  EXPECT_EQ(body.find("usage")->find("prompt_tokens")->as_int(), 5);
  const Json only = parse(server.post(
      "/v1/completions", R"({"model":"dummy","prompt":"ab","echo":true,"logprobs":0,"max_tokens":0})"));
  EXPECT_EQ(only.find("choices")->as_array()[0].find("text")->as_string(), "ab");
  EXPECT_EQ(only.find("usage")->find("completion_tokens")->as_int(), 0);
}

TEST(Server, EmbeddingsTokenizeAndBack) {
  ServerConfig config;
  config.max_parallel_per_request = 2;  // fewer than inputs: the rest follows
  TestServer server(config);
  const Json body =
      parse(server.post("/v1/embeddings", R"({"model":"dummy","input":["a","b","c","d","e"]})"));
  ASSERT_EQ(body.find("data")->as_array().size(), 5u);
  EXPECT_EQ(body.find("usage")->find("total_tokens")->as_int(), 10);
  double sum = 0;
  for (const Json& v : body.find("data")->as_array()[4].find("embedding")->as_array())
    sum += v.as_double() * v.as_double();
  EXPECT_NEAR(sum, 1.0, 1e-5);
  const HttpResponse tokens = server.post("/tokenize", R"({"prompt":"hé","return_token_strs":false})");
  EXPECT_EQ(tokens.body, R"({"tokens":[256,104,195,169],"count":4,"max_model_len":65536})");
  EXPECT_EQ(server.post("/detokenize", R"({"tokens":[104,195,169]})").body,
            "{\"prompt\":\"h\u00e9\",\"text\":\"h\u00e9\"}");
}

TEST(Server, SmallRoutes) {
  TestServer server;
  EXPECT_EQ(server.get("/version").body, R"({"version":"test"})");
  EXPECT_EQ(parse(server.get("/v1/models")).find("data")->as_array()[0].find("id")->as_string(), "dummy");
  EXPECT_EQ(server.get("/v1/models/dummy").status, 200);
  EXPECT_EQ(server.get("/v1/models/%64ummy").status, 200);
  const HttpResponse missing = server.get("/v1/models/other");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(parse(missing).find("error")->find("code")->as_string(), "model_not_found");
  EXPECT_EQ(server.post("/v1/chat/completions", R"({"model":"x","messages":[{"role":"user","content":"a"}]})")
                .status,
            404);
  EXPECT_NE(server.get("/metrics").body.find("hadal_http_requests_total"), std::string::npos);
  EXPECT_EQ(parse(server.get("/openapi.json")).find("openapi")->as_string(), "3.1.0");
}

TEST(Server, MethodsAndPaths) {
  TestServer server;
  EXPECT_EQ(server.get("/nothing").status, 404);
  const HttpResponse wrong = server.get("/v1/chat/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(*wrong.headers.find("Allow"), "POST, OPTIONS");
  EXPECT_EQ(server.post("/health", "{}").status, 405);
  RawClient client(server.port());
  client.send("HEAD /version HTTP/1.1\r\nHost: t\r\n\r\n");
  const HttpResponse head = client.receive(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(*head.headers.find("Content-Length"), "18");
  client.send("OPTIONS /v1/models HTTP/1.1\r\nHost: t\r\n\r\n");
  const HttpResponse options = client.receive();
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(*options.headers.find("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(server.post("/tokenize", "x=1", "Content-Type: application/x-www-form-urlencoded\r\n").status,
            400);
  RawClient form(server.port());
  form.send("POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(form.receive().status, 415);
}

TEST(Server, KeysGuardEverythingButHealth) {
  ServerConfig config;
  config.api_keys = {"k1", "k2"};
  TestServer server(config);
  for (const char* path : {"/v1/models", "/metrics", "/version", "/openapi.json", "/nothing"}) {
    const HttpResponse r = server.get(path);
    EXPECT_EQ(r.status, 401) << path;
    EXPECT_EQ(parse(r).find("error")->find("code")->as_string(), "invalid_api_key");
  }
  for (const char* path : {"/health", "/livez", "/readyz", "/startupz"})
    EXPECT_EQ(server.get(path).status, 200) << path;
  EXPECT_EQ(server.get("/version", "Authorization: Bearer k2\r\n").status, 200);
  EXPECT_EQ(server.get("/version", "X-API-Key: k1\r\n").status, 200);
  EXPECT_EQ(server.post("/v1/chat/completions", chat_body()).status, 401);
  EXPECT_EQ(server.post("/v1/chat/completions", chat_body(), "Authorization: Bearer k1\r\n").status, 200);
}

TEST(Server, RequestIdIsHonouredOrMade) {
  TestServer server;
  for (const std::string& good : {std::string("1-67891233-abcdef012345678912345678;Root=1"),
                                  std::string("a/=+,<>{}'"), std::string(256, 'x')}) {
    EXPECT_EQ(*server.get("/version", "X-Request-ID: " + good + "\r\n").headers.find("x-request-id"), good);
  }
  for (const std::string& bad :
       {std::string("a\"b"), std::string("a\\b"), std::string("\xC3\xA9"), std::string(257, 'x')}) {
    EXPECT_TRUE(server.get("/version", "X-Request-ID: " + bad + "\r\n")
                    .headers.find("x-request-id")
                    ->starts_with("req-"))
        << bad;
  }
  EXPECT_EQ(*server.get("/version", "X-Request-ID: abc-1.2:3_x\r\n").headers.find("x-request-id"),
            "abc-1.2:3_x");
  const HttpResponse made = server.get("/version", "X-Request-ID: bad id\r\n");
  EXPECT_TRUE(made.headers.find("x-request-id")->starts_with("req-"));
  EXPECT_NE(server.post("/v1/chat/completions", chat_body()).headers.find("x-request-id"), nullptr);
  EXPECT_NE(server.get("/nothing").headers.find("x-request-id"), nullptr);
}

TEST(Server, CorsOnlyForListedOrigins) {
  ServerConfig config;
  config.cors_origins = {"https://a.example"};
  TestServer server(config);
  const HttpResponse good = server.get("/version", "Origin: https://a.example\r\n");
  EXPECT_EQ(*good.headers.find("Access-Control-Allow-Origin"), "https://a.example");
  EXPECT_EQ(
      server.get("/version", "Origin: https://b.example\r\n").headers.find("Access-Control-Allow-Origin"),
      nullptr);
  RawClient client(server.port());
  client.send(
      "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: t\r\nOrigin: https://a.example\r\n"
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-stainless-os\r\n\r\n");
  const HttpResponse preflight = client.receive();
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(*preflight.headers.find("Access-Control-Allow-Headers"), "x-stainless-os");
  EXPECT_EQ(*preflight.headers.find("Access-Control-Allow-Methods"), "POST, OPTIONS");
}

TEST(Server, HealthFollowsTheEngine) {
  TestServer server({}, TestServer::short_answers(), false);
  server.server().set_progress("loading weights", 0.5);
  EXPECT_EQ(server.get("/livez").status, 200);
  EXPECT_EQ(server.get("/readyz").status, 503);
  const HttpResponse starting = server.get("/startupz");
  EXPECT_EQ(starting.status, 503);
  EXPECT_EQ(starting.body, R"({"status":"starting","phase":"loading weights","progress":0.5})");
  EXPECT_EQ(server.get("/v1/models").status, 503);
  EXPECT_EQ(server.post("/v1/chat/completions", chat_body()).status, 503);
  server.attach_model();
  for (const char* path : {"/health", "/livez", "/readyz", "/startupz"})
    EXPECT_EQ(server.get(path).status, 200) << path;
  server.engine().set_stalled_seconds(1000);
  EXPECT_EQ(server.get("/livez").status, 503);
  server.engine().set_stalled_seconds(0);
  server.engine().set_phase(EnginePhase::kFailed);
  EXPECT_EQ(server.get("/livez").body, R"({"status":"failed","reason":"made to fail"})");
  server.engine().set_phase(EnginePhase::kRunning);
}

TEST(Server, FullQueueIs429) {
  DummyEngineOptions options = TestServer::short_answers();
  options.max_waiting = 0;
  TestServer server({}, options);
  const HttpResponse r = server.post("/v1/chat/completions", chat_body());
  EXPECT_EQ(r.status, 429);
  EXPECT_EQ(*r.headers.find("Retry-After"), "1");
}

TEST(Server, EngineErrorBeforeAndDuringAStream) {
  DummyEngineOptions options = TestServer::short_answers();
  options.fail_message = "broken";
  TestServer server({}, options);
  const HttpResponse whole = server.post("/v1/chat/completions", chat_body());
  EXPECT_EQ(whole.status, 500);
  EXPECT_EQ(parse(whole).find("error")->find("message")->as_string(), "broken");
  const HttpResponse streamed = server.post("/v1/chat/completions", chat_body(R"("stream":true)"));
  EXPECT_EQ(streamed.status, 200);
  const auto list = events(streamed);
  EXPECT_NE(list.back().find(R"("error":{"message":"broken")"), std::string::npos);
}

// Proxies and clients take silence for death.
TEST(Server, SilentStreamsAreKeptAlive) {
  ServerConfig config;
  config.stream_silence = std::chrono::milliseconds(100);
  config.stream_keep_alive = std::chrono::milliseconds(150);
  DummyEngineOptions options = TestServer::endless();
  options.max_running = 0;  // everything waits
  TestServer server(config, options);
  RawClient stream(server.port()), whole(server.port());
  stream.post("/v1/chat/completions", chat_body(R"("stream":true)"));
  whole.post("/v1/chat/completions", chat_body());
  ASSERT_TRUE(stream.wait_for(": keep-alive\n\n\r\ne\r\n: keep-alive\n\n"));
  EXPECT_TRUE(stream.buffer().starts_with("HTTP/1.1 200 OK"));
  EXPECT_NE(stream.buffer().find("text/event-stream"), std::string::npos);
  // Errors are events from here on.
  EXPECT_FALSE(server.server().drain(std::chrono::steady_clock::now()));
  const HttpResponse r = stream.receive();
  EXPECT_EQ(r.status, 200);
  EXPECT_TRUE(r.body.starts_with(": keep-alive\n\n: keep-alive\n\n")) << r.body;
  const auto list = events(r);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_TRUE(list[0].starts_with(R"({"error":)")) << list[0];
  // What is no stream gets no bytes before its time.
  EXPECT_EQ(whole.receive().status, 503);
}

// OpenAI's finish reasons are a closed list for strict clients: what did not finish is an error.
TEST(Server, TimeoutsAndCancellationsAreErrors) {
  struct Case {
    FinishReason reason;
    int status;
    const char* code;
  };
  for (const Case& c : {Case{FinishReason::kDeadline, 504, "timeout"},
                        Case{FinishReason::kCancelled, 503, "service_unavailable"}}) {
    DummyEngineOptions options = TestServer::short_answers();
    options.end_after_two = c.reason;
    TestServer server({}, options);
    for (const char* path : {"/v1/chat/completions", "/v1/completions"}) {
      const std::string body = std::string(path) == "/v1/completions"
                                   ? R"({"model":"dummy","prompt":"a")"
                                   : chat_body().substr(0, chat_body().size() - 1);
      const HttpResponse whole = server.post(path, body + "}");
      EXPECT_EQ(whole.status, c.status);
      EXPECT_EQ(parse(whole).find("error")->find("code")->as_string(), c.code);
      const HttpResponse streamed = server.post(path, body + R"(,"stream":true})");
      EXPECT_EQ(streamed.status, 200);
      const auto list = events(streamed);
      ASSERT_GE(list.size(), 3u);
      EXPECT_NE(streamed.body.find("quick"), std::string::npos);
      EXPECT_EQ(parse_json(list.back())->find("error")->find("code")->as_string(), c.code);
      for (const char* reason : {"\"timeout\",\"matched", "abort", "[DONE]"}) {
        EXPECT_EQ(streamed.body.find(reason), std::string::npos) << streamed.body;
      }
    }
  }
}

TEST(Server, RequestsThatCannotBeReadAreLoggedAsWhatTheyAre) {
  class Handler : public HttpHandler {
   public:
    std::optional<HttpResponse> check_head(HttpRequest&) override { return std::nullopt; }
    void handle(std::shared_ptr<HttpExchange> exchange) override { exchange->respond({}); }
    HttpResponse error_response(int status, std::string_view, HttpRequest&) override {
      return {status, {}, ""};
    }
    void on_done(const HttpExchange& exchange, const HttpOutcome& outcome) override {
      done.push_back({exchange.request(), outcome});
    }
    std::vector<std::pair<HttpRequest, HttpOutcome>> done;
  };
  Handler handler;
  HttpServerOptions options;
  options.header_timeout = std::chrono::milliseconds(200);
  auto server = HttpServer::create(options, handler);
  ASSERT_TRUE(server.ok());
  (*server)->start();
  RawClient bad((*server)->port());
  bad.send("bad\r\n\r\n");
  EXPECT_EQ(bad.receive().status, 400);
  RawClient slow((*server)->port());
  slow.send("GET /version HTTP/1.1\r\n");
  EXPECT_EQ(slow.receive().status, 408);
  (*server)->stop();
  ASSERT_EQ(handler.done.size(), 2u);
  for (const auto& [request, outcome] : handler.done) {
    EXPECT_EQ(request.method, "-");
    EXPECT_EQ(request.path, "-");
    EXPECT_TRUE(request.peer.starts_with("127.0.0.1:")) << request.peer;
  }
  EXPECT_GE(handler.done[1].second.seconds, 0.2);
}

TEST(Server, RequestsWithoutASeedFollowTheRandomSeed) {
  const auto seeds = [](std::optional<uint64_t> random_seed) {
    TestServer server({}, TestServer::short_answers(), false);
    server.engine().keep_requests();
    server.attach_model([&](ServedModel& model) { model.random_seed = random_seed; });
    std::vector<uint64_t> out;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(server.post("/v1/completions", R"({"model":"dummy","prompt":"a","n":2})").status, 200);
    }
    for (const GenerateRequest& request : server.engine().take_requests()) {
      out.push_back(request.sampling.seed);
      EXPECT_NE(request.arrival, std::chrono::steady_clock::time_point());
    }
    return out;
  };
  const std::vector<uint64_t> first = seeds(7);
  ASSERT_EQ(first.size(), 6u);
  EXPECT_EQ(std::set<uint64_t>(first.begin(), first.end()).size(), 6u);
  EXPECT_EQ(seeds(7), first);
  EXPECT_NE(seeds(8), first);
  EXPECT_NE(seeds(std::nullopt), seeds(std::nullopt));
}

TEST(Server, DrainFinishesWhatRunsAndRefusesTheRest) {
  DummyEngineOptions options = TestServer::short_answers();
  options.answer_tokens = 40;
  options.step = std::chrono::milliseconds(10);
  TestServer server({}, options);
  RawClient running(server.port()), idle(server.port());
  idle.get("/version");
  EXPECT_EQ(idle.receive().status, 200);
  running.post("/v1/chat/completions", chat_body(R"("stream":true)"));
  ASSERT_TRUE(running.wait_for("quick"));
  std::thread drainer([&] {
    EXPECT_TRUE(server.server().drain(std::chrono::steady_clock::now() + std::chrono::seconds(20)));
  });
  EXPECT_TRUE(TestServer::eventually([&] { return server.get("/readyz").status == 503; }));
  EXPECT_EQ(server.post("/v1/chat/completions", chat_body()).status, 503);
  const HttpResponse r = running.receive();
  EXPECT_NE(r.body.find("[DONE]"), std::string::npos);
  EXPECT_TRUE(idle.at_end());
  EXPECT_TRUE(running.at_end());
  drainer.join();
  server.server().stop();
}

TEST(Client, FetchStreamsEventsAndStops) {
  TestServer server({}, TestServer::endless());
  auto url = parse_url("http://127.0.0.1:" + std::to_string(server.port()) + "/v1/chat/completions");
  HttpRequest request;
  request.method = "POST";
  request.headers.add("Content-Type", "application/json");
  request.body = chat_body(R"("stream":true)");
  int count = 0;
  auto result = fetch_events(*url, request, [&](const SseEvent&) { return ++count < 5; });
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(count, 5);
  EXPECT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 0; }));
  std::stop_source stop;
  std::thread stopper([&] {
    EXPECT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 1; }));
    stop.request_stop();
  });
  result = fetch_events(
      *url, request, [](const SseEvent&) { return true; }, {}, stop.get_token());
  stopper.join();
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  request.body = "{}";
  result = fetch_events(*url, request, [](const SseEvent&) { return true; });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->status, 400);
  EXPECT_NE(result->body.find("model"), std::string::npos);
  HttpRequest plain;
  EXPECT_EQ(fetch(*parse_url("127.0.0.1:1/"), plain).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace hadal
