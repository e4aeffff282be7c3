#include "app/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace hadal {
namespace {

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR2);  // the destructor's
  return set;
}

}  // namespace

struct SignalWatcher::Impl {
  void watch() {
    const sigset_t set = watched_signals();
    for (;;) {
      int signal = 0;
      if (sigwait(&set, &signal) != 0) continue;
      if (signal == SIGUSR2) return;
      std::lock_guard lock(mutex);
      if (come != 0) ::_exit(kExitOnSignal + signal);
      come = signal;
      changed.notify_all();
    }
  }

  mutable std::mutex mutex;
  std::condition_variable changed;
  int come = 0;  // the signal
  std::thread thread;
};

void block_signals() {
  sigset_t set = watched_signals();
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

void let_signals_end_process() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void block_stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTSTP);
  sigaddset(&set, SIGCONT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

SignalWatcher::SignalWatcher() : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->watch(); });
}

SignalWatcher::~SignalWatcher() {
  pthread_kill(impl_->thread.native_handle(), SIGUSR2);
  impl_->thread.join();
}

bool SignalWatcher::wait_for(std::chrono::milliseconds time) {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, time, [&] { return impl_->come != 0; });
}

bool SignalWatcher::signalled() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->come != 0;
}

int SignalWatcher::signal() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->come;
}

}  // namespace hadal
