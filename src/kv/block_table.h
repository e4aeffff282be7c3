// BlockTable: the blocks of one sequence in order: entry i holds the keys of tokens [i * block_size, (i + 1)
// * block_size). Owned by a running Sequence, or by the InFlightStep that outlives it. Move-only. Engine
// thread only.
//
// Blocks are always given back from the last to the first: this is what keeps a cached child ahead of its
// parent in the pool's idle order (see PrefixTree).
#pragma once

#include <span>
#include <vector>

#include "kv/block_ref.h"

namespace hadal {

class BlockTable {
 public:
  BlockTable() = default;
  BlockTable(BlockTable&&) noexcept = default;
  BlockTable& operator=(BlockTable&& other) noexcept {
    if (this != &other) {
      truncate(0);
      refs_ = std::move(other.refs_);
      ids_ = std::move(other.ids_);
    }
    return *this;
  }
  BlockTable(const BlockTable&) = delete;
  BlockTable& operator=(const BlockTable&) = delete;
  ~BlockTable() { truncate(0); }

  void reserve(int32_t num_blocks);
  void push_back(BlockRef block);
  // Puts `block` at index i; returns what was there.
  BlockRef replace(int32_t i, BlockRef block);
  // Gives back the blocks from index `size` on.
  void truncate(int32_t size);

  int32_t size() const { return static_cast<int32_t>(ids_.size()); }
  bool empty() const { return ids_.empty(); }
  BlockId id(int32_t i) const { return ids_[static_cast<size_t>(i)]; }
  const BlockRef& ref(int32_t i) const { return refs_[static_cast<size_t>(i)]; }
  // The same blocks as plain numbers, for plans.
  std::span<const BlockId> ids() const { return ids_; }

 private:
  std::vector<BlockRef> refs_;
  std::vector<BlockId> ids_;  // refs_[i].id(), kept side by side so that a plan copies them with one memcpy
};

}  // namespace hadal
