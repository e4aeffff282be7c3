// MergeTable: the merges of a BPE model: (left id, right id) to the merge's rank, and rank to the merged id.
// 8 bytes a slot, so that 128k merges fit a 2 MB cache. Built once; const afterwards: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace hadal {

struct Merge {
  int32_t left;
  int32_t right;
  int32_t result;
  uint32_t rank;  // lower merges first; equal ranks merge leftmost first
};

class MergeTable {
 public:
  static constexpr int32_t kMaxIds = (1 << 20) - 1;      // ids are below this
  static constexpr uint32_t kMaxRanks = (1u << 24) - 1;  // ranks are below this
  static constexpr uint32_t kNone = UINT32_MAX;

  MergeTable() : MergeTable(std::vector<Merge>{}) {}
  // Of merges of the same pair the last one counts, as in Hugging Face's map.
  explicit MergeTable(const std::vector<Merge>& merges);

  // The pair's rank, or kNone when the two do not merge.
  uint32_t rank(int32_t left, int32_t right) const {
    const uint64_t pair = pair_of(left, right);
    for (size_t slot = (pair * kHash) >> shift_;; slot = (slot + 1) & mask_) {
      const uint64_t entry = slots_[slot];
      if ((entry >> 24) == pair) return static_cast<uint32_t>(entry & kMaxRanks);
      if (entry == kFree) return kNone;
    }
  }
  // What a pair of that rank becomes.
  int32_t result(uint32_t rank, int32_t left, int32_t right) const {
    const int32_t id = results_[rank];
    return id >= 0 ? id : shared_ranks_.at(pair_of(left, right));
  }

 private:
  static constexpr uint64_t kHash = 0x9E3779B97F4A7C15ull;
  static constexpr uint64_t kFree = UINT64_MAX;
  static uint64_t pair_of(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 20 | static_cast<uint32_t>(right);
  }

  std::vector<uint64_t> slots_;  // left 20 bits, right 20 bits, rank 24 bits
  size_t mask_ = 0;
  int shift_ = 64;
  std::vector<int32_t> results_;  // by rank; -1 where pairs with different results share the rank
  std::unordered_map<uint64_t, int32_t> shared_ranks_;
};

}  // namespace hadal
