// HttpConnection: one accepted connection: reads and parses requests one after the other, writes their
// answers. Internal to net/: includes Asio. All on one io thread; kept alive by its two coroutines and by
// HttpIo's set.
//
// One coroutine reads all the time, also while an answer is streamed: what comes then is the next request
// (bounded) or the end of the connection, which is how a client that left is seen at once. The other
// coroutine writes.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "net/http_io.h"

namespace hadal {

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Clock = std::chrono::steady_clock;
  HttpConnection(HttpIo& io, boost::asio::ip::tcp::socket socket);
  ~HttpConnection();

  void start();
  void apply(HttpWrite&& write);
  void check_deadlines(Clock::time_point now);
  void close_if_idle();
  // See HttpServer::end_exchanges.
  void end_exchange(const std::function<void(const std::shared_ptr<HttpExchange>&)>& answer);
  // Drops the connection at once.
  void close();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using IoResult = std::pair<boost::system::error_code, size_t>;
  enum class State { kHandshake, kHead, kBody, kAnswering, kLingering, kClosed };

  boost::asio::awaitable<void> run_reads(std::shared_ptr<HttpConnection> self);
  boost::asio::awaitable<void> run_writes(std::shared_ptr<HttpConnection> self);
  boost::asio::awaitable<bool> handshake();
  boost::asio::awaitable<IoResult> read_some(char* data, size_t size);
  boost::asio::awaitable<IoResult> write_some(const char* data, size_t size);
  boost::asio::awaitable<void> wait_for_room();
  void on_bytes(std::string_view bytes);
  void on_eof();

  void pump();
  bool parse_some();
  bool on_head();
  std::optional<HttpFault> find_head_fault() const;
  void on_request();
  void fill_request();
  void uncount_body();
  void refuse(int status, std::string_view message);
  void fail_parse(const boost::system::error_code& ec, std::string_view head);
  void keep_stream_alive(Clock::time_point now);

  void send_whole(const HttpResponse& response);
  void read_region();
  void begin_stream(const HttpResponse& response);
  void finish_exchange(bool client_gone);
  void wake_writer();
  void send_or_wake();
  boost::asio::awaitable<void> linger();
  size_t backlog() const { return out_.size() + writing_.size(); }

  HttpIo& io_;
  const std::shared_ptr<HttpShared> shared_;
  boost::asio::ip::tcp::socket socket_;
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;
  boost::asio::steady_timer writer_wake_;
  boost::asio::steady_timer reader_wake_;
  std::string peer_;

  State state_ = State::kHandshake;
  std::optional<Parser> parser_;
  HttpRequest request_;  // of the parser's head
  std::string in_;       // read, not yet parsed, from in_pos_ on
  size_t in_pos_ = 0;
  size_t body_counted_ = 0;  // this connection's part of HttpShared::body_bytes
  bool pumping_ = false;
  bool head_started_ = true;  // the header timeout runs; at first from the connection's start
  Clock::time_point head_since_ = Clock::now();

  std::shared_ptr<HttpExchange> exchange_;
  HttpOutcome outcome_;
  bool streaming_ = false;
  bool chunked_ = false;
  bool keep_alive_ = false;
  std::unique_ptr<HttpResponse> event_head_;  // see HttpWrite
  Clock::time_point last_sent_;               // of the exchange's answer; at first its start

  std::optional<HttpFileRegion> region_;  // what is still to be read of the answer's body

  std::string out_;      // to be written after writing_
  std::string writing_;  // handed to the socket
  bool writing_now_ = false;
  bool reader_waits_ = false;
  bool close_after_write_ = false;
  std::optional<Clock::time_point> deadline_;
  Clock::time_point write_progress_;
};

}  // namespace hadal
