// JunctionFilter: where a word can be cut before merging. A cut between two characters is safe when no merge
// of the vocabulary joins a left part that ends as the text before the cut does with a right part that begins
// as the text behind it: BPE then treats both sides as if they stood alone. Words of Han or mixed identifiers
// fall apart into pieces that are mostly tokens already. Built once; const afterwards: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hadal {

class JunctionFilter {
 public:
  JunctionFilter();
  // Records a merge of two byte strings.
  void add(std::string_view left, std::string_view right);

  // Whether some merge may join text that ends in the character `left` to text that begins with `right`.
  // No false "no"; a few per cent false "yes".
  bool may_join(std::string_view left, std::string_view right) const {
    const auto last = static_cast<unsigned char>(left.back());
    const auto first = static_cast<unsigned char>(right.front());
    if (test(bytes_, size_t{last} << 8 | first)) return true;
    return (last >= 0x80 || first >= 0x80) && test(characters_, slot(left, right));
  }

 private:
  static constexpr int kSlotBits = 20;
  static bool test(const std::vector<uint64_t>& bits, size_t i) { return bits[i >> 6] >> (i & 63) & 1; }
  static size_t slot(std::string_view left, std::string_view right);

  std::vector<uint64_t>
      bytes_;  // by (last byte, first byte): ASCII pairs, and merges of incomplete characters
  std::vector<uint64_t> characters_;  // by a hash of the two characters
};

}  // namespace hadal
