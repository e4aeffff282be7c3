#include "text/piece_table.h"

namespace hadal {

PieceTable::PieceTable(const std::vector<PieceEntry>& entries) {
  size_t num_inline = 0;
  std::vector<std::string_view> long_keys;
  for (const PieceEntry& entry : entries) {
    max_length_ = std::max(max_length_, entry.key.size());
    if (entry.key.size() <= kInline) {
      ++num_inline;
    } else {
      long_keys.push_back(entry.key);
      long_ids_.push_back(entry.id);
    }
  }
  long_keys_ = StringTable(long_keys);
  long_keys_.build_index();

  const size_t slots = std::bit_ceil(std::max<size_t>(num_inline + num_inline / 2, 16));
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
  slots_.resize(slots);
  for (const PieceEntry& entry : entries) {
    if (entry.key.size() > kInline || entry.key.empty()) continue;
    const Key key = inline_key(entry.key);
    size_t slot = hash(key) >> shift_;
    while (slots_[slot].high != 0) slot = (slot + 1) & mask_;
    slots_[slot] = {key.low, key.high, entry.id};
  }
}

}  // namespace hadal
