#include "kv/block_pool.h"

namespace hadal {

BlockPool::BlockPool(int32_t num_blocks) {
  HADAL_CHECK(num_blocks > 0) << "a pool of " << num_blocks << " blocks";
  blocks_.resize(static_cast<size_t>(num_blocks));
  free_.reserve(static_cast<size_t>(num_blocks));
  for (BlockId id = num_blocks - 1; id >= 0; --id) free_.push_back(id);
}

BlockPool::~BlockPool() {
  HADAL_CHECK(num_free() == num_blocks())
      << num_blocks() - num_free() << " of " << num_blocks() << " KV blocks are still held";
}

BlockRef BlockPool::allocate() {
  if (free_.empty()) return BlockRef();
  const BlockId id = free_.back();
  free_.pop_back();
  block(id).num_refs = 1;
  return BlockRef(this, id);
}

BlockRef BlockPool::share(BlockId id) {
  HADAL_CHECK(id >= 0 && id < num_blocks() && block(id).num_refs > 0) << "block " << id << " is not held";
  add_ref(id);
  return BlockRef(this, id);
}

void BlockPool::set_cached(BlockId id, bool cached) {
  Block& b = block(id);
  HADAL_CHECK(b.num_refs > 0 && b.cached != cached) << "block " << id;
  b.cached = cached;
  if (b.num_refs != 1) return;
  if (cached) {
    link_idle(id);
  } else {
    unlink_idle(id);
  }
}

void BlockPool::link_idle(BlockId id) {
  Block& b = block(id);
  b.idle_prev = idle_tail_;
  b.idle_next = kNoBlock;
  if (idle_tail_ != kNoBlock) {
    block(idle_tail_).idle_next = id;
  } else {
    idle_head_ = id;
  }
  idle_tail_ = id;
  ++num_idle_;
}

void BlockPool::unlink_idle(BlockId id) {
  Block& b = block(id);
  if (b.idle_prev != kNoBlock) {
    block(b.idle_prev).idle_next = b.idle_next;
  } else {
    idle_head_ = b.idle_next;
  }
  if (b.idle_next != kNoBlock) {
    block(b.idle_next).idle_prev = b.idle_prev;
  } else {
    idle_tail_ = b.idle_prev;
  }
  b.idle_prev = b.idle_next = kNoBlock;
  --num_idle_;
}

void BlockPool::check_integrity() const {
  std::vector<char> seen(blocks_.size(), 0);
  for (const BlockId id : free_) {
    HADAL_CHECK(id >= 0 && id < num_blocks()) << "free list holds " << id;
    HADAL_CHECK(!seen[static_cast<size_t>(id)]) << "block " << id << " is free twice";
    HADAL_CHECK(block(id).num_refs == 0 && !block(id).cached) << "free block " << id << " is held";
    seen[static_cast<size_t>(id)] = 1;
  }
  int32_t idle = 0;
  BlockId previous = kNoBlock;
  for (BlockId id = idle_head_; id != kNoBlock; id = block(id).idle_next) {
    HADAL_CHECK(idle < num_blocks() && !seen[static_cast<size_t>(id)]) << "idle list loops at " << id;
    HADAL_CHECK(block(id).num_refs == 1 && block(id).cached) << "idle block " << id << " is held";
    HADAL_CHECK(block(id).idle_prev == previous) << "idle list is broken at " << id;
    seen[static_cast<size_t>(id)] = 1;
    previous = id;
    ++idle;
  }
  HADAL_CHECK(idle == num_idle_ && previous == idle_tail_) << idle << " idle blocks, counted " << num_idle_;
  for (BlockId id = 0; id < num_blocks(); ++id) {
    if (seen[static_cast<size_t>(id)]) continue;
    HADAL_CHECK(block(id).num_refs >= (block(id).cached ? 2 : 1)) << "block " << id << " is in no set";
  }
}

}  // namespace hadal
