#include "chat/chat_loop.h"

#include <gtest/gtest.h>

#include <deque>
#include <sstream>

#include "base/file.h"

namespace hadal {
namespace {

// Answers with how many turns it saw; fails or stops on request.
class FakeBackend final : public ChatBackend {
 public:
  std::string describe() const override { return "a fake"; }
  Result<ChatAnswer> answer(const std::vector<ChatTurn>& turns, const ChatSink& sink,
                            std::stop_token) override {
    seen = turns;
    if (fail) return make_error(ErrorCode::kUnavailable, "it is down");
    ChatAnswer out;
    out.content = "answer " + std::to_string(turns.size());
    sink("thinking", "");
    sink("", out.content);
    out.completion_tokens = 3;
    out.seconds = 1;
    return out;
  }
  std::vector<ChatTurn> seen;
  bool fail = false;
};

struct Outcome {
  int code = 0;
  std::string out;
};

Outcome run(ChatBackend& backend, const ChatConfig& config, std::deque<std::string> lines, bool colour = false) {
  std::ostringstream out;
  ChatLoopIo io;
  io.out = &out;
  io.colour = colour;
  io.read_line = [&](const std::string&) -> std::optional<std::string> {
    if (lines.empty()) return std::nullopt;
    std::string line = lines.front();
    lines.pop_front();
    return line;
  };
  io.begin_answer = [] { return std::stop_token(); };
  io.end_answer = [] {};
  ChatLoop loop(backend, config, io);
  const int code = loop.run();
  return {code, out.str()};
}

TEST(ChatLoop, KeepsHistoryAndSystemPrompt) {
  FakeBackend backend;
  ChatConfig config;
  config.system_prompt = "be brief";
  run(backend, config, {"one", "", "two"});
  ASSERT_EQ(backend.seen.size(), 4u);
  EXPECT_EQ(backend.seen[0].role, "system");
  EXPECT_EQ(backend.seen[1].content, "one");
  EXPECT_EQ(backend.seen[2].content, "answer 2");
  EXPECT_EQ(backend.seen[3].content, "two");
}

TEST(ChatLoop, ResetUndoAndSystem) {
  FakeBackend backend;
  run(backend, {}, {"one", "two", "/undo", "three", "/exit", "never"});
  ASSERT_EQ(backend.seen.size(), 3u);
  EXPECT_EQ(backend.seen[2].content, "three");
  run(backend, {}, {"one", "/reset", "two"});
  EXPECT_EQ(backend.seen.size(), 1u);
  run(backend, {}, {"one", "/system new rule", "two"});
  ASSERT_EQ(backend.seen.size(), 2u);
  EXPECT_EQ(backend.seen[0].content, "new rule");
}

TEST(ChatLoop, ContinuesLinesThatEndInABackslash) {
  FakeBackend backend;
  run(backend, {}, {"one\\", "two"});
  EXPECT_EQ(backend.seen[0].content, "one\ntwo");
}

TEST(ChatLoop, ReasoningIsDimmedAndCanBeHidden) {
  FakeBackend backend;
  ChatConfig config;
  EXPECT_NE(run(backend, config, {"x"}, true).out.find("\x1b[2mthinking\n\n\x1b[0manswer 1"),
            std::string::npos);
  config.show_reasoning = false;
  EXPECT_EQ(run(backend, config, {"x"}, true).out.find("thinking"), std::string::npos);
}

TEST(ChatLoop, ErrorsKeepTheConversationUsable) {
  FakeBackend backend;
  backend.fail = true;
  const Outcome failed = run(backend, {}, {"x", "/nonsense"});
  EXPECT_NE(failed.out.find("error: it is down"), std::string::npos);
  EXPECT_NE(failed.out.find("no command /nonsense"), std::string::npos);
  ChatConfig config;
  config.prompts = {"x"};
  EXPECT_EQ(run(backend, config, {}).code, 1);
  backend.fail = false;
  EXPECT_EQ(run(backend, config, {}).code, 0);
}

TEST(ChatLoop, SavesBothForms) {
  FakeBackend backend;
  const std::string json = testing::TempDir() + "/chat.json";
  const std::string text = testing::TempDir() + "/chat.txt";
  run(backend, {}, {"hello \"x\"", "/save " + json, "/save " + text, "/save /nowhere/x"});
  EXPECT_EQ(*read_file(json),
            "[\n  {\n    \"role\": \"user\",\n    \"content\": \"hello \\\"x\\\"\"\n  },\n  {\n    \"role\": "
            "\"assistant\",\n"
            "    \"content\": \"answer 1\"\n  }\n]\n");
  EXPECT_EQ(*read_file(text), "user:\nhello \"x\"\n\nassistant:\nanswer 1\n\n");
}

}  // namespace
}  // namespace hadal
