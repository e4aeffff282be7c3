// hadal preflight: runs the checks and prints their answers.
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "app/commands.h"
#include "app/signals.h"
#include "base/file.h"
#include "preflight/gpu_inventory.h"
#include "preflight/preflight.h"

namespace hadal {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr auto kQuiet = std::chrono::seconds(2);
constexpr auto kEvery = std::chrono::seconds(10);

// Says on stderr, after two seconds and every ten, what takes long; ends the process on a signal, since a
// check may be inside a system call that nothing else ends.
class Watch {
 public:
  Watch() : thread_([this] { run(); }) {}
  ~Watch() {
    {
      std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void start(std::string_view what) {
    std::lock_guard lock(mutex_);
    what_ = what;
    since_ = std::chrono::steady_clock::now();
    next_ = since_ + kQuiet;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return done_; })) {
      if (signals_.signalled()) {
        std::fprintf(stderr, "hadal: preflight was told to stop in the check %s\n", what_.c_str());
        std::fflush(stdout);
        ::_exit(kExitOnSignal + signals_.signal());
      }
      const auto now = std::chrono::steady_clock::now();
      if (what_.empty() || now < next_) continue;
      next_ = now + kEvery;
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - since_).count();
      std::fprintf(stderr, "hadal: %s: %lld s\n", what_.c_str(), static_cast<long long>(seconds));
    }
  }

  SignalWatcher signals_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::string what_;
  std::chrono::steady_clock::time_point since_;
  std::chrono::steady_clock::time_point next_;
  std::thread thread_;
};

int usage(const Error& error) {
  std::fprintf(stderr, "hadal: %s\n", error.message.c_str());
  return kExitUsage;
}

bool use_color(const Settings& settings) {
  const auto term = settings.environment.find("TERM");
  const bool dumb = term == settings.environment.end() || term->second == "dumb";
  return ::isatty(STDOUT_FILENO) == 1 && !settings.environment.contains("NO_COLOR") && !dumb;
}

// A termination log is made by Kubernetes; elsewhere nothing is left in /dev.
void write_reason(const Settings& settings, const std::string& reason) {
  const std::string& path = settings.preflight.termination_log;
  if (path.empty() || reason.empty()) return;
  if (path == "/dev/termination-log" && !path_exists(path)) return;
  const Status written = write_file(path, reason + "\n");
  if (!written.ok()) std::fprintf(stderr, "hadal: --termination-log: %s\n", written.error().message.c_str());
}

// The checks look at more of the environment than Settings keeps of other commands' variables; all that they
// need is in it (config/flags.cc).
int run_all(const Settings& settings, const Host& host) {
  const bool text = settings.preflight.format == "text";
  const bool color = use_color(settings);
  Report report;
  {
    Watch watch;
    PreflightHooks hooks;
    hooks.on_start = [&](std::string_view what) { watch.start(what); };
    if (text) {
      hooks.on_line = [&](const ReportLine& line) {
        std::printf("%s\n", line_text(line, color).c_str());
        std::fflush(stdout);
      };
    }
    report = run_checks(host, settings.preflight, settings.parallel, nvml_paths(), hooks);
  }
  const std::string json = report_json(report);
  std::printf("%s", text ? (summary_text(report) + "\n").c_str() : json.c_str());
  std::fflush(stdout);
  int code = report.failed() == 0 ? 0 : kExitFailed;
  if (!settings.preflight.output.empty()) {
    const Status written = write_file(settings.preflight.output, json);
    if (!written.ok()) {
      std::fprintf(stderr, "hadal: --output: %s\n", written.error().message.c_str());
      code = kExitFailed;
    }
  }
  write_reason(settings, failure_reason(report));
  return code;
}

}  // namespace

int run_preflight(Settings settings) {
  if (settings.preflight.list) {
    std::fputs(list_checks(settings.preflight.format == "json").c_str(), stdout);
    return 0;
  }
  if (const Status names = check_names(settings.preflight); !names.ok()) return usage(names.error());
  const Host host("", settings.environment);
  if (settings.preflight.print_env) {
    std::fputs(shell_text(fabric_env_of(host, settings.parallel, nvml_paths())).c_str(), stdout);
    return 0;
  }
  return run_all(settings, host);
}

}  // namespace hadal
