#include <cstring>

#include "comm/communicator.h"

namespace hadal {
namespace {

class SingleCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  Status all_reduce(Stream&, const Tensor&) override { return {}; }
  Status all_gather(Stream&, const Tensor& in, const Tensor& out) override { return copy(in, out); }
  Status reduce_scatter(Stream&, const Tensor& in, const Tensor& out) override { return copy(in, out); }
  Status all_to_all(Stream&, const Tensor& in, const Tensor& out) override { return copy(in, out); }
  Status broadcast(Stream&, const Tensor&, int root) override {
    HADAL_CHECK(root == 0) << "root " << root << " in a group of one";
    return {};
  }
  Status barrier() override { return {}; }
  void abort(const std::string&) override {}

 private:
  static Status copy(const Tensor& in, const Tensor& out) {
    HADAL_CHECK(in.num_bytes() == out.num_bytes()) << in.shape_string() << " to " << out.shape_string();
    if (in.data() != out.data() && in.num_bytes() > 0) {
      std::memcpy(out.data(), in.data(), static_cast<size_t>(in.num_bytes()));
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<Communicator> make_single_communicator() {
  return std::make_unique<SingleCommunicator>();
}

}  // namespace hadal
