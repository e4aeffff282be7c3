#include "hub/hash_pool.h"

#include "hub/disk.h"

namespace hadal {
namespace {

constexpr int64_t kChunk = int64_t{1} << 20;

}  // namespace

struct HashPool::Task {
  Task(const Checksum& checksum, int64_t file_size) : hasher(checksum, file_size), size(file_size) {}
  std::shared_ptr<UniqueFd> fd;
  std::string path;
  FileHasher hasher;
  const int64_t size;
  int64_t hashed = 0;
  int64_t there = 0;
  bool busy = false;  // a thread is at it
  bool dropped = false;

  bool ready() const { return !busy && !dropped && (hashed < there || there == size); }
};

HashPool::HashPool(int num_threads, std::function<void()> on_done) : on_done_(std::move(on_done)) {
  for (int i = 0; i < num_threads; ++i) threads_.emplace_back([this] { run(); });
}

HashPool::~HashPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void HashPool::begin(int key, std::shared_ptr<UniqueFd> fd, std::string path, int64_t size,
                     const Checksum& checksum) {
  auto task = std::make_shared<Task>(checksum, size);
  task->fd = std::move(fd);
  task->path = std::move(path);
  {
    std::lock_guard lock(mutex_);
    auto& slot = tasks_[key];
    if (slot) slot->dropped = true;
    slot = std::move(task);
  }
  // A file of no bytes is finished already.
  changed_.notify_one();
}

void HashPool::extend(int key, int64_t end) {
  {
    std::lock_guard lock(mutex_);
    const auto at = tasks_.find(key);
    if (at == tasks_.end() || at->second->there >= end) return;
    at->second->there = end;
  }
  changed_.notify_one();
}

void HashPool::drop(int key) {
  std::lock_guard lock(mutex_);
  const auto at = tasks_.find(key);
  if (at == tasks_.end()) return;
  at->second->dropped = true;
  tasks_.erase(at);
}

std::vector<HashPool::Done> HashPool::take_done() {
  std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

std::shared_ptr<HashPool::Task> HashPool::next(std::unique_lock<std::mutex>& lock) {
  std::shared_ptr<Task> found;
  changed_.wait(lock, [&] {
    if (stop_) return true;
    for (const auto& [key, task] : tasks_) {
      if (!task->ready()) continue;
      found = task;
      return true;
    }
    return false;
  });
  return stop_ ? nullptr : found;
}

void HashPool::run() {
  std::string buffer;
  std::unique_lock lock(mutex_);
  while (const auto task = next(lock)) {
    task->busy = true;
    const int64_t from = task->hashed;
    const auto count = static_cast<size_t>(std::min(kChunk, task->there - from));
    lock.unlock();
    Status status;
    if (count > 0) status = read_all_at(task->fd->get(), from, count, buffer, task->path);
    if (status.ok() && count > 0) task->hasher.update(buffer);
    lock.lock();
    task->busy = false;
    task->hashed = from + static_cast<int64_t>(count);
    if (task->dropped || (status.ok() && task->hashed < task->size)) continue;
    Done done;
    for (auto at = tasks_.begin(); at != tasks_.end(); ++at) {
      if (at->second != task) continue;
      done.key = at->first;
      tasks_.erase(at);
      break;
    }
    done.outcome = task->hasher.finish();
    done.status = std::move(status);
    done_.push_back(std::move(done));
    lock.unlock();
    on_done_();
    lock.lock();
  }
}

DiskThread::DiskThread() : thread_([this] { run(); }) {}

DiskThread::~DiskThread() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DiskThread::post(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void DiskThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace hadal
