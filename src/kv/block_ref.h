// BlockRef: the only way to hold a KV block. A counted handle: copying it holds the block once more,
// destroying the last one gives the block back to its BlockPool. Engine thread only: the count is a plain
// int.
#pragma once

#include <cstdint>
#include <utility>

namespace hadal {

using BlockId = int32_t;
inline constexpr BlockId kNoBlock = -1;

class BlockPool;

class BlockRef {
 public:
  BlockRef() = default;
  BlockRef(const BlockRef& other);
  BlockRef(BlockRef&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), id_(std::exchange(other.id_, kNoBlock)) {}
  // By value: one operator for copies and moves; what was held before goes back when `other` dies.
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~BlockRef();

  explicit operator bool() const { return pool_ != nullptr; }
  // kNoBlock when empty.
  BlockId id() const { return id_; }

 private:
  friend class BlockPool;
  // Takes over one count that the pool has already added.
  BlockRef(BlockPool* pool, BlockId id) : pool_(pool), id_(id) {}

  BlockPool* pool_ = nullptr;
  BlockId id_ = kNoBlock;
};

}  // namespace hadal
