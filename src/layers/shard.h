// How tensor parallelism cuts tensors: contiguous ranges of rows, columns, heads or vocabulary per rank. Pure
// functions.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "config/model_config.h"

namespace hadal {

// [begin, begin + count).
struct ShardRange {
  int64_t begin = 0;
  int64_t count = 0;
  int64_t end() const { return begin + count; }
  // The range of elements where each of these is `factor` of them.
  ShardRange times(int64_t factor) const { return {begin * factor, count * factor}; }
};

// Rank `rank`'s share of [0, total), cut at multiples of `unit`: the first ranks get one unit more where
// units do not divide evenly (9 heads on 2 ranks: 5 and 4). Sums over ranks need no equal shares, so odd
// shapes run on any tp.
ShardRange shard_range(int64_t total, int64_t unit, int size, int rank);

// The heads of one rank. Every rank has at least one of each, and q.count is a multiple of kv.count.
struct HeadShard {
  ShardRange q;
  ShardRange kv;
};

// Whole groups (one key/value head with its query heads) go to one rank; with more ranks than key/value
// heads, each head is held by several ranks, which split its query heads. Errors: kUnsupported naming the
// tensor-parallel sizes that work.
Result<HeadShard> shard_heads(int num_heads, int num_kv_heads, int size, int rank);

// Checks that every rank of `size` gets heads, intermediate columns and vocabulary. Errors: kUnsupported.
Status check_shards(const ModelConfig& config, int size);

}  // namespace hadal
