#include "comm/local.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "base/futex.h"

namespace hadal {
namespace {

// About 20 microseconds: ranks reach a collective within that when nothing holds them up.
constexpr int kSpinRounds = 400;
constexpr int64_t kGrain = 4096;  // floats per piece of work

// What one rank shows the others during a collective.
struct alignas(64) Posting {
  const void* in = nullptr;
  void* out = nullptr;
  int64_t count = 0;
  std::atomic<uint32_t> arrivals{0};  // barriers reached
};

class Hub {
 public:
  Hub(int size, std::chrono::milliseconds timeout)
      : size_(size), timeout_(timeout), postings_(static_cast<size_t>(size)) {}

  int size() const { return size_; }
  Posting& at(int rank) { return postings_[static_cast<size_t>(rank)]; }

  Status barrier(int rank) {
    if (aborted_.load(std::memory_order_acquire) == kAborted) return abort_error();
    const uint32_t round = generation_.load(std::memory_order_acquire);
    at(rank).arrivals.fetch_add(1, std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<uint32_t>(size_)) {
      arrived_.store(0, std::memory_order_relaxed);
      generation_.fetch_add(1, std::memory_order_acq_rel);
      futex_wake_all(generation_);
      return {};
    }
    for (int spin = 0; spin < kSpinRounds; ++spin) {
      if (generation_.load(std::memory_order_acquire) != round) return check_abort();
      cpu_pause();
    }
    const auto deadline = std::chrono::steady_clock::now() + timeout_;
    while (generation_.load(std::memory_order_acquire) == round) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0) {
        const std::string reason = "rank " + std::to_string(slowest()) +
                                   " did not reach a collective within " + std::to_string(timeout_.count()) +
                                   " ms";
        abort(reason);
        return abort_error();
      }
      futex_wait(generation_, round, left);
    }
    return check_abort();
  }

  void abort(const std::string& reason) {
    uint32_t expected = kRunning;
    if (!aborted_.compare_exchange_strong(expected, kAborting, std::memory_order_acq_rel)) return;
    reason_ = reason;
    aborted_.store(kAborted, std::memory_order_release);
    // Moving the generation lets every waiter out; they look at aborted_ next.
    generation_.fetch_add(1, std::memory_order_acq_rel);
    futex_wake_all(generation_);
  }

 private:
  static constexpr uint32_t kRunning = 0;
  static constexpr uint32_t kAborting = 1;
  static constexpr uint32_t kAborted = 2;

  Status check_abort() const {
    return aborted_.load(std::memory_order_acquire) == kAborted ? Status(abort_error()) : Status();
  }
  Error abort_error() const { return make_error(ErrorCode::kUnavailable, "collective aborted: ", reason_); }
  int slowest() const {
    int rank = 0;
    for (int r = 1; r < size_; ++r) {
      if (postings_[static_cast<size_t>(r)].arrivals.load(std::memory_order_relaxed) <
          postings_[static_cast<size_t>(rank)].arrivals.load(std::memory_order_relaxed)) {
        rank = r;
      }
    }
    return rank;
  }

  const int size_;
  const std::chrono::milliseconds timeout_;
  std::vector<Posting> postings_;
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};
  std::atomic<uint32_t> aborted_{kRunning};
  std::string reason_;
};

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<Hub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return hub_->size(); }

  // Rank r sums slice r of everybody and writes it to everybody: each float is read and written once per
  // rank.
  Status all_reduce(Stream& stream, const Tensor& data) override {
    const int64_t count = data.num_elements();
    HADAL_RETURN_IF_ERROR(post(data.data(), data.data(), count));
    const auto [begin, end] = slice(count);
    stream.pool().parallel_for(end - begin, kGrain, [&, first = begin](int64_t from, int64_t to, int) {
      sum_to_all(first + from, first + to);
    });
    return hub_->barrier(rank_);
  }

  Status all_gather(Stream& stream, const Tensor& in, const Tensor& out) override {
    const int64_t count = in.num_elements();
    HADAL_CHECK(out.num_elements() == count * size());
    HADAL_RETURN_IF_ERROR(post(in.data(), nullptr, count));
    stream.pool().parallel_for(size(), 1, [&](int64_t from, int64_t to, int) {
      for (int64_t r = from; r < to; ++r) {
        std::memcpy(out.ptr<float>() + r * count, input(static_cast<int>(r)),
                    static_cast<size_t>(count) * sizeof(float));
      }
    });
    return hub_->barrier(rank_);
  }

  Status reduce_scatter(Stream& stream, const Tensor& in, const Tensor& out) override {
    const int64_t count = out.num_elements();
    HADAL_CHECK(in.num_elements() == count * size());
    HADAL_RETURN_IF_ERROR(post(in.data(), nullptr, count));
    float* sum = out.ptr<float>();
    stream.pool().parallel_for(count, kGrain, [&](int64_t from, int64_t to, int) {
      for (int64_t i = from; i < to; ++i) {
        float value = 0;
        for (int r = 0; r < size(); ++r) value += input(r)[rank_ * count + i];
        sum[i] = value;
      }
    });
    return hub_->barrier(rank_);
  }

  Status all_to_all(Stream&, const Tensor& in, const Tensor& out) override {
    const int64_t count = in.num_elements() / size();
    HADAL_CHECK(in.num_elements() == count * size() && out.num_elements() == in.num_elements());
    HADAL_RETURN_IF_ERROR(post(in.data(), nullptr, count));
    for (int r = 0; r < size(); ++r) {
      std::memcpy(out.ptr<float>() + r * count, input(r) + rank_ * count,
                  static_cast<size_t>(count) * sizeof(float));
    }
    return hub_->barrier(rank_);
  }

  Status broadcast(Stream&, const Tensor& data, int root) override {
    HADAL_RETURN_IF_ERROR(post(data.data(), nullptr, data.num_elements()));
    if (rank_ != root) std::memcpy(data.data(), hub_->at(root).in, static_cast<size_t>(data.num_bytes()));
    return hub_->barrier(rank_);
  }

  Status barrier() override { return hub_->barrier(rank_); }
  void abort(const std::string& reason) override { hub_->abort(reason); }

 private:
  // Shows this rank's buffers and waits until all have; checks that all brought the same size.
  Status post(const void* in, void* out, int64_t count) {
    Posting& mine = hub_->at(rank_);
    mine.in = in;
    mine.out = out;
    mine.count = count;
    HADAL_RETURN_IF_ERROR(hub_->barrier(rank_));
    for (int r = 0; r < size(); ++r) {
      HADAL_CHECK(hub_->at(r).count == count) << "rank " << r << " brought " << hub_->at(r).count << ", rank "
                                              << rank_ << " " << count << " elements";
    }
    return {};
  }
  const float* input(int r) const { return static_cast<const float*>(hub_->at(r).in); }
  std::pair<int64_t, int64_t> slice(int64_t count) const {
    return {count * rank_ / size(), count * (rank_ + 1) / size()};
  }
  void sum_to_all(int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      float value = input(0)[i];
      for (int r = 1; r < size(); ++r) value += input(r)[i];
      for (int r = 0; r < size(); ++r) static_cast<float*>(hub_->at(r).out)[i] = value;
    }
  }

  const std::shared_ptr<Hub> hub_;
  const int rank_;
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> make_local_communicators(int size,
                                                                    std::chrono::milliseconds timeout) {
  HADAL_CHECK(size >= 1);
  auto hub = std::make_shared<Hub>(size, timeout);
  std::vector<std::unique_ptr<Communicator>> out;
  for (int rank = 0; rank < size; ++rank) out.push_back(std::make_unique<LocalCommunicator>(hub, rank));
  return out;
}

}  // namespace hadal
