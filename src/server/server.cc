#include "server/server.h"

#include <random>
#include <thread>

#include "base/log.h"
#include "base/process_limits.h"
#include "net/http_server.h"
#include "server/api_handler.h"
#include "server/openapi.h"

namespace hadal {
namespace {

constexpr std::chrono::milliseconds kDrainPoll{10};
constexpr std::chrono::seconds kLastWords{1};  // for the errors of what a drain cuts off

Status validate(const ServerConfig& c) {
  if (c.host.empty()) return invalid_argument("host is empty: use 127.0.0.1, or 0.0.0.0 for every interface");
  if (c.port < 0 || c.port > 65535) return invalid_argument("port ", c.port, " is not between 0 and 65535");
  const auto positive = [](const char* name, int64_t value) -> Status {
    if (value >= 1) return {};
    return invalid_argument(name, " must be at least 1, not ", value);
  };
  const std::pair<const char*, int64_t> counts[] = {
      {"num_io_threads", c.num_io_threads},
      {"num_tokenizer_threads", c.num_tokenizer_threads},
      {"max_queued_tokenizations", c.max_queued_tokenizations},
      {"max_connections", c.max_connections},
      {"max_header_bytes", static_cast<int64_t>(c.max_header_bytes)},
      {"max_body_bytes", static_cast<int64_t>(c.max_body_bytes)},
      {"max_stream_buffer_bytes", static_cast<int64_t>(c.max_stream_buffer_bytes)},
      {"max_json_depth", c.max_json_depth},
      {"max_messages", c.max_messages},
      {"max_n", c.max_n},
      {"max_prompts", c.max_prompts},
      {"max_embedding_inputs", c.max_embedding_inputs},
      {"max_parallel_per_request", c.max_parallel_per_request},
      {"header_timeout", c.header_timeout.count()},
      {"body_timeout", c.body_timeout.count()},
      {"idle_timeout", c.idle_timeout.count()},
      {"write_timeout", c.write_timeout.count()},
  };
  for (const auto& [name, value] : counts) HADAL_RETURN_IF_ERROR(positive(name, value));
  for (const std::string& origin : c.cors_origins) {
    if (origin == "*" || (origin.find("://") != std::string::npos && is_header_value(origin))) continue;
    return invalid_argument("CORS origin \"", origin,
                            "\" is neither \"*\" nor like https://chat.example.com");
  }
  return {};
}

HttpServerOptions http_options(const ServerConfig& c) {
  HttpServerOptions o;
  o.host = c.host;
  o.port = static_cast<uint16_t>(c.port);
  o.num_threads = c.num_io_threads;
  const auto wanted = static_cast<uint64_t>(c.max_connections);
  const uint64_t descriptors = descriptor_limit();
  o.max_connections = connections_within(wanted, descriptors);
  if (o.max_connections < wanted) {
    log_warning("fewer connections than configured: the limit of open files (ulimit -n) is too low")
        .field("max_connections", static_cast<int64_t>(o.max_connections))
        .field("configured", static_cast<int64_t>(wanted))
        .field("open_files", static_cast<int64_t>(descriptors));
  }
  o.max_header_bytes = c.max_header_bytes;
  o.max_body_bytes = c.max_body_bytes;
  o.max_total_body_bytes = c.max_total_body_bytes;
  o.max_stream_buffer_bytes = c.max_stream_buffer_bytes;
  o.header_timeout = c.header_timeout;
  o.body_timeout = c.body_timeout;
  o.idle_timeout = c.idle_timeout;
  o.write_timeout = c.write_timeout;
  o.stream_silence = c.stream_silence;
  o.stream_keep_alive = c.stream_keep_alive;
  o.tls_cert_file = c.tls_cert_file;
  o.tls_key_file = c.tls_key_file;
  return o;
}

}  // namespace

namespace {

// SplitMix64: the n-th number of the sequence that starts at `base`.
uint64_t split_mix(uint64_t base, uint64_t n) {
  uint64_t z = base + 0x9E3779B97F4A7C15ull * (n + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

}  // namespace

uint64_t ServerState::next_random() {
  return split_mix(random_base, random_counter.fetch_add(1, std::memory_order_relaxed));
}

uint64_t ServerState::next_seed() {
  return split_mix(seed_base, seed_counter.fetch_add(1, std::memory_order_relaxed));
}

std::string ServerState::next_id(std::string_view prefix) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out(prefix);
  const uint64_t high = next_random();
  const uint64_t low = next_random();
  for (int i = 0; i < 16; ++i) out += kHex[high >> (60 - 4 * i) & 15];
  for (int i = 0; i < 8; ++i) out += kHex[low >> (60 - 4 * i) & 15];
  return out;
}

struct Server::Impl {
  Impl(const ServerConfig& config, MetricsRegistry& metrics) : state(config, metrics), handler(state) {}
  ServerState state;
  ApiHandler handler;
  // Until the last bytes have left: a connection ends after its last answer was read. False at the deadline.
  bool wait_until_idle(std::chrono::steady_clock::time_point deadline) const {
    while (state.num_active.load() > 0 || http->num_connections() > 0) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      std::this_thread::sleep_for(kDrainPoll);
    }
    return true;
  }
  std::unique_ptr<HttpServer> http;
  bool stopped = false;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() {
  stop();
}

Result<std::unique_ptr<Server>> Server::create(const ServerConfig& config, MetricsRegistry& metrics,
                                               std::string version) {
  HADAL_RETURN_IF_ERROR(validate(config));
  auto impl = std::make_unique<Impl>(config, metrics);
  HADAL_ASSIGN(impl->state.keys, ApiKeys::load(config));
  OpenApiFacts facts;
  facts.version = version;
  facts.needs_key = impl->state.keys.required();
  impl->state.openapi = openapi_document(config, facts);
  impl->state.version = std::move(version);
  std::random_device random;
  impl->state.random_base = static_cast<uint64_t>(random()) << 32 | random();
  HADAL_ASSIGN(impl->http, HttpServer::create(http_options(config), impl->handler));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::start() {
  const ServerConfig& config = impl_->state.config;
  impl_->state.pool = std::make_unique<WorkerPool>(config.num_tokenizer_threads,
                                                   static_cast<size_t>(config.max_queued_tokenizations));
  impl_->http->start();
}

void Server::set_progress(const char* phase, double progress) {
  impl_->state.phase = phase;
  impl_->state.progress = progress;
}

void Server::attach(ServedModel model) {
  ServerState& state = impl_->state;
  HADAL_CHECK(!state.ready.load() && model.engine && model.tokenizer);
  if (!state.config.served_model_names.empty()) model.names = state.config.served_model_names;
  HADAL_CHECK(!model.names.empty());
  if (model.render_chat) {
    model.content_form =
        ContentForm::probe(model.render_chat, model.tokenizer->bos_token(), model.tokenizer->eos_token());
  }
  OpenApiFacts facts;
  facts.version = state.version;
  facts.needs_key = state.keys.required();
  facts.model_names = model.names;
  facts.vocab_size = model.tokenizer->vocab_size();
  facts.context_length = model.context_length;
  facts.hidden_size = model.hidden_size;
  state.openapi_of_model = openapi_document(state.config, facts);
  state.seed_base = model.random_seed ? *model.random_seed : state.next_random();
  state.model = std::make_shared<const ServedModel>(std::move(model));
  state.batcher = std::make_shared<OutputBatcher>(impl_->http->num_io());
  // The hook shares the batcher: the engine outlives the server.
  state.model->engine->set_step_end_hook([batcher = state.batcher] { batcher->flush(); });
  state.ready.store(true, std::memory_order_release);
}

bool Server::drain(std::chrono::steady_clock::time_point deadline) {
  impl_->state.draining = true;
  impl_->http->close_when_idle();
  if (impl_->wait_until_idle(deadline)) return true;
  const bool all_ended = impl_->state.num_active.load() == 0;
  impl_->http->end_exchanges(
      [handler = &impl_->handler](const auto& exchange) { handler->shut_down(exchange); });
  (void)impl_->wait_until_idle(std::chrono::steady_clock::now() + kLastWords);
  return all_ended;
}

void Server::stop() {
  if (impl_->stopped) return;
  impl_->stopped = true;
  impl_->http->stop();
  if (impl_->state.pool) impl_->state.pool->stop();
}

int Server::port() const {
  return impl_->http->port();
}
size_t Server::num_connections() const {
  return impl_->http->num_connections();
}

}  // namespace hadal
