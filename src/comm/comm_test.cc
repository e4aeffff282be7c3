#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "comm/gloo.h"
#include "comm/local.h"

namespace hadal {
namespace {

using namespace std::chrono_literals;

class MemoryStore final : public RendezvousStore {
 public:
  Status set(const std::string& key, const std::string& value) override {
    std::lock_guard lock(mutex_);
    values_[key] = value;
    changed_.notify_all();
    return {};
  }
  Result<std::string> get(const std::string& key, std::chrono::milliseconds timeout) override {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, timeout, [&] { return values_.contains(key); })) {
      return make_error(ErrorCode::kDeadlineExceeded, "no value for ", key);
    }
    return values_[key];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_;
};

using Communicators = std::vector<std::unique_ptr<Communicator>>;

Communicators make_gloo(int size, std::chrono::milliseconds timeout) {
  MemoryStore store;
  Communicators out(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      GlooOptions options;
      options.rank = rank;
      options.size = size;
      options.bind_address = "127.0.0.1";
      options.connect_timeout = 20s;
      options.timeout = timeout;
      auto made = make_gloo_communicator(store, options);
      ASSERT_TRUE(made.ok()) << made.error().message;
      out[static_cast<size_t>(rank)] = std::move(made).value();
    });
  }
  for (std::thread& t : threads) t.join();
  return out;
}

Communicators make(bool gloo, int size, std::chrono::milliseconds timeout = 20000ms) {
  return gloo ? make_gloo(size, timeout) : make_local_communicators(size, timeout);
}

template <typename F>
void on_all(Communicators& comms, F&& body) {
  std::vector<std::thread> threads;
  for (auto& comm : comms) {
    threads.emplace_back([&] {
      auto stream = Stream::cpu(1);
      body(*comm, *stream);
    });
  }
  for (std::thread& t : threads) t.join();
}

float input_value(int rank, int64_t i, int round) {
  return static_cast<float>(((rank + 1) * 7919 + i * 31 + round * 101) % 1009) / 64.0f - 5.0f;
}

class CommTest : public testing::TestWithParam<std::tuple<bool, int>> {};

TEST_P(CommTest, EveryCollectiveEqualsItsDefinition) {
  const auto [gloo, size] = GetParam();
  Communicators comms = make(gloo, size);
  for (const auto& comm : comms) ASSERT_NE(comm, nullptr);
  for (int64_t count : {1, 5, 1000, 20011}) {
    for (int round = 0; round < 3; ++round) {
      on_all(comms, [&, n = size](Communicator& comm, Stream& stream) {
        const int r = comm.rank();
        std::vector<float> data(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i) data[static_cast<size_t>(i)] = input_value(r, i, round);
        std::vector<float> gathered(static_cast<size_t>(count * n));
        ASSERT_TRUE(comm.all_gather(stream, Tensor(data.data(), DType::kF32, {count}),
                                    Tensor(gathered.data(), DType::kF32, {n, count}))
                        .ok());
        for (int s = 0; s < n; ++s) {
          for (int64_t i = 0; i < count; ++i)
            ASSERT_EQ(gathered[static_cast<size_t>(s * count + i)], input_value(s, i, round));
        }
        std::vector<float> swapped(gathered.size());
        // Block r of rank s's input is input_value(s, ., round + r).
        for (int d = 0; d < n; ++d) {
          for (int64_t i = 0; i < count; ++i)
            gathered[static_cast<size_t>(d * count + i)] = input_value(r, i, round + d);
        }
        const Tensor blocks(gathered.data(), DType::kF32, {n, count});
        ASSERT_TRUE(comm.all_to_all(stream, blocks, Tensor(swapped.data(), DType::kF32, {n, count})).ok());
        std::vector<float> reduced(static_cast<size_t>(count));
        ASSERT_TRUE(comm.reduce_scatter(stream, blocks, Tensor(reduced.data(), DType::kF32, {count})).ok());
        ASSERT_TRUE(comm.all_reduce(stream, Tensor(data.data(), DType::kF32, {count})).ok());
        for (int64_t i = 0; i < count; ++i) {
          float sum = input_value(0, i, round);
          float scattered = input_value(0, i, round + r);
          for (int s = 1; s < n; ++s) {
            sum += input_value(s, i, round);
            scattered += input_value(s, i, round + r);
          }
          ASSERT_EQ(data[static_cast<size_t>(i)], sum);
          ASSERT_EQ(reduced[static_cast<size_t>(i)], scattered);
          for (int s = 0; s < n; ++s)
            ASSERT_EQ(swapped[static_cast<size_t>(s * count + i)], input_value(s, i, round + r));
        }
        std::vector<int32_t> words(3, r == n - 1 ? 42 : 0);
        ASSERT_TRUE(comm.broadcast(stream, Tensor(words.data(), DType::kI32, {3}), n - 1).ok());
        ASSERT_EQ(words[2], 42);
        ASSERT_TRUE(comm.barrier().ok());
      });
    }
  }
}

class CommFailureTest : public CommTest {};

TEST_P(CommFailureTest, AbortLetsEveryWaiterOut) {
  const auto [gloo, size] = GetParam();
  Communicators comms = make(gloo, size);
  std::vector<std::thread> threads;
  for (int r = 0; r + 1 < size; ++r) {
    threads.emplace_back([&, r] {
      const Status status = comms[static_cast<size_t>(r)]->barrier();
      EXPECT_FALSE(status.ok());
      EXPECT_NE(status.to_string().find("a test ended it"), std::string::npos) << status.to_string();
    });
  }
  std::this_thread::sleep_for(20ms);
  for (auto& comm : comms) comm->abort("a test ended it");
  for (std::thread& t : threads) t.join();
  EXPECT_FALSE(comms.back()->barrier().ok());
}

TEST_P(CommFailureTest, MissingRankIsADeadlineNotAHang) {
  const auto [gloo, size] = GetParam();
  Communicators comms = make(gloo, size, 200ms);
  std::vector<std::thread> threads;
  for (int r = 0; r + 1 < size; ++r) {
    threads.emplace_back([&, r] { EXPECT_FALSE(comms[static_cast<size_t>(r)]->barrier().ok()); });
  }
  for (std::thread& t : threads) t.join();
}

INSTANTIATE_TEST_SUITE_P(Local, CommTest,
                         testing::Combine(testing::Values(false), testing::Values(1, 2, 3, 5)));
INSTANTIATE_TEST_SUITE_P(Gloo, CommTest, testing::Combine(testing::Values(true), testing::Values(1, 2, 3)));
INSTANTIATE_TEST_SUITE_P(All, CommFailureTest, testing::Combine(testing::Bool(), testing::Values(2, 3)));

TEST(LocalCommunicator, NamesTheRankThatIsMissing) {
  Communicators comms = make_local_communicators(2, 50ms);
  const Status status = comms[0]->barrier();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.to_string().find("rank 1 did not reach"), std::string::npos) << status.to_string();
}

}  // namespace
}  // namespace hadal
