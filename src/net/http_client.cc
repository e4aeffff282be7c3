#include "net/http_client.h"

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "net/tls.h"

namespace hadal {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Parser = http::response_parser<http::string_body>;
constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr size_t kReadSize = size_t{16} << 10;

// One request under way; all on its io_context.
struct Job : std::enable_shared_from_this<Job> {
  Job(asio::io_context& c, const Url& u, HttpRequest r, const HttpClientOptions& o, HttpClientCallbacks cb)
      : url(u),
        request(std::move(r)),
        options(o),
        callbacks(std::move(cb)),
        socket(c),
        resolver(c),
        watchdog(c) {}

  asio::awaitable<Result<HttpResponse>> run();
  void cancel() {
    cancelled = true;
    close();
  }

 private:
  asio::awaitable<Status> connect();
  asio::awaitable<Status> send();
  asio::awaitable<Status> receive(HttpResponse& response);
  Status parse(HttpResponse& response);
  Status take_body(HttpResponse& response);
  void build_head(std::string& out) const;
  Error failure(const error_code& ec, std::string_view doing) const;
  void close();
  // One timer for the whole request, moved only when it fires: setting one per read would cost more than the
  // read.
  void watch();
  void alive(std::chrono::milliseconds limit) { deadline = Clock::now() + limit; }

  const Url url;
  HttpRequest request;
  const HttpClientOptions options;
  HttpClientCallbacks callbacks;
  tcp::socket socket;
  tcp::resolver resolver;
  asio::steady_timer watchdog;
  Clock::time_point deadline;
  TlsContext tls_context;
  std::optional<asio::ssl::stream<tcp::socket&>> tls;
  Parser parser;
  std::string in;  // read, not yet parsed
  bool have_head = false;
  bool cancelled = false;
  bool timed_out = false;
};

void Job::close() {
  error_code ignored;
  resolver.cancel();
  watchdog.cancel();
  socket.close(ignored);
}

void Job::watch() {
  watchdog.expires_at(deadline);
  watchdog.async_wait([weak = weak_from_this()](const error_code& ec) {
    const auto job = weak.lock();
    if (ec || !job) return;
    if (Clock::now() < job->deadline) {
      job->watch();
      return;
    }
    job->timed_out = true;
    job->close();
  });
}

Error Job::failure(const error_code& ec, std::string_view doing) const {
  const std::string where = url.authority();
  if (cancelled) return make_error(ErrorCode::kCancelled, "request to ", where, " was cancelled");
  if (timed_out) return make_error(ErrorCode::kDeadlineExceeded, where, ": timed out ", doing);
  const bool connecting = doing == std::string_view("connecting");
  const bool cut =
      ec == asio::error::eof || ec == http::error::partial_message || ec == http::error::end_of_stream;
  const bool bad = ec.category() == http::make_error_code(http::error::bad_version).category();
  const ErrorCode code = connecting   ? ErrorCode::kUnavailable
                         : cut || bad ? ErrorCode::kDataLoss
                                      : ErrorCode::kIo;
  return make_error(code, where, ": failed ", doing, ": ", cut ? "the answer was cut off" : ec.message());
}

asio::awaitable<Status> Job::connect() {
  alive(options.connect_timeout);
  watch();
  auto [resolve_error, found] = co_await resolver.async_resolve(url.host, std::to_string(url.port), kToken);
  if (resolve_error) co_return Status(failure(resolve_error, "connecting"));
  auto [ec, endpoint] = co_await asio::async_connect(socket, found, kToken);
  if (ec || cancelled || timed_out) co_return Status(failure(ec, "connecting"));
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  if (!url.tls) co_return Status();
  auto made = make_client_tls(options.ca_file, options.insecure);
  if (!made.ok()) co_return Status(made.error());
  tls_context = *made;
  tls.emplace(socket, *tls_context);
  SSL_set_tlsext_host_name(tls->native_handle(), url.host.c_str());
  if (!options.insecure) tls->set_verify_callback(asio::ssl::host_name_verification(url.host));
  auto [tls_error] = co_await tls->async_handshake(asio::ssl::stream_base::client, kToken);
  if (tls_error) co_return Status(failure(tls_error, "connecting"));
  co_return Status();
}

void Job::build_head(std::string& out) const {
  out = request.method + " " + url.target + " HTTP/1.1\r\nHost: " + url.authority() + "\r\n";
  for (const auto& [name, value] : request.headers.fields()) out += name + ": " + value + "\r\n";
  if (!request.headers.find("User-Agent")) out += "User-Agent: hadal\r\n";
  if (!request.body.empty() || request.method == "POST") {
    out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  out += "Connection: close\r\n\r\n";
}

asio::awaitable<Status> Job::send() {
  std::string bytes;
  build_head(bytes);
  bytes += request.body;
  // The limit may now be shorter than the one the timer waits for.
  alive(options.read_timeout);
  watch();
  size_t done = 0;
  while (done < bytes.size()) {
    alive(options.read_timeout);
    const auto piece = asio::buffer(bytes.data() + done, bytes.size() - done);
    error_code ec;
    size_t sent = 0;
    if (tls) {
      std::tie(ec, sent) = co_await tls->async_write_some(piece, kToken);
    } else {
      std::tie(ec, sent) = co_await socket.async_write_some(piece, kToken);
    }
    // A server may answer and close before it has read all: its answer is worth more than this error.
    if (ec && !cancelled && !timed_out && done > 0) break;
    if (ec) co_return Status(failure(ec, "sending"));
    done += sent;
  }
  co_return Status();
}

Status Job::take_body(HttpResponse& response) {
  std::string& data = parser.get().body();
  if (data.empty()) return {};
  if (callbacks.on_data && response.status < 400) {
    const bool wanted = callbacks.on_data(data);
    data.clear();
    if (!wanted) return make_error(ErrorCode::kCancelled, "the receiver ended the answer");
    return {};
  }
  response.body += data;
  data.clear();
  if (response.body.size() > options.max_body_bytes) {
    return make_error(ErrorCode::kTooLarge, url.authority(), ": answer over ", options.max_body_bytes,
                      " bytes");
  }
  return {};
}

// Parses what was read, hands out head and body as they come.
Status Job::parse(HttpResponse& response) {
  size_t pos = 0;
  error_code ec;
  while (pos < in.size() && !parser.is_done() && !ec) {
    pos += parser.put(asio::buffer(in.data() + pos, in.size() - pos), ec);
    if (ec && ec != http::error::need_more) return failure(ec, "reading the answer");
    if (!parser.is_header_done()) continue;
    if (!have_head) {
      have_head = true;
      response.status = static_cast<int>(parser.get().result_int());
      for (const auto& field : parser.get()) response.headers.add(field.name_string(), field.value());
      if (callbacks.on_head) callbacks.on_head(response);
    }
    HADAL_RETURN_IF_ERROR(take_body(response));
  }
  in.erase(0, pos);
  return {};
}

asio::awaitable<Status> Job::receive(HttpResponse& response) {
  parser.eager(true);
  parser.body_limit(boost::none);
  parser.header_limit(uint32_t{1} << 16);
  std::vector<char> buffer(kReadSize);
  while (!parser.is_done()) {
    error_code ec;
    size_t n = 0;
    if (tls) {
      std::tie(ec, n) = co_await tls->async_read_some(asio::buffer(buffer), kToken);
    } else {
      std::tie(ec, n) = co_await socket.async_read_some(asio::buffer(buffer), kToken);
    }
    if (ec == asio::error::eof && have_head && !cancelled && !timed_out) {
      // The end of the connection is the end of a body that has no length.
      error_code end;
      parser.put_eof(end);
      if (end) co_return Status(failure(end, "reading the answer"));
      break;
    }
    if (ec) co_return Status(failure(ec, have_head ? "reading the answer" : "waiting for the answer"));
    alive(options.read_timeout);
    in.append(buffer.data(), n);
    Status parsed = parse(response);
    if (!parsed.ok()) co_return parsed;
  }
  co_return Status();
}

asio::awaitable<Result<HttpResponse>> Job::run() {
  const auto self = shared_from_this();
  HttpResponse response;
  if (cancelled) co_return Result<HttpResponse>(failure({}, "connecting"));
  if (request.method == "HEAD") parser.skip(true);
  Status status = co_await connect();
  if (status.ok()) status = co_await send();
  if (status.ok()) status = co_await receive(response);
  close();
  if (!status.ok()) co_return Result<HttpResponse>(status.error());
  co_return Result<HttpResponse>(std::move(response));
}

asio::awaitable<void> run_job(std::shared_ptr<Job> job, std::stop_token stop, asio::io_context& context,
                              std::function<void(Result<HttpResponse>)> on_done) {
  std::weak_ptr<Job> weak = job;
  std::stop_callback on_stop(stop, [weak, &context] {
    asio::post(context, [weak] {
      if (const auto running = weak.lock()) running->cancel();
    });
  });
  Result<HttpResponse> result = co_await job->run();
  on_done(std::move(result));
}

}  // namespace

Result<HttpResponse> fetch(const Url& url, HttpRequest request, const HttpClientOptions& options,
                           HttpClientCallbacks callbacks, std::stop_token stop) {
  asio::io_context context(1);
  std::optional<Result<HttpResponse>> result;
  auto job = std::make_shared<Job>(context, url, std::move(request), options, std::move(callbacks));
  asio::co_spawn(context,
                 run_job(job, stop, context, [&](Result<HttpResponse> r) { result.emplace(std::move(r)); }),
                 asio::detached);
  job.reset();
  context.run();
  HADAL_CHECK(result.has_value());
  return std::move(*result);
}

Result<HttpResponse> fetch_events(const Url& url, HttpRequest request,
                                  const std::function<bool(const SseEvent&)>& on_event,
                                  const HttpClientOptions& options, std::stop_token stop) {
  SseParser sse;
  bool is_stream = false;
  bool wanted = true;
  Status parsed;
  std::string other;
  HttpClientCallbacks callbacks;
  callbacks.on_head = [&](const HttpResponse& head) {
    const std::string* type = head.headers.find("Content-Type");
    is_stream = type && type->starts_with("text/event-stream");
  };
  callbacks.on_data = [&](std::string_view data) {
    if (!is_stream) {
      other += data;
      return other.size() <= options.max_body_bytes;
    }
    parsed = sse.push(data, [&](const SseEvent& event) { wanted = wanted && on_event(event); });
    return wanted && parsed.ok();
  };
  request.headers.set("Accept", "text/event-stream");
  auto result = fetch(url, std::move(request), options, std::move(callbacks), stop);
  if (!parsed.ok()) return parsed.error();
  if (result.ok() && !is_stream && result->body.empty()) result->body = std::move(other);
  return result;
}

struct HttpClientPool::Impl {
  HttpClientOptions options;
  std::vector<std::unique_ptr<asio::io_context>> contexts;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards;
  std::vector<std::thread> threads;
  std::stop_source stop;
  std::atomic<size_t> next{0};
};

HttpClientPool::HttpClientPool(const HttpClientOptions& options, int num_threads)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  for (int i = 0; i < std::max(1, num_threads); ++i) {
    impl_->contexts.push_back(std::make_unique<asio::io_context>(1));
    impl_->guards.push_back(asio::make_work_guard(*impl_->contexts.back()));
    impl_->threads.emplace_back([context = impl_->contexts.back().get()] { context->run(); });
  }
}

HttpClientPool::~HttpClientPool() {
  impl_->stop.request_stop();
  impl_->guards.clear();
  for (auto& thread : impl_->threads) thread.join();
}

void HttpClientPool::start(const Url& url, HttpRequest request, HttpClientCallbacks callbacks,
                           std::function<void(Result<HttpResponse>)> on_done, std::stop_token stop) {
  asio::io_context& context = *impl_->contexts[impl_->next++ % impl_->contexts.size()];
  auto job = std::make_shared<Job>(context, url, std::move(request), impl_->options, std::move(callbacks));
  // The caller's stop and the pool's own each cancel the job.
  auto pool_stop = std::make_shared<std::optional<std::stop_callback<std::function<void()>>>>();
  std::weak_ptr<Job> weak = job;
  pool_stop->emplace(impl_->stop.get_token(), std::function<void()>([weak, &context] {
                       asio::post(context, [weak] {
                         if (const auto running = weak.lock()) running->cancel();
                       });
                     }));
  auto done = [pool_stop, on_done = std::move(on_done)](Result<HttpResponse> result) {
    pool_stop->reset();
    on_done(std::move(result));
  };
  asio::co_spawn(context, run_job(std::move(job), std::move(stop), context, std::move(done)), asio::detached);
}

}  // namespace hadal
