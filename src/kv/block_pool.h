// BlockPool: the KV block ids of one KvDomain: which are free, which are held and by how many BlockRefs.
// Bookkeeping only: the memory behind an id belongs to the runtime. Owned by KvDomain; engine thread only.
//
// A block is in exactly one of these sets:
//   free   no BlockRef;
//   idle   cached by the PrefixTree and held by nothing else: it can be evicted at any time;
//   used   held by a sequence, a plan in flight, or both, whether or not the tree holds it too.
// The pool keeps the idle blocks in the order in which they became idle, so that the oldest one is found in
// O(1).
#pragma once

#include <vector>

#include "base/check.h"
#include "kv/block_ref.h"

namespace hadal {

class BlockPool {
 public:
  // num_blocks: at least 1.
  explicit BlockPool(int32_t num_blocks);
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  // Aborts when a BlockRef of this pool is still alive.
  ~BlockPool();

  // A free block, held once; empty when none is free.
  BlockRef allocate();
  // One more handle on a block that somebody holds.
  BlockRef share(BlockId id);

  int32_t num_blocks() const { return static_cast<int32_t>(blocks_.size()); }
  int32_t num_free() const { return static_cast<int32_t>(free_.size()); }
  int32_t num_idle() const { return num_idle_; }
  int32_t num_used() const { return num_blocks() - num_free() - num_idle(); }
  int32_t ref_count(BlockId id) const { return block(id).num_refs; }
  bool is_cached(BlockId id) const { return block(id).cached; }

  // PrefixTree only. Marks a block whose BlockRef the tree holds (before the tree lets go: unmarks it).
  void set_cached(BlockId id, bool cached);
  // The block that has been idle longest; kNoBlock when none is idle.
  BlockId oldest_idle() const { return idle_head_; }

  // Aborts when the sets overlap, miss a block, or a count is wrong. For tests; O(num_blocks).
  void check_integrity() const;

 private:
  friend class BlockRef;
  struct Block {
    int32_t num_refs = 0;
    BlockId idle_prev = kNoBlock;
    BlockId idle_next = kNoBlock;
    bool cached = false;
  };

  Block& block(BlockId id) { return blocks_[static_cast<size_t>(id)]; }
  const Block& block(BlockId id) const { return blocks_[static_cast<size_t>(id)]; }
  void add_ref(BlockId id);
  void drop_ref(BlockId id);
  void link_idle(BlockId id);
  void unlink_idle(BlockId id);

  std::vector<Block> blocks_;
  std::vector<BlockId> free_;  // a stack: the block freed last is the warmest
  BlockId idle_head_ = kNoBlock;
  BlockId idle_tail_ = kNoBlock;
  int32_t num_idle_ = 0;
};

inline void BlockPool::add_ref(BlockId id) {
  Block& b = block(id);
  if (b.num_refs == 1 && b.cached) unlink_idle(id);
  ++b.num_refs;
}

inline void BlockPool::drop_ref(BlockId id) {
  Block& b = block(id);
  --b.num_refs;
  if (b.num_refs == 1 && b.cached) {
    link_idle(id);
  } else if (b.num_refs == 0) {
    HADAL_CHECK(!b.cached) << "block " << id << " is freed while the prefix tree lists it";
    free_.push_back(id);
  }
}

inline BlockRef::BlockRef(const BlockRef& other) : pool_(other.pool_), id_(other.id_) {
  if (pool_ != nullptr) pool_->add_ref(id_);
}

inline BlockRef::~BlockRef() {
  if (pool_ != nullptr) pool_->drop_ref(id_);
}

}  // namespace hadal
