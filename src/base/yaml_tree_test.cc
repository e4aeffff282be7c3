#include "base/yaml_tree.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

std::string slice(std::string_view text, const YamlNode& node) {
  return std::string(text.substr(node.begin.offset, node.end.offset - node.begin.offset));
}

std::string kubernetes_json(std::string_view text) {
  const YamlStream stream = parse_yaml_stream(text);
  if (!stream.errors.empty()) return stream.errors[0].message;
  return to_json(yaml_to_json(*stream.documents.at(0).root, YamlSchema::kKubernetes));
}

TEST(YamlTree, KnowsWhereEverythingStands) {
  const std::string_view text =
      "# héllo\n"
      "kind: \"Döp\"\n"
      "spec:\n"
      "  - name: 'it''s'\n"
      "    args: [a, \"b c\"]\n"
      "    note: |\n"
      "      two\n"
      "      lines\n"
      "---\n"
      "x: 1\n";
  const YamlStream stream = parse_yaml_stream(text);
  ASSERT_TRUE(stream.errors.empty()) << stream.errors[0].message;
  ASSERT_EQ(stream.documents.size(), 2u);
  const YamlNode& root = *stream.documents[0].root;
  EXPECT_EQ(slice(text, *root.find_key("kind")), "kind");
  EXPECT_EQ(slice(text, *root.find("kind")), "\"Döp\"");
  EXPECT_EQ(root.find("kind")->style, YamlNode::Style::kDoubleQuoted);
  EXPECT_EQ(root.find("kind")->begin.line, 2);
  EXPECT_EQ(root.find("kind")->begin.column, 7);
  const YamlNode& item = *root.find("spec")->items.at(0);
  EXPECT_EQ(item.find("name")->text, "it's");
  EXPECT_EQ(slice(text, *item.find("name")), "'it''s'");
  EXPECT_EQ(slice(text, *item.find("args")), "[a, \"b c\"]");
  EXPECT_EQ(slice(text, *item.find("args")->items[1]), "\"b c\"");
  EXPECT_EQ(item.find("note")->text, "two\nlines\n");
  EXPECT_EQ(stream.documents[1].begin.line, 9);
  EXPECT_EQ(stream.documents[1].root->find("x")->begin.line, 10);
  EXPECT_EQ(root.find("none"), nullptr);
}

// Values as Kubernetes' own reader (sigs.k8s.io/yaml) gives them.
TEST(YamlTree, ScalarsOfKubernetes) {
  EXPECT_EQ(kubernetes_json("[yes, Off, y, N, on, true, 'yes', \"1\", !!str 1]"),
            R"([true,false,true,false,true,true,"yes","1","1"])");
  EXPECT_EQ(
      kubernetes_json("[017, 0o17, 0x1F, 0b101, 1_000, +5, -9223372036854775808, 18446744073709551615]"),
      "[15,15,31,5,1000,5,-9223372036854775808,18446744073709551615]");
  EXPECT_EQ(kubernetes_json("[1.5, .5, 1., 1e3, 12:30:00, 2024-01-01, 1.2.3, 0129, ~, null, '', -, 8Gi]"),
            R"([1.5,0.5,1.0,1000.0,"12:30:00","2024-01-01","1.2.3",129.0,null,null,"","-","8Gi"])");
  EXPECT_EQ(kubernetes_json("1: a\ntrue: b\nnull: c\n"), R"({"1":"a","true":"b","null":"c"})");
}

TEST(YamlTree, ScalarsOfTheCoreSchema) {
  const YamlStream stream = parse_yaml_stream("[yes, 017, 1_000, 0x1f, .inf, 1.0]");
  const auto& items = stream.documents.at(0).root->items;
  EXPECT_EQ(yaml_scalar(*items[0], YamlSchema::kCore), Json("yes"));
  EXPECT_EQ(yaml_scalar(*items[1], YamlSchema::kCore), Json(17));
  EXPECT_EQ(yaml_scalar(*items[2], YamlSchema::kCore), Json("1_000"));
  EXPECT_EQ(yaml_scalar(*items[3], YamlSchema::kCore), Json(31));
  EXPECT_EQ(yaml_scalar(*items[5], YamlSchema::kCore), Json(1.0));
}

TEST(YamlTree, AnchorsAndMerges) {
  EXPECT_EQ(kubernetes_json("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: *x\n"),
            R"({"a":{"p":1,"q":2},"b":{"q":3,"p":1},"c":{"p":1,"q":2}})");
  EXPECT_EQ(kubernetes_json("a: *nothing\n"), "there is no anchor \"&nothing\" before this");
  EXPECT_NE(kubernetes_json("a: &x [*x]\n").find("no anchor"), std::string::npos);
}

TEST(YamlTree, KeepsKeysThatAppearTwice) {
  const YamlStream stream = parse_yaml_stream("a: 1\nb: 2\na: 3\n");
  ASSERT_EQ(stream.documents.at(0).root->entries.size(), 3u);
  EXPECT_EQ(stream.documents[0].root->entries[2].first->begin.line, 3);
  EXPECT_EQ(to_json(yaml_to_json(*stream.documents[0].root, YamlSchema::kCore)), R"({"a":3,"b":2})");
}

TEST(YamlTree, ErrorsHaveAPlaceAndLeaveTheDocumentsBeforeThem) {
  const YamlStream tab = parse_yaml_stream("a: 1\n---\nb:\n\tc: 1\n");
  ASSERT_EQ(tab.errors.size(), 1u);
  EXPECT_EQ(tab.errors[0].mark.line, 4);
  EXPECT_EQ(tab.errors[0].mark.column, 1);
  ASSERT_GE(tab.documents.size(), 1u);
  EXPECT_NE(tab.documents[0].root, nullptr);
  EXPECT_EQ(parse_yaml_stream("a: [1\n").errors.size(), 1u);
  EXPECT_EQ(parse_yaml_stream("a: \xff\n").errors.size(), 1u);
  EXPECT_TRUE(parse_yaml_stream("").documents.empty());
}

TEST(YamlTree, LimitsHold) {
  EXPECT_EQ(parse_yaml_stream(std::string(100, '[')).errors.size(), 1u);
  EXPECT_EQ(parse_yaml_stream(std::string(1'000'000, '[')).errors.size(), 1u);
  std::string doubling = "- &a0 [x, x]\n";
  for (int i = 1; i < 60; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    doubling += "- &a" + std::to_string(i) + " [" + before + ", " + before + "]\n";
  }
  const YamlStream stream = parse_yaml_stream(doubling);
  ASSERT_EQ(stream.errors.size(), 1u);
  EXPECT_NE(stream.errors[0].message.find("aliases"), std::string::npos);
}

}  // namespace
}  // namespace hadal
