// What clients do wrong, by accident or on purpose: each gets a clear answer or a closed connection, and the
// server goes on serving.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "net/http_client.h"
#include "server/test_server.h"

namespace hadal {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

ServerConfig quick_timeouts() {
  ServerConfig config;
  config.header_timeout = std::chrono::milliseconds(300);
  config.body_timeout = std::chrono::milliseconds(400);
  config.idle_timeout = std::chrono::milliseconds(300);
  return config;
}

void expect_serving(TestServer& server) {
  EXPECT_EQ(server.post("/v1/chat/completions", chat_body()).status, 200);
}

// The answer to raw bytes.
HttpResponse answer(TestServer& server, std::string_view bytes) {
  RawClient client(server.port());
  client.send(bytes);
  return client.receive();
}

TEST(Hostile, BytesThatAreNotHttp) {
  TestServer server;
  EXPECT_EQ(answer(server, "hello world\r\n\r\n").status, 400);
  EXPECT_EQ(answer(server, std::string("\x16\x03\x01\x02\x00\x01\x00", 7) + "\r\n\r\n").status, 400);
  EXPECT_EQ(answer(server, "GET / HTTP/3.9\r\nHost: t\r\n\r\n").status, 505);
  EXPECT_EQ(answer(server, "GET /version HTTP/1.1\r\n\r\n").status, 400);            // no Host
  EXPECT_EQ(answer(server, "GET version HTTP/1.1\r\nHost: t\r\n\r\n").status, 400);  // no path
  EXPECT_EQ(answer(server, "GET /version HTTP/1.1\r\nHost: t\r\nExpect: tea\r\n\r\n").status, 417);
  EXPECT_EQ(answer(server, "GET http://t/version HTTP/1.1\r\nHost: t\r\n\r\n").status, 200);
  EXPECT_EQ(answer(server, "\r\n\r\nGET /version HTTP/1.1\r\nHost: t\r\n\r\n").status, 200);
  // Two lengths: the classic of request smuggling.
  EXPECT_EQ(answer(server,
                   "POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n0\r\n\r\n")
                .status,
            400);
  EXPECT_EQ(
      answer(server, "POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
          .status,
      400);
  EXPECT_EQ(
      answer(server, "POST /tokenize HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n").status,
      400);
  expect_serving(server);
}

// What two servers in a row could read differently: refused, and nothing behind it is taken for a request.
TEST(Hostile, AmbiguousRequestsAreRefusedAndCloseTheConnection) {
  TestServer server;
  const std::string chat = chat_body();
  const std::string smuggled =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(chat.size()) +
      "\r\n\r\n" + chat;
  const auto post = [&](const std::string& fields, const char* version = "1.1") {
    return std::string("POST /tokenize HTTP/") + version + "\r\n" + fields + "\r\n\r\n";
  };
  struct Case {
    std::string request;
    int status;
  };
  const Case cases[] = {
      {post("Host: t\r\nTransfer-Encoding: xchunked"), 400},
      {post("Host: t\r\nTransfer-Encoding: chunked, identity"), 400},
      {post("Host: t\r\nTransfer-Encoding: identity"), 400},
      {post("Host: t\r\nTransfer-Encoding: gzip, chunked"), 501},
      {post("Host: t\r\nTransfer-Encoding: gzip"), 400},
      {post("Host: t\r\nTransfer-Encoding:"), 400},
      {post("Host: t\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity"), 400},
      {post("Host: t\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked"), 400},
      {post("Host: t\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0"), 400},
      {post("Host: t\r\nContent-Length: 0\r\nTransfer-Encoding: identity"), 400},
      {post("Host: t\r\nContent-Length: 0\r\nTransfer-Encoding: chunked"), 400},
      {post("Host: t\r\nTransfer-Encoding : chunked"), 400},
      {post("Host: t\r\nTransfer-Encoding: chunked", "1.0"), 400},
      {post("Host: t\r\nTransfer-Encoding: x", "1.0"), 400},
      {post("Host: t\r\nHost: u\r\nContent-Length: 0"), 400},
      {post("Host: t\r\nhost: t\r\nContent-Length: 0"), 400},
      {post("Host: t\r\nX: a\r\n b\r\nContent-Length: 0"), 400},
      {post("Host: t\r\nX: a\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 0"), 400},
      {post(" Host: t\r\nContent-Length: 0"), 400},
      {post("Host: t\r\nContent-Length: +0"), 400},
      {post("Host: t\r\nContent-Length: 0, 0"), 400},
      {post("Host: t\r\nContent-Length: 0x0"), 400},
      {post("Host: t\r\nX: a\nContent-Length: 0"), 400},
      {"POST /tokenize HTTP/1.1\nHost: t\nContent-Length: 0\n\n", 400},
      {"GET /version HTTP/1.1\rHost: t\r\n\r\n", 400},
      {"GET /version HTTP/1.x\r\nHost: t\r\n\r\n", 400},
  };
  for (const Case& c : cases) {
    RawClient client(server.port());
    client.send(c.request + smuggled);
    const HttpResponse r = client.receive();
    EXPECT_EQ(r.status, c.status) << c.request << r.body;
    EXPECT_NE(r.body.find("\"invalid_request_error\""), std::string::npos) << r.body;
    EXPECT_TRUE(client.at_end()) << c.request;
    EXPECT_EQ(client.buffer(), "") << c.request;
  }
  // A chunk's size line that ends in LF alone, and one that hides a line end in its extension.
  for (const char* chunks : {"5\n{\"a\":1\r\n0\r\n\r\n", "2;a\nb\r\n{}\r\n0\r\n\r\n", "2\r\n{}0\r\n\r\n",
                             "-2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n", "2 \n{}\r\n0\r\n\r\n"}) {
    RawClient client(server.port());
    client.send(post("Host: t\r\nTransfer-Encoding: chunked") + chunks + smuggled);
    EXPECT_EQ(client.receive().status, 400) << chunks;
    EXPECT_TRUE(client.at_end()) << chunks;
    EXPECT_EQ(client.buffer(), "") << chunks;
  }
  EXPECT_EQ(server.engine().num_submitted(), 0);
  expect_serving(server);
}

TEST(Hostile, VersionsThatAreNotSpokenAre505) {
  TestServer server;
  for (const char* version : {"0.9", "2.0", "3.9"}) {
    const HttpResponse r = answer(server, std::string("GET / HTTP/") + version + "\r\nHost: t\r\n\r\n");
    EXPECT_EQ(r.status, 505);
    EXPECT_NE(r.body.find("\"invalid_request_error\""), std::string::npos) << r.body;
  }
}

TEST(Hostile, HeadOverTheLimitIs431) {
  TestServer server;
  const HttpResponse r =
      answer(server, "GET /version HTTP/1.1\r\nHost: t\r\nX: " + std::string(100'000, 'x'));
  EXPECT_EQ(r.status, 431);
  EXPECT_NE(r.body.find("\"error\""), std::string::npos);
  expect_serving(server);
}

TEST(Hostile, BodyOverTheLimitIs413) {
  TestServer server;
  // Announced: refused before it is sent.
  EXPECT_EQ(answer(server, "POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Length: 104857600\r\n\r\n").status,
            413);
  // Sent all the same, 100 MB: the answer still arrives.
  RawClient client(server.port());
  client.send("POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Length: 104857600\r\n\r\n");
  const std::string block(1 << 20, 'x');
  for (int i = 0; i < 100 && client.send(block); ++i) {
  }
  EXPECT_EQ(client.receive().status, 413);
  // In chunks, without an announcement.
  RawClient chunked(server.port());
  chunked.send("POST /tokenize HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 40 && chunked.send("100000\r\n" + block + "\r\n"); ++i) {
  }
  EXPECT_EQ(chunked.receive().status, 413);
  expect_serving(server);
}

TEST(Hostile, BodiesTogetherAreBounded) {
  ServerConfig config;
  config.max_total_body_bytes = 100'000;
  TestServer server(config);
  const std::string large = R"({"prompt":")" + std::string(200'000, 'x') + "\"}";
  EXPECT_EQ(server.post("/tokenize", large).status, 429);
  // The part of a request that has ended is given back.
  const std::string small = R"({"prompt":")" + std::string(60'000, 'x') + "\"}";
  for (int i = 0; i < 5; ++i) EXPECT_EQ(server.post("/tokenize", small).status, 200);
}

TEST(Hostile, BodiesThatAreNotRequests) {
  TestServer server;
  for (const std::string& body :
       {std::string("{"), std::string("\xff\xfe"), std::string(60000, '['), std::string("null"),
        std::string("{\"a\":1e999}"), std::string("{\"model\":\"\\ud800\"}"), std::string(1, '\0'),
        std::string()}) {
    for (const char* path :
         {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize"}) {
      const HttpResponse r = server.post(path, body);
      EXPECT_EQ(r.status, 400) << path << " " << body.substr(0, 20);
      EXPECT_NE(r.body.find("\"invalid_request_error\""), std::string::npos);
    }
  }
  expect_serving(server);
}

TEST(Hostile, MutatedRequestsNeverGive5xx) {
  TestServer server;
  std::mt19937 random(20261122);
  const std::string good = chat_body(R"("n":2,"stop":["a"],"logit_bias":{"5":1},"max_tokens":3,"seed":1)");
  RawClient client(server.port());
  for (int i = 0; i < 2000; ++i) {
    std::string body = good;
    for (unsigned k = 0; k < 1 + random() % 3; ++k)
      body[random() % body.size()] = static_cast<char>(random());
    ASSERT_TRUE(client.post("/v1/chat/completions", body));
    const HttpResponse r = client.receive();
    ASSERT_TRUE(r.status == 200 || r.status == 400 || r.status == 404) << r.status << " " << body;
  }
}

TEST(Hostile, SlowHeadsBodiesAndIdleConnectionsEnd) {
  TestServer server(quick_timeouts());
  RawClient silent(server.port()), head(server.port()), body(server.port()), idle(server.port());
  head.send("GET /version HTTP/1.1\r\nHo");
  body.send("POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Length: 20\r\n\r\n{\"pr");
  idle.get("/version");
  EXPECT_EQ(idle.receive().status, 200);
  EXPECT_EQ(head.receive().status, 408);
  EXPECT_EQ(body.receive().status, 408);
  EXPECT_TRUE(silent.at_end());
  EXPECT_TRUE(head.at_end());
  EXPECT_TRUE(idle.at_end());
  EXPECT_TRUE(TestServer::eventually([&] { return server.server().num_connections() == 0; }));
}

TEST(Hostile, TricklingEmptyLinesDoesNotHoldAConnection) {
  TestServer server(quick_timeouts());
  RawClient client(server.port());
  EXPECT_TRUE(TestServer::eventually([&] { return !client.send("\r\n") || !client.send("\r\n"); }));
  expect_serving(server);
}

TEST(Protocol, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server;
  RawClient client(server.port());
  const std::string chat = chat_body();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += "GET /v1/models HTTP/1.1\r\nHost: t\r\n\r\n";
    all += "POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nX-Request-ID: r" + std::to_string(i) +
           "\r\nContent-Length: " + std::to_string(chat.size()) + "\r\n\r\n" + chat;
  }
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(client.receive().status, 200) << i;
    const HttpResponse r = client.receive();
    ASSERT_EQ(r.status, 200);
    EXPECT_EQ(*r.headers.find("X-Request-ID"), "r" + std::to_string(i));
  }
  sender.join();
}

TEST(Protocol, ExpectContinueChunkedBodiesAndHttp10) {
  TestServer server;
  RawClient client(server.port());
  client.send("POST /tokenize HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send("{\"prompt\":\"a\"}");
  EXPECT_EQ(client.receive().status, 200);
  client.send("POST /tokenize HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n{\"pro\r\n");
  client.send("9\r\nmpt\":\"a\"}\r\n0\r\nTrailer: t\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  // HTTP/1.0: no chunks, the connection's end is the body's.
  RawClient old(server.port());
  const std::string body = chat_body(R"("stream":true)");
  old.send("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body);
  const HttpResponse r = old.receive();
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.headers.find("Transfer-Encoding"), nullptr);
  EXPECT_TRUE(r.body.ends_with("data: [DONE]\n\n"));
}

TEST(Protocol, RefusedWithBodyClosesAndWithoutBodyKeeps) {
  TestServer server;
  RawClient with(server.port());
  with.post("/nothing", std::string(100, 'x'));
  EXPECT_EQ(*with.receive().headers.find("Connection"), "close");
  EXPECT_TRUE(with.at_end());
  RawClient without(server.port());
  without.get("/nothing");
  EXPECT_EQ(*without.receive().headers.find("Connection"), "keep-alive");
  without.get("/version");
  EXPECT_EQ(without.receive().status, 200);
}

TEST(Protocol, ConnectionsOverTheMaximumGet503) {
  ServerConfig config;
  config.max_connections = 2;
  TestServer server(config);
  RawClient a(server.port()), b(server.port());
  a.get("/version");
  b.get("/version");
  EXPECT_EQ(a.receive().status, 200);
  EXPECT_EQ(b.receive().status, 200);
  RawClient c(server.port());
  EXPECT_EQ(c.receive().status, 503);
  a.close();
  EXPECT_TRUE(TestServer::eventually([&] { return server.get("/version").status == 200; }));
}

TEST(Disconnect, EndOfAStreamCancelsAtOnce) {
  TestServer server({}, TestServer::endless());
  for (int kind = 0; kind < 4; ++kind) {
    RawClient client(server.port());
    client.post("/v1/chat/completions", chat_body(kind == 1 ? R"("n":3)" : R"("stream":true,"n":3)"));
    ASSERT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 3; }));
    if (kind == 2) client.half_close();  // FIN without closing
    if (kind == 3) {                     // RST
      const linger hard{1, 0};
      setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    if (kind != 2) client.close();
    EXPECT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 0; })) << kind;
  }
  EXPECT_EQ(server.engine().num_cancelled(), 12);
}

// Unread pipelined bytes must not hide that the client has left.
TEST(Disconnect, EndIsSeenBehindUnreadBytes) {
  TestServer server({}, TestServer::endless());
  for (const size_t size : {size_t{100}, size_t{200'000}}) {
    RawClient client(server.port());
    client.post("/v1/chat/completions", chat_body(R"("stream":true)"));
    ASSERT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 1; }));
    client.send(std::string(size, 'x'));
    client.close();
    EXPECT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 0; })) << size;
  }
}

TEST(Disconnect, SlowReaderIsDroppedAndCancelled) {
  ServerConfig config;
  config.max_stream_buffer_bytes = 64 << 10;
  DummyEngineOptions options = TestServer::endless();
  options.step = std::chrono::microseconds(20);
  TestServer server(config, options);
  RawClient client(server.port(), 4096);
  client.post("/v1/chat/completions", chat_body(R"("stream":true)"));
  EXPECT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 1; }));
  EXPECT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 0; }));
  EXPECT_TRUE(TestServer::eventually([&] { return server.server().num_connections() == 0; }));
}

// One event may be larger than what is kept for a slow reader: whoever reads gets it whole.
TEST(Disconnect, AnEventLargerThanTheBufferReachesAReader) {
  ServerConfig config;
  config.max_stream_buffer_bytes = 64 << 10;
  TestServer server(config);
  const std::string prompt(7500, 'a');
  RawClient client(server.port(), 4096);
  client.post("/v1/completions",
              R"({"model":"dummy","stream":true,"echo":true,"logprobs":5,"max_tokens":3,"prompt":")" +
                  prompt + "\"}");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // nothing fits the socket any more
  const HttpResponse r = client.receive();
  EXPECT_EQ(r.status, 200);
  EXPECT_GT(r.body.size(), 4 * config.max_stream_buffer_bytes);
  EXPECT_TRUE(r.body.ends_with("data: [DONE]\n\n"));
}

// What a drain cuts off is told so.
TEST(Disconnect, EndOfTheDrainAnswersWhatIsOpen) {
  TestServer server({}, TestServer::endless());
  RawClient stream(server.port()), whole(server.port()), body(server.port()), second(server.port());
  stream.post("/v1/chat/completions", chat_body(R"("stream":true)"));
  whole.post("/v1/chat/completions", chat_body(R"("n":2)"));
  body.send("POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Length: 20\r\n\r\n{\"pr");
  ASSERT_TRUE(stream.wait_for("quick"));
  ASSERT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 3; }));
  EXPECT_FALSE(server.server().drain(std::chrono::steady_clock::now() + std::chrono::milliseconds(50)));
  EXPECT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 0; }));
  const HttpResponse streamed = stream.receive();
  EXPECT_EQ(streamed.status, 200);
  EXPECT_EQ(streamed.body.find("[DONE]"), std::string::npos);
  const size_t last = streamed.body.rfind("data: ");
  EXPECT_NE(streamed.body.find(R"({"error":{"message":"The server is shutting down)", last),
            std::string::npos);
  EXPECT_TRUE(stream.at_end());
  for (RawClient* client : {&whole, &body}) {
    const HttpResponse r = client->receive();
    EXPECT_EQ(r.status, 503);
    EXPECT_NE(r.body.find(R"("type":"server_error")"), std::string::npos) << r.body;
    EXPECT_NE(r.headers.find("Retry-After"), nullptr);
    EXPECT_TRUE(client->at_end());
  }
  const std::string metrics = server.metrics().to_text();
  EXPECT_EQ(metrics.find("status=\"499\""), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("route=\"/v1/chat/completions\",status=\"503\"} 1"), std::string::npos) << metrics;
  server.server().stop();
}

TEST(Disconnect, StopWithOpenStreamsCancelsThem) {
  TestServer server({}, TestServer::endless());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->post("/v1/chat/completions", chat_body(R"("stream":true)"));
  }
  EXPECT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 20; }));
  EXPECT_FALSE(server.server().drain(std::chrono::steady_clock::now() + std::chrono::milliseconds(50)));
  server.server().stop();
  EXPECT_TRUE(TestServer::eventually([&] { return server.engine().num_running() == 0; }));
  for (auto& client : clients) EXPECT_TRUE(client->at_end());
}

size_t count_entries(const char* directory) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

// One client's share: streams and whole answers, every third of them left before its end.
void run_clients(int port, int count, unsigned seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < count; ++i) {
    RawClient client(port);
    const bool leave = i % 3 == 0;
    const bool stream = random() % 2 == 0;
    client.post("/v1/chat/completions",
                chat_body(std::string(stream ? "\"stream\":true" : "\"stream\":false") +
                          (leave ? ",\"max_tokens\":1000000" : ",\"max_tokens\":5")));
    if (!leave) {
      ASSERT_EQ(client.receive().status, 200);
    } else if (stream && random() % 2) {
      client.wait_for("quick");
    }
  }
}

TEST(Soak, TenThousandRequestsLeaveNothingBehind) {
  DummyEngineOptions options = TestServer::endless();
  options.step = std::chrono::microseconds(200);
  TestServer server({}, options);
  const auto round = [&](int per_client, unsigned seed) {
    std::vector<std::thread> clients;
    for (unsigned c = 0; c < 8; ++c) clients.emplace_back(run_clients, server.port(), per_client, seed + c);
    for (auto& client : clients) client.join();
    EXPECT_TRUE(TestServer::eventually(
        [&] { return server.engine().num_running() == 0 && server.server().num_connections() == 0; }));
  };
  round(250, 1);  // warm: allocator and thread caches
  const size_t fds = count_entries("/proc/self/fd");
  const size_t threads = count_entries("/proc/self/task");
  const size_t memory = resident_bytes();
  round(kSanitized ? 125 : 1250, 100);
  // The last connections of a round are counted out a moment before their descriptors are closed.
  EXPECT_TRUE(TestServer::eventually([&] { return count_entries("/proc/self/fd") <= fds; }));
  EXPECT_EQ(count_entries("/proc/self/task"), threads);
  const size_t after = resident_bytes();
  std::printf("resident: %.1f MB before, %.1f MB after\n", static_cast<double>(memory) / 1e6,
              static_cast<double>(after) / 1e6);
  if (!kSanitized) {
    EXPECT_LT(after, memory + (size_t{4} << 20));
  }
  EXPECT_GT(server.engine().num_cancelled(), kSanitized ? 200 : 2000);
}

}  // namespace
}  // namespace hadal
