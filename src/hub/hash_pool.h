// HashPool: hashes files in threads of its own while they are fetched: each as far as its bytes are there
// without a gap. It keeps where the hash was at some places of each file, so that after a change it goes on
// from there. Owns its threads. Any thread may call it; results wait until they are taken.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "hub/digest.h"

namespace hadal {

class HashPool {
 public:
  struct Done {
    int key = 0;
    Status status;  // of reading
    FileHasher::Outcome outcome;
  };

  // on_done: called on a hashing thread when there is something to take.
  HashPool(int num_threads, std::function<void()> on_done);
  ~HashPool();
  HashPool(const HashPool&) = delete;
  HashPool& operator=(const HashPool&) = delete;

  // Begins a file from its first byte (again, where the key is known). Keys are the caller's.
  void begin(int key, std::shared_ptr<UniqueFd> fd, std::string path, int64_t size, const Checksum& checksum);
  // Bytes up to here are there. At the file's size the file is finished and reported.
  void extend(int key, int64_t end);
  // Bytes from here on are others than those that were hashed, and those up to `there` are there: the file is
  // hashed again from the last place before `from` that was kept, and reported again. False: the key is not
  // known.
  bool rewind(int key, int64_t from, int64_t there);
  // Nothing more of it is reported; it and its descriptor are forgotten.
  void drop(int key);
  std::vector<Done> take_done();

 private:
  struct Task;
  void run();
  void forget_done(int key);
  std::shared_ptr<Task> next(std::unique_lock<std::mutex>& lock);

  const std::function<void()> on_done_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, std::shared_ptr<Task>> tasks_;
  std::vector<Done> done_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

// One thread that does what may wait for the disk, in order.
class DiskThread {
 public:
  DiskThread();
  ~DiskThread();  // does what was posted first
  DiskThread(const DiskThread&) = delete;
  DiskThread& operator=(const DiskThread&) = delete;
  void post(std::function<void()> job);

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace hadal
