#include "base/yaml.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(Yaml, TypesFollowTheCoreSchema) {
  auto v = parse_yaml("a: 1\nb: '1'\nc: yes\nd: true\ne: [1.5, ~, \"true\"]\nf:\n  g: 0123\nh: -7\ni: 8.0\n");
  ASSERT_TRUE(v.ok());
  EXPECT_EQ(to_json(*v),
            R"({"a":1,"b":"1","c":"yes","d":true,"e":[1.5,null,"true"],"f":{"g":123},"h":-7,"i":8.0})");
}

TEST(Yaml, ErrorsNameTheLine) {
  for (const char* text : {"a: 1\na: 2\n", "a: [1\n", "\ta: 1\n", "a: b: c\n"}) {
    auto v = parse_yaml(text);
    ASSERT_FALSE(v.ok()) << text;
    EXPECT_NE(v.error().message.find("line"), std::string::npos) << v.error().message;
  }
}

TEST(Yaml, SettingsKeepTheTextAndTheLine) {
  auto v = parse_yaml_settings("# first\na: 007\nb: [x, 'y z', 1.10]\n\nc: true\nd:\ne: ''\n");
  ASSERT_TRUE(v.ok()) << v.error().message;
  ASSERT_EQ(v->size(), 5u);
  EXPECT_EQ((*v)[0].line, 2);
  EXPECT_EQ((*v)[0].values, std::vector<std::string>{"007"});
  EXPECT_TRUE((*v)[1].is_list);
  EXPECT_EQ((*v)[1].values, (std::vector<std::string>{"x", "y z", "1.10"}));
  EXPECT_EQ((*v)[2].line, 5);
  EXPECT_EQ((*v)[2].values, std::vector<std::string>{"true"});
  EXPECT_TRUE((*v)[3].values.empty());
  EXPECT_EQ((*v)[4].values, std::vector<std::string>{""});
  EXPECT_TRUE(parse_yaml_settings("")->empty());
  for (const char* text : {"x: 1\na:\n  b: 1\n", "x: 1\nx: 2\n", "x: 1\na: [[1]]\n", "x: 1\na: [1\n"}) {
    auto bad = parse_yaml_settings(text);
    ASSERT_FALSE(bad.ok()) << text;
    EXPECT_TRUE(bad.error().message.find("line 2") == 0 || bad.error().message.find("line 3") == 0)
        << bad.error().message;
  }
}

TEST(Yaml, AliasesCannotMultiplyWithoutBound) {
  std::string doubling = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    doubling += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before + "]\n";
  }
  auto v = parse_yaml(doubling);
  ASSERT_FALSE(v.ok());
  EXPECT_NE(v.error().message.find("aliases"), std::string::npos) << v.error().message;
  EXPECT_FALSE(parse_yaml("&a [*a, *a]\n").ok());
  auto shared = parse_yaml("a: &a [1]\nb: *a\n");
  ASSERT_TRUE(shared.ok());
  EXPECT_EQ(to_json(*shared), R"({"a":[1],"b":[1]})");
}

}  // namespace
}  // namespace hadal
