#include "app/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace hadal {
namespace {

constexpr int kWidth = 24;
constexpr auto kInterval = std::chrono::milliseconds(100);

}  // namespace

std::string progress_text(int64_t done, int64_t total, double seconds) {
  const double part =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 0.0;
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total - done) / rate : 0;
  std::string bar(static_cast<size_t>(part * kWidth), '#');
  bar.resize(kWidth, ' ');
  char text[160];
  std::snprintf(text, sizeof text, "[%s] %3.0f%%  %.2f of %.2f GB, %.2f GB/s, %.0f s left", bar.c_str(),
                part * 100, static_cast<double>(done) / 1e9, static_cast<double>(total) / 1e9, rate / 1e9,
                std::max(left, 0.0));
  return text;
}

ProgressBar::ProgressBar(std::string what, int64_t total_bytes, std::function<int64_t()> done,
                         std::function<void(double)> on_progress)
    : what_(std::move(what)),
      total_(total_bytes),
      done_(std::move(done)),
      on_progress_(std::move(on_progress)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      thread_([this] { run(); }) {}

ProgressBar::~ProgressBar() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ProgressBar::run() {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kInterval, [&] { return stop_; })) {
    if (on_progress_ && total_ > 0) on_progress_(static_cast<double>(done_()) / static_cast<double>(total_));
    draw(seconds(), false);
  }
  draw(seconds(), true);
}

void ProgressBar::draw(double seconds, bool last) {
  if (terminal_) {
    // What ends within half a second needs no bar.
    if (seconds < 0.5 || (last && !drawn_)) return;
    std::fprintf(stderr, "\r%s %s\x1b[K%s", what_.c_str(), progress_text(done_(), total_, seconds).c_str(),
                 last ? "\n" : "");
    drawn_ = true;
  } else if (!last && seconds >= next_line_) {
    std::fprintf(stderr, "%s %s\n", what_.c_str(), progress_text(done_(), total_, seconds).c_str());
    next_line_ += 2.0;
  }
}

}  // namespace hadal
