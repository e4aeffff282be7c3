#include "device/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/check.h"

// How a job runs. One 32-bit word holds its number (upper bits), whether it is open, and how many helpers are
// inside. The caller opens a job, works on it itself, and closes it when no piece is left; it then waits only
// for helpers that are inside, each of which has at most one piece to finish. A helper that the machine wakes
// late finds the job closed and costs nothing: with every other CPU taken by other programs, a job takes what
// it takes on one thread.

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

// A helper stays awake this long after a job: longer than the gaps between the operations of a step (a
// wake-up by the operating system costs tens of microseconds, more on virtual machines), too short to be seen
// as load when idle.
constexpr auto kHelperSpin = std::chrono::microseconds(60);
// The caller waits this long for helpers inside before it gives its CPU away, perhaps to one of them.
constexpr auto kCallerSpin = std::chrono::microseconds(30);
constexpr int kPausesPerLook = 32;

constexpr uint32_t kInsideMask = 0x3ff;  // helpers inside: pools have at most 1023
constexpr uint32_t kOpen = 0x400;
constexpr uint32_t kJob = 0x800;  // one job number

// Futex bitsets: helpers sleep for a new job, the caller for the last helper to leave.
constexpr uint32_t kHelperSleep = 1;
constexpr uint32_t kCallerSleep = 2;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void futex_wait(std::atomic<uint32_t>* word, uint32_t expected, uint32_t bitset) {
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAIT_BITSET_PRIVATE, expected, nullptr,
            nullptr, bitset);
}
void futex_wake(std::atomic<uint32_t>* word, int count, uint32_t bitset) {
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAKE_BITSET_PRIVATE, count, nullptr, nullptr,
            bitset);
}

// Calls done() until it is true or the time is up.
template <typename Done>
bool spin_until(Clock::duration limit, Done done) {
  const auto end = Clock::now() + limit;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (done()) return true;
      pause_cpu();
    }
  } while (Clock::now() < end);
  return done();
}

void pin_thread(pthread_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // A cgroup may forbid this CPU; an unpinned thread is slower, not wrong.
  (void)pthread_setaffinity_np(thread, sizeof set, &set);
}

uint32_t job_number(uint32_t state) {
  return state / kJob;
}

// Pieces that a thread takes first, in order, so that it walks through memory and finds the next piece where
// it asked for it; the others take from here when theirs are done.
struct alignas(64) Share {
  std::atomic<int64_t> next{0};
  int64_t end = 0;
};

}  // namespace

struct ThreadPool::Impl {
  // One job. Written by the caller before it opens the job, read by helpers that are inside.
  FunctionRef<void(int64_t, int64_t, int)>* body = nullptr;
  int64_t count = 0;
  int64_t grain = 1;
  std::vector<Share> shares;  // one per thread, the caller's first
  alignas(64) std::atomic<uint32_t> state{0};
  alignas(64) std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;

  // Cuts [0, count) into one run of pieces per thread.
  void deal() {
    const int64_t pieces = (count + grain - 1) / grain;
    const auto num_shares = static_cast<int64_t>(shares.size());
    for (int64_t i = 0; i < num_shares; ++i) {
      shares[i].next.store(pieces * i / num_shares, std::memory_order_relaxed);
      shares[i].end = pieces * (i + 1) / num_shares;
    }
  }

  // The thread's own share, then what others have left.
  void work(int thread) {
    const int num_shares = static_cast<int>(shares.size());
    for (int i = 0; i < num_shares; ++i) {
      Share& share = shares[thread + i < num_shares ? thread + i : thread + i - num_shares];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t piece = share.next.fetch_add(1, std::memory_order_relaxed);
        if (piece >= share.end) break;
        (*body)(piece * grain, std::min((piece + 1) * grain, count), thread);
      }
    }
  }

  // The state once its job number is not `seen`.
  uint32_t wait_for_job(uint32_t seen) {
    uint32_t now = 0;
    const auto changed = [&] {
      now = state.load(std::memory_order_acquire);
      return job_number(now) != seen;
    };
    while (!spin_until(kHelperSpin, changed)) {
      // seq_cst pairs with open(): either the caller sees this sleeper, or this load sees the caller's job.
      sleepers.fetch_add(1, std::memory_order_seq_cst);
      now = state.load(std::memory_order_seq_cst);
      if (job_number(now) == seen) futex_wait(&state, now, kHelperSleep);
      sleepers.fetch_sub(1, std::memory_order_seq_cst);
      if (changed()) break;
    }
    return now;
  }

  // Goes inside unless the job is over.
  bool enter(uint32_t now) {
    const uint32_t job = job_number(now);
    while (job_number(now) == job && (now & kOpen) != 0) {
      if (state.compare_exchange_weak(now, now + 1, std::memory_order_acquire, std::memory_order_acquire))
        return true;
    }
    return false;
  }

  void leave() {
    const uint32_t before = state.fetch_sub(1, std::memory_order_acq_rel);
    if ((before & kInsideMask) == 1 && (before & kOpen) == 0) futex_wake(&state, 1, kCallerSleep);
  }

  void helper(int thread) {
    uint32_t seen = 0;
    for (;;) {
      const uint32_t now = wait_for_job(seen);
      if (stop.load(std::memory_order_acquire)) return;
      seen = job_number(now);
      if (!enter(now)) continue;
      work(thread);
      leave();
    }
  }

  // Nobody is inside between jobs, so a plain store starts the next.
  void open() {
    const uint32_t job = (job_number(state.load(std::memory_order_relaxed)) + 1) * kJob;
    state.store(job | kOpen, std::memory_order_seq_cst);
    if (sleepers.load(std::memory_order_seq_cst) > 0) futex_wake(&state, INT32_MAX, kHelperSleep);
  }

  void close() {
    uint32_t now = state.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
    const auto empty = [&] {
      now = state.load(std::memory_order_acquire);
      return (now & kInsideMask) == 0;
    };
    if ((now & kInsideMask) == 0 || spin_until(kCallerSpin, empty)) return;
    while (!empty()) futex_wait(&state, now, kCallerSleep);
  }
};

ThreadPool::ThreadPool(int num_threads, int first_cpu) : impl_(std::make_unique<Impl>()) {
  HADAL_CHECK(num_threads >= 1 && num_threads <= static_cast<int>(kInsideMask));
  impl_->shares = std::vector<Share>(static_cast<size_t>(num_threads));
  for (int i = 1; i < num_threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get(), i] { impl->helper(i); });
    if (first_cpu >= 0) pin_thread(impl_->threads.back().native_handle(), first_cpu + i);
  }
}

ThreadPool::~ThreadPool() {
  impl_->stop.store(true, std::memory_order_release);
  impl_->state.fetch_add(kJob, std::memory_order_seq_cst);
  futex_wake(&impl_->state, INT32_MAX, kHelperSleep);
  for (std::thread& thread : impl_->threads) thread.join();
}

int ThreadPool::num_threads() const {
  return static_cast<int>(impl_->threads.size()) + 1;
}

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
  impl_->deal();
  impl_->open();
  impl_->work(0);
  impl_->close();
}

}  // namespace hadal
