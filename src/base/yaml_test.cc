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
