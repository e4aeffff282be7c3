#include "text/merge_table.h"

#include <bit>

#include "base/check.h"

namespace hadal {

MergeTable::MergeTable(const std::vector<Merge>& merges) {
  const size_t slots = std::bit_ceil(std::max<size_t>(merges.size() + merges.size() / 2, 16));
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
  slots_.assign(slots, kFree);
  constexpr int32_t kUnset = -2;
  for (const Merge& merge : merges) {
    HADAL_CHECK(merge.rank < kMaxRanks && merge.left < kMaxIds && merge.right < kMaxIds);
    const uint64_t pair = pair_of(merge.left, merge.right);
    size_t slot = (pair * kHash) >> shift_;
    while (slots_[slot] != kFree && (slots_[slot] >> 24) != pair) slot = (slot + 1) & mask_;
    slots_[slot] = pair << 24 | merge.rank;
    if (merge.rank >= results_.size()) results_.resize(merge.rank + 1, kUnset);
    int32_t& result = results_[merge.rank];
    if (result == kUnset) {
      result = merge.result;
    } else if (result != merge.result) {
      result = -1;
    }
  }
  for (const Merge& merge : merges) {
    if (results_[merge.rank] == -1) shared_ranks_[pair_of(merge.left, merge.right)] = merge.result;
  }
}

}  // namespace hadal
