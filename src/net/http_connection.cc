#include "net/http_connection.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "net/sse.h"

namespace hadal {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

constexpr size_t kHeadRead = 4096;
constexpr size_t kBodyRead = size_t{64} << 10;
constexpr size_t kIdleRead = 512;  // while idle or answering: there may be thousands of these
// Bytes of further requests that are read while an answer is under way.
constexpr size_t kMaxPipelined = size_t{64} << 10;
// Unsent bytes of whole answers above which no further pipelined request is started.
constexpr size_t kMaxBacklog = size_t{256} << 10;
constexpr size_t kRegionRead = size_t{256} << 10;  // of a file that is a body
constexpr std::chrono::seconds kLinger{3};
constexpr std::chrono::milliseconds kRoomPoll{200};

// A peer that vanished without a word is noticed within half a minute, while it waits for an answer and while
// it is being written to.
void set_socket_options(asio::ip::tcp::socket& socket) {
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const int fd = socket.native_handle();
  const int idle = 15, interval = 5, count = 3, user_timeout_ms = 30'000;
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
}

std::string describe_peer(asio::ip::tcp::socket& socket) {
  error_code ec;
  const auto endpoint = socket.remote_endpoint(ec);
  if (ec) return "unknown";
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
}

// Whether the peer has closed, although unread bytes may still be queued before its FIN.
bool peer_has_closed(int fd) {
  pollfd poll_fd{fd, POLLRDHUP, 0};
  return ::poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

// Whether a request line ends in a version of HTTP, though not one that is spoken here.
bool names_http_version(std::string_view head) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  if (line.size() < 9) return false;
  const std::string_view version = line.substr(line.size() - 9);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return version.starts_with(" HTTP/") && is_digit(version[6]) && version[7] == '.' && is_digit(version[8]);
}

bool wants_keep_alive(const HttpRequest& request) {
  const std::string* connection = request.headers.find("Connection");
  if (request.version >= 11) return !connection || !list_contains(*connection, "close");
  return connection && list_contains(*connection, "keep-alive");
}

}  // namespace

HttpConnection::HttpConnection(HttpIo& io, asio::ip::tcp::socket socket)
    : io_(io),
      shared_(io.shared_ptr()),
      socket_(std::move(socket)),
      writer_wake_(socket_.get_executor(), Clock::time_point::max()),
      reader_wake_(socket_.get_executor()),
      peer_(describe_peer(socket_)),
      write_progress_(Clock::now()) {
  shared_->num_connections.fetch_add(1, std::memory_order_relaxed);
}

HttpConnection::~HttpConnection() {
  uncount_body();
  shared_->num_connections.fetch_sub(1, std::memory_order_relaxed);
}

void HttpConnection::uncount_body() {
  shared_->body_bytes.fetch_sub(body_counted_, std::memory_order_relaxed);
  body_counted_ = 0;
}

void HttpConnection::start() {
  set_socket_options(socket_);
  if (shared_->tls) tls_.emplace(socket_, *shared_->tls);
  deadline_ = Clock::now() + shared_->options.header_timeout;
  io_.connections().insert(shared_from_this());
  asio::co_spawn(socket_.get_executor(), run_reads(shared_from_this()), asio::detached);
}

asio::awaitable<bool> HttpConnection::handshake() {
  if (tls_) {
    auto [ec] = co_await tls_->async_handshake(asio::ssl::stream_base::server, kToken);
    if (ec) co_return false;
  }
  co_return true;
}

asio::awaitable<HttpConnection::IoResult> HttpConnection::read_some(char* data, size_t size) {
  if (tls_) {
    auto [ec, n] = co_await tls_->async_read_some(asio::buffer(data, size), kToken);
    co_return IoResult(ec, n);
  }
  auto [ec, n] = co_await socket_.async_read_some(asio::buffer(data, size), kToken);
  co_return IoResult(ec, n);
}

asio::awaitable<HttpConnection::IoResult> HttpConnection::write_some(const char* data, size_t size) {
  if (tls_) {
    auto [ec, n] = co_await tls_->async_write_some(asio::buffer(data, size), kToken);
    co_return IoResult(ec, n);
  }
  auto [ec, n] = co_await socket_.async_write_some(asio::buffer(data, size), kToken);
  co_return IoResult(ec, n);
}

// The pipelined bytes have reached their bound: nothing is read, so the end of the connection is asked of the
// kernel.
asio::awaitable<void> HttpConnection::wait_for_room() {
  reader_wake_.expires_after(kRoomPoll);
  reader_waits_ = true;
  auto [ec] = co_await reader_wake_.async_wait(kToken);
  reader_waits_ = false;
  if (!ec && state_ != State::kClosed && peer_has_closed(socket_.native_handle())) close();
}

asio::awaitable<void> HttpConnection::run_reads(std::shared_ptr<HttpConnection> self) {
  const bool shaken = co_await handshake();
  if (!shaken || state_ == State::kClosed) {
    close();
    co_return;
  }
  state_ = State::kHead;
  asio::co_spawn(socket_.get_executor(), run_writes(self), asio::detached);
  std::vector<char> buffer;
  bool first = true;
  while (state_ != State::kClosed) {
    const bool busy = state_ == State::kAnswering || state_ == State::kHead;
    if (busy && in_.size() >= std::max(kMaxPipelined, shared_->options.max_header_bytes + kHeadRead)) {
      co_await wait_for_room();
      continue;
    }
    size_t size = kIdleRead;
    if (state_ == State::kBody || state_ == State::kLingering) size = kBodyRead;
    if (state_ == State::kHead && (first || !in_.empty())) size = kHeadRead;
    if (buffer.size() != size) std::vector<char>(size).swap(buffer);
    auto [ec, n] = co_await read_some(buffer.data(), buffer.size());
    first = false;
    if (state_ == State::kClosed) break;
    if (ec) {
      on_eof();
      break;
    }
    on_bytes(std::string_view(buffer.data(), n));
  }
}

void HttpConnection::on_bytes(std::string_view bytes) {
  if (state_ == State::kLingering) return;
  // The first byte of a request starts its clock; an answer that is under way has none.
  if (state_ == State::kHead && !head_started_) {
    head_started_ = true;
    head_since_ = Clock::now();
    deadline_ = head_since_ + shared_->options.header_timeout;
  }
  in_ += bytes;
  if (state_ == State::kBody) {
    body_counted_ += bytes.size();
    const size_t total =
        shared_->body_bytes.fetch_add(bytes.size(), std::memory_order_relaxed) + bytes.size();
    if (total > shared_->options.max_total_body_bytes) {
      refuse(429, "too many large requests at once: try again later");
      return;
    }
  }
  pump();
}

void HttpConnection::on_eof() {
  // An answer under way has lost its reader. One that is already complete may still be on its way to a client
  // that only closed its sending side.
  if (exchange_ || state_ == State::kLingering || backlog() == 0) {
    close();
    return;
  }
  close_after_write_ = true;
  wake_writer();
}

asio::awaitable<void> HttpConnection::run_writes([[maybe_unused]] std::shared_ptr<HttpConnection> self) {
  while (state_ != State::kClosed) {
    if (out_.empty() && region_) read_region();
    if (out_.empty()) {
      if (state_ == State::kClosed) break;
      if (close_after_write_) break;
      writing_now_ = false;
      co_await writer_wake_.async_wait(kToken);
      continue;
    }
    writing_now_ = true;
    write_progress_ = Clock::now();
    writing_.swap(out_);
    size_t done = 0;
    while (done < writing_.size() && state_ != State::kClosed) {
      auto [ec, n] = co_await write_some(writing_.data() + done, writing_.size() - done);
      if (ec) {
        close();
        co_return;
      }
      done += n;
      write_progress_ = Clock::now();
    }
    writing_.clear();
    // A burst must not stay in memory for the life of an idle connection.
    if (writing_.capacity() > kBodyRead) writing_.shrink_to_fit();
    pump();
  }
  writing_now_ = false;
  if (state_ != State::kClosed) co_await linger();
}

// Closing at once while the client still sends would reset the connection and lose the answer: close our
// side, then read on for a moment.
asio::awaitable<void> HttpConnection::linger() {
  state_ = State::kLingering;
  deadline_ = Clock::now() + kLinger;
  reader_wake_.cancel();
  if (tls_) {
    auto [ec] = co_await tls_->async_shutdown(kToken);
    if (ec || state_ == State::kClosed) co_return;
  }
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void HttpConnection::wake_writer() {
  writer_wake_.cancel();
}

// The usual event of a stream: a few hundred bytes that the socket takes at once, without waking the writer.
void HttpConnection::send_or_wake() {
  if (!tls_ && !writing_now_ && !close_after_write_ && !out_.empty()) {
    const ssize_t n = ::send(socket_.native_handle(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) out_.erase(0, static_cast<size_t>(n));
    if (out_.empty()) return;
  }
  wake_writer();
}

void HttpConnection::close() {
  if (state_ == State::kClosed) return;
  const auto self = shared_from_this();
  state_ = State::kClosed;
  error_code ignored;
  socket_.close(ignored);
  writer_wake_.cancel();
  reader_wake_.cancel();
  if (exchange_) finish_exchange(true);
  io_.connections().erase(self);
}

void HttpConnection::close_if_idle() {
  if (state_ == State::kHead && !parser_ && in_.empty() && backlog() == 0) close();
}

void HttpConnection::end_exchange(const std::function<void(const std::shared_ptr<HttpExchange>&)>& answer) {
  if (const auto exchange = exchange_) {
    answer(exchange);
  } else if (state_ == State::kBody || (state_ == State::kHead && (parser_ || !in_.empty()))) {
    deadline_.reset();
    refuse(503, "the server is shutting down");
  }
}

// A stream that is silent, before its first event or between two.
void HttpConnection::keep_stream_alive(Clock::time_point now) {
  if (!event_head_ || backlog() > 0) return;
  const auto wait = streaming_ ? shared_->options.stream_keep_alive : shared_->options.stream_silence;
  if (wait.count() == 0 || now - last_sent_ < wait) return;
  if (!streaming_) begin_stream(*event_head_);
  if (chunked_) {
    append_chunk(out_, kSseKeepAlive);
  } else {
    out_ += kSseKeepAlive;
  }
  outcome_.bytes_sent += kSseKeepAlive.size();
  last_sent_ = now;
  send_or_wake();
}

void HttpConnection::check_deadlines(Clock::time_point now) {
  if (writing_now_ && now - write_progress_ > shared_->options.write_timeout) {
    close();
    return;
  }
  keep_stream_alive(now);
  if (!deadline_ || now < *deadline_) return;
  const bool mid_request = state_ == State::kBody || (state_ == State::kHead && (parser_ || !in_.empty()));
  if (!mid_request) {
    close();
    return;
  }
  deadline_.reset();
  refuse(408, state_ == State::kBody ? "the request's body did not arrive in time"
                                     : "the request's head did not arrive in time");
}

// Starts as many of the requests read so far as may start now. Called when bytes came, an answer ended or was
// sent.
void HttpConnection::pump() {
  if (pumping_) return;
  if (in_pos_ == in_.size()) return;
  pumping_ = true;
  while ((state_ == State::kHead || state_ == State::kBody) && in_pos_ < in_.size() && !close_after_write_ &&
         backlog() < kMaxBacklog) {
    if (!parse_some()) break;
  }
  in_.erase(0, in_pos_);
  in_pos_ = 0;
  if (in_.empty() && in_.capacity() > kHeadRead) in_.shrink_to_fit();
  pumping_ = false;
  if (reader_waits_) reader_wake_.cancel();
}

// One step of parsing; false when it needs more bytes, or the connection is to end.
bool HttpConnection::parse_some() {
  if (!parser_) {
    // RFC 9112 section 2.2: empty lines before a request are ignored.
    while (in_pos_ < in_.size() && (in_[in_pos_] == '\r' || in_[in_pos_] == '\n')) ++in_pos_;
    if (in_pos_ == in_.size()) return false;
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(shared_->options.max_header_bytes));
    parser_->body_limit(shared_->options.max_body_bytes);
  }
  const bool had_head = parser_->is_header_done();
  const size_t start = in_pos_;
  if (!had_head) {
    const std::string_view read = std::string_view(in_).substr(start);
    const size_t end = read.find("\r\n\r\n");
    // The parser may have taken whole lines already.
    if (const auto fault = find_line_fault(read.substr(0, end), !parser_->got_some())) {
      refuse(fault->status, fault->message);
      return false;
    }
  }
  error_code ec;
  in_pos_ += parser_->put(asio::buffer(in_.data() + in_pos_, in_.size() - in_pos_), ec);
  if (ec && ec != http::error::need_more) {
    fail_parse(ec, std::string_view(in_).substr(start));
    return false;
  }
  if (!had_head && parser_->is_header_done() && !on_head()) return false;
  if (parser_ && parser_->is_done()) {
    on_request();
    return true;
  }
  return !ec;
}

void HttpConnection::fill_request() {
  request_ = HttpRequest();
  request_.peer = peer_;
  if (!parser_ || !parser_->is_header_done()) {
    request_.method = request_.target = request_.path = "-";
    return;
  }
  const auto& head = parser_->get();
  request_.method = std::string(head.method_string());
  request_.target = std::string(head.target());
  request_.version = static_cast<int>(head.version());
  for (const auto& field : head) request_.headers.add(field.name_string(), field.value());
}

std::optional<HttpFault> HttpConnection::find_head_fault() const {
  if (request_.version != 10 && request_.version != 11) {
    return HttpFault{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  }
  return find_framing_fault(request_);
}

// False when the request is refused.
bool HttpConnection::on_head() {
  fill_request();
  const bool has_body = !parser_->is_done();
  if (const auto fault = find_head_fault()) {
    split_target(request_);
    refuse(fault->status, fault->message);
    return false;
  }
  if (!split_target(request_)) {
    refuse(400, "the request target is neither a path nor an address");
    return false;
  }
  const std::string* expect = request_.headers.find("Expect");
  if (expect && !equals_ignoring_case(*expect, "100-continue")) {
    refuse(417, "the only expectation that can be met is 100-continue");
    return false;
  }
  if (!has_body) return true;
  if (auto refusal = shared_->handler.check_head(request_)) {
    keep_alive_ = false;
    exchange_ = std::make_shared<HttpExchange>(std::move(request_), weak_from_this(), io_.weak_from_this(),
                                               io_.index());
    state_ = State::kAnswering;
    send_whole(*refusal);
    return false;
  }
  state_ = State::kBody;
  deadline_ = Clock::now() + shared_->options.body_timeout;
  if (expect && request_.version == 11) {
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
    wake_writer();
  }
  parser_->eager(true);
  return true;
}

void HttpConnection::on_request() {
  request_.body = std::move(parser_->get().body());
  uncount_body();
  parser_.reset();
  keep_alive_ = wants_keep_alive(request_) && !shared_->closing.load(std::memory_order_relaxed);
  const bool has_no_body = state_ == State::kHead;
  exchange_ = std::make_shared<HttpExchange>(std::move(request_), weak_from_this(), io_.weak_from_this(),
                                             io_.index());
  outcome_ = HttpOutcome();
  state_ = State::kAnswering;
  deadline_.reset();
  last_sent_ = Clock::now();
  if (has_no_body) {
    if (auto refusal = shared_->handler.check_head(exchange_->request_)) {
      send_whole(*refusal);
      return;
    }
  }
  shared_->handler.handle(exchange_);
}

void HttpConnection::fail_parse(const error_code& ec, std::string_view head) {
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    refuse(431, "the request's head is over " + std::to_string(shared_->options.max_header_bytes) + " bytes");
  } else if (ec == http::error::body_limit) {
    fill_request();
    split_target(request_);
    refuse(413, "the request's body is over " + std::to_string(shared_->options.max_body_bytes) + " bytes");
  } else if (ec == http::error::bad_version && names_http_version(head)) {
    refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  } else {
    refuse(400, "not a valid HTTP request: " + ec.message());
  }
}

// Answers what cannot be read further, and closes.
void HttpConnection::refuse(int status, std::string_view message) {
  if (!parser_ || !parser_->is_header_done()) fill_request();
  HttpResponse response = shared_->handler.error_response(status, message, request_);
  keep_alive_ = false;
  exchange_ = std::make_shared<HttpExchange>(std::move(request_), weak_from_this(), io_.weak_from_this(),
                                             io_.index());
  exchange_->started_ = head_since_;
  state_ = State::kAnswering;
  send_whole(response);
}

void HttpConnection::apply(HttpWrite&& write) {
  if (write.exchange != exchange_ || state_ == State::kClosed || region_) return;
  // What waited before: one large event is no sign of a slow reader.
  const size_t waiting = backlog();
  for (auto& field : write.log) exchange_->log_fields_.push_back(std::move(field));
  if (write.event_head) {
    event_head_ = std::move(write.event_head);
    return;
  }
  if (write.whole && !streaming_) {
    send_whole(*write.head);
    return;
  }
  if (write.head && !streaming_) begin_stream(*write.head);
  if (streaming_ && !write.data.empty() && exchange_->request().method != "HEAD") {
    last_sent_ = Clock::now();
    outcome_.bytes_sent += write.data.size();
    if (chunked_) {
      append_chunk(out_, write.data);
    } else {
      out_ += write.data;
    }
  }
  if (write.end || write.whole) {
    if (chunked_ && exchange_->request().method != "HEAD") out_ += "0\r\n\r\n";
    finish_exchange(false);
  } else if (waiting > shared_->options.max_stream_buffer_bytes) {
    close();
    return;
  }
  send_or_wake();
  pump();
}

void HttpConnection::send_whole(const HttpResponse& response) {
  keep_alive_ = keep_alive_ && !shared_->closing.load(std::memory_order_relaxed);
  const bool no_body = response.status == 204 || response.status == 304;
  const size_t length = response.region ? static_cast<size_t>(response.region->size) : response.body.size();
  append_response_head(out_, response, no_body ? BodyFraming::kNone : BodyFraming::kLength, length,
                       keep_alive_);
  outcome_.status = response.status;
  if (response.region && length > 0 && !no_body && exchange_->request().method != "HEAD") {
    region_ = response.region;
    wake_writer();
    return;
  }
  if (!no_body && exchange_->request().method != "HEAD") {
    out_ += response.body;
    outcome_.bytes_sent = response.body.size();
  }
  finish_exchange(false);
  wake_writer();
  pump();
}

// The next piece of a body that is a file. Reading may wait for the disk: servers of large files have several
// io threads.
void HttpConnection::read_region() {
  const size_t count = std::min(kRegionRead, static_cast<size_t>(region_->size));
  out_.resize(count);
  ssize_t n = -1;
  do {
    n = ::pread(region_->file->get(), out_.data(), count, region_->offset);
  } while (n < 0 && errno == EINTR);
  out_.resize(n > 0 ? static_cast<size_t>(n) : 0);
  if (n <= 0) {
    // The length has been announced: only a cut connection says that it is not all there.
    close();
    return;
  }
  region_->offset += n;
  region_->size -= n;
  outcome_.bytes_sent += static_cast<size_t>(n);
  if (region_->size == 0) finish_exchange(false);
}

void HttpConnection::begin_stream(const HttpResponse& response) {
  streaming_ = true;
  chunked_ = exchange_->request().version >= 11;
  keep_alive_ = keep_alive_ && chunked_ && !shared_->closing.load(std::memory_order_relaxed);
  append_response_head(out_, response, chunked_ ? BodyFraming::kChunked : BodyFraming::kUntilClose, 0,
                       keep_alive_);
  outcome_.status = response.status;
}

void HttpConnection::finish_exchange(bool client_gone) {
  const auto exchange = std::move(exchange_);
  exchange_.reset();
  outcome_.client_gone = client_gone;
  outcome_.seconds = std::chrono::duration<double>(Clock::now() - exchange->started_).count();
  if (client_gone) exchange->abort(HttpAbort::kClientGone);
  exchange->on_abort_ = nullptr;
  shared_->handler.on_done(*exchange, outcome_);
  exchange->token_.reset();
  uncount_body();
  outcome_ = HttpOutcome();
  streaming_ = false;
  chunked_ = false;
  region_.reset();
  event_head_.reset();
  parser_.reset();
  if (state_ == State::kClosed) return;
  if (keep_alive_) {
    state_ = State::kHead;
    head_started_ = in_pos_ < in_.size();
    head_since_ = Clock::now();
    deadline_ =
        Clock::now() + (head_started_ ? shared_->options.header_timeout : shared_->options.idle_timeout);
  } else {
    close_after_write_ = true;
  }
}

}  // namespace hadal
