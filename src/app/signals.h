// SignalWatcher: SIGINT and SIGTERM as something main can wait for; a second one ends the process at once.
// Made by main before any other thread (it blocks the signals for all of them).
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace hadal {

class SignalWatcher {
 public:
  SignalWatcher();
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // Waits until a signal has come or the time is up; true once one has come.
  bool wait_for(std::chrono::milliseconds time);
  bool signalled() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
