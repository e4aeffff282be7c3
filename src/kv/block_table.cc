#include "kv/block_table.h"

#include "kv/block_pool.h"

namespace hadal {

void BlockTable::reserve(int32_t num_blocks) {
  refs_.reserve(static_cast<size_t>(num_blocks));
  ids_.reserve(static_cast<size_t>(num_blocks));
}

void BlockTable::push_back(BlockRef block) {
  HADAL_CHECK(static_cast<bool>(block)) << "an empty block reference";
  ids_.push_back(block.id());
  refs_.push_back(std::move(block));
}

BlockRef BlockTable::replace(int32_t i, BlockRef block) {
  HADAL_CHECK(static_cast<bool>(block) && i >= 0 && i < size()) << "index " << i << " of " << size();
  ids_[static_cast<size_t>(i)] = block.id();
  std::swap(refs_[static_cast<size_t>(i)], block);
  return block;
}

void BlockTable::truncate(int32_t size) {
  while (static_cast<int32_t>(refs_.size()) > size) {
    refs_.pop_back();
    ids_.pop_back();
  }
}

}  // namespace hadal
