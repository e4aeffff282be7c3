#include "text/unicode.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/utf8.h"

namespace hadal {
namespace {

struct CombiningRange {
  uint32_t first;
  uint32_t last;
  uint8_t combining_class;
};
struct Decomposition {
  uint32_t code_point;
  uint32_t first;
  uint32_t second;  // 0: a singleton
  bool composes;
};

#include "text/unicode_categories.inc"
#include "text/unicode_normalization.inc"

constexpr char32_t kNumCodePoints = 0x110000;
constexpr std::string_view kCategoryNames[] = {"Cn", "Cc", "Cf", "Co", "Cs", "Ll", "Lm", "Lo", "Lt", "Lu",
                                               "Mc", "Me", "Mn", "Nd", "Nl", "No", "Pc", "Pd", "Pe", "Pf",
                                               "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs"};

// Hangul syllables are composed by arithmetic (Unicode 16, section 3.12).
constexpr char32_t kHangulS = 0xAC00;
constexpr char32_t kHangulL = 0x1100;
constexpr char32_t kHangulV = 0x1161;
constexpr char32_t kHangulT = 0x11A7;
constexpr char32_t kNumL = 19;
constexpr char32_t kNumV = 21;
constexpr char32_t kNumT = 28;

uint8_t class_of(std::string_view category) {
  switch (category[0]) {
    case 'L':
      return kLetter;
    case 'M':
      return kMark;
    case 'N':
      return kNumber | kDecimalLike;
    case 'P':
      return kPunctuation;
    case 'S':
      return kSymbol;
    case 'Z':
      return kWhiteSpace;
    default:
      return 0;
  }
}

uint8_t combining_class(char32_t c) {
  if (c < kCombiningRanges[0].first) return 0;
  const auto* it = std::upper_bound(std::begin(kCombiningRanges), std::end(kCombiningRanges), c,
                                    [](char32_t v, const CombiningRange& r) { return v < r.first; });
  --it;
  return c <= it->last ? it->combining_class : 0;
}

const Decomposition* find_decomposition(char32_t c) {
  const auto* it = std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), c,
                                    [](const Decomposition& d, char32_t v) { return d.code_point < v; });
  return it != std::end(kDecompositions) && it->code_point == c ? it : nullptr;
}

// Full canonical decomposition; recursion is at most 3 deep in the table.
void decompose(char32_t c, std::u32string& out) {
  if (c >= kHangulS && c < kHangulS + kNumL * kNumV * kNumT) {
    const char32_t s = c - kHangulS;
    out += kHangulL + s / (kNumV * kNumT);
    out += kHangulV + s % (kNumV * kNumT) / kNumT;
    if (s % kNumT != 0) out += kHangulT + s % kNumT;
    return;
  }
  const Decomposition* d = find_decomposition(c);
  if (d == nullptr) {
    out += c;
    return;
  }
  decompose(d->first, out);
  if (d->second != 0) decompose(d->second, out);
}

}  // namespace

UnicodeTables::UnicodeTables() : classes_(std::make_unique<uint8_t[]>(kNumCodePoints)) {
  for (size_t i = 0; i < std::size(kCategoryRuns); ++i) {
    const uint32_t begin = kCategoryRuns[i] / 32;
    const uint32_t end = i + 1 < std::size(kCategoryRuns) ? kCategoryRuns[i + 1] / 32 : kNumCodePoints;
    std::fill(&classes_[begin], &classes_[0] + end, class_of(kCategoryNames[kCategoryRuns[i] % 32]));
  }
  for (char32_t c = 0x09; c <= 0x0D; ++c) classes_[c] |= kWhiteSpace;
  classes_[0x85] |= kWhiteSpace;
  for (const CodePointRange& range : kNewerDigits) {
    for (char32_t c = range.first; c <= range.last; ++c) classes_[c] |= kDecimalLike;
  }
  for (const Decomposition& d : kDecompositions) {
    if (d.composes) compositions_.push_back({uint64_t{d.first} << 32 | d.second, d.code_point});
  }
  std::sort(compositions_.begin(), compositions_.end(),
            [](const Composition& a, const Composition& b) { return a.pair < b.pair; });
  mark_normalizing();
}

void UnicodeTables::mark_normalizing() {
  for (const CombiningRange& range : kCombiningRanges) {
    for (char32_t c = range.first; c <= range.last; ++c) classes_[c] |= kNormalizes;
  }
  for (const Decomposition& d : kDecompositions) {
    classes_[d.composes ? d.second : d.code_point] |= kNormalizes;
  }
  for (char32_t c = kHangulV; c < kHangulV + kNumV; ++c) classes_[c] |= kNormalizes;
  for (char32_t c = kHangulT + 1; c < kHangulT + kNumT; ++c) classes_[c] |= kNormalizes;
}

bool UnicodeTables::is_nfc_quick(std::string_view text) const {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    // Below U+0300 (lead byte 0xCC) nothing changes under NFC.
    const unsigned char lead = static_cast<unsigned char>(*p);
    if (lead < 0xCC) {
      ++p;
      continue;
    }
    const CodePoint c = decode_valid(p);
    if (classes_[c.value] & kNormalizes) return false;
    p += c.length;
  }
  return true;
}

std::string UnicodeTables::nfc(std::string_view text) const {
  std::string out;
  out.reserve(text.size() + 16);
  // A code point without kNormalizes neither composes with what precedes it nor is reordered: text splits
  // before it. So only a run of kNormalizes and the code point before it need work.
  size_t copied = 0;
  size_t previous = 0;  // start of the code point before `i`
  size_t i = 0;
  uint32_t length = 0;
  while (i < text.size()) {
    if (!(classes_at(text.data() + i, length) & kNormalizes)) {
      previous = i;
      i += length;
      continue;
    }
    const size_t begin = std::max(previous, copied);
    while (i < text.size() && (classes_at(text.data() + i, length) & kNormalizes)) i += length;
    out.append(text, copied, begin - copied);
    nfc_segment(text.substr(begin, i - begin), out);
    copied = previous = i;
  }
  out.append(text, copied);
  return out;
}

void UnicodeTables::nfc_segment(std::string_view segment, std::string& out) const {
  std::u32string points;
  for (size_t i = 0; i < segment.size();) {
    const CodePoint c = decode_valid(segment.data() + i);
    decompose(c.value, points);
    i += c.length;
  }
  std::vector<uint8_t> order(points.size());
  for (size_t i = 0; i < points.size(); ++i) order[i] = combining_class(points[i]);
  // Canonical ordering: runs of non-starters, stably by combining class.
  for (size_t i = 0; i < points.size(); ++i) {
    if (order[i] == 0) continue;
    size_t j = i;
    std::vector<std::pair<uint8_t, char32_t>> run;
    for (; j < points.size() && order[j] != 0; ++j) run.emplace_back(order[j], points[j]);
    std::stable_sort(run.begin(), run.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t k = 0; k < run.size(); ++k) std::tie(order[i + k], points[i + k]) = run[k];
    i = j - 1;
  }
  // Composition (Unicode 16, D117): each code point that is not blocked joins the last starter where a pair
  // exists.
  size_t starter = points.size();
  size_t written = 0;
  int last_class = -1;
  for (size_t i = 0; i < points.size(); ++i) {
    const int cc = order[i];
    const bool blocked = last_class != -1 && last_class >= cc;
    const char32_t joined = starter < written && !blocked ? compose(points[starter], points[i]) : 0;
    if (joined != 0) {
      points[starter] = joined;
      continue;
    }
    points[written] = points[i];
    if (cc == 0) {
      starter = written;
      last_class = -1;
    } else {
      last_class = cc;
    }
    ++written;
  }
  for (size_t i = 0; i < written; ++i) utf8_append(out, points[i]);
}

char32_t UnicodeTables::compose(char32_t first, char32_t second) const {
  if (first >= kHangulL && first < kHangulL + kNumL && second >= kHangulV && second < kHangulV + kNumV) {
    return kHangulS + ((first - kHangulL) * kNumV + (second - kHangulV)) * kNumT;
  }
  if (first >= kHangulS && first < kHangulS + kNumL * kNumV * kNumT && (first - kHangulS) % kNumT == 0 &&
      second > kHangulT && second < kHangulT + kNumT) {
    return first + (second - kHangulT);
  }
  const uint64_t pair = uint64_t{first} << 32 | second;
  const auto it = std::lower_bound(compositions_.begin(), compositions_.end(), pair,
                                   [](const Composition& c, uint64_t v) { return c.pair < v; });
  return it != compositions_.end() && it->pair == pair ? it->composite : 0;
}

std::vector<CodePointRange> category_ranges(std::string_view name) {
  std::vector<CodePointRange> out;
  if (name.empty() || name.size() > 2) return out;
  for (size_t i = 0; i < std::size(kCategoryRuns); ++i) {
    if (!kCategoryNames[kCategoryRuns[i] % 32].starts_with(name)) continue;
    const char32_t first = kCategoryRuns[i] / 32;
    const char32_t last = (i + 1 < std::size(kCategoryRuns) ? kCategoryRuns[i + 1] / 32 : kNumCodePoints) - 1;
    if (!out.empty() && out.back().last + 1 == first) {
      out.back().last = last;
    } else {
      out.push_back({first, last});
    }
  }
  return out;
}

std::vector<CodePointRange> changed_category_ranges() {
  return {std::begin(kChangedRanges), std::end(kChangedRanges)};
}

bool is_word(const UnicodeTables& tables, char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  if (tables.classes(c) & (kLetter | kMark)) return true;
  // Other_Alphabetic symbols, and the joiners.
  if ((c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
      (c >= 0x1F170 && c <= 0x1F189) || c == 0x200C || c == 0x200D) {
    return true;
  }
  const auto* it = std::upper_bound(std::begin(kCategoryRuns), std::end(kCategoryRuns), c,
                                    [](char32_t v, uint32_t run) { return v < run / 32; });
  const auto category = static_cast<Category>(*(it - 1) % 32);
  return category == Category::kNd || category == Category::kNl || category == Category::kPc;
}

}  // namespace hadal
