#include "chat/conversation_file.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(ConversationFile, ReadsWhatItWrites) {
  const std::vector<ChatTurn> turns{
      {"system", "be \"brief\""}, {"user", "f\xC3\xB6o\n\tbar"}, {"assistant", ""}};
  const auto read = parse_conversation(conversation_json(turns));
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->size(), turns.size());
  for (size_t i = 0; i < turns.size(); ++i) {
    EXPECT_EQ((*read)[i].role, turns[i].role);
    EXPECT_EQ((*read)[i].content, turns[i].content);
  }
  EXPECT_EQ(parse_conversation(R"({"messages": [{"role": "user", "content": "x"}]})")->size(), 1u);
  EXPECT_TRUE(parse_conversation("[]")->empty());
}

TEST(ConversationFile, ErrorsNameTheMessage) {
  const std::pair<const char*, const char*> bad[] = {
      {"user:\nhello", "no JSON"},
      {"{}", "no list of messages"},
      {"[1]", "message 1"},
      {R"([{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}])",
       "message 2: its role is \"tool\""},
      {R"([{"role": "user", "content": "a"}, {"role": "system", "content": "b"}])",
       "message 2: only the first"},
      {R"([{"role": "user", "content": ["a"]}])", "message 1: its content"},
      {R"([{"content": "a"}])", "message 1: it has no role"},
  };
  for (const auto& [text, message] : bad) {
    const auto read = parse_conversation(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_NE(read.error().message.find(message), std::string::npos) << read.error().message;
  }
}

}  // namespace
}  // namespace hadal
