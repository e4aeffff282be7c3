// UnicodeTables: one byte of character classes per code point, and canonical composition (NFC), as Hugging
// Face `tokenizers` 0.23 sees them: categories of Unicode 16, NFC of Unicode 9, Digits of Unicode 17
// (tools/gen_unicode_tables.py finds and checks this). Built once per tokenizer (1.1 MB, 0.2 ms); const
// afterwards: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

// General categories, in the order of the generated table.
enum class Category : uint8_t {
  kCn,
  kCc,
  kCf,
  kCo,
  kCs,
  kLl,
  kLm,
  kLo,
  kLt,
  kLu,
  kMc,
  kMe,
  kMn,
  kNd,
  kNl,
  kNo,
  kPc,
  kPd,
  kPe,
  kPf,
  kPi,
  kPo,
  kPs,
  kSc,
  kSk,
  kSm,
  kSo,
  kZl,
  kZp,
  kZs,
};

struct CodePointRange {
  char32_t first;
  char32_t last;  // inclusive
};

// Bits of a code point's class byte.
enum CharClass : uint8_t {
  kLetter = 1,         // L*
  kMark = 2,           // M*
  kNumber = 4,         // N*
  kPunctuation = 8,    // P*
  kSymbol = 16,        // S*
  kWhiteSpace = 32,    // the property White_Space
  kNormalizes = 64,    // may change under NFC, alone or after what precedes it
  kDecimalLike = 128,  // numeric to Hugging Face's Digits
};

// A code point decoded from text that is known to be valid UTF-8.
struct CodePoint {
  char32_t value;
  uint32_t length;
};
inline CodePoint decode_valid(const char* p) {
  const auto byte = [p](int i) { return static_cast<char32_t>(static_cast<unsigned char>(p[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {((lead & 0x1F) << 6) | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {((lead & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F), 3};
  return {((lead & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) | (byte(3) & 0x3F), 4};
}

class UnicodeTables {
 public:
  UnicodeTables();

  uint8_t classes(char32_t c) const { return classes_[c]; }  // c < 0x110000
  // Class byte and length of the code point at `p` (valid UTF-8).
  uint8_t classes_at(const char* p, uint32_t& length) const {
    const unsigned char lead = static_cast<unsigned char>(*p);
    if (lead < 0x80) {
      length = 1;
      return classes_[lead];
    }
    const CodePoint c = decode_valid(p);
    length = c.length;
    return classes_[c.value];
  }

  // Whether NFC leaves `text` (valid UTF-8) as it is; may say false for a text that it leaves.
  bool is_nfc_quick(std::string_view text) const;
  // NFC of `text` (valid UTF-8), O(n log n).
  std::string nfc(std::string_view text) const;

 private:
  void mark_normalizing();
  void nfc_segment(std::string_view segment, std::string& out) const;
  char32_t compose(char32_t first, char32_t second) const;  // 0: no composite

  std::unique_ptr<uint8_t[]> classes_;
  struct Composition {
    uint64_t pair;  // first << 32 | second
    char32_t composite;
  };
  std::vector<Composition> compositions_;  // by pair
};

// The code points of a general category ("L", "Lu", "N", "Zs", ...), sorted; empty for an unknown name.
std::vector<CodePointRange> category_ranges(std::string_view name);
// Code points whose category differs from Unicode 14's, the oldest that PCRE2 knows.
std::vector<CodePointRange> changed_category_ranges();
// \w of Rust's regex crate: single_word of added tokens.
bool is_word(const UnicodeTables& tables, char32_t c);

}  // namespace hadal
