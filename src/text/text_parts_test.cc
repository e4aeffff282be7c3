// Tests of the tokenizer's parts against slower or independent ways to the same result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/utf8.h"
#include "text/added_tokens.h"
#include "text/bpe_model.h"
#include "text/byte_alphabet.h"
#include "text/known_patterns.h"
#include "text/pre_tokenizer.h"
#include "text/regex.h"
#include "text/regex_translate.h"
#include "text/string_table.h"
#include "text/token_decoder.h"
#include "text/unicode.h"

namespace hadal {
namespace {

uint32_t fresh_seed() {
  return std::random_device{}();
}

// Random text rich in what the split patterns tell apart.
std::string random_text(std::mt19937& random, size_t length) {
  static constexpr char32_t kPoints[] = {
      'a',    'Z',    's',    't',     'l',     'L',     'r',     'e',    'v',    '\'',   ' ',
      ' ',    ' ',    '\n',   '\r',    '\t',    '1',     '9',     '.',    '_',    '$',    '-',
      0x85,   0xA0,   0xE9,   0x301,   0x17F,   0x3B1,   0x4F60,  0x597D, 0x3042, 0x30FB, 0x3002,
      0xFF0C, 0x661,  0xB2,   0x1F600, 0x200D,  0x180E,  0x2028,  0x3000, 0xAD,   0x378,  0x1C89,
      0xE000, 0xAC00, 0x1100, 0x10D40, 0x1CCF0, 0x1E5D0, 0x13460, 0};
  std::string out;
  while (out.size() < length) {
    char32_t c = kPoints[random() % std::size(kPoints)];
    if (random() % 12 == 0) c = static_cast<char32_t>(random() % 0x110000);
    if (c >= 0xD800 && c <= 0xDFFF) c = 'x';
    utf8_append(out, c);
  }
  return out;
}

TEST(KnownPatterns, EqualTheirRegularExpressionsInPcre2) {
  const UnicodeTables tables;
  const uint32_t seed = fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const KnownPattern pattern :
       {KnownPattern::kGpt2, KnownPattern::kLlama3, KnownPattern::kQwen2, KnownPattern::kQwen35,
        KnownPattern::kDeepseekNumbers, KnownPattern::kDeepseekHan, KnownPattern::kDeepseekWords,
        KnownPattern::kSingleNumber}) {
    EXPECT_EQ(recognize_pattern(pattern_text(pattern)), pattern);
    auto regex = Regex::compile(pattern_text(pattern));
    ASSERT_TRUE(regex.ok()) << regex.error().message;
    for (int round = 0; round < 3000; ++round) {
      const std::string text = random_text(random, 1 + random() % 30);
      Regex::Scratch scratch;
      size_t at = 0;
      while (true) {
        const Span want = (*regex)->find(text, at, scratch);
        const Span got = find_known(pattern, tables, text, at);
        ASSERT_EQ(got.begin, want.begin) << pattern_text(pattern) << "\n"
                                         << testing::PrintToString(text) << " at " << at;
        ASSERT_EQ(got.end, want.end) << pattern_text(pattern) << "\n"
                                     << testing::PrintToString(text) << " at " << at;
        if (!want.found()) break;
        at = want.end;
      }
    }
  }
}

TEST(Regex, UnicodeClassesAreOfUnicode16WhateverPcre2Has) {
  const UnicodeTables tables;
  const std::pair<const char*, uint8_t> classes[] = {{R"(\p{L})", kLetter},      {R"([\p{N}])", kNumber},
                                                     {R"(\p{M})", kMark},        {R"([^\P{S}])", kSymbol},
                                                     {R"(\p{P})", kPunctuation}, {R"(\s)", kWhiteSpace},
                                                     {R"([^\S])", kWhiteSpace},  {R"(\p{^L})", 0}};
  for (const auto& [pattern, bit] : classes) {
    auto regex = Regex::compile(std::string("^(?:") + pattern + ")\\z");
    ASSERT_TRUE(regex.ok()) << regex.error().message;
    Regex::Scratch scratch;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      if (c > 0x20000 && c < 0xE0000 && c % 64 != 0) continue;  // large uniform blocks
      std::string text;
      utf8_append(text, c);
      const bool want = bit == 0 ? !(tables.classes(c) & kLetter) : (tables.classes(c) & bit) != 0;
      ASSERT_EQ((*regex)->find(text, 0, scratch).found(), want)
          << pattern << " U+" << std::hex << uint32_t{c};
    }
  }
}

TEST(Regex, TranslatesRubySyntax) {
  const auto find = [](const char* pattern, const char* text) {
    auto regex = Regex::compile(pattern);
    EXPECT_TRUE(regex.ok()) << regex.error().message;
    Regex::Scratch scratch;
    const Span span = regex.ok() ? (*regex)->find(text, 0, scratch) : Span{};
    return span.found() ? std::string(text).substr(span.begin, span.end - span.begin) : std::string("none");
  };
  EXPECT_EQ(find("[0-9]{1,3}+", "1234567"), "1234567");  // Ruby: the interval repeated
  EXPECT_EQ(find("a{,2}", "aaa"), "aa");
  EXPECT_EQ(find("\\h+", "xyz1fG"), "1f");
  EXPECT_EQ(find("b$", "ab\nc"), "b");
  EXPECT_EQ(find("a.b", "a\nb"), "none");
  EXPECT_EQ(find("(?m:a.b)", "a\nb"), "a\nb");
  EXPECT_EQ(find("\\u4f60+", "\u4f60\u4f60x"), "\u4f60\u4f60");
  EXPECT_EQ(find("(?i:'S)", "'\u017F"), "'\u017F");
  EXPECT_EQ(find("\\p{Han}+", "x\u4f60\u597d"), "\u4f60\u597d");
  for (const char* bad : {"(", "[a", "[a&&b]", "a\\", "\\p{", "\\u12", "(?~a)", "[a[b]]", "\\C"}) {
    EXPECT_FALSE(Regex::compile(bad).ok()) << bad;
  }
}

TEST(Regex, HostilePatternsAndTextsEnd) {
  const std::string text(100'000, 'a');
  for (const char* pattern :
       {"(a+)+b", "(a|a)*b", "(a*)*(a*)*(a*)*b", "a*a*a*a*a*b", "((?:a{1,50}){1,50}){1,50}b"}) {
    auto regex = Regex::compile(pattern);
    ASSERT_TRUE(regex.ok()) << regex.error().message;
    Regex::Scratch scratch;
    scratch.grant(text.size());
    EXPECT_FALSE((*regex)->find(text, 0, scratch).found()) << pattern;
  }
  // An honest pattern that has to look far still matches.
  auto regex = Regex::compile(R"(\s*[\r\n]+|\s+(?!\S)|\s+)");
  Regex::Scratch scratch;
  const std::string spaces = std::string(300'000, ' ') + "x";
  scratch.grant(spaces.size());
  EXPECT_EQ((*regex)->find(spaces, 0, scratch).end, 299'999u);
}

TEST(Unicode, ComposesAndOrders) {
  const UnicodeTables tables;
  const std::pair<const char*, const char*> cases[] = {
      {"e\u0301", "\u00e9"},
      {"\u212B", "\u00c5"},
      {"a\u0315\u0300\u05ae\u0300b", "\u00e0\u05ae\u0300\u0315b"},
      {"\u1100\u1161\u11a8", "\uac01"},
      {"\uac00\u11a8", "\uac01"},
      {"\u0344", "\u0308\u0301"},
      {"\u0958", "\u0915\u093c"},  // excluded from composition
      {"x\u0301\u0301y\u0323\u0307", "x\u0301\u0301\u1ef5\u0307"},
      {"\u0301", "\u0301"},
      {"\u1e9b\u0323", "\u1e9b\u0323"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(tables.nfc(text), want);
  EXPECT_TRUE(tables.is_nfc_quick("plain \u00e9 \u4f60"));
  EXPECT_FALSE(tables.is_nfc_quick("e\u0301"));
}

TEST(Unicode, NfcIsIdempotentAndLocal) {
  const UnicodeTables tables;
  const uint32_t seed = fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) {
      const auto from = [&](char32_t first, uint32_t count) {
        return static_cast<char32_t>(first + random() % count);
      };
      const char32_t kinds[] = {from('a', 26),     from(0x300, 0x70), from(0x1100, 0x100),
                                from(0xAC00, 100), from(0x900, 0x80), from(0x1F00, 0x100)};
      utf8_append(text, kinds[random() % 6]);
    }
    const std::string once = tables.nfc(text);
    EXPECT_EQ(tables.nfc(once), once);
    EXPECT_EQ(tables.nfc(text + "\n" + text), once + "\n" + once);  // nothing composes with a newline
    EXPECT_TRUE(once == text || !tables.is_nfc_quick(text));
  }
}

TEST(ByteAlphabet, IsGpt2s) {
  EXPECT_EQ(kByteAlphabet.decode("\u0120a\u010a"), " a\n");
  EXPECT_EQ(kByteAlphabet.decode("\u0143"), "\xAD");
  EXPECT_EQ(kByteAlphabet.decode("a b"), std::nullopt);
  std::set<int> bytes;
  for (char32_t c = 0; c < 0x200; ++c) bytes.insert(kByteAlphabet.byte_of(c));
  EXPECT_EQ(bytes.size(), 257u);  // every byte, and -1
}

TEST(StringTable, FindsEveryStringAndNoOther) {
  std::vector<std::string> strings;
  for (int i = 0; i < 3000; ++i) strings.push_back(std::to_string(i * 7919));
  std::vector<std::string_view> views(strings.begin(), strings.end());
  views.push_back("");
  views.push_back(strings[5]);
  StringTable table(views);
  EXPECT_EQ(table.find("7919"), -1);
  table.build_index();
  for (size_t i = 0; i < strings.size(); ++i) {
    EXPECT_EQ(table.find(strings[i]), i == 5 ? 3001 : static_cast<int32_t>(i));
  }
  EXPECT_EQ(table.find("x"), -1);
  EXPECT_EQ(table.find(""), -1);
  EXPECT_EQ(table.at(3002), "");
}

// The definition: again and again the lowest-ranked pair, the leftmost of equals.
std::vector<int32_t> naive_bpe(std::vector<int32_t> ids, const std::vector<Merge>& merges) {
  while (true) {
    const Merge* best = nullptr;
    size_t where = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      for (const Merge& merge : merges) {
        if (merge.left == ids[i] && merge.right == ids[i + 1] &&
            (best == nullptr || merge.rank < best->rank)) {
          best = &merge;
          where = i;
        }
      }
    }
    if (best == nullptr) return ids;
    ids[where] = best->result;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(where) + 1);
  }
}

TEST(BpeModel, EqualsTheDefinitionOnRandomVocabularies) {
  const uint32_t seed = fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    const bool byte_level = round % 2 == 0;
    const bool equal_ranks = round % 3 == 0;
    const std::vector<std::string> units = {"a", "b", "c", "\u00e9", "\u4f60", "\u597d", " "};
    std::vector<std::string> tokens;
    if (byte_level) {
      for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
    } else {
      tokens = units;
    }
    std::vector<Merge> merges;
    for (uint32_t rank = 0; rank < 60; ++rank) {
      const auto pick = [&] {
        return static_cast<int32_t>(
            byte_level && random() % 2 == 0
                ? static_cast<unsigned char>(
                      units[random() % units.size()][random() % 2 ? 0 : units[0].size() - 1])
                : random() % tokens.size());
      };
      const int32_t left = pick();
      const int32_t right = pick();
      const std::string joined = tokens[static_cast<size_t>(left)] + tokens[static_cast<size_t>(right)];
      if (joined.size() > 30 || std::find(tokens.begin(), tokens.end(), joined) != tokens.end()) continue;
      merges.push_back({left, right, static_cast<int32_t>(tokens.size()), equal_ranks ? rank / 3 : rank});
      tokens.push_back(joined);
    }
    std::vector<std::string_view> keys(tokens.begin(), tokens.end());
    BpeSpec spec;
    spec.byte_level = byte_level;
    spec.byte_fallback = !byte_level;
    spec.byte_ids.fill(byte_level ? -1 : 0);
    const BpeModel model(keys, merges, spec);
    BpeModel::Scratch scratch;
    for (int text_round = 0; text_round < 40; ++text_round) {
      std::string text;
      std::vector<int32_t> ids;
      for (size_t n = 1 + random() % (text_round % 4 == 0 ? 90 : 12); n > 0; --n) {
        const std::string& unit =
            random() % 4 == 0 ? tokens[tokens.size() - 1 - random() % std::min<size_t>(tokens.size(), 40)]
                              : units[random() % units.size()];
        if (utf8_is_valid(unit)) text += unit;
      }
      if (text.empty()) continue;
      for (size_t i = 0; i < text.size();) {
        const size_t length =
            byte_level ? 1 : static_cast<size_t>(utf8_valid_length(std::string_view(text).substr(i)));
        ids.push_back(static_cast<int32_t>(std::find(tokens.begin(), tokens.end(), text.substr(i, length)) -
                                           tokens.begin()));
        i += length;
      }
      std::vector<int32_t> got;
      model.encode(text, scratch, got);
      ASSERT_EQ(got, naive_bpe(ids, merges)) << testing::PrintToString(text) << " round " << round;
    }
  }
}

TEST(AddedTokenFinder, LeftmostLongestAndFlags) {
  const UnicodeTables tables;
  AddedTokenFinder finder;
  finder.add("<a>", {.id = 1});
  finder.add("<a>b", {.id = 2});
  finder.add("a>bc", {.id = 3});
  finder.add("[L]", {.id = 4, .lstrip = true});
  finder.add("[R]", {.id = 5, .rstrip = true});
  finder.add("word", {.id = 6, .single_word = true});
  const auto run = [&](std::string_view text) {
    std::string out;
    finder.split(
        tables, text,
        [&](size_t begin, size_t end) { out += "{" + std::string(text.substr(begin, end - begin)) + "}"; },
        [&](int32_t id) { out += std::to_string(id); });
    return out;
  };
  EXPECT_EQ(run("x<a>bcd"), "{x}2{cd}");
  EXPECT_EQ(run("<a"), "{<a}");
  EXPECT_EQ(run("<a><a>"), "11");
  EXPECT_EQ(run("x \u3000[L] y"), "{x}4{ y}");
  EXPECT_EQ(run("x [R]\n\n y"), "{x }5{y}");
  EXPECT_EQ(run("[R]  [L]"), "54");
  EXPECT_EQ(run("word words a-word \u00e9word"), "6{ words a-}6{ \u00e9word}");
  EXPECT_EQ(run(""), "");
}

TEST(PreTokenizer, BehavioursAndMetaspace) {
  const auto tables = std::make_shared<const UnicodeTables>();
  struct Collector : PieceSink {
    std::vector<std::string> pieces;
    void on_piece(std::string_view piece) override { pieces.emplace_back(piece); }
  };
  const auto run = [&](PreTokenizerStep step, std::string_view text, bool at_start = true) {
    Collector sink;
    Regex::Scratch scratch;
    PreTokenizer({std::move(step)}, tables).split(text, at_start, scratch, sink);
    return sink.pieces;
  };
  using Strings = std::vector<std::string>;
  const auto by = [](SplitBehavior behavior, bool invert = false) {
    return SplitStep{.pattern = std::string("-"), .behavior = behavior, .invert = invert};
  };
  EXPECT_EQ(run(by(SplitBehavior::kIsolated), "a--b-"), (Strings{"a", "-", "-", "b", "-"}));
  EXPECT_EQ(run(by(SplitBehavior::kRemoved), "a--b-"), (Strings{"a", "b"}));
  EXPECT_EQ(run(by(SplitBehavior::kRemoved, true), "a--b-"), (Strings{"-", "-", "-"}));
  EXPECT_EQ(run(by(SplitBehavior::kContiguous), "a--b-"), (Strings{"a", "--", "b", "-"}));
  EXPECT_EQ(run(by(SplitBehavior::kMergedWithPrevious), "a--b-"), (Strings{"a-", "-", "b-"}));
  EXPECT_EQ(run(by(SplitBehavior::kMergedWithNext), "a--b-"), (Strings{"a", "-", "-b", "-"}));
  EXPECT_EQ(run(DigitsStep{true}, "a12b"), (Strings{"a", "1", "2", "b"}));
  EXPECT_EQ(run(DigitsStep{false}, "a12b"), (Strings{"a", "12", "b"}));
  EXPECT_EQ(run(WhitespaceStep{true}, "Hey man! x"), (Strings{"Hey", "man", "!", "x"}));
  EXPECT_EQ(run(WhitespaceStep{false}, " a\tb "), (Strings{"a", "b"}));
  EXPECT_EQ(run(ByteLevelStep{.add_prefix_space = true}, "a b"), (Strings{" a", " b"}));
  const MetaspaceStep first{.prepend = MetaspaceStep::Prepend::kFirst};
  EXPECT_EQ(run(first, "a b"), (Strings{"\u2581a", "\u2581b"}));
  EXPECT_EQ(run(first, "a b", false), (Strings{"a", "\u2581b"}));
  EXPECT_EQ(run(first, "  a"), (Strings{"\u2581", "\u2581a"}));
}

TEST(TokenDecoder, StepsAndFirstToken) {
  DecoderSpec spec;
  spec.kind = DecoderSpec::Kind::kSteps;
  spec.metaspace = "\u2581";
  spec.metaspace_drop_first = true;
  const TokenDecoder metaspace({"\u2581a\u2581b", "x", ""}, spec);
  EXPECT_EQ(metaspace.middle(0), " a b");
  EXPECT_EQ(metaspace.first(0), "ab");
  EXPECT_EQ(metaspace.first(1), "x");
  EXPECT_EQ(metaspace.first(2), "");
  EXPECT_EQ(metaspace.first(3), "");
  const TokenDecoder spaced({"a", "b"}, DecoderSpec{});
  EXPECT_EQ(spaced.first(0), "a");
  EXPECT_EQ(spaced.middle(1), " b");
  EXPECT_EQ(byte_token("<0x0A>"), '\n');
  EXPECT_EQ(byte_token("<0xZZ>"), std::nullopt);
}

}  // namespace
}  // namespace hadal
