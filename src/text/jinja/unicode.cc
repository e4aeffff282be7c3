#include "text/jinja/unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>

namespace hadal::jinja {

namespace {

struct CaseRun {
  uint32_t first, last, step;
  int32_t delta;
};
struct CaseSpecial {
  uint32_t from;
  uint32_t to[3];
};

#include "text/jinja/unicode_tables.inc"

std::span<const uint32_t> flips_of(CharClass cls) {
  switch (cls) {
    case CharClass::kAlpha:
      return kAlphaFlips;
    case CharClass::kDecimal:
      return kDecimalFlips;
    case CharClass::kDigit:
      return kDigitFlips;
    case CharClass::kNumeric:
      return kNumericFlips;
    case CharClass::kSpace:
      return kSpaceFlips;
    case CharClass::kPrintable:
      return kPrintableFlips;
    case CharClass::kLower:
      return kLowerFlips;
    case CharClass::kUpper:
      return kUpperFlips;
    case CharClass::kTitle:
      return kTitleFlips;
    case CharClass::kCased:
      return kCasedFlips;
    case CharClass::kCaseIgnorable:
      return kCaseIgnorableFlips;
    case CharClass::kIdentifierStart:
      return kIdentifierStartFlips;
    case CharClass::kIdentifierContinue:
      return kIdentifierContinueFlips;
  }
  return {};
}

struct CaseTables {
  std::span<const CaseRun> runs;
  std::span<const CaseSpecial> special;
};

CaseTables tables_of(CaseMap map) {
  switch (map) {
    case CaseMap::kUpper:
      return {kUpperRuns, kUpperSpecial};
    case CaseMap::kLower:
      return {kLowerRuns, kLowerSpecial};
    case CaseMap::kTitle:
      return {kTitleRuns, kTitleSpecial};
    case CaseMap::kFold:
      return {kFoldRuns, kFoldSpecial};
  }
  return {};
}

}  // namespace

bool has_class(char32_t c, CharClass cls) {
  const std::span<const uint32_t> flips = flips_of(cls);
  return (std::upper_bound(flips.begin(), flips.end(), static_cast<uint32_t>(c)) - flips.begin()) % 2 == 1;
}

int decimal_value(char32_t c) {
  if (c < 128) return c >= '0' && c <= '9' ? static_cast<int>(c - '0') : -1;
  const std::span<const uint32_t> flips = flips_of(CharClass::kDecimal);
  const auto at = std::upper_bound(flips.begin(), flips.end(), static_cast<uint32_t>(c));
  if ((at - flips.begin()) % 2 == 0) return -1;
  // Every run of decimal digits starts with a zero and has whole tens.
  return static_cast<int>((c - *std::prev(at)) % 10);
}

void append_case(std::u32string& out, char32_t c, CaseMap map) {
  if (c < 128) {
    const bool lower = map == CaseMap::kLower || map == CaseMap::kFold;
    if (lower && c >= 'A' && c <= 'Z') c += 32;
    if (!lower && c >= 'a' && c <= 'z') c -= 32;
    out += c;
    return;
  }
  const CaseTables tables = tables_of(map);
  const auto code = static_cast<uint32_t>(c);
  const auto special = std::lower_bound(tables.special.begin(), tables.special.end(), code,
                                        [](const CaseSpecial& s, uint32_t v) { return s.from < v; });
  if (special != tables.special.end() && special->from == code) {
    for (uint32_t to : special->to) {
      if (to != 0) out += static_cast<char32_t>(to);
    }
    return;
  }
  auto run = std::upper_bound(tables.runs.begin(), tables.runs.end(), code,
                              [](uint32_t v, const CaseRun& r) { return v < r.first; });
  if (run != tables.runs.begin()) {
    --run;
    if (code <= run->last && (code - run->first) % run->step == 0) {
      out += static_cast<char32_t>(static_cast<int64_t>(code) + run->delta);
      return;
    }
  }
  out += c;
}

}  // namespace hadal::jinja
