#include "device/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/check.h"

namespace hadal {
namespace {

// About 10 microseconds: longer than the gap between two operations of a step, far shorter than a step.
constexpr int kSpinRounds = 200;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void futex_wait(std::atomic<uint32_t>* word, uint32_t expected) {
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}
void futex_wake(std::atomic<uint32_t>* word, int count) {
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

void pin_thread(pthread_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // A cgroup may forbid this CPU; an unpinned thread is slower, not wrong.
  (void)pthread_setaffinity_np(thread, sizeof set, &set);
}

}  // namespace

struct ThreadPool::Impl {
  // One job. Fields are written by the caller before `generation` moves and read by helpers after they saw it move.
  FunctionRef<void(int64_t, int64_t, int)>* body = nullptr;
  int64_t count = 0;
  int64_t grain = 1;
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<uint32_t> busy{0};  // helpers that have not finished this generation
  std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;

  void run_share(int thread) {
    for (;;) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      (*body)(begin, std::min(begin + grain, count), thread);
    }
  }

  void helper(int thread) {
    uint32_t seen = 0;
    for (;;) {
      uint32_t now = generation.load(std::memory_order_acquire);
      for (int spin = 0; now == seen && spin < kSpinRounds; ++spin) {
        pause_cpu();
        now = generation.load(std::memory_order_acquire);
      }
      while (now == seen) {
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        if (generation.load(std::memory_order_seq_cst) == seen) futex_wait(&generation, seen);
        sleepers.fetch_sub(1, std::memory_order_seq_cst);
        now = generation.load(std::memory_order_acquire);
      }
      seen = now;
      if (stop.load(std::memory_order_acquire)) return;
      run_share(thread);
      if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) futex_wake(&busy, 1);
    }
  }

  void wait_for_helpers() {
    for (int spin = 0; spin < kSpinRounds; ++spin) {
      if (busy.load(std::memory_order_acquire) == 0) return;
      pause_cpu();
    }
    for (;;) {
      const uint32_t left = busy.load(std::memory_order_acquire);
      if (left == 0) return;
      futex_wait(&busy, left);
    }
  }
};

ThreadPool::ThreadPool(int num_threads, int first_cpu) : impl_(std::make_unique<Impl>()) {
  HADAL_CHECK(num_threads >= 1);
  for (int i = 1; i < num_threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get(), i] { impl->helper(i); });
    if (first_cpu >= 0) pin_thread(impl_->threads.back().native_handle(), first_cpu + i);
  }
}

ThreadPool::~ThreadPool() {
  impl_->stop.store(true, std::memory_order_release);
  impl_->generation.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(&impl_->generation, INT32_MAX);
  for (std::thread& thread : impl_->threads) thread.join();
}

int ThreadPool::num_threads() const { return static_cast<int>(impl_->threads.size()) + 1; }

void ThreadPool::parallel_for(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t, int)> body) {
  HADAL_CHECK(grain > 0 && count >= 0);
  if (count == 0) return;
  if (impl_->threads.empty() || count <= grain) {
    for (int64_t begin = 0; begin < count; begin += grain) body(begin, std::min(begin + grain, count), 0);
    return;
  }
  impl_->body = &body;
  impl_->count = count;
  impl_->grain = grain;
  impl_->next.store(0, std::memory_order_relaxed);
  impl_->busy.store(static_cast<uint32_t>(impl_->threads.size()), std::memory_order_relaxed);
  impl_->generation.fetch_add(1, std::memory_order_seq_cst);
  if (impl_->sleepers.load(std::memory_order_seq_cst) > 0) futex_wake(&impl_->generation, INT32_MAX);
  impl_->run_share(0);
  impl_->wait_for_helpers();
}

}  // namespace hadal
