// ThreadPool: the CPU threads of one rank. parallel_for runs a function over [0, count) on the caller and the
// pool's threads and returns when all is done. Each thread works through a part of the range in small grains,
// then takes grains of the others: a thread that the machine holds up costs one grain, not the step. Idle
// threads spin for a few microseconds, then sleep on a futex. One thread (the rank's worker) calls
// parallel_for; calls do not nest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace hadal {

// A non-owning reference to a callable: parallel_for must not allocate.
template <typename Signature>
class FunctionRef;
template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  template <typename F>
  FunctionRef(F&& f)  // NOLINT: implicit by design
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(static_cast<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, static_cast<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

class ThreadPool {
 public:
  // num_threads counts the caller: 1 starts none. first_cpu < 0: threads are not pinned.
  explicit ThreadPool(int num_threads, int first_cpu = -1);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const;
  // Calls body(begin, end, thread) for disjoint ranges that cover [0, count), each of `grain` items or fewer
  // at the end; thread in [0, num_threads). count 0 is a no-op; grain must be positive.
  void parallel_for(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t, int)> body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
