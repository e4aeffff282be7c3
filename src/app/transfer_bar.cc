#include "app/transfer_bar.h"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "hub/transfer_text.h"

namespace hadal {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(200);
constexpr double kFirstLine = 2.0;
constexpr double kLineInterval = 5.0;
constexpr double kRateSeconds = 5.0;  // the rate shown is of about the last five seconds

}  // namespace

TransferBar::TransferBar(std::function<PullProgress()> read)
    : read_(std::move(read)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      next_line_(kFirstLine),
      thread_([this] { run(); }) {}

TransferBar::~TransferBar() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (drawn_) std::fputc('\n', stderr);
}

void TransferBar::notice(const std::string& line) {
  std::lock_guard lock(mutex_);
  std::fprintf(stderr, "%s%s\n", drawn_ ? "\r\x1b[K" : "", line.c_str());
  drawn_ = false;
}

void TransferBar::run() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kInterval, [&] { return stop_; })) {
    const PullProgress progress = read_();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (progress.total > 0) draw(progress, seconds);
  }
}

void TransferBar::draw(const PullProgress& progress, double seconds) {
  if (progress.what != what_) {
    what_ = progress.what;
    last_done_ = progress.begun_with;
    last_seconds_ = seconds;
    rate_ = 0;
    return;
  }
  const double passed = seconds - last_seconds_;
  if (passed > 0) {
    const double now = std::max(0.0, static_cast<double>(progress.done - last_done_)) / passed;
    const double weight = rate_ == 0 ? 1 : 1 - std::exp(-passed / kRateSeconds);
    rate_ += (now - rate_) * weight;
    last_done_ = progress.done;
    last_seconds_ = seconds;
  }
  const std::string text = what_ + " " + transfer_text({progress.done, progress.total, rate_}, terminal_);
  if (terminal_) {
    if (seconds < 0.5) return;
    std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
    drawn_ = true;
  } else if (seconds >= next_line_) {
    std::fprintf(stderr, "%s\n", text.c_str());
    next_line_ = seconds + kLineInterval;
  }
}

}  // namespace hadal
