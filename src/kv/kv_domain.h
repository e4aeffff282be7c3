// KvDomain: the blocks of the ranks that hold the same sequences' keys: all ranks under tensor parallelism,
// one rank under data-parallel attention. A sequence lives in one domain. Owned by the Scheduler; engine
// thread only.
#pragma once

#include "kv/block_pool.h"
#include "kv/prefix_tree.h"

namespace hadal {

struct KvDomain {
  KvDomain(int32_t num_blocks, int32_t block_size, uint64_t hash_seed)
      : pool(num_blocks), tree(pool, block_size, hash_seed) {}

  // A block nobody holds: a free one, else the one that the tree has kept unused for longest. Empty when all
  // are in use.
  BlockRef allocate() {
    if (pool.num_free() == 0) tree.evict_one();
    return pool.allocate();
  }
  // How many times allocate() would succeed.
  int32_t num_available() const { return pool.num_free() + pool.num_idle(); }
  void check_integrity() const {
    pool.check_integrity();
    tree.check_integrity();
  }

  BlockPool pool;
  PrefixTree tree;  // after the pool: its blocks go back first
};

}  // namespace hadal
