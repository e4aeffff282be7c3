#include <unistd.h>

#include <chrono>
#include <future>
#include <thread>

#include "app/commands.h"
#include "app/model_host.h"
#include "app/signals.h"
#include "base/log.h"
#include "server/server.h"

#ifndef HADAL_VERSION
#define HADAL_VERSION "unknown"
#endif

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitLost = 3;
constexpr int kExitHung = 4;
constexpr auto kWatchInterval = std::chrono::milliseconds(200);
// What is still open when the engine failed gets its error within this.
constexpr auto kFailureGrace = std::chrono::seconds(2);

int fail(int code, const std::string& what, const Error& error) {
  log_error(what).field("reason", error.message);
  return code;
}

// Loading ends at once on a signal: nothing is lost by it.
class LoadGuard {
 public:
  explicit LoadGuard(SignalWatcher& signals)
      : thread_([this, &signals] {
          while (!done_.load()) {
            if (signals.wait_for(std::chrono::milliseconds(50)) && !done_.load()) {
              log_info("told to stop while loading");
              shutdown_logging();
              ::_exit(0);
            }
          }
        }) {}
  ~LoadGuard() {
    done_ = true;
    thread_.join();
  }
  LoadGuard(const LoadGuard&) = delete;
  LoadGuard& operator=(const LoadGuard&) = delete;

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

void announce(const Server& server, const ServerConfig& config, const ServedModel& served,
              Clock::time_point start) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const std::string scheme = config.tls_cert_file.empty() ? "http" : "https";
  log_info("ready")
      .field("url", scheme + "://" + config.host + ":" + std::to_string(server.port()))
      .field("model", served.names.front())
      .field("context_length", served.context_length)
      .field("start_seconds", static_cast<double>(static_cast<int64_t>(seconds * 1000)) / 1000);
}

// Leader, or a single host: until a signal, a failure or a hang.
int serve_until_end(const Settings& settings, SignalWatcher& signals, Server& server, ModelHost& host) {
  for (;;) {
    const bool told = signals.wait_for(kWatchInterval);
    const EngineStats stats = host.engine().stats();
    if (stats.phase == EnginePhase::kFailed) {
      log_error("the engine failed").field("reason", stats.failure);
      server.drain(Clock::now() + kFailureGrace);
      server.stop();
      return kExitLost;
    }
    if (stats.seconds_since_progress > settings.engine.watchdog_timeout) {
      log_error("the engine made no progress").field("seconds", stats.seconds_since_progress);
      shutdown_logging();
      // Threads may be stuck for good: nothing can be joined.
      ::_exit(kExitHung);
    }
    if (!told) continue;
    log_info("stopping: running requests may finish")
        .field("seconds", static_cast<double>(settings.server.drain_timeout.count()) / 1000);
    const auto drain = settings.server.drain_timeout;
    const bool all = server.drain(Clock::now() + drain);
    if (!all) log_warning("requests were cut at the end of the drain timeout");
    server.stop();
    host.stop();
    return 0;
  }
}

int follow_until_end(SignalWatcher& signals, Server* server, ModelHost& host, int node_rank) {
  auto following = std::async(std::launch::async, [&] { return host.follow(); });
  while (following.wait_for(kWatchInterval) != std::future_status::ready) {
    if (signals.signalled()) host.leave("node " + std::to_string(node_rank) + " was told to stop");
  }
  const Status status = following.get();
  if (server != nullptr) server->stop();
  host.stop();
  if (status.ok() || status.error().code == ErrorCode::kCancelled) return 0;
  return fail(kExitLost, "the group is lost", status.error());
}

}  // namespace

int run_serve(Settings settings) {
  const auto start = Clock::now();
  SignalWatcher signals;
  MetricsRegistry metrics;
  const bool follower = settings.parallel.node_rank > 0;
  auto server = Server::create(settings.server, metrics, HADAL_VERSION);
  if (!server.ok()) {
    // A follower's port serves health alone, and two hosts' processes on one machine would want the same.
    const bool usage = server.error().code == ErrorCode::kInvalidArgument;
    if (usage || !follower)
      return fail(usage ? kExitUsage : kExitFailed, usage ? "bad settings" : "cannot listen", server.error());
    log_warning("no health endpoints on this follower").field("reason", server.error().message);
  } else {
    (*server)->start();
  }
  Server* const endpoint = server.ok() ? server->get() : nullptr;
  auto host = [&] {
    const LoadGuard guard(signals);
    return ModelHost::load(settings, metrics, [&](const char* phase, double part) {
      if (endpoint != nullptr) endpoint->set_progress(phase, part);
    });
  }();
  if (!host.ok()) {
    if (endpoint != nullptr) endpoint->stop();
    return fail(kExitFailed, "cannot start", host.error());
  }
  const ServedModel served = (*host)->served();
  if (endpoint != nullptr) {
    endpoint->attach(served);
  }
  (*host)->start();
  if (endpoint != nullptr) announce(*endpoint, settings.server, served, start);
  if (follower) return follow_until_end(signals, endpoint, **host, settings.parallel.node_rank);
  return serve_until_end(settings, signals, *endpoint, **host);
}

}  // namespace hadal
