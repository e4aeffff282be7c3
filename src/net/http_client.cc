#include "net/http_client.h"

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "net/tls.h"

namespace hadal {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Parser = http::response_parser<http::buffer_body>;
constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr size_t kReadSize = size_t{16} << 10;

// One request under way; all on its io_context.
struct Job : std::enable_shared_from_this<Job> {
  Job(asio::io_context& c, const Url& u, HttpRequest r, const HttpClientOptions& o, HttpClientCallbacks cb)
      : context(c), url(u), request(std::move(r)), options(o), callbacks(std::move(cb)), stream(c), resolver(c) {}

  asio::awaitable<Result<HttpResponse>> run();
  void cancel() {
    cancelled = true;
    resolver.cancel();
    stream.cancel();
    stream.close();
  }

 private:
  asio::awaitable<Status> connect();
  asio::awaitable<Status> send();
  asio::awaitable<Status> receive(HttpResponse& response);
  asio::awaitable<std::pair<error_code, size_t>> read_some();
  Status take_body(HttpResponse& response, size_t size);
  void build_head(std::string& out) const;
  Error failure(const error_code& ec, std::string_view doing) const;

  asio::io_context& context;
  const Url url;
  HttpRequest request;
  const HttpClientOptions options;
  HttpClientCallbacks callbacks;
  beast::tcp_stream stream;
  tcp::resolver resolver;
  TlsContext tls_context;
  std::optional<beast::ssl_stream<beast::tcp_stream&>> tls;
  beast::flat_buffer buffer;
  Parser parser;
  std::vector<char> body;
  bool cancelled = false;
};

Error Job::failure(const error_code& ec, std::string_view doing) const {
  const std::string where = url.authority();
  if (cancelled) return make_error(ErrorCode::kCancelled, "request to ", where, " was cancelled");
  if (ec == beast::error::timeout) return make_error(ErrorCode::kDeadlineExceeded, where, ": timed out ", doing);
  const bool parse = ec.category() == http::make_error_code(http::error::bad_version).category();
  const bool connecting = doing == std::string_view("connecting");
  const ErrorCode code = connecting ? ErrorCode::kUnavailable : parse ? ErrorCode::kDataLoss : ErrorCode::kIo;
  return make_error(code, where, ": failed ", doing, ": ", ec.message());
}

asio::awaitable<Status> Job::connect() {
  stream.expires_after(options.connect_timeout);
  auto [resolve_error, found] = co_await resolver.async_resolve(url.host, std::to_string(url.port), kToken);
  if (resolve_error) co_return Status(failure(resolve_error, "connecting"));
  auto [ec, endpoint] = co_await stream.async_connect(found, kToken);
  if (ec) co_return Status(failure(ec, "connecting"));
  error_code ignored;
  stream.socket().set_option(tcp::no_delay(true), ignored);
  if (!url.tls) co_return Status();
  auto made = make_client_tls(options.ca_file, options.insecure);
  if (!made.ok()) co_return Status(made.error());
  tls_context = *made;
  tls.emplace(stream, *tls_context);
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
  size_t done = 0;
  while (done < bytes.size()) {
    stream.expires_after(options.read_timeout);
    const auto piece = asio::buffer(bytes.data() + done, bytes.size() - done);
    error_code ec;
    size_t sent = 0;
    if (tls) {
      std::tie(ec, sent) = co_await tls->async_write_some(piece, kToken);
    } else {
      std::tie(ec, sent) = co_await stream.async_write_some(piece, kToken);
    }
    // A server may answer and close before it has read all: its answer is worth more than this error.
    if (ec && !cancelled && done > 0) break;
    if (ec) co_return Status(failure(ec, "sending"));
    done += sent;
  }
  co_return Status();
}

asio::awaitable<std::pair<error_code, size_t>> Job::read_some() {
  stream.expires_after(options.read_timeout);
  if (tls) {
    auto [ec, n] = co_await http::async_read_some(*tls, buffer, parser, kToken);
    co_return std::pair<error_code, size_t>(ec, n);
  }
  auto [ec, n] = co_await http::async_read_some(stream, buffer, parser, kToken);
  co_return std::pair<error_code, size_t>(ec, n);
}

Status Job::take_body(HttpResponse& response, size_t size) {
  const std::string_view data(body.data(), size);
  if (callbacks.on_data && response.status < 400) {
    if (!callbacks.on_data(data)) return make_error(ErrorCode::kCancelled, "the receiver ended the answer");
    return {};
  }
  response.body += data;
  if (response.body.size() > options.max_body_bytes) {
    return make_error(ErrorCode::kTooLarge, url.authority(), ": answer over ", options.max_body_bytes, " bytes");
  }
  return {};
}

asio::awaitable<Status> Job::receive(HttpResponse& response) {
  parser.body_limit(boost::none);
  parser.header_limit(uint32_t{1} << 16);
  body.resize(kReadSize);
  bool have_head = false;
  while (!parser.is_done()) {
    parser.get().body().data = body.data();
    parser.get().body().size = body.size();
    parser.get().body().more = true;
    auto [ec, n] = co_await read_some();
    if (ec && ec != http::error::need_buffer) {
      co_return Status(failure(ec, have_head ? "reading the answer" : "waiting for the answer"));
    }
    if (!parser.is_header_done()) continue;
    if (!have_head) {
      have_head = true;
      response.status = static_cast<int>(parser.get().result_int());
      for (const auto& field : parser.get()) response.headers.add(field.name_string(), field.value());
      if (callbacks.on_head) callbacks.on_head(response);
    }
    const size_t size = body.size() - parser.get().body().size;
    if (size > 0) {
      Status taken = take_body(response, size);
      if (!taken.ok()) co_return taken;
    }
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
  stream.close();
  if (!status.ok()) co_return Result<HttpResponse>(status.error());
  co_return Result<HttpResponse>(std::move(response));
}

asio::awaitable<void> run_job(std::shared_ptr<Job> job, std::stop_token stop,
                              asio::io_context& context, std::function<void(Result<HttpResponse>)> on_done) {
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
  asio::co_spawn(context, run_job(job, stop, context, [&](Result<HttpResponse> r) { result.emplace(std::move(r)); }),
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

HttpClientPool::HttpClientPool(const HttpClientOptions& options, int num_threads) : impl_(std::make_unique<Impl>()) {
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
