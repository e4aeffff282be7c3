// BpeModel: pieces of text to token ids by byte-pair encoding. Units are bytes (GPT-2's byte-level alphabet,
// mapped away) or characters (SentencePiece style, with byte fallback). Built once; const afterwards: any
// thread, with a Scratch each.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/junction_filter.h"
#include "text/merge_table.h"
#include "text/piece_table.h"

namespace hadal {

struct BpeSpec {
  bool byte_level = true;      // units are bytes; else characters
  bool ignore_merges = false;  // a piece that is a token as a whole is that token, whatever the merges say
  bool byte_fallback = false;  // characters: an unknown one becomes byte_ids of its bytes, if all exist
  bool fuse_unk = false;       // neighbouring unknown units become one unk_id
  int32_t unk_id = -1;         // -1: unknown units vanish
  std::array<int32_t, 256> byte_ids{};  // of <0x00>..<0xFF>; -1 where absent
};

class BpeModel {
 public:
  // Buffers of one caller, so that encoding does not allocate.
  struct Scratch {
    std::vector<int32_t> ids;
    std::vector<uint32_t> previous;
    std::vector<uint32_t> next;
    std::vector<uint64_t> heap;
  };

  // keys[id]: the bytes or characters that id stands for; "" where text cannot become that id.
  BpeModel(const std::vector<std::string_view>& keys, const std::vector<Merge>& merges, const BpeSpec& spec);

  // Appends the ids of `piece` (valid UTF-8 unless byte-level), as if it were encoded alone. O(n log n).
  void encode(std::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const;

 private:
  void encode_segment(std::string_view segment, Scratch& scratch, std::vector<int32_t>& out) const;
  void merge_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& out) const;
  bool all_units_known(std::string_view bytes) const;
  size_t units(std::string_view word, int32_t* ids) const;
  size_t merge_small(int32_t* ids, uint32_t* ranks, size_t count) const;
  void merge_large(Scratch& scratch) const;
  void fill_pieces(const std::vector<std::string_view>& keys);
  bool can_cut(std::string_view word) const;

  BpeSpec spec_;
  MergeTable merges_;
  // Tokens that a piece can be as a whole. With ignore_merges those that merging would not make carry
  // kWholeOnly.
  PieceTable pieces_;
  static constexpr int32_t kWholeOnly = 1 << 30;
  JunctionFilter junctions_;
  std::array<int32_t, 256> unit_ids_{};  // of one-byte units; -1 where absent
  std::vector<uint32_t> byte_ranks_;     // byte-level: rank of the pair (first byte, second byte)
  bool all_bytes_ = false;               // every byte is a unit
  bool all_fallbacks_ = false;           // every byte has a fallback token
};

}  // namespace hadal
