#include "hub/hash_pool.h"

#include <algorithm>

#include "hub/disk.h"

namespace hadal {
namespace {

constexpr int64_t kChunk = int64_t{1} << 20;
// Between the places of a file where its hash is kept: a few hundred bytes each.
constexpr int64_t kSmallestStep = int64_t{8} << 20;
constexpr int64_t kMaxSaves = 256;

}  // namespace

struct HashPool::Task {
  Task(int number, const Checksum& checksum, int64_t file_size)
      : key(number),
        hasher(checksum, file_size),
        size(file_size),
        step(std::max(kSmallestStep, size / kMaxSaves)) {
    saves.emplace_back(0, hasher);
  }
  const int key;
  std::shared_ptr<UniqueFd> fd;
  std::string path;
  FileHasher hasher;
  const int64_t size;
  const int64_t step;
  int64_t hashed = 0;
  int64_t there = 0;
  int64_t rewind_to = -1;  // when the thread that is at it comes back
  bool busy = false;       // a thread is at it
  bool dropped = false;
  bool reported = false;
  std::vector<std::pair<int64_t, FileHasher>> saves;  // by how many bytes were hashed

  bool ready() const { return !busy && !dropped && !reported && (hashed < there || there == size); }

  void rewind(int64_t from) {
    while (saves.back().first > from) saves.pop_back();
    hashed = saves.back().first;
    hasher = saves.back().second;
    reported = false;
    rewind_to = -1;
  }

  void save() {
    if (hashed >= saves.back().first + step) saves.emplace_back(hashed, hasher);
  }
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
  auto task = std::make_shared<Task>(key, checksum, size);
  task->fd = std::move(fd);
  task->path = std::move(path);
  {
    std::lock_guard lock(mutex_);
    forget_done(key);
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

bool HashPool::rewind(int key, int64_t from, int64_t there) {
  {
    std::lock_guard lock(mutex_);
    const auto at = tasks_.find(key);
    if (at == tasks_.end()) return false;
    Task& task = *at->second;
    forget_done(key);
    task.there = there;
    if (task.busy) {
      task.rewind_to = task.rewind_to < 0 ? from : std::min(task.rewind_to, from);
    } else {
      task.rewind(from);
    }
  }
  changed_.notify_one();
  return true;
}

void HashPool::drop(int key) {
  std::lock_guard lock(mutex_);
  const auto at = tasks_.find(key);
  if (at == tasks_.end()) return;
  at->second->dropped = true;
  tasks_.erase(at);
  forget_done(key);
}

void HashPool::forget_done(int key) {
  std::erase_if(done_, [&](const Done& done) { return done.key == key; });
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
    if (task->dropped) continue;
    if (task->rewind_to >= 0) {
      task->rewind(task->rewind_to);
      continue;
    }
    if (status.ok() && task->hashed < task->size) {
      task->save();
      continue;
    }
    Done done;
    done.key = task->key;
    done.outcome = FileHasher(task->hasher).finish();
    done.status = std::move(status);
    task->reported = true;
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
