// MatrixPart: one checkpoint matrix and the part of it that this rank keeps; MatrixShard: that part's bytes,
// ready to be packed. Used while loading, on the rank's worker thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/op/linear.h"
#include "layers/load_context.h"
#include "layers/shard.h"

namespace hadal {

struct MatrixPart {
  std::string name;    // without ".weight"
  int64_t n = 0;       // outputs of the whole matrix
  int64_t k = 0;       // inputs of the whole matrix
  ShardRange rows;     // outputs kept
  ShardRange columns;  // inputs kept
  bool bias = false;   // `name` + ".bias" [n]

  static MatrixPart whole(std::string name, int64_t n, int64_t k, bool bias = false) {
    return {std::move(name), n, k, {0, n}, {0, k}, bias};
  }
  static MatrixPart by_rows(std::string name, int64_t n, int64_t k, ShardRange rows, bool bias = false) {
    return {std::move(name), n, k, rows, {0, k}, bias};
  }
  static MatrixPart by_columns(std::string name, int64_t n, int64_t k, ShardRange columns,
                               bool bias = false) {
    return {std::move(name), n, k, {0, n}, columns, bias};
  }
};

// source.weight is contiguous [rows.count, columns.count]; the bytes live as long as this object.
struct MatrixShard {
  LinearSource source;
  std::shared_ptr<const void> weight_owner;
  std::shared_ptr<const void> scale_owner;
};

// Reads and cuts. A cut between rows costs nothing; one between columns copies.
// Errors: the source's; kUnsupported where a cut falls inside a quantised block, naming the tensor.
Result<MatrixShard> read_shard(const LoadContext& load, const MatrixPart& part);
// Rows [begin, begin + count) of a shard, in place.
MatrixShard shard_rows(const MatrixShard& shard, int64_t begin, int64_t count);

// f32 [n * k] values of a shard, FP8 block scales applied (then rounded to bf16, as `linear` computes).
std::vector<float> shard_values(const MatrixShard& shard);
// A new host matrix of a plain dtype (f32, f16 or bf16) holding `values` [n, k].
MatrixShard make_shard(std::span<const float> values, int64_t n, int64_t k, DType dtype);
// The plain dtype that holds a shard's values without visible loss: f32, f16 and bf16 stay; FP8 becomes bf16
// (what its arithmetic rounds to), block types f16.
DType plain_dtype(DType dtype);

}  // namespace hadal
