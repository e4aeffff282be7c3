// hadal pull and hadal push: the bar, the signals, the last words; the work is hub/'s.
#include <atomic>
#include <cstdio>
#include <stop_token>
#include <thread>

#include "app/commands.h"
#include "app/signals.h"
#include "app/transfer_bar.h"
#include "hub/credentials.h"
#include "hub/disk.h"
#include "hub/peer_server.h"
#include "hub/pull.h"
#include "hub/push.h"
#include "hub/transfer_text.h"

namespace hadal {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr auto kWatchInterval = std::chrono::milliseconds(50);

// A signal asks the work to stop; the end of the work ends the watch.
class StopGuard {
 public:
  StopGuard(SignalWatcher& signals, std::stop_source& source)
      : thread_([this, &signals, &source] {
          while (!done_) {
            if (signals.wait_for(kWatchInterval)) {
              source.request_stop();
              return;
            }
          }
        }) {}
  ~StopGuard() {
    done_ = true;
    thread_.join();
  }
  StopGuard(const StopGuard&) = delete;
  StopGuard& operator=(const StopGuard&) = delete;

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

int fail(const Error& error, const SignalWatcher& signals) {
  if (error.code == ErrorCode::kCancelled) {
    std::fprintf(stderr,
                 "hadal: stopped; what was fetched is kept: run the same command again to go on from here\n");
    return kExitOnSignal + signals.signal();
  }
  std::fprintf(stderr, "hadal: %s\n", error.message.c_str());
  return error.code == ErrorCode::kInvalidArgument ? kExitUsage : kExitFailed;
}

void print_outcome(const PullOutcome& outcome) {
  const std::string size =
      std::to_string(outcome.marker.files.size()) + " files, " + shown_bytes(outcome.marker.total_bytes());
  std::string line = outcome.directory + ": ";
  if (outcome.nothing_to_do) {
    line += "complete already (" + size + ")";
    if (!outcome.unchecked.empty()) {
      std::fprintf(stderr, "hadal: %s\n", outcome.unchecked.c_str());
      line += "; the origin could not be reached: not checked for changes";
    }
  } else {
    line += "complete and verified (" + size + "; " + shown_bytes(outcome.fetched) +
            (outcome.local ? " copied" : " fetched");
    if (outcome.from_peers > 0) line += ", " + shown_bytes(outcome.from_peers) + " of it from peers";
    if (outcome.seconds >= 1) line += " in " + shown_duration(outcome.seconds);
    if (outcome.retries > 0) line += ", " + std::to_string(outcome.retries) + " requests repeated";
    line += ")";
  }
  std::printf("%s\n%s\n", line.c_str(), outcome.marker.digest().c_str());
}

int end_of_verify(const std::string& directory, const Result<ModelMarker>& marker,
                  const SignalWatcher& signals) {
  if (!marker.ok() && marker.error().code == ErrorCode::kCancelled) {
    std::fprintf(stderr, "hadal: stopped\n");
    return kExitOnSignal + signals.signal();
  }
  if (!marker.ok()) {
    std::fprintf(stderr, "hadal: %s\n", marker.error().message.c_str());
    return kExitFailed;
  }
  std::printf("%s: every byte is right (%zu files, %s)\n%s\n", directory.c_str(), marker->files.size(),
              shown_bytes(marker->total_bytes()).c_str(), marker->digest().c_str());
  return 0;
}

// Runs the work under a bar, ended by a signal.
template <typename Work>
auto run_watched(SignalWatcher& signals, const Work& work) {
  std::stop_source stop;
  PullMonitor monitor;
  TransferBar bar([&] { return monitor.progress(); });
  const StopGuard guard(signals, stop);
  return work(bar, monitor, stop.get_token());
}

}  // namespace

int run_pull(Settings settings) {
  SignalWatcher signals;
  find_network(settings.hub, settings.environment);
  const std::vector<std::string>& arguments = settings.hub.arguments;
  if (settings.hub.verify) {
    return end_of_verify(
        arguments[0],
        run_watched(signals, [&](TransferBar&, PullMonitor& monitor,
                                 auto stop) { return verify_model(arguments[0], monitor, stop); }),
        signals);
  }
  const auto directory =
      arguments.empty() ? Result<std::string>(settings.hub.directory) : pull_directory(settings);
  if (!directory.ok()) return fail(directory.error(), signals);
  std::unique_ptr<PeerServer> server;
  if (settings.hub.serve) {
    auto made = PeerServer::start(settings, *directory);
    if (!made.ok()) return fail(made.error(), signals);
    server = std::move(*made);
    std::fprintf(stderr, "serving %s to peers at %s\n", directory->c_str(), server->address().c_str());
  }
  if (!arguments.empty()) {
    const auto outcome = run_watched(signals, [&](TransferBar& bar, PullMonitor& monitor, auto stop) {
      return pull_model(
          settings, [&](const std::string& line) { bar.notice(line); }, monitor, stop);
    });
    if (!outcome.ok()) return fail(outcome.error(), signals);
    print_outcome(*outcome);
    std::fflush(stdout);
  }
  if (server) {
    while (!signals.wait_for(std::chrono::seconds(1))) {
    }
  }
  return 0;
}

int run_push(Settings settings) {
  SignalWatcher signals;
  find_network(settings.hub, settings.environment);
  const auto outcome = run_watched(signals, [&](TransferBar& bar, PullMonitor& monitor, auto stop) {
    return push_model(
        settings, [&](const std::string& line) { bar.notice(line); }, monitor, stop);
  });
  if (!outcome.ok()) return fail(outcome.error(), signals);
  std::printf("%s: complete (%d files sent, %d there already; %s sent)\n%s\n", outcome->target.c_str(),
              outcome->uploaded, outcome->skipped, shown_bytes(outcome->sent).c_str(),
              outcome->marker.digest().c_str());
  return 0;
}

}  // namespace hadal
