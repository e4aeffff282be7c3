#include "deploy/emit.h"

#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"
#include "base/yaml_tree.h"

namespace hadal {
namespace {

Json read_back(const std::string& yaml, YamlSchema schema) {
  const YamlStream stream = parse_yaml_stream(yaml);
  EXPECT_TRUE(stream.errors.empty()) << stream.errors[0].message << " in\n" << yaml;
  EXPECT_EQ(stream.documents.size(), 1u) << yaml;
  if (!stream.errors.empty() || stream.documents.empty()) return {};
  return yaml_to_json(*stream.documents[0].root, schema);
}

void expect_round_trip(const Json& value) {
  const std::string yaml = to_yaml(value);
  for (YamlSchema schema : {YamlSchema::kCore, YamlSchema::kKubernetes})
    EXPECT_EQ(to_json(read_back(yaml, schema)), to_json(value)) << yaml;
}

constexpr const char* kHostile[] = {"true",
                                    "false",
                                    "yes",
                                    "no",
                                    "on",
                                    "off",
                                    "y",
                                    "n",
                                    "null",
                                    "~",
                                    "",
                                    " ",
                                    "8.0",
                                    "0123",
                                    "1e3",
                                    "0x1f",
                                    "0o17",
                                    "1_000",
                                    ".inf",
                                    ".nan",
                                    "12:30:45",
                                    "2024-01-01",
                                    "-",
                                    "- a",
                                    "a: b",
                                    "a #b",
                                    "#c",
                                    "&a",
                                    "*a",
                                    "!t",
                                    "|",
                                    ">",
                                    "%d",
                                    "@x",
                                    "`x`",
                                    "{a}",
                                    "[a]",
                                    "'",
                                    "\"",
                                    "\\",
                                    "\\n",
                                    "a\tb",
                                    "\t",
                                    "a\nb",
                                    "a\n b",
                                    "\n",
                                    "a\n",
                                    "\n\n x\n",
                                    "\r\n",
                                    "\x01",
                                    "\x7f",
                                    "é",
                                    "\xE2\x80\xA8",
                                    "\xEF\xBB\xBF",
                                    "\xF0\x9F\x98\x80",
                                    "<<",
                                    "=",
                                    "---",
                                    "...",
                                    "? a",
                                    ": b",
                                    "$(X)",
                                    "{{ .Values.x }}"};

TEST(Emit, WordsThatLookLikeOtherTypesStayText) {
  for (const char* text : kHostile) {
    expect_round_trip(Json(JsonObject{{"key", text}}));
    expect_round_trip(Json(JsonObject{{text, "value"}}));
    expect_round_trip(Json(JsonArray{text, JsonObject{{"a", text}}}));
  }
}

TEST(Emit, NumbersKeepTheirTypes) {
  expect_round_trip(Json(
      JsonObject{{"int", 8}, {"double", 8.5}, {"bool", true}, {"null", nullptr}, {"big", int64_t{1} << 60}}));
  EXPECT_EQ(to_yaml(Json(JsonObject{{"a", 8.0}})), "a: 8.0\n");
  EXPECT_EQ(to_yaml(Json(JsonObject{{"a", JsonArray{}}, {"b", JsonObject{}}})), "a: []\nb: {}\n");
}

TEST(Emit, NestsLists) {
  const Json value(JsonObject{
      {"a", JsonArray{JsonArray{1, 2}, JsonObject{{"b", JsonArray{JsonObject{{"c", 1}, {"d", "x"}}}}}}}});
  EXPECT_EQ(to_yaml(value), "a:\n  - - 1\n    - 2\n  - b:\n      - c: 1\n        d: \"x\"\n");
  expect_round_trip(value);
}

TEST(Emit, CommentsStandAboveTheirFields) {
  Json value(JsonObject{{"a", JsonArray{JsonObject{{"#b", "why b"}, {"b", 1}, {"#c", "why c"}, {"c", 2}}}}});
  const auto comments = take_comments(value);
  EXPECT_EQ(to_yaml(value, comments), "a:\n  # why b\n  - b: 1\n    # why c\n    c: 2\n");
}

TEST(Emit, LongCommentsWrap) {
  const std::string text =
      to_yaml(Json(JsonObject{{"a", 1}}), {{"a", std::string(150, 'x') + " " + std::string(60, 'y')}});
  EXPECT_EQ(text, "# " + std::string(150, 'x') + " " + std::string(60, 'y') + "\na: 1\n");
  const std::string words =
      to_yaml(Json(JsonObject{{"a", 1}}), {{"a", std::string(90, 'x') + " " + std::string(60, 'y')}});
  EXPECT_EQ(words, "# " + std::string(90, 'x') + "\n# " + std::string(60, 'y') + "\na: 1\n");
}

Json random_json(std::mt19937& random, int depth) {
  const auto number = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  const auto text = [&] {
    constexpr std::string_view kAlphabet[] = {
        "a",  " ", "\n", "\t", "\"",  "\\", ":", "#", "-", "'", "{", "é", "\xF0\x9F\x98\x80",
        "\r", "0", ",",  "&",  "\x01"};
    std::string out;
    for (int i = number(0, 12); i > 0; --i)
      out += kAlphabet[static_cast<size_t>(number(0, std::size(kAlphabet) - 1))];
    return out;
  };
  switch (number(0, depth > 3 ? 3 : 5)) {
    case 0:
      return text();
    case 1:
      return number(-1000, 1000);
    case 2:
      return number(0, 1) == 1;
    case 3:
      return nullptr;
    case 4: {
      JsonArray out;
      for (int i = number(0, 4); i > 0; --i) out.push_back(random_json(random, depth + 1));
      return out;
    }
    default: {
      Json out{JsonObject{}};
      for (int i = number(0, 4); i > 0; --i) {
        // "#..." marks a comment and "<<" merges: not in keys.
        const std::string key = "k" + text();
        out.set(key, random_json(random, depth + 1));
      }
      return out;
    }
  }
}

TEST(Emit, RandomValuesComeBack) {
  std::mt19937 random(20261122);
  for (int i = 0; i < 3000; ++i) expect_round_trip(random_json(random, 0));
}

}  // namespace
}  // namespace hadal
