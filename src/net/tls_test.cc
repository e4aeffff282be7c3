// The server and the client over TLS, with a certificate made on the spot.
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>

#include "net/http_client.h"
#include "net/http_server.h"

namespace hadal {
namespace {

// A self-signed certificate for 127.0.0.1 and its key, as PEM files.
void write_certificate(const std::string& cert_path, const std::string& key_path) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> cert(X509_new(), X509_free);
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
  X509_set_pubkey(cert.get(), key.get());
  X509_NAME* name = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1,
                             0);
  X509_set_issuer_name(cert.get(), name);
  X509_EXTENSION* san = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(cert.get(), san, -1);
  X509_EXTENSION_free(san);
  X509_sign(cert.get(), key.get(), EVP_sha256());
  std::FILE* file = std::fopen(cert_path.c_str(), "w");
  PEM_write_X509(file, cert.get());
  std::fclose(file);
  file = std::fopen(key_path.c_str(), "w");
  PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

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
