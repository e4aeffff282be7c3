// TransferBar: draws a transfer's progress on stderr: one line that is redrawn on a terminal, a plain line
// every few seconds elsewhere; notices appear above it. Owns a thread while it lives; notice() on any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "hub/pull.h"

namespace hadal {

class TransferBar {
 public:
  explicit TransferBar(std::function<PullProgress()> read);
  ~TransferBar();
  TransferBar(const TransferBar&) = delete;
  TransferBar& operator=(const TransferBar&) = delete;
  void notice(const std::string& line);

 private:
  void run();
  void draw(const PullProgress& progress, double seconds);

  const std::function<PullProgress()> read_;
  const bool terminal_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  bool drawn_ = false;  // a line without its end is on the terminal
  double next_line_ = 2.0;
  double rate_ = 0;
  int64_t last_done_ = 0;
  double last_seconds_ = 0;
  std::string what_;
  std::thread thread_;
};

}  // namespace hadal
