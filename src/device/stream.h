// Stream: where a rank's operations run, in order. On the CPU an operation runs at once on the rank's
// ThreadPool; on a GPU it is queued on a CUDA stream. Owned by the Worker; used from the worker's thread
// only.
#pragma once

#include <memory>

#include "device/tensor.h"
#include "device/thread_pool.h"

namespace hadal {

class Stream {
 public:
  static std::unique_ptr<Stream> cpu(int num_threads, int first_cpu = -1);
  DeviceType device() const { return DeviceType::kCpu; }
  ThreadPool& pool() { return pool_; }

 private:
  Stream(int num_threads, int first_cpu) : pool_(num_threads, first_cpu) {}
  ThreadPool pool_;
};

}  // namespace hadal
