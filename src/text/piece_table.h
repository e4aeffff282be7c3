// PieceTable: pieces of text that are one token as a whole, to that token. The tokenizer's hottest look-up:
// most words end here. Keys of at most 11 bytes (nearly all) lie inside the 16-byte slot. Built once; const
// afterwards: any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "text/string_table.h"

namespace hadal {

struct PieceEntry {
  std::string_view key;  // not empty
  int32_t id;
};

class PieceTable {
 public:
  PieceTable() : PieceTable(std::vector<PieceEntry>{}) {}
  // Keys are distinct.
  explicit PieceTable(const std::vector<PieceEntry>& entries);

  // -1 when the piece is no key.
  int32_t find(std::string_view piece) const {
    if (piece.size() > kInline) return find_long(piece);
    if (piece.empty()) return -1;
    const Key key = inline_key(piece);
    for (size_t slot = hash(key) >> shift_;; slot = (slot + 1) & mask_) {
      const Slot& entry = slots_[slot];
      if (entry.low == key.low && entry.high == key.high) return entry.id;
      if (entry.high == 0) return -1;
    }
  }

 private:
  static constexpr size_t kInline = 11;
  struct Key {
    uint64_t low;   // bytes 0..7
    uint32_t high;  // bytes 8..10, then the length
  };
  struct Slot {
    uint64_t low = 0;
    uint32_t high = 0;  // 0: free
    int32_t id = -1;
  };

  template <typename T>
  static uint64_t load(const char* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
  }
  static Key inline_key(std::string_view piece) {
    static_assert(std::endian::native == std::endian::little, "the slot layout is little-endian");
    const char* p = piece.data();
    const size_t n = piece.size();
    const auto length = static_cast<uint32_t>(n << 24);
    if (n > 8) {
      return {load<uint64_t>(p), static_cast<uint32_t>(load<uint64_t>(p + n - 8) >> (8 * (16 - n))) | length};
    }
    if (n >= 4) return {load<uint32_t>(p) | load<uint32_t>(p + n - 4) << (8 * (n - 4)), length};
    const uint64_t low = load<uint8_t>(p) | load<uint8_t>(p + n / 2) << (8 * (n / 2)) |
                         load<uint8_t>(p + n - 1) << (8 * (n - 1));
    return {low, length};
  }
  static uint64_t hash(const Key& key) {
    const unsigned __int128 product =
        static_cast<unsigned __int128>(key.low ^ 0x9E3779B97F4A7C15ull) * (key.high ^ 0xD1B54A32D192ED03ull);
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  int32_t find_long(std::string_view piece) const {
    if (piece.size() > max_length_) return -1;
    const int32_t index = long_keys_.find(piece);
    return index < 0 ? -1 : long_ids_[static_cast<size_t>(index)];
  }

  std::vector<Slot> slots_;
  size_t mask_ = 0;
  int shift_ = 64;
  size_t max_length_ = 0;
  StringTable long_keys_;
  std::vector<int32_t> long_ids_;
};

}  // namespace hadal
