#include "net/curl_client.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/file.h"
#include "base/temp_dir.h"
#include "net/http_server.h"
#include "net/test_certificate.h"

namespace hadal {
namespace {

// /echo, /redirect (to `redirect_to`), /missing, /silent.
class PathHandler : public HttpHandler {
 public:
  std::optional<HttpResponse> check_head(HttpRequest&) override { return std::nullopt; }
  void handle(std::shared_ptr<HttpExchange> exchange) override {
    const HttpRequest& request = exchange->request();
    HttpResponse response;
    if (request.path == "/silent") {
      kept = exchange;
      return;
    }
    if (request.path == "/redirect") {
      response.status = 302;
      response.headers.add("Location", redirect_to);
      response.body = "elsewhere";
    } else if (request.path == "/missing") {
      response.status = 404;
      response.body = "nothing here";
    } else {
      const std::string* key = request.headers.find("Authorization");
      response.headers.add("X-Method", request.method);
      response.headers.add("X-Key", key == nullptr ? "none" : *key);
      response.body = request.method == "GET" ? std::string(100'000, 'y') : exchange->take_body();
    }
    exchange->respond(std::move(response));
  }
  HttpResponse error_response(int status, std::string_view message, HttpRequest&) override {
    return HttpResponse{status, {}, std::string(message)};
  }
  void on_done(const HttpExchange&, const HttpOutcome&) override {}
  std::string redirect_to = "/echo";
  std::shared_ptr<HttpExchange> kept;
};

class CurlClientTest : public ::testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    auto server = HttpServer::create(options, handler_);
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(*server);
    server_->start();
    authority_ = "127.0.0.1:" + std::to_string(server_->port());
  }
  CurlRequest request(const std::string& path) const {
    CurlRequest out;
    out.url = "http://" + authority_ + path;
    return out;
  }
  static CurlOptions direct() {
    CurlOptions out;
    out.proxy = "none";
    return out;
  }
  PathHandler handler_;
  std::unique_ptr<HttpServer> server_;
  std::string authority_;
};

TEST_F(CurlClientTest, SendsMethodsAndBodies) {
  start();
  CurlClient client(direct());
  CurlRequest patch = request("/echo");
  patch.method = "PATCH";
  patch.body = std::string("a\0b", 3);
  auto r = client.send(patch);
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(r->body, patch.body);
  EXPECT_EQ(*r->headers.find("x-method"), "PATCH");
  patch.method = "DELETE";
  r = client.send(patch);
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(*r->headers.find("X-Method"), "DELETE");
  EXPECT_EQ(client.send(request("/echo"))->body.size(), 100'000u);
  r = client.send(request("/missing"));
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->status, 404);
  EXPECT_EQ(r->body, "nothing here");
}

TEST_F(CurlClientTest, StreamsAndStops) {
  start();
  CurlClient client(direct());
  size_t got = 0;
  auto r = client.send(request("/echo"), [&](std::string_view data) { return got += data.size(), true; });
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(got, 100'000u);
  EXPECT_TRUE(r->body.empty());
  r = client.send(request("/echo"), [](std::string_view) { return false; });
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code, ErrorCode::kCancelled);
  CurlRequest small = request("/echo");
  small.max_body_bytes = 10;
  EXPECT_EQ(client.send(small).error().code, ErrorCode::kTooLarge);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(client.send(request("/silent"), {}, stop.get_token()).error().code, ErrorCode::kCancelled);
  CurlRequest hurried = request("/silent");
  hurried.total_timeout = std::chrono::milliseconds(100);
  EXPECT_EQ(client.send(hurried).error().code, ErrorCode::kDeadlineExceeded);
}

TEST_F(CurlClientTest, RedirectsOnlyWhereAllowedAndWithoutTheKey) {
  start();
  CurlClient client(direct());
  EXPECT_EQ(client.send(request("/redirect"))->status, 302);
  CurlRequest follow = request("/redirect");
  follow.max_redirects = 3;
  follow.headers.add("Authorization", "Bearer secret");
  auto r = client.send(follow);
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(*r->headers.find("X-Key"), "Bearer secret");
  EXPECT_EQ(r->body.size(), 100'000u);
  // Another host name, though the same machine.
  handler_.redirect_to = "http://localhost:" + std::to_string(server_->port()) + "/echo";
  r = client.send(follow);
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(*r->headers.find("X-Key"), "none");
  handler_.redirect_to = "file:///etc/passwd";
  EXPECT_FALSE(client.send(follow).ok());
}

TEST_F(CurlClientTest, ErrorsNameTheHost) {
  CurlClient client(direct());
  CurlRequest nowhere;
  nowhere.url = "http://127.0.0.1:1/x";
  auto r = client.send(nowhere);
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(r.error().message.find("127.0.0.1:1"), std::string::npos) << r.error().message;
  nowhere.url = "ftp://127.0.0.1/x";
  EXPECT_EQ(client.send(nowhere).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(CurlClientTest, Tls) {
  const TempDir dir;
  write_certificate(dir.file("cert.pem"), dir.file("key.pem"));
  HttpServerOptions server;
  server.tls_cert_file = dir.file("cert.pem");
  server.tls_key_file = dir.file("key.pem");
  start(server);
  CurlRequest get;
  get.url = "https://" + authority_ + "/echo";
  EXPECT_FALSE(CurlClient(direct()).send(get).ok());
  CurlOptions trusting = direct();
  trusting.ca_pem = *read_file(dir.file("cert.pem"));
  auto r = CurlClient(trusting).send(get);
  ASSERT_TRUE(r.ok()) << r.error().message;
  trusting.server_name = "hadal.test";
  r = CurlClient(trusting).send(get);
  ASSERT_TRUE(r.ok()) << r.error().message;
  trusting.server_name = "other.test";
  EXPECT_FALSE(CurlClient(trusting).send(get).ok());
}

}  // namespace
}  // namespace hadal
