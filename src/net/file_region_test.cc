// Bodies that are regions of files.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <random>

#include "base/temp_dir.h"
#include "net/curl_client.h"
#include "net/http_server.h"

namespace hadal {
namespace {

// /BEGIN/END of one file.
class RegionHandler : public HttpHandler {
 public:
  explicit RegionHandler(const std::string& path)
      : file_(std::make_shared<UniqueFd>(::open(path.c_str(), O_RDONLY | O_CLOEXEC))) {}
  std::optional<HttpResponse> check_head(HttpRequest&) override { return std::nullopt; }
  void handle(std::shared_ptr<HttpExchange> exchange) override {
    int64_t begin = 0, end = 0;
    std::sscanf(exchange->request().path.c_str(), "/%ld/%ld", &begin, &end);
    HttpResponse response;
    response.region = HttpFileRegion{file_, begin, end - begin};
    exchange->respond(response);
    // Whatever comes after is ignored.
    exchange->respond({500, {}, "twice"});
  }
  HttpResponse error_response(int status, std::string_view message, HttpRequest&) override {
    return HttpResponse{status, {}, std::string(message)};
  }
  void on_done(const HttpExchange&, const HttpOutcome& outcome) override {
    bytes += outcome.bytes_sent;
    if (outcome.client_gone) ++gone;
  }
  std::atomic<size_t> bytes{0};
  std::atomic<int> gone{0};

 private:
  const std::shared_ptr<UniqueFd> file_;
};

class FileRegionTest : public ::testing::Test {
 protected:
  FileRegionTest() {
    std::mt19937 random(std::random_device{}());
    content_.resize(3'000'000);
    for (char& c : content_) c = static_cast<char>(random());
    handler_ = std::make_unique<RegionHandler>(dir_.write("file", content_));
    auto server = HttpServer::create({}, *handler_);
    HADAL_CHECK(server.ok());
    server_ = std::move(*server);
    server_->start();
  }
  Result<CurlResponse> get(int64_t begin, int64_t end, const char* method = "GET") {
    CurlRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + "/" + std::to_string(begin) + "/" +
                  std::to_string(end);
    return client_.send(request);
  }

  TempDir dir_;
  std::string content_;
  std::unique_ptr<RegionHandler> handler_;
  std::unique_ptr<HttpServer> server_;
  CurlClient client_{CurlOptions{}};
};

TEST_F(FileRegionTest, SendsExactlyTheRegion) {
  std::mt19937 random(std::random_device{}());
  size_t sum = 0;
  for (int i = 0; i < 30; ++i) {
    const size_t begin = random() % content_.size();
    const size_t end = begin + random() % (content_.size() - begin + 1);
    const auto response = get(static_cast<int64_t>(begin), static_cast<int64_t>(end));
    ASSERT_TRUE(response.ok()) << response.error().message;
    EXPECT_EQ(response->status, 200);
    ASSERT_TRUE(response->body == content_.substr(begin, end - begin));
    sum += end - begin;
  }
  server_->stop();
  EXPECT_EQ(handler_->bytes, sum);
}

TEST_F(FileRegionTest, HeadSaysTheLengthAlone) {
  const auto response = get(0, 1'000'000, "HEAD");
  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(*response->headers.find("Content-Length"), "1000000");
  EXPECT_TRUE(response->body.empty());
  EXPECT_EQ(get(5, 6)->body, content_.substr(5, 1));
}

TEST_F(FileRegionTest, AFileThatIsTooShortCutsTheConnection) {
  const auto response = get(2'999'000, 3'500'000);
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code, ErrorCode::kDataLoss);
  EXPECT_EQ(get(0, 10)->body, content_.substr(0, 10));
}

TEST_F(FileRegionTest, AClientThatLeavesIsNoticed) {
  CurlRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + "/0/3000000";
  const auto response = client_.send(request, [](std::string_view) { return false; });
  EXPECT_FALSE(response.ok());
  EXPECT_EQ(get(0, 10)->body, content_.substr(0, 10));
}

}  // namespace
}  // namespace hadal
