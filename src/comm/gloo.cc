#include "comm/gloo.h"

#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>

#include <atomic>
#include <mutex>
#include <vector>

namespace hadal {
namespace {

// Lets Gloo use our store; errors leave as exceptions, which only this file sees.
class StoreAdapter final : public gloo::rendezvous::Store {
 public:
  StoreAdapter(RendezvousStore& store, std::string prefix, std::chrono::milliseconds timeout)
      : store_(store), prefix_(std::move(prefix)), timeout_(timeout) {}

  void set(const std::string& key, const std::vector<char>& data) override {
    const Status status = store_.set(prefix_ + key, std::string(data.begin(), data.end()));
    if (!status.ok()) throw std::runtime_error(status.error().message);
  }
  std::vector<char> get(const std::string& key) override {
    auto value = store_.get(prefix_ + key, timeout_);
    if (!value.ok()) throw std::runtime_error(value.error().message);
    return std::vector<char>(value->begin(), value->end());
  }
  void wait(const std::vector<std::string>& keys) override { wait(keys, timeout_); }
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) override {
    for (const std::string& key : keys) {
      auto value = store_.get(prefix_ + key, timeout);
      if (!value.ok()) throw std::runtime_error(value.error().message);
    }
  }

 private:
  RendezvousStore& store_;
  const std::string prefix_;
  const std::chrono::milliseconds timeout_;
};

class GlooCommunicator final : public Communicator {
  // Buffers that a call waits on, for abort() to wake.
  class ActiveBuffers {
   public:
    ActiveBuffers(GlooCommunicator& owner, gloo::transport::UnboundBuffer* send,
                  gloo::transport::UnboundBuffer* receive)
        : owner_(owner) {
      std::lock_guard lock(owner_.active_mutex_);
      owner_.active_ = {send, receive};
      if (owner_.aborted_.load(std::memory_order_acquire)) throw std::runtime_error("aborted");
    }
    ~ActiveBuffers() {
      std::lock_guard lock(owner_.active_mutex_);
      owner_.active_.clear();
    }
    ActiveBuffers(const ActiveBuffers&) = delete;
    ActiveBuffers& operator=(const ActiveBuffers&) = delete;

   private:
    GlooCommunicator& owner_;
  };

 public:
  GlooCommunicator(std::shared_ptr<gloo::rendezvous::Context> context, std::chrono::milliseconds timeout)
      : context_(std::move(context)), timeout_(timeout) {}

  int rank() const override { return context_->rank; }
  int size() const override { return context_->size; }

  // Everybody gets its slice from all, adds in rank order, and shares the sum: as many bytes as a ring, two
  // rounds instead of 2 (size - 1), and the same bits on every rank.
  Status all_reduce(Stream& stream, const Tensor& data) override {
    const int64_t count = data.num_elements();
    const int64_t slice = (count + size() - 1) / size();
    const auto padded = static_cast<size_t>(slice * size());
    scratch_in_.assign(padded, 0.0f);
    scratch_out_.resize(padded);
    std::copy_n(data.ptr<float>(), count, scratch_in_.data());
    HADAL_RETURN_IF_ERROR(exchange(scratch_in_.data(), scratch_out_.data(), slice));
    scratch_in_.resize(static_cast<size_t>(slice));
    sum_rows(stream, scratch_out_.data(), slice, scratch_in_.data());
    HADAL_RETURN_IF_ERROR(gather(scratch_in_.data(), scratch_out_.data(), slice));
    std::copy_n(scratch_out_.data(), count, data.ptr<float>());
    return {};
  }

  Status all_gather(Stream&, const Tensor& in, const Tensor& out) override {
    HADAL_CHECK(out.num_elements() == in.num_elements() * size());
    return gather(in.ptr<float>(), out.ptr<float>(), in.num_elements());
  }

  Status reduce_scatter(Stream& stream, const Tensor& in, const Tensor& out) override {
    const int64_t count = out.num_elements();
    HADAL_CHECK(in.num_elements() == count * size());
    scratch_out_.resize(static_cast<size_t>(in.num_elements()));
    HADAL_RETURN_IF_ERROR(exchange(in.ptr<float>(), scratch_out_.data(), count));
    sum_rows(stream, scratch_out_.data(), count, out.ptr<float>());
    return {};
  }

  Status all_to_all(Stream&, const Tensor& in, const Tensor& out) override {
    HADAL_CHECK(in.num_elements() == out.num_elements() && in.num_elements() % size() == 0);
    return exchange(in.ptr<float>(), out.ptr<float>(), in.num_elements() / size());
  }

  Status broadcast(Stream&, const Tensor& data, int root) override {
    const auto bytes = static_cast<size_t>(data.num_bytes());
    const bool sends = rank() == root;
    return transfer("broadcast", data.data(), bytes, data.data(), bytes, [&](int peer, Lengths& lengths) {
      if (sends) lengths.send = bytes;
      if (peer == root) lengths.receive = bytes;
    });
  }

  Status barrier() override {
    char mine = 0;
    std::vector<char> theirs(static_cast<size_t>(size()));
    return transfer("barrier", &mine, 1, theirs.data(), theirs.size(), [](int peer, Lengths& lengths) {
      lengths = {.send = 1, .receive = 1, .receive_offset = static_cast<size_t>(peer)};
    });
  }

  void abort(const std::string& reason) override {
    {
      std::lock_guard lock(reason_mutex_);
      if (!reason_.empty()) return;
      reason_ = reason.empty() ? "aborted" : reason;
    }
    {
      // Closing connections does not wake a waiter in Gloo: its buffers are told one by one.
      std::lock_guard lock(active_mutex_);
      aborted_.store(true, std::memory_order_release);
      for (gloo::transport::UnboundBuffer* buffer : active_) {
        buffer->abortWaitSend();
        buffer->abortWaitRecv();
      }
    }
    try {
      context_->closeConnections();
    } catch (const std::exception&) {
      // Connections that are already gone are as good as closed.
    }
  }

 private:
  struct Lengths {
    size_t send = 0;
    size_t receive = 0;
    size_t send_offset = 0;
    size_t receive_offset = 0;
  };

  Error error(const char* what, const std::string& detail) {
    std::lock_guard lock(reason_mutex_);
    return make_error(ErrorCode::kUnavailable, what, " among ", size(), " ranks failed on rank ", rank(),
                      ": ", reason_.empty() ? detail : reason_);
  }

  // Sends to and receives from every peer what `plan(peer, lengths)` says (bytes, offsets into in and out),
  // at once.
  template <typename Plan>
  Status transfer(const char* what, void* in, size_t in_bytes, void* out, size_t out_bytes, Plan&& plan) {
    if (aborted_.load(std::memory_order_acquire)) return error(what, "");
    if (size() == 1) return {};
    const uint64_t slot = ++slot_;
    int waits_for = -1;
    try {
      const auto send = context_->createUnboundBuffer(in, in_bytes);
      const auto receive = context_->createUnboundBuffer(out, out_bytes);
      const ActiveBuffers active(*this, send.get(), receive.get());
      int sends = 0;
      int receives = 0;
      for (int step = 1; step < size(); ++step) {
        const int peer = (rank() + step) % size();
        Lengths lengths;
        plan(peer, lengths);
        if (lengths.receive > 0) {
          receive->recv(peer, slot, lengths.receive_offset, lengths.receive);
          ++receives;
          waits_for = peer;
        }
        if (lengths.send > 0) {
          send->send(peer, slot, lengths.send_offset, lengths.send);
          ++sends;
        }
      }
      for (; receives > 0; --receives) {
        if (!receive->waitRecv(timeout_)) return error(what, "aborted");
      }
      for (; sends > 0; --sends) {
        if (!send->waitSend(timeout_)) return error(what, "aborted");
      }
      return aborted_.load(std::memory_order_acquire) ? Status(error(what, "")) : Status();
    } catch (const std::exception& e) {
      return error(what, size() == 2 ? "rank " + std::to_string(waits_for < 0 ? 1 - rank() : waits_for) +
                                           " is gone: " + e.what()
                                     : std::string(e.what()));
    }
  }

  Status gather(float* in, float* out, int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(float);
    std::copy_n(in, count, out + rank() * count);
    return transfer(
        "all_gather", in, bytes, out, bytes * static_cast<size_t>(size()), [&](int peer, Lengths& lengths) {
          lengths = {.send = bytes, .receive = bytes, .receive_offset = static_cast<size_t>(peer) * bytes};
        });
  }
  Status exchange(float* in, float* out, int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(float);
    const size_t all = bytes * static_cast<size_t>(size());
    std::copy_n(in + rank() * count, count, out + rank() * count);
    return transfer("all_to_all", in, all, out, all, [&](int peer, Lengths& lengths) {
      const size_t offset = static_cast<size_t>(peer) * bytes;
      lengths = {.send = bytes, .receive = bytes, .send_offset = offset, .receive_offset = offset};
    });
  }
  void sum_rows(Stream& stream, const float* rows, int64_t count, float* out) {
    stream.pool().parallel_for(count, 16384, [&](int64_t from, int64_t to, int) {
      std::copy(rows + from, rows + to, out + from);
      for (int r = 1; r < size(); ++r) {
        const float* row = rows + r * count;
        for (int64_t i = from; i < to; ++i) out[i] += row[i];
      }
    });
  }

  const std::shared_ptr<gloo::rendezvous::Context> context_;
  const std::chrono::milliseconds timeout_;
  std::vector<float> scratch_in_;
  std::vector<float> scratch_out_;
  uint64_t slot_ = 0;
  std::mutex active_mutex_;
  std::vector<gloo::transport::UnboundBuffer*> active_;
  std::atomic<bool> aborted_{false};
  std::mutex reason_mutex_;
  std::string reason_;
};

}  // namespace

Result<std::unique_ptr<Communicator>> make_gloo_communicator(RendezvousStore& store,
                                                             const GlooOptions& options) {
  try {
    gloo::transport::tcp::attr attributes(options.bind_address.c_str());
    auto device = gloo::transport::tcp::CreateDevice(attributes);
    auto context = std::make_shared<gloo::rendezvous::Context>(options.rank, options.size);
    context->setTimeout(options.connect_timeout);
    StoreAdapter adapter(store, options.prefix, options.connect_timeout);
    if (options.size > 1) context->connectFullMesh(adapter, device);
    context->setTimeout(options.timeout);
    return std::unique_ptr<Communicator>(new GlooCommunicator(std::move(context), options.timeout));
  } catch (const std::exception& e) {
    return make_error(ErrorCode::kUnavailable, "rank ", options.rank, " of ", options.size, " at ",
                      options.bind_address, " cannot connect to the others: ", e.what());
  }
}

}  // namespace hadal
