// ThreadGroup: the simplest Communicator among threads of one process, for tests of sharding: every
// collective is two barriers around plain copies. No deadline.
#pragma once

#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "comm/communicator.h"

namespace hadal {

class ThreadGroup {
 public:
  static std::vector<std::unique_ptr<Communicator>> make(int size) {
    auto shared = std::make_shared<Shared>(size);
    std::vector<std::unique_ptr<Communicator>> out;
    for (int rank = 0; rank < size; ++rank) out.push_back(std::make_unique<Rank>(shared, rank));
    return out;
  }

 private:
  struct Shared {
    explicit Shared(int n) : size(n), data(static_cast<size_t>(n)) {}
    // False once aborted.
    bool wait() {
      std::unique_lock lock(mutex);
      const int my_round = round;
      if (++arrived == size) {
        arrived = 0;
        ++round;
        changed.notify_all();
      } else {
        changed.wait(lock, [&] { return round != my_round || aborted; });
      }
      return !aborted;
    }
    const int size;
    std::mutex mutex;
    std::condition_variable changed;
    int arrived = 0;
    int round = 0;
    bool aborted = false;
    std::string reason;
    std::vector<std::byte*> data;
  };

  class Rank final : public Communicator {
   public:
    Rank(std::shared_ptr<Shared> shared, int rank) : shared_(std::move(shared)), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return shared_->size; }

    Status all_reduce(Stream&, const Tensor& data) override {
      const auto count = static_cast<size_t>(data.num_elements());
      std::vector<float> mine(data.ptr<float>(), data.ptr<float>() + count);
      HADAL_RETURN_IF_ERROR(meet(mine.data()));
      for (size_t i = 0; i < count; ++i) {
        float sum = 0;
        for (const std::byte* other : shared_->data) sum += reinterpret_cast<const float*>(other)[i];
        data.ptr<float>()[i] = sum;
      }
      return leave();
    }
    Status all_gather(Stream&, const Tensor& in, const Tensor& out) override {
      HADAL_RETURN_IF_ERROR(meet(in.data()));
      const auto bytes = static_cast<size_t>(in.num_bytes());
      for (size_t r = 0; r < shared_->data.size(); ++r) {
        std::memcpy(out.ptr<std::byte>() + r * bytes, shared_->data[r], bytes);
      }
      return leave();
    }
    Status reduce_scatter(Stream&, const Tensor&, const Tensor&) override { return unused(); }
    Status all_to_all(Stream&, const Tensor&, const Tensor&) override { return unused(); }
    Status broadcast(Stream&, const Tensor& data, int root) override {
      HADAL_RETURN_IF_ERROR(meet(data.data()));
      if (rank_ != root) {
        std::memcpy(data.data(), shared_->data[static_cast<size_t>(root)],
                    static_cast<size_t>(data.num_bytes()));
      }
      return leave();
    }
    Status barrier() override { return leave(); }
    void abort(const std::string& reason) override {
      std::lock_guard lock(shared_->mutex);
      if (!shared_->aborted) shared_->reason = reason;
      shared_->aborted = true;
      shared_->changed.notify_all();
    }

   private:
    Status meet(void* data) {
      shared_->data[static_cast<size_t>(rank_)] = static_cast<std::byte*>(data);
      return leave();
    }
    Status leave() {
      if (shared_->wait()) return {};
      return make_error(ErrorCode::kUnavailable, "group aborted: ", shared_->reason);
    }
    static Status unused() { return make_error(ErrorCode::kUnsupported, "not part of this test group"); }
    std::shared_ptr<Shared> shared_;
    int rank_;
  };
};

}  // namespace hadal
