// Linear: one linear layer of a model on one rank: one matrix, or several with the same input stacked (q, k
// and v; gate and up). Matrices of different dtypes (GGUF mixes them) are packed in as few groups as
// neighbours allow. Owned by its layer; worker thread only.
#pragma once

#include <span>
#include <vector>

#include "kernels/op/linear.h"
#include "layers/matrix_shard.h"
#include "layers/parameter.h"

namespace hadal {

class Linear {
 public:
  Linear() = default;
  // All parts have the same kept columns count. A part cut by columns is one summand of a sum over ranks, so
  // only rank 0 keeps its bias.
  static Result<Linear> load(const LoadContext& load, std::span<const MatrixPart> parts);
  static Result<Linear> load(const LoadContext& load, const MatrixPart& part) {
    return Linear::load(load, std::span(&part, 1));
  }
  // From matrices already at hand, without bias.
  static Result<Linear> pack(const LoadContext& load, std::span<const MatrixShard> shards);

  int64_t n() const { return n_; }
  int64_t k() const { return k_; }
  int64_t num_bytes() const;
  int64_t arena_bytes(int64_t m) const;

  // x: f32 [M, k], y: f32 [M, n]; rows of both may be strided. accumulate: y += x W^T + bias.
  void forward(OpContext& ctx, const Tensor& x, const Tensor& y, bool accumulate = false) const;

 private:
  struct Group {
    PackedLinear packed;
    int64_t begin = 0;
  };
  std::vector<Group> groups_;
  Parameter bias_;
  int64_t n_ = 0;
  int64_t k_ = 0;
};

}  // namespace hadal
