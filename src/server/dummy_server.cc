// hadal_dummy_server: the real server over a DummyEngine: every route without a model, for client tests and
// load tests.
//   hadal_dummy_server [--port N] [--step-us N] [--answer-tokens N] [--reasoning] [--timestamps] [--api-key
//   KEY]
//                      [--max-connections N] [--io-threads N] [--max-waiting N] [--fail] [--tls-cert F
//                      --tls-key F] [--quiet]
// Prints "listening on PORT" on standard output; ends on SIGTERM or SIGINT after draining.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/log.h"
#include "base/process_limits.h"
#include "server/dummy_engine.h"
#include "server/server.h"

namespace {

struct Options {
  hadal::ServerConfig server;
  hadal::DummyEngineOptions engine;
  bool reasoning = false;
};

bool parse(int argc, char** argv, Options& o) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (flag == "--reasoning")
      o.reasoning = true;
    else if (flag == "--timestamps")
      o.engine.timestamps = true;
    else if (flag == "--fail")
      o.engine.fail_message = "The engine was told to fail.";
    else if (flag == "--quiet")
      o.server.access_log = false;
    else if (!value)
      return false;
    else {
      ++i;
      if (flag == "--port")
        o.server.port = std::atoi(value);
      else if (flag == "--step-us")
        o.engine.step = std::chrono::microseconds(std::atoi(value));
      else if (flag == "--answer-tokens")
        o.engine.answer_tokens = std::atoi(value);
      else if (flag == "--max-waiting")
        o.engine.max_waiting = static_cast<size_t>(std::atoi(value));
      else if (flag == "--api-key")
        o.server.api_keys.push_back(value);
      else if (flag == "--max-connections")
        o.server.max_connections = std::atoi(value);
      else if (flag == "--io-threads")
        o.server.num_io_threads = std::atoi(value);
      else if (flag == "--cors")
        o.server.cors_origins.push_back(value);
      else if (flag == "--tls-cert")
        o.server.tls_cert_file = value;
      else if (flag == "--tls-key")
        o.server.tls_key_file = value;
      else
        return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  hadal::tune_allocator();
  hadal::raise_descriptor_limit();
  Options options;
  options.server.port = 0;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: see the head of dummy_server.cc\n");
    return 2;
  }
  // Blocked before any thread starts, so that only sigwait sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  hadal::init_logging(hadal::LogLevel::kInfo, hadal::LogFormat::kText);

  hadal::MetricsRegistry metrics;
  hadal::DummyEngine engine(options.engine);
  auto server = hadal::Server::create(options.server, metrics, "0.0-dummy");
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 2;
  }
  (*server)->start();
  hadal::ServedModel model = hadal::make_dummy_model(engine, options.engine);
  if (options.reasoning) model.reasoning = hadal::ReasoningKind::kDeepseekR1;
  (*server)->attach(std::move(model));
  std::printf("listening on %d\n", (*server)->port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  const bool drained = (*server)->drain(std::chrono::steady_clock::now() + options.server.drain_timeout);
  (*server)->stop();
  hadal::shutdown_logging();
  return drained ? 0 : 1;
}
