// HttpServer: HTTP/1.1 over TCP or TLS for many slow streams: keep-alive, pipelining, chunked bodies, limits,
// timeouts. It knows no route: a HttpHandler answers. Owned by whoever serves (server/, router/).
//
// Threads: one io thread per io_context; all state of a connection and of its exchange lives on one of them,
// so there are no locks. The handler is called on it and must not wait. Answers may come from any thread, as
// values.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "net/http_message.h"

namespace hadal {

class HttpConnection;
class HttpIo;

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: the system chooses
  int num_threads = 1;
  size_t max_connections = 8192;
  size_t max_header_bytes = size_t{32} << 10;
  size_t max_body_bytes = size_t{32} << 20;
  size_t max_total_body_bytes = size_t{256} << 20;  // of all that are being read; over it: 429
  size_t max_stream_buffer_bytes = size_t{1} << 20;
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds write_timeout{30'000};
  // A stream of events that has nothing to say sends its head after the first time, and a comment after each
  // second time: proxies and clients take silence for death. 0: never.
  std::chrono::milliseconds stream_silence{10'000};
  std::chrono::milliseconds stream_keep_alive{15'000};
  std::string tls_cert_file;
  std::string tls_key_file;
};

// How an exchange ended, for the access log.
struct HttpOutcome {
  int status = 0;            // 0: nothing was sent
  size_t bytes_sent = 0;     // of the body, as handed to the socket
  bool client_gone = false;  // the client left, or read too slowly, before the answer's end
  double seconds = 0;        // from the end of the request's head; from its first byte where it was not read
};

enum class HttpAbort { kClientGone, kShutdown };

// One request and its answer. Members without a remark: its io thread only.
class HttpExchange : public std::enable_shared_from_this<HttpExchange> {
 public:
  HttpExchange(HttpRequest request, std::weak_ptr<HttpConnection> connection, std::weak_ptr<HttpIo> io,
               size_t io_index)
      : request_(std::move(request)),
        connection_(std::move(connection)),
        io_(std::move(io)),
        io_index_(io_index) {}

  const HttpRequest& request() const { return request_; }
  std::string take_body() { return std::move(request_.body); }
  // Which io thread this exchange lives on. Any thread.
  size_t io_index() const { return io_index_; }
  // Called once if nobody waits for the answer any more: the client left, or abort(). Set while the handler
  // runs.
  void set_on_abort(std::function<void(HttpAbort)> callback) { on_abort_ = std::move(callback); }
  void abort(HttpAbort why);
  // Held until the answer's end, whichever end that is.
  void keep_until_done(std::shared_ptr<void> token) { token_ = std::move(token); }
  std::shared_ptr<HttpConnection> connection() const { return connection_.lock(); }  // any thread
  // Fields for the access log, sent along with HttpWrite::log.
  const JsonObject& log_fields() const { return log_fields_; }

  // The whole answer at once. Any thread. Later answers to the same exchange are ignored.
  void respond(HttpResponse response);

 private:
  friend class HttpConnection;
  friend class HttpServer;
  HttpRequest request_;
  std::weak_ptr<HttpConnection> connection_;
  std::weak_ptr<HttpIo> io_;
  const size_t io_index_;
  std::function<void(HttpAbort)> on_abort_;
  std::shared_ptr<void> token_;
  JsonObject log_fields_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// A piece of an answer on its way to an exchange's io thread.
struct HttpWrite {
  std::shared_ptr<HttpExchange> exchange;
  // Starts a streamed answer (body ignored) unless it has started; with `whole`, is the whole answer.
  std::unique_ptr<HttpResponse> head;
  bool whole = false;
  // Kept, not sent: the answer is going to be a stream of events (net/sse.h) with this head, and is kept
  // alive where it is silent.
  std::unique_ptr<HttpResponse> event_head;
  // With `whole`, after a stream has started: these bytes are sent instead of `head`, and the stream ends.
  std::string data;
  bool end = false;
  JsonObject log;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // A request's head has come, its body has not. An answer here refuses the request without reading the body.
  // The handler may add fields to the head (a request id).
  virtual std::optional<HttpResponse> check_head(HttpRequest& head) = 0;
  virtual void handle(std::shared_ptr<HttpExchange> exchange) = 0;
  // The answer to what is not HTTP, or over a limit. `head` has what was understood of it.
  virtual HttpResponse error_response(int status, std::string_view message, HttpRequest& head) = 0;
  virtual void on_done(const HttpExchange& exchange, const HttpOutcome& outcome) = 0;
};

class HttpServer {
 public:
  // Binds and listens; no connection is accepted before start(). The handler outlives the server.
  // Errors: kInvalidArgument (host, certificate), kIo (address in use, no permission), each naming host and
  // port.
  static Result<std::unique_ptr<HttpServer>> create(const HttpServerOptions& options, HttpHandler& handler);
  ~HttpServer();  // stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start();
  // Closes every connection at once (their exchanges see "client gone") and joins the threads. Idempotent.
  // One thread at a time, never an io thread.
  void stop();
  // From now on each answer says "Connection: close" and idle connections are closed. Any thread.
  void close_when_idle();
  // Hands every open exchange to `answer`, on its io thread, and refuses with 503 what is still being read.
  // Any thread; returns at once.
  void end_exchanges(std::function<void(const std::shared_ptr<HttpExchange>&)> answer);

  uint16_t port() const;
  size_t num_io() const;
  size_t num_connections() const;  // any thread
  // Hands pieces of answers, all of one io thread, to it: one post for all. Any thread; after stop() they are
  // dropped.
  static void post_writes(std::vector<HttpWrite> writes);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
