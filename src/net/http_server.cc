#include "net/http_server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "base/log.h"
#include "net/http_connection.h"
#include "net/http_io.h"

namespace hadal {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {
constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kSweepPeriod{100};
}  // namespace

void HttpExchange::respond(HttpResponse response) {
  const auto io = io_.lock();
  if (!io) return;
  HttpWrite write;
  write.exchange = shared_from_this();
  write.head = std::make_unique<HttpResponse>(std::move(response));
  write.whole = true;
  std::vector<HttpWrite> writes;
  writes.push_back(std::move(write));
  io->post_writes(std::move(writes));
}

void HttpExchange::abort(HttpAbort why) {
  const auto callback = std::move(on_abort_);
  on_abort_ = nullptr;
  if (callback) callback(why);
}

void HttpIo::post_writes(std::vector<HttpWrite> writes) {
  asio::dispatch(context_, [writes = std::move(writes)]() mutable {
    for (HttpWrite& write : writes) {
      if (const auto connection = write.exchange->connection()) connection->apply(std::move(write));
    }
  });
}

void HttpIo::start_sweep() {
  sweep_timer_.expires_after(kSweepPeriod);
  sweep_timer_.async_wait([this](const error_code& ec) {
    if (ec || stopped_) return;
    sweep();
    start_sweep();
  });
}

void HttpIo::sweep() {
  const auto now = std::chrono::steady_clock::now();
  const bool closing = shared_->closing.load(std::memory_order_relaxed);
  // A copy: closing takes a connection out of the set.
  const std::vector<std::shared_ptr<HttpConnection>> all(connections_.begin(), connections_.end());
  for (const auto& connection : all) {
    connection->check_deadlines(now);
    if (closing) connection->close_if_idle();
  }
}

void HttpIo::stop() {
  stopped_ = true;
  sweep_timer_.cancel();
  const std::vector<std::shared_ptr<HttpConnection>> all(connections_.begin(), connections_.end());
  for (const auto& connection : all) connection->close();
}

struct HttpServer::Impl {
  Impl(const HttpServerOptions& options, HttpHandler& handler)
      : shared(std::make_shared<HttpShared>(options, handler)) {
    for (int i = 0; i < std::max(1, options.num_threads); ++i) {
      ios.push_back(std::make_shared<HttpIo>(shared, static_cast<size_t>(i)));
    }
  }
  Status listen();
  asio::awaitable<void> accept_loop();
  void refuse_connection(tcp::socket& socket);
  void adopt(size_t index, tcp::socket socket);

  std::shared_ptr<HttpShared> shared;
  std::vector<std::shared_ptr<HttpIo>> ios;
  std::unique_ptr<tcp::acceptor> acceptor;
  uint16_t bound_port = 0;
  std::vector<std::thread> threads;
  bool stopped = false;
};

Status HttpServer::Impl::listen() {
  const HttpServerOptions& options = shared->options;
  const std::string where = options.host + " port " + std::to_string(options.port);
  error_code ec;
  tcp::resolver resolver(ios[0]->context());
  const auto found = resolver.resolve(options.host, std::to_string(options.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, ec);
  if (ec || found.empty()) return invalid_argument("cannot listen on ", where, ": ", ec.message());
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor = std::make_unique<tcp::acceptor>(ios[0]->context());
  acceptor->open(endpoint.protocol(), ec);
  if (!ec) acceptor->set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec && endpoint.address().is_v6()) {
    error_code ignored;
    acceptor->set_option(asio::ip::v6_only(false), ignored);
  }
  if (!ec) acceptor->bind(endpoint, ec);
  if (!ec) acceptor->listen(4096, ec);
  if (ec) return make_error(ErrorCode::kIo, "cannot listen on ", where, ": ", ec.message());
  bound_port = acceptor->local_endpoint(ec).port();
  return {};
}

// Plain text over plain TCP; a TLS client only sees the connection close.
void HttpServer::Impl::refuse_connection(tcp::socket& socket) {
  if (shared->tls) return;
  HttpRequest unread;
  HttpResponse response =
      shared->handler.error_response(503, "the server has reached its maximum of connections", unread);
  std::string bytes;
  append_response_head(bytes, response, BodyFraming::kLength, response.body.size(), false);
  bytes += response.body;
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(bytes), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void HttpServer::Impl::adopt(size_t index, tcp::socket socket) {
  HttpIo& io = *ios[index];
  asio::post(io.context(), [&io, moved = std::move(socket)]() mutable {
    if (!io.stopped()) std::make_shared<HttpConnection>(io, std::move(moved))->start();
  });
}

asio::awaitable<void> HttpServer::Impl::accept_loop() {
  asio::steady_timer pause(ios[0]->context());
  size_t next = 0;
  bool warned = false;
  while (acceptor->is_open()) {
    const size_t index = next++ % ios.size();
    tcp::socket socket(ios[index]->context());
    auto [ec] = co_await acceptor->async_accept(socket, kToken);
    if (ec == asio::error::operation_aborted) break;
    if (ec) {
      // Out of descriptors or memory: those that are served go on, accepting waits.
      if (!warned) log_warning("cannot accept connections").field("reason", ec.message());
      warned = true;
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(kToken);
      continue;
    }
    warned = false;
    if (shared->num_connections.load(std::memory_order_relaxed) >= shared->options.max_connections) {
      refuse_connection(socket);
      continue;
    }
    if (acceptor->is_open()) adopt(index, std::move(socket));
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::create(const HttpServerOptions& options,
                                                       HttpHandler& handler) {
  auto impl = std::make_unique<Impl>(options, handler);
  if (options.tls_cert_file.empty() != options.tls_key_file.empty()) {
    return invalid_argument("TLS needs both a certificate file and a key file");
  }
  if (!options.tls_cert_file.empty()) {
    HADAL_ASSIGN(impl->shared->tls, make_server_tls(options.tls_cert_file, options.tls_key_file));
  }
  HADAL_RETURN_IF_ERROR(impl->listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::start() {
  asio::co_spawn(impl_->ios[0]->context(), impl_->accept_loop(), asio::detached);
  for (const auto& io : impl_->ios) {
    asio::post(io->context(), [io = io.get()] { io->start_sweep(); });
    impl_->threads.emplace_back([io] { io->context().run(); });
  }
}

void HttpServer::stop() {
  if (impl_->stopped) return;
  impl_->stopped = true;
  Impl* impl = impl_.get();
  // First no new connection, then no old one. The sweep's timer keeps each thread running until then.
  if (!impl->threads.empty()) {
    asio::post(impl->ios[0]->context(), [impl] {
      error_code ignored;
      impl->acceptor->close(ignored);
      for (const auto& io : impl->ios) asio::post(io->context(), [io = io.get()] { io->stop(); });
    });
  }
  for (auto& thread : impl->threads) thread.join();
  impl->threads.clear();
  impl->acceptor.reset();
  impl->ios.clear();
}

void HttpServer::end_exchanges(std::function<void(const std::shared_ptr<HttpExchange>&)> answer) {
  for (const auto& io : impl_->ios) {
    asio::post(io->context(), [io, answer] {
      const std::vector<std::shared_ptr<HttpConnection>> all(io->connections().begin(),
                                                             io->connections().end());
      for (const auto& connection : all) connection->end_exchange(answer);
    });
  }
}

void HttpServer::close_when_idle() {
  impl_->shared->closing = true;
}
uint16_t HttpServer::port() const {
  return impl_->bound_port;
}
size_t HttpServer::num_io() const {
  return impl_->ios.size();
}
size_t HttpServer::num_connections() const {
  return impl_->shared->num_connections.load(std::memory_order_relaxed);
}

void HttpServer::post_writes(std::vector<HttpWrite> writes) {
  if (writes.empty()) return;
  if (const auto io = writes.front().exchange->io_.lock()) io->post_writes(std::move(writes));
}

}  // namespace hadal
