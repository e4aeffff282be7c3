// ProgressBar: shows how far the loading of weights is, on stderr: one line that is redrawn on a terminal, a
// plain line every two seconds elsewhere, nothing for what is done sooner. Owns a thread while it lives.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace hadal {

class ProgressBar {
 public:
  // done: bytes so far, called on the bar's thread. on_progress (may be empty): 0 to 1, a few times a second.
  ProgressBar(std::string what, int64_t total_bytes, std::function<int64_t()> done,
              std::function<void(double)> on_progress);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

 private:
  void run();
  void draw(double seconds, bool last);

  const std::string what_;
  const int64_t total_;
  const std::function<int64_t()> done_;
  const std::function<void(double)> on_progress_;
  const bool terminal_;
  bool drawn_ = false;
  double next_line_ = 2.0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

// "[#######             ]  35%  1.2 of 3.4 GB, 2.1 GB/s, 1 s left".
std::string progress_text(int64_t done, int64_t total, double seconds);

}  // namespace hadal
