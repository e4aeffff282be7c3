// StringTable: many short strings by dense id, in one arena, with an optional index from string to id.
// A tokenizer has 10^5 of them: one std::string each would cost three times the memory. Built once; const
// afterwards: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

// 64-bit hash of bytes, good enough in its high bits for tables indexed by them.
uint64_t hash_bytes(std::string_view bytes);

class StringTable {
 public:
  StringTable() = default;
  // strings[id]; an empty view where an id has none. Total size below 4 GiB.
  explicit StringTable(const std::vector<std::string_view>& strings);

  size_t size() const { return offsets_.empty() ? 0 : offsets_.size() - 1; }
  // "" for ids outside [0, size()).
  std::string_view at(int64_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= size()) return {};
    const auto i = static_cast<size_t>(id);
    return std::string_view(arena_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }

  // Makes find() possible. Of equal strings the largest id is found. Empty strings are not found.
  void build_index();
  int32_t find(std::string_view text) const;  // -1 when absent

 private:
  std::string arena_;
  std::vector<uint32_t> offsets_;
  std::vector<int32_t> slots_;  // open addressing, power of two; -1 is free
  int shift_ = 64;
};

}  // namespace hadal
