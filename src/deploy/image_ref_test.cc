#include "deploy/image_ref.h"

#include <gtest/gtest.h>

#include <random>

namespace hadal {
namespace {

const std::string kHex(64, 'a');

TEST(ImageRef, TakesWhatTheGrammarTakes) {
  for (const std::string& text : {
           std::string("nginx"),
           std::string("nginx:1.27"),
           std::string("lmsysorg/sglang:v0.5.5"),
           std::string("localhost/x"),
           std::string("localhost:5000/a/b_c/d__e-f.g:T_1.2-x"),
           std::string("UPPER/lower:Tag"),  // the first part is a registry's host then
           std::string("[fd00::1]:5000/x"),
           std::string("10.0.0.1:5000/x:latest"),
           "ghcr.io/a/b@sha256:" + kHex,
           "ghcr.io/a/b:v1@sha256:" + kHex,
           "x@sha512:" + kHex + kHex,
           std::string("a---b/c:") + std::string(128, 't'),
       }) {
    EXPECT_TRUE(parse_image_ref(text).ok()) << text;
  }
  const auto ref = parse_image_ref("registry.example.com:5000/team/app:1.2@sha256:" + kHex);
  ASSERT_TRUE(ref.ok());
  EXPECT_EQ(ref->domain, "registry.example.com:5000");
  EXPECT_EQ(ref->path, "team/app");
  EXPECT_EQ(ref->tag, "1.2");
  EXPECT_EQ(ref->digest, "sha256:" + kHex);
}

TEST(ImageRef, RefusesWithTheReason) {
  struct Case {
    std::string text, reason;
  };
  for (const Case& c : {
           Case{"UPPER/Case:tag", "\"Case\" has capital letters"},
           Case{"Nginx", "capital letters"},
           Case{"nginx@sha256:abc", "64 hexadecimal digits"},
           Case{"nginx@sha256:" + std::string(64, 'A'), "small letters"},
           Case{"nginx@md5:" + kHex, "no digest"},
           Case{"nginx:", "no tag"},
           Case{"nginx:.a", "no tag"},
           Case{"nginx:" + std::string(129, 't'), "no tag"},
           Case{"a//b", "empty part"},
           Case{"a/", "empty part"},
           Case{"a..b/c", "registry"},
           Case{"a/b..c", "no part"},
           Case{"a/b___c", "no part"},
           Case{"a/-b", "no part"},
           Case{"https://ghcr.io/a/b", "no https:// in front"},
           Case{"ghcr.io:x/a", "no registry"},
           Case{"a b", "no part"},
           Case{"", "empty"},
           Case{kHex, "id of an image"},
           Case{std::string(256, 'a'), "255"},
       }) {
    const auto ref = parse_image_ref(c.text);
    ASSERT_FALSE(ref.ok()) << c.text;
    EXPECT_NE(ref.error().message.find(c.reason), std::string::npos) << c.text << ": " << ref.error().message;
  }
}

TEST(ImageRef, EndsOnAnyText) {
  std::mt19937 random{std::random_device{}()};
  const std::string_view letters = "aZ0._-/:@[]x+ ";
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (size_t n = random() % 24; n > 0; --n) text += letters[random() % letters.size()];
    const auto ref = parse_image_ref(text);
    if (!ref.ok()) continue;
    std::string again = (ref->domain.empty() ? "" : ref->domain + "/") + ref->path;
    if (!ref->tag.empty()) again += ":" + ref->tag;
    EXPECT_EQ(again, text);
  }
}

}  // namespace
}  // namespace hadal
