#include "app/group_setup.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include "comm/gloo.h"
#include "comm/local.h"

namespace hadal {
namespace {

std::chrono::milliseconds to_milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

class ChannelStore final : public RendezvousStore {
 public:
  explicit ChannelStore(GroupChannel& channel) : channel_(channel) {}
  Status set(const std::string& key, const std::string& value) override {
    return channel_.store_set(key, value);
  }
  Result<std::string> get(const std::string& key, std::chrono::milliseconds timeout) override {
    return channel_.store_get(key, timeout);
  }

 private:
  GroupChannel& channel_;
};

}  // namespace

Result<std::unique_ptr<GroupChannel>> open_group(const ParallelConfig& parallel,
                                                 const std::string& must_agree) {
  GroupOptions options;
  options.nnodes = parallel.nnodes;
  options.node_rank = parallel.node_rank;
  options.address = parallel.dist_init_addr;
  options.secret = parallel.group_secret;
  options.config = must_agree;
  options.rendezvous_timeout = to_milliseconds(parallel.dist_timeout);
  return GroupChannel::open(options);
}

Result<int64_t> least_over_hosts(const ParallelConfig& parallel, GroupChannel& channel,
                                 const std::string& name, int64_t value, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  HADAL_RETURN_IF_ERROR(
      channel.store_set(name + "/" + std::to_string(parallel.node_rank), std::to_string(value)));
  for (int node = 0; node < parallel.nnodes; ++node) {
    if (node == parallel.node_rank) continue;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto text =
        channel.store_get(name + "/" + std::to_string(node), std::max(left, std::chrono::milliseconds(1)));
    if (!text.ok() && text.error().code == ErrorCode::kDeadlineExceeded) {
      return make_error(ErrorCode::kDeadlineExceeded, "node ", node, " did not reach \"", name, "\" within ",
                        timeout.count() / 1000, " s");
    }
    if (!text.ok()) return text.error();
    int64_t theirs = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), theirs);
    if (error != std::errc() || end != text->data() + text->size()) {
      return make_error(ErrorCode::kDataLoss, "node ", node, " gave \"", *text, "\" for ", name);
    }
    value = std::min(value, theirs);
  }
  return value;
}

Result<std::vector<std::unique_ptr<Communicator>>> make_communicators(const ParallelConfig& parallel,
                                                                      GroupChannel* channel,
                                                                      double collective_timeout) {
  const auto timeout = to_milliseconds(collective_timeout);
  if (parallel.nnodes == 1) return make_local_communicators(parallel.tp_size, timeout);
  // Connecting waits for the other ranks, those of this host among them, so each rank connects on its own
  // thread.
  const int local_ranks = parallel.tp_size / parallel.nnodes;
  ChannelStore store(*channel);
  std::vector<std::unique_ptr<Communicator>> out(static_cast<size_t>(local_ranks));
  std::vector<Status> failures(static_cast<size_t>(local_ranks));
  std::vector<std::thread> threads;
  for (int i = 0; i < local_ranks; ++i) {
    threads.emplace_back([&, i] {
      GlooOptions options;
      options.rank = parallel.node_rank * local_ranks + i;
      options.size = parallel.tp_size;
      options.bind_address = channel->local_address();
      options.connect_timeout = to_milliseconds(parallel.dist_timeout);
      options.timeout = timeout;
      options.prefix = "tp/";
      auto made = make_gloo_communicator(store, options);
      if (made.ok()) {
        out[static_cast<size_t>(i)] = std::move(made).value();
      } else {
        failures[static_cast<size_t>(i)] = made.error();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (Status& failure : failures) HADAL_RETURN_IF_ERROR(failure);
  return out;
}

}  // namespace hadal
