#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>
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
// The loss of a host ends every process within five seconds: 2.5 of silence (GroupOptions), then these.
constexpr auto kWatchInterval = std::chrono::milliseconds(100);
// What is still open when the engine failed gets its error within this.
constexpr auto kFailureGrace = std::chrono::milliseconds(800);
constexpr auto kFailedStop = std::chrono::milliseconds(800);
// The same at the end of a drain that was too short, and for stopping in good order.
constexpr auto kCutGrace = std::chrono::seconds(1);
constexpr auto kOrderlyStop = std::chrono::seconds(10);

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

// Runs `work`; ends the process with `code` when it takes longer than `bound`, since then nothing can be
// joined.
template <typename Work>
void run_within(std::chrono::milliseconds bound, int code, const Work& work) {
  std::promise<void> promise;
  std::future<void> done = promise.get_future();
  std::thread thread([&] {
    work();
    promise.set_value();
  });
  if (done.wait_for(bound) != std::future_status::ready) {
    log_error("stopping takes too long: the process ends without it")
        .field("milliseconds", static_cast<int64_t>(bound.count()));
    shutdown_logging();
    ::_exit(code);
  }
  thread.join();
}

// Whether the engine has failed; a hang ends the process.
bool has_failed(const Settings& settings, ModelHost& host) {
  const EngineStats stats = host.engine().stats();
  if (stats.phase == EnginePhase::kFailed) {
    log_error("the engine failed").field("reason", stats.failure);
    return true;
  }
  if (stats.seconds_since_progress > settings.engine.watchdog_timeout) {
    log_error("the engine made no progress").field("seconds", stats.seconds_since_progress);
    shutdown_logging();
    // Threads may be stuck for good: nothing can be joined.
    ::_exit(kExitHung);
  }
  return false;
}

// Lets running requests finish; what is open at the end of the time gets an error.
void drain(Server& server, ModelHost& host, std::chrono::milliseconds timeout) {
  if (server.drain(Clock::now() + timeout)) return;
  log_warning("requests were cut at the end of the drain timeout");
  host.engine().cancel_all(CancelReason::kShutdown);
  server.drain(Clock::now() + kCutGrace);
}

// Leader, or a single host: until a signal, a follower that was told to stop, a failure or a hang.
int serve_until_end(const Settings& settings, SignalWatcher& signals, Server& server, ModelHost& host) {
  while (!signals.wait_for(kWatchInterval) && !host.asked_to_drain()) {
    if (!has_failed(settings, host)) continue;
    server.drain(Clock::now() + kFailureGrace);
    run_within(kFailedStop, kExitLost, [&] {
      server.stop();
      host.stop();
    });
    return kExitLost;
  }
  log_info("stopping: running requests may finish")
      .field("seconds", static_cast<double>(settings.server.drain_timeout.count()) / 1000);
  auto drained = std::async(std::launch::async, [&] { drain(server, host, settings.server.drain_timeout); });
  bool failed = false;
  while (!failed && drained.wait_for(kWatchInterval) != std::future_status::ready) {
    failed = has_failed(settings, host);
  }
  if (failed) drained.wait_for(kFailureGrace);
  run_within(failed ? kFailedStop : kOrderlyStop, failed ? kExitLost : kExitHung, [&] {
    server.stop();
    host.stop();
    drained.wait();
  });
  // The group may have been lost after the last answer, before its orderly end.
  return failed || host.engine().stats().phase == EnginePhase::kFailed ? kExitLost : 0;
}

int follow_until_end(const Settings& settings, SignalWatcher& signals, Server* server, ModelHost& host) {
  const std::string reason = "node " + std::to_string(settings.parallel.node_rank) + " was told to stop";
  auto following = std::async(std::launch::async, [&] { return host.follow(); });
  std::optional<Clock::time_point> leave_at;
  while (following.wait_for(kWatchInterval) != std::future_status::ready) {
    if (host.engine().stats().phase == EnginePhase::kFailed) {
      // A rank in the middle of a long step does not notice.
      run_within(kFailedStop, kExitLost, [&] { following.wait(); });
      break;
    }
    if (!signals.signalled()) continue;
    if (!leave_at) {
      // All hosts are often told at once: the leader's open requests need this one until they are done.
      log_info("told to stop: waiting for the leader to end the group");
      host.ask_to_leave(reason);
      leave_at = Clock::now() + settings.server.drain_timeout + kOrderlyStop;
    } else if (Clock::now() >= *leave_at) {
      host.leave(reason);
    }
  }
  const Status status = following.get();
  const bool lost = !status.ok() && status.error().code != ErrorCode::kCancelled;
  if (lost) log_error("the group is lost").field("reason", status.error().message);
  run_within(lost ? kFailedStop : kOrderlyStop, lost ? kExitLost : kExitHung, [&] {
    if (server != nullptr) server->stop();
    host.stop();
  });
  return lost ? kExitLost : 0;
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
  if (follower) return follow_until_end(settings, signals, endpoint, **host);
  return serve_until_end(settings, signals, *endpoint, **host);
}

}  // namespace hadal
