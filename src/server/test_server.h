// TestServer: a Server over a DummyEngine in this process, on a port of the system's choice.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>

#include "server/dummy_engine.h"
#include "server/server.h"
#include "server/test_client.h"

namespace hadal {

class TestServer {
 public:
  explicit TestServer(ServerConfig config = {}, DummyEngineOptions options = short_answers(),
                      bool attach = true)
      : options_(options), engine_(options) {
    config.port = 0;
    config.access_log = false;
    auto made = Server::create(config, metrics_, "test");
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    server_ = std::move(*made);
    server_->start();
    if (attach) attach_model();
  }
  static DummyEngineOptions short_answers() {
    DummyEngineOptions options;
    options.answer_tokens = 4;
    return options;
  }
  // Answers that only end when the client leaves.
  static DummyEngineOptions endless() {
    DummyEngineOptions options;
    options.answer_tokens = 1 << 30;
    options.context_length = 1 << 30;
    options.step = std::chrono::milliseconds(1);
    return options;
  }
  void attach_model(const std::function<void(ServedModel&)>& change = {}) {
    ServedModel model = make_dummy_model(engine_, options_);
    if (change) change(model);
    server_->attach(std::move(model));
  }
  int port() const { return server_->port(); }
  Server& server() { return *server_; }
  DummyEngine& engine() { return engine_; }
  MetricsRegistry& metrics() { return metrics_; }

  HttpResponse post(std::string_view path, std::string_view body, std::string_view extra = "") {
    RawClient client(port());
    client.post(path, body, extra);
    return client.receive();
  }
  HttpResponse get(std::string_view path, std::string_view extra = "") {
    RawClient client(port());
    client.get(path, extra);
    return client.receive();
  }
  // Waits for what other threads will do soon; false after 20 s.
  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 4000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

 private:
  MetricsRegistry metrics_;
  const DummyEngineOptions options_;
  DummyEngine engine_;
  std::unique_ptr<Server> server_;
};

inline std::string chat_body(const std::string& fields = "") {
  return R"({"model":"dummy","messages":[{"role":"user","content":"Hi"}])" +
         (fields.empty() ? "" : "," + fields) + "}";
}

}  // namespace hadal
