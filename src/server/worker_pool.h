// WorkerPool: a few threads that run queued jobs: JSON parsing, chat templates, tokenization. Bounded: a full
// queue refuses. Owned by the Server; any thread may post.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "base/closable_queue.h"

namespace hadal {

class WorkerPool {
 public:
  WorkerPool(int num_threads, size_t max_queued) : queue_(max_queued) {
    for (int i = 0; i < num_threads; ++i) {
      threads_.emplace_back([this] {
        while (auto job = queue_.pop()) (*job)();
      });
    }
  }
  ~WorkerPool() { stop(); }
  // False when the queue is full or the pool stops; the job is dropped then.
  bool try_post(std::function<void()> job) { return queue_.try_push(std::move(job)) == PushResult::kOk; }
  size_t queued() const { return queue_.size(); }
  // Runs what is queued, then joins. Idempotent; one thread at a time.
  void stop() {
    queue_.close();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  ClosableQueue<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace hadal
