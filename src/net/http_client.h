// HttpClient: HTTP/1.1 requests with streamed answers, for `hadal chat URL`, benchmarks and the router. One
// connection per request. fetch() blocks its caller; HttpClientPool runs thousands at once on a few threads
// of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"
#include "net/sse.h"
#include "net/url.h"

namespace hadal {

struct HttpClientOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  // Silence from the server that ends the request.
  std::chrono::milliseconds read_timeout{600'000};
  size_t max_body_bytes = size_t{256} << 20;  // of a body that is kept; streamed ones have no limit
  std::string ca_file;                        // PEM; "": the system's
  bool insecure = false;                      // TLS without verifying the server
};

// All optional. Called on the thread that runs the request; on_data false ends the request (kCancelled).
struct HttpClientCallbacks {
  std::function<void(const HttpResponse& head)> on_head;
  // With on_data the body is not kept, unless the status is an error (400 and up).
  std::function<bool(std::string_view data)> on_data;
};

// Sends `request` (method, headers, body; Host, Content-Length and the target are added) to `url` and waits
// for the answer. Any status is a success. `stop` ends it from another thread. Errors: kUnavailable (cannot
// connect), kDeadlineExceeded, kCancelled, kDataLoss (cut or not HTTP), kTooLarge.
Result<HttpResponse> fetch(const Url& url, HttpRequest request, const HttpClientOptions& options = {},
                           HttpClientCallbacks callbacks = {}, std::stop_token stop = {});

// The same for a stream of server-sent events; on_event false ends it. An answer that is no event stream is
// kept in HttpResponse::body and gives no event.
Result<HttpResponse> fetch_events(const Url& url, HttpRequest request,
                                  const std::function<bool(const SseEvent&)>& on_event,
                                  const HttpClientOptions& options = {}, std::stop_token stop = {});

// Many requests at once. Any thread.
class HttpClientPool {
 public:
  explicit HttpClientPool(const HttpClientOptions& options, int num_threads = 1);
  ~HttpClientPool();  // cancels what runs, then joins
  HttpClientPool(const HttpClientPool&) = delete;
  HttpClientPool& operator=(const HttpClientPool&) = delete;

  // Callbacks run on a thread of the pool and must not wait; on_done is always the last. Stop ends the
  // request.
  void start(const Url& url, HttpRequest request, HttpClientCallbacks callbacks,
             std::function<void(Result<HttpResponse>)> on_done, std::stop_token stop = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
