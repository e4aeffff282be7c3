#include "server/auth.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "server/routes.h"

namespace hadal {
namespace {

TEST(Auth, BearerAndApiKeyHeaders) {
  const ApiKeys keys({"alpha", "beta"});
  EXPECT_TRUE(keys.allows({{"Authorization", "Bearer alpha"}}));
  EXPECT_TRUE(keys.allows({{"authorization", "bearer beta"}}));
  EXPECT_TRUE(keys.allows({{"X-API-Key", "beta"}}));
  EXPECT_FALSE(keys.allows({}));
  EXPECT_FALSE(keys.allows({{"Authorization", "Bearer alph"}}));
  EXPECT_FALSE(keys.allows({{"Authorization", "Bearer alphaa"}}));
  EXPECT_FALSE(keys.allows({{"Authorization", "Basic alpha"}}));
  EXPECT_FALSE(keys.allows({{"Authorization", "Bearer "}}));
  EXPECT_FALSE(keys.allows({{"X-API-Key", ""}}));
  EXPECT_TRUE(ApiKeys().allows({}));
}

TEST(Auth, ConstantTimeEqualIsEqual) {
  EXPECT_TRUE(constant_time_equal("", ""));
  EXPECT_TRUE(constant_time_equal("abc", "abc"));
  EXPECT_FALSE(constant_time_equal("abc", "abd"));
  EXPECT_FALSE(constant_time_equal("abcabc", "abc"));
  EXPECT_FALSE(constant_time_equal("a", ""));
  EXPECT_FALSE(constant_time_equal("", "a"));
}

TEST(Auth, KeyFile) {
  const std::string path = ::testing::TempDir() + "/hadal_keys.txt";
  ASSERT_TRUE(write_file(path, "# comment\n  one \n\ntwo\r\n").ok());
  ServerConfig config;
  config.api_key_file = path;
  config.api_keys = {"zero"};
  auto keys = ApiKeys::load(config);
  ASSERT_TRUE(keys.ok()) << keys.error().message;
  for (const char* key : {"zero", "one", "two"}) EXPECT_TRUE(keys->allows({{"X-API-Key", key}})) << key;
  EXPECT_FALSE(keys->allows({{"X-API-Key", "# comment"}}));
  // Errors name the flag and the file, and show no key.
  for (const char* text : {"", "\n", "# none\n",
                           "good\nb\x01"
                           "d\n"}) {
    ASSERT_TRUE(write_file(path, text).ok());
    const auto bad = ApiKeys::load(config);
    ASSERT_FALSE(bad.ok()) << text;
    EXPECT_EQ(bad.error().message.find("--api-key-file: \"" + path + "\" holds "), 0u) << bad.error().message;
    EXPECT_EQ(bad.error().message.find("good"), std::string::npos) << bad.error().message;
  }
  config.api_key_file = path + ".absent";
  const auto absent = ApiKeys::load(config);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().message.find("--api-key-file: "), 0u) << absent.error().message;
  EXPECT_NE(absent.error().message.find(path + ".absent"), std::string::npos) << absent.error().message;
  config.api_key_file.clear();
  config.api_keys = {""};
  const auto empty = ApiKeys::load(config);
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().message.find("--api-key "), 0u) << empty.error().message;
}

TEST(Routes, OnlyHealthIsOpen) {
  for (const char* path : {"/health", "/livez", "/readyz", "/startupz"})
    EXPECT_TRUE(find_route(path)->is_open) << path;
  for (const char* path :
       {"/metrics", "/version", "/openapi.json", "/v1/models", "/v1/models/a/b", "/tokenize"}) {
    ASSERT_NE(find_route(path), nullptr) << path;
    EXPECT_FALSE(find_route(path)->is_open) << path;
  }
  EXPECT_EQ(find_route("/v1/models/"), nullptr);
  EXPECT_EQ(find_route("/v1/chat/completions/"), nullptr);
}

}  // namespace
}  // namespace hadal
