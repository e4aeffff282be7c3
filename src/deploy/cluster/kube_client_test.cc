#include "deploy/cluster/kube_client.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "base/temp_dir.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/kube_discovery.h"
#include "deploy/cluster/object_cache.h"
#include "net/http_server.h"

namespace hadal::cluster {
namespace {

// Answers by path and query; the last answer of each is given again and again. A path without answers is
// held for ever.
class Handler : public HttpHandler {
 public:
  std::optional<HttpResponse> check_head(HttpRequest&) override { return std::nullopt; }
  void handle(std::shared_ptr<HttpExchange> exchange) override {
    std::lock_guard lock(mutex);
    const HttpRequest& request = exchange->request();
    const std::string* key = request.headers.find("Authorization");
    seen.push_back(request.method + " " + request.target + " " + (key == nullptr ? "" : *key));
    auto found = answers.find(request.target);
    if (found == answers.end()) found = answers.find(request.path);
    if (found == answers.end()) {
      held.push_back(std::move(exchange));
      return;
    }
    HttpResponse response = found->second.front();
    if (found->second.size() > 1) found->second.erase(found->second.begin());
    exchange->respond(std::move(response));
  }
  HttpResponse error_response(int status, std::string_view message, HttpRequest&) override {
    return HttpResponse{status, {}, std::string(message)};
  }
  void on_done(const HttpExchange&, const HttpOutcome&) override {}
  size_t count(const std::string& words) {
    std::lock_guard lock(mutex);
    return static_cast<size_t>(std::count_if(
        seen.begin(), seen.end(), [&](const std::string& s) { return s.find(words) != std::string::npos; }));
  }

  std::mutex mutex;
  std::map<std::string, std::vector<HttpResponse>> answers;
  std::vector<std::string> seen;
  std::vector<std::shared_ptr<HttpExchange>> held;
};

class KubeClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = HttpServer::create({}, handler_);
    ASSERT_TRUE(server.ok());
    server_ = std::move(*server);
    server_->start();
    target_.context = "test";
    target_.namespace_name = "llm";
    target_.cluster.server = "http://127.0.0.1:" + std::to_string(server_->port());
    target_.cluster.proxy_url = "none";
    target_.user.token = "t";
  }
  void TearDown() override {
    server_->stop();
    handler_.held.clear();
  }
  KubeClient client(std::stop_token stop = {}) {
    KubeClientOptions options;
    options.first_delay = std::chrono::milliseconds(1);
    options.max_delay = std::chrono::milliseconds(20);
    return KubeClient(target_, std::make_shared<KubeCredentialSource>(target_, std::vector<std::string>()),
                      options, std::move(stop));
  }
  void answer(const std::string& target, int status, const std::string& body, HttpHeaders headers = {}) {
    std::lock_guard lock(handler_.mutex);
    handler_.answers[target].push_back(HttpResponse{status, std::move(headers), body});
  }

  Handler handler_;
  std::unique_ptr<HttpServer> server_;
  KubeTarget target_;
};

TEST_F(KubeClientTest, BusyAnswersAreTriedAgainWithinBounds) {
  answer("/api/v1/x", 429, "{}", {{"Retry-After", "1"}});
  answer("/api/v1/x", 503, "{}");
  answer("/api/v1/x", 200, R"({"a":1})");
  auto kube = client();
  const auto good = kube.get("/api/v1/x");
  ASSERT_TRUE(good.ok()) << good.error().message;
  EXPECT_EQ(handler_.count("/api/v1/x Bearer t"), 3u);
  answer("/api/v1/y", 500, R"({"message":"no luck"})");
  EXPECT_EQ(kube.get("/api/v1/y").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(handler_.count("/api/v1/y"), 6u);
  answer("/api/v1/z", 403, R"({"message":"pods is forbidden"})");
  const auto refused = kube.get("/api/v1/z");
  EXPECT_EQ(refused.error().code, ErrorCode::kPermissionDenied);
  EXPECT_NE(refused.error().message.find("docs/deploy.md"), std::string::npos);
  EXPECT_EQ(handler_.count("/api/v1/z"), 1u);
}

TEST_F(KubeClientTest, ARefusedTokenIsReadAgainOnce) {
  const TempDir dir;
  target_.user.token.clear();
  target_.user.token_file = dir.write("token", "old");
  answer("/api/v1/x", 401, "{}");
  answer("/api/v1/x", 200, "{}");
  auto kube = client();
  ASSERT_TRUE(kube.get("/api/v1/x").ok());
  EXPECT_EQ(handler_.count("Bearer old"), 2u);
  answer("/api/v1/y", 401, R"({"message":"Unauthorized"})");
  EXPECT_EQ(kube.get("/api/v1/y").error().code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(handler_.count("/api/v1/y"), 2u);
}

TEST_F(KubeClientTest, ListsInPieces) {
  answer(
      "/api/v1/pods?limit=500", 200,
      R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5","continue":"a b"},"items":[{"metadata":{"name":"one"}}]})");
  answer("/api/v1/pods?limit=500&continue=a%20b", 410, R"({"code":410,"message":"expired"})");
  answer(
      "/api/v1/pods?limit=500&continue=a%20b", 200,
      R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"6"},"items":[{"metadata":{"name":"two"}}]})");
  std::string version;
  const auto all = client().list("/api/v1/pods", {}, &version);
  ASSERT_TRUE(all.ok()) << all.error().message;
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(kind_of((*all)[1]), "Pod");
  EXPECT_EQ(version, "6");
  EXPECT_EQ(handler_.count("limit=500 "), 2u) << "begun anew after 410";
}

TEST_F(KubeClientTest, DiscoveryKnowsKindsAndSaysWhatIsNear) {
  answer(
      "/apis/apps/v1", 200,
      R"({"resources":[{"name":"deployments","kind":"Deployment","namespaced":true},{"name":"deployments/status","kind":"Deployment"}]})");
  answer("/apis/apps/v2", 404, "{}");
  answer("/apis/apps", 200, R"({"versions":[{"groupVersion":"apps/v1"}]})");
  answer("/apis/keda.sh/v1", 404, "{}");
  answer("/apis/keda.sh", 404, "{}");
  auto kube = client();
  KubeDiscovery discovery(kube);
  EXPECT_EQ(discovery.find("apps/v1", "Deployment")->plural, "deployments");
  EXPECT_NE(discovery.find("apps/v1", "Deploy").error().message.find("no such kind"), std::string::npos);
  EXPECT_NE(discovery.find("apps/v2", "Deployment").error().message.find("the cluster has apps/v1"),
            std::string::npos);
  EXPECT_NE(discovery.find("keda.sh/v1", "ScaledObject").error().message.find("install the CRDs"),
            std::string::npos);
}

TEST_F(KubeClientTest, ACacheFollowsAndListsAgainWhenItsVersionIsTooOld) {
  const std::string pods = "/api/v1/namespaces/llm/pods";
  const std::string watch = pods + "?watch=true&allowWatchBookmarks=true&resourceVersion=";
  answer(
      pods + "?limit=500", 200,
      R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"a","namespace":"llm","resourceVersion":"5"}}]})");
  answer(
      pods + "?limit=500", 200,
      R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"c","namespace":"llm","resourceVersion":"9"}}]})");
  answer(
      watch + "5&timeoutSeconds=240", 200,
      R"({"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"b","namespace":"llm","resourceVersion":"6"}}})"
      "\n"
      R"({"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7"}}})"
      "\n");
  answer(watch + "7&timeoutSeconds=240", 200,
         R"({"type":"ERROR","object":{"code":410,"message":"too old"}})"
         "\n");
  const auto kube = client();
  ObjectCache cache(kube);
  cache.follow(*well_known_resource("Pod"), "llm");
  cache.follow(*well_known_resource("Pod"), "llm");
  uint64_t version = 0;
  bool saw_two = false;
  for (int i = 0; i < 100; ++i) {
    version = cache.wait_for_change(version, std::chrono::seconds(5), {});
    const auto now = cache.objects("Pod");
    saw_two |= now.size() == 2;
    if (now.size() == 1 && name_of(now[0]) == "c") break;
  }
  EXPECT_TRUE(saw_two);
  ASSERT_EQ(cache.objects("Pod").size(), 1u);
  EXPECT_EQ(name_of(cache.all()[0]), "c");
  EXPECT_TRUE(cache.complete());
  EXPECT_EQ(handler_.count("limit=500"), 2u) << "followed once, listed twice";
}

TEST_F(KubeClientTest, WhatMayNotBeSeenIsNamed) {
  answer("/api/v1/nodes?limit=500", 403, R"({"message":"nodes is forbidden"})");
  const auto kube = client();
  ObjectCache cache(kube);
  cache.follow(*well_known_resource("Node"), "");
  cache.wait_for_change(1, std::chrono::seconds(20), {});
  ASSERT_EQ(cache.problems().size(), 1u);
  EXPECT_NE(cache.problems()[0].find("nodes is forbidden"), std::string::npos);
  EXPECT_TRUE(cache.complete());
}

TEST_F(KubeClientTest, AStopEndsARequestThatHangs) {
  std::stop_source stop;
  auto kube = client(stop.get_token());
  std::jthread stopper([&] {
    while (handler_.count("/api/v1/hangs") == 0) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_EQ(kube.get("/api/v1/hangs").error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace hadal::cluster
