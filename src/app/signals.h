// block_signals: first thing in main, before any thread (the logger's too): a thread that has not blocked
// SIGTERM would end the process when it comes. The watchers below then take the signals.
//
// SignalWatcher: SIGINT and SIGTERM as something main can wait for; a second one ends the process at once.
// Main thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace hadal {

// SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 wait for a watcher; SIGPIPE is ignored, and SIGXFSZ: a file over the
// limit of ulimit -f is an error of the write.
void block_signals();
// Those of Ctrl-Z (SIGTSTP) and of what follows it (SIGCONT) too: for a program that puts the terminal back
// first.
void block_stop_signals();

// SIGINT and SIGTERM end the process at once again: for a command that has nothing to clean up.
void let_signals_end_process();

// The exit code of work that a signal ended is this and the signal's number, as shells have it.
inline constexpr int kExitOnSignal = 128;

class SignalWatcher {
 public:
  SignalWatcher();
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // Waits until a signal has come or the time is up; true once one has come.
  bool wait_for(std::chrono::milliseconds time);
  bool signalled() const;
  // The signal's number; 0: none has come.
  int signal() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
