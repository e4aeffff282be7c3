// The server and the client over TLS, with a certificate made on the spot.
#include <gtest/gtest.h>

#include <memory>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/test_certificate.h"

namespace hadal {
namespace {

// Answers every request with its body, whole or as a stream of 200 pieces.
class EchoHandler : public HttpHandler {
 public:
  std::optional<HttpResponse> check_head(HttpRequest&) override { return std::nullopt; }
  void handle(std::shared_ptr<HttpExchange> exchange) override {
    if (exchange->request().path != "/stream") {
      HttpResponse response;
      response.body = exchange->take_body();
      exchange->respond(std::move(response));
      return;
    }
    const std::string body = exchange->take_body();
    for (int i = 0; i < 200; ++i) {
      HttpWrite write;
      write.exchange = exchange;
      write.head = std::make_unique<HttpResponse>();
      write.data = body;
      write.end = i == 199;
      std::vector<HttpWrite> writes;
      writes.push_back(std::move(write));
      HttpServer::post_writes(std::move(writes));
    }
  }
  HttpResponse error_response(int status, std::string_view message, HttpRequest&) override {
    return HttpResponse{status, {}, std::string(message)};
  }
  void on_done(const HttpExchange&, const HttpOutcome&) override {}
};

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() : cert_(::testing::TempDir() + "/hadal_cert.pem"), key_(::testing::TempDir() + "/hadal_key.pem") {
    write_certificate(cert_, key_);
  }
  const std::string cert_, key_;
  EchoHandler handler_;
};

TEST_F(TlsTest, AnswersOverTls) {
  HttpServerOptions options;
  options.tls_cert_file = cert_;
  options.tls_key_file = key_;
  auto server = HttpServer::create(options, handler_);
  ASSERT_TRUE(server.ok()) << server.error().message;
  (*server)->start();
  const std::string base = "https://127.0.0.1:" + std::to_string((*server)->port());
  HttpClientOptions trusting;
  trusting.ca_file = cert_;
  HttpRequest request;
  request.method = "POST";
  request.body = std::string(3'000'000, 'x');
  auto whole = fetch(*parse_url(base + "/"), request, trusting);
  ASSERT_TRUE(whole.ok()) << whole.error().message;
  EXPECT_EQ(whole->body, request.body);
  request.body = "piece,";
  auto streamed = fetch(*parse_url(base + "/stream"), request, trusting);
  ASSERT_TRUE(streamed.ok()) << streamed.error().message;
  EXPECT_EQ(streamed->body.size(), 1200u);
  // A certificate that nobody vouches for is refused, unless asked not to.
  EXPECT_FALSE(fetch(*parse_url(base + "/"), request).ok());
  HttpClientOptions insecure;
  insecure.insecure = true;
  EXPECT_TRUE(fetch(*parse_url(base + "/"), request, insecure).ok());
  // Plain HTTP on the TLS port ends, and the server goes on.
  EXPECT_FALSE(
      fetch(*parse_url("http://127.0.0.1:" + std::to_string((*server)->port()) + "/"), request).ok());
  EXPECT_TRUE(fetch(*parse_url(base + "/"), request, trusting).ok());
}

TEST_F(TlsTest, BadFilesAreNamed) {
  HttpServerOptions options;
  options.tls_cert_file = cert_;
  EXPECT_FALSE(HttpServer::create(options, handler_).ok());
  options.tls_key_file = cert_;
  auto server = HttpServer::create(options, handler_);
  ASSERT_FALSE(server.ok());
  EXPECT_NE(server.error().message.find(cert_), std::string::npos);
}

TEST_F(TlsTest, PortInUseIsNamed) {
  auto first = HttpServer::create({}, handler_);
  ASSERT_TRUE(first.ok());
  HttpServerOptions same;
  same.port = (*first)->port();
  auto second = HttpServer::create(same, handler_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kIo);
  EXPECT_NE(second.error().message.find(std::to_string(same.port)), std::string::npos);
}

TEST_F(TlsTest, ClientTimesOutOnSilence) {
  class Silent : public EchoHandler {
   public:
    void handle(std::shared_ptr<HttpExchange> exchange) override { kept = exchange; }
    std::shared_ptr<HttpExchange> kept;
  } silent;
  auto server = HttpServer::create({}, silent);
  ASSERT_TRUE(server.ok());
  (*server)->start();
  HttpClientOptions options;
  options.read_timeout = std::chrono::milliseconds(50);
  auto result = fetch(*parse_url("127.0.0.1:" + std::to_string((*server)->port())), {}, options);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kDeadlineExceeded);
  (*server)->stop();
  silent.kept.reset();
}

}  // namespace
}  // namespace hadal
