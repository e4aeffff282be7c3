// ClosableQueue<T>: the bounded queue between two threads. The queues hold the program's only mutexes.
// Close ends it: pushes are refused, pops drain what is left and then return nothing. Any thread may call
// anything.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"

namespace hadal {

enum class PushResult { kOk, kFull, kClosed };

template <typename T>
class ClosableQueue {
 public:
  // capacity: the most values held at once; must be positive.
  explicit ClosableQueue(size_t capacity) : capacity_(capacity) { HADAL_CHECK(capacity > 0); }
  ClosableQueue(const ClosableQueue&) = delete;
  ClosableQueue& operator=(const ClosableQueue&) = delete;

  // Never waits. On kFull or kClosed the value is left in `value`.
  PushResult try_push(T&& value) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return PushResult::kClosed;
      if (items_.size() >= capacity_) return PushResult::kFull;
      items_.push_back(std::move(value));
    }
    not_empty_.notify_one();
    return PushResult::kOk;
  }

  // Waits for room; false once closed (the value is then dropped).
  bool push(T value) {
    {
      std::unique_lock lock(mutex_);
      not_full_.wait(lock, [&] { return closed_ || items_.size() < capacity_; });
      if (closed_) return false;
      items_.push_back(std::move(value));
    }
    not_empty_.notify_one();
    return true;
  }

  // Waits for a value; nothing once the queue is closed and empty.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return closed_ || !items_.empty(); });
    return take(lock);
  }

  // Never waits.
  std::optional<T> try_pop() {
    std::unique_lock lock(mutex_);
    return take(lock);
  }

  // Waits until `deadline` at most. Nothing on timeout or when closed and empty; `closed()` tells which.
  std::optional<T> pop_until(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    not_empty_.wait_until(lock, deadline, [&] { return closed_ || !items_.empty(); });
    return take(lock);
  }

  // Appends all that is there to `out` without waiting; returns how many.
  size_t drain(std::vector<T>& out) {
    size_t count = 0;
    {
      std::lock_guard lock(mutex_);
      count = items_.size();
      for (T& item : items_) out.push_back(std::move(item));
      items_.clear();
    }
    if (count > 0) not_full_.notify_all();
    return count;
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    not_empty_.notify_all();
    not_full_.notify_all();
  }

  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }
  size_t capacity() const { return capacity_; }

 private:
  std::optional<T> take(std::unique_lock<std::mutex>& lock) {
    if (items_.empty()) return std::nullopt;
    std::optional<T> value(std::move(items_.front()));
    items_.pop_front();
    lock.unlock();
    not_full_.notify_one();
    return value;
  }

  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable not_full_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace hadal
