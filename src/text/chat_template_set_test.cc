#include "text/chat_template_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hadal {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::system_clock::time_point kNow{};

Json with_tools(std::string_view tools) {
  return *parse_json(R"({"messages":[],"tools":)" + std::string(tools) + "}");
}

TEST(ChatTemplateSet, ToolsChooseToolUse) {
  auto set = ChatTemplateSet::parse(
      {{"default", "plain"}, {"tool_use", "{{ tools | length }} tools"}, {"rag", "r"}});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(*(*set)->render(with_tools("[{}]"), kNow), "1 tools");
  EXPECT_EQ(*(*set)->render(with_tools("null"), kNow), "plain");
  EXPECT_EQ(*(*set)->render(with_tools("[]"), kNow), "plain");
  EXPECT_EQ(*(*set)->render(Json(JsonObject{}), kNow), "plain");
}

TEST(ChatTemplateSet, OneTemplateServesAll) {
  auto set = ChatTemplateSet::parse({{"default", "plain"}});
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(*(*set)->render(with_tools("[{}]"), kNow), "plain");
}

TEST(ChatTemplateSet, NoDefaultIsAnErrorThatListsTheNames) {
  auto set = ChatTemplateSet::parse({{"tool_use", "tools"}, {"rag", "documents"}});
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(*(*set)->render(with_tools("[{}]"), kNow), "tools");
  const auto refused = (*set)->render(with_tools("null"), kNow);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("no default"));
  EXPECT_THAT(refused.error().message, HasSubstr("['rag', 'tool_use']"));
}

TEST(ChatTemplateSet, BrokenTemplatesAreNamedIfTheyCanBeChosen) {
  EXPECT_THAT(ChatTemplateSet::parse({{"default", "a"}, {"tool_use", "{% if %}"}}).error().message,
              HasSubstr("\"tool_use\""));
  EXPECT_FALSE(ChatTemplateSet::parse({{"default", "{% if %}"}}).ok());
  EXPECT_TRUE(ChatTemplateSet::parse({{"default", "a"}, {"rag", "{% if %}"}}).ok());
}

}  // namespace
}  // namespace hadal
