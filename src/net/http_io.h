// HttpIo: one io thread of a HttpServer: its io_context, its connections and the sweep over their deadlines.
// Internal to net/: includes Asio.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <unordered_set>
#include <vector>

#include "net/http_server.h"
#include "net/tls.h"

namespace hadal {

// What all io threads of one server share; const but for the atomics.
struct HttpShared {
  HttpShared(const HttpServerOptions& o, HttpHandler& h) : options(o), handler(h) {}
  const HttpServerOptions options;
  HttpHandler& handler;
  TlsContext tls;  // null: plain TCP
  std::atomic<size_t> num_connections{0};
  std::atomic<size_t> body_bytes{0};  // of the bodies that are being read
  std::atomic<bool> closing{false};   // answers say "Connection: close"
};

class HttpIo : public std::enable_shared_from_this<HttpIo> {
 public:
  HttpIo(std::shared_ptr<HttpShared> shared, size_t index)
      : context_(1), shared_(std::move(shared)), index_(index), sweep_timer_(context_) {}

  boost::asio::io_context& context() { return context_; }
  HttpShared& shared() { return *shared_; }
  const std::shared_ptr<HttpShared>& shared_ptr() const { return shared_; }
  size_t index() const { return index_; }
  std::unordered_set<std::shared_ptr<HttpConnection>>& connections() { return connections_; }

  // Any thread: applies the writes on this io thread; inline when called from it.
  void post_writes(std::vector<HttpWrite> writes);
  // io thread.
  void start_sweep();
  void stop();
  bool stopped() const { return stopped_; }

 private:
  void sweep();
  boost::asio::io_context context_;
  const std::shared_ptr<HttpShared> shared_;
  const size_t index_;
  boost::asio::steady_timer sweep_timer_;
  std::unordered_set<std::shared_ptr<HttpConnection>> connections_;
  bool stopped_ = false;
};

}  // namespace hadal
