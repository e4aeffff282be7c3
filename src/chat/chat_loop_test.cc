#include "chat/chat_loop.h"

#include <gtest/gtest.h>

#include <cstdio>
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
    ++num_asked;
    seen = turns;
    if (fail) return make_error(ErrorCode::kUnavailable, "it is down");
    ChatAnswer out;
    out.content = "answer " + std::to_string(turns.size());
    sink("thinking", "");
    sink("", out.content);
    out.completion_tokens = 3;
    out.seconds = 1;
    out.stopped = stop;
    return out;
  }
  std::vector<ChatTurn> seen;
  bool fail = false;
  bool stop = false;
  int num_asked = 0;
};

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

constexpr char kInterrupt[] = "^C";

// Lines as a user types them; kInterrupt is Ctrl-C.
Outcome run(ChatBackend& backend, const ChatConfig& config, std::deque<std::string> lines,
            bool colour = false, std::optional<std::string> piped = {}) {
  std::ostringstream out;
  std::ostringstream err;
  ChatLoopIo io;
  io.out = &out;
  io.err = &err;
  io.colour = colour;
  io.interactive = !piped.has_value();
  io.read_line = [&](const std::string&) -> ChatInput {
    if (lines.empty()) return {};
    std::string line = lines.front();
    lines.pop_front();
    if (line == kInterrupt) return {ChatInput::Kind::kInterrupted, ""};
    return {ChatInput::Kind::kLine, line};
  };
  io.read_all = [&]() -> Result<std::string> { return *piped; };
  io.begin_answer = [] { return std::stop_token(); };
  io.end_answer = [] {};
  ChatLoop loop(backend, config, io);
  const int code = loop.run();
  return {code, out.str(), err.str()};
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
  EXPECT_NE(failed.err.find("error: it is down"), std::string::npos);
  EXPECT_NE(failed.out.find("no command /nonsense"), std::string::npos);
  ChatConfig config;
  config.prompts = {"x"};
  const Outcome once = run(backend, config, {});
  EXPECT_EQ(once.code, 1);
  EXPECT_EQ(once.out, "");
  EXPECT_EQ(once.err, "hadal chat: it is down\n");
  backend.fail = false;
  EXPECT_EQ(run(backend, config, {}).code, 0);
}

TEST(ChatLoop, SavesBothForms) {
  FakeBackend backend;
  const std::string json = testing::TempDir() + "/chat.json";
  const std::string text = testing::TempDir() + "/chat.txt";
  std::remove(json.c_str());
  std::remove(text.c_str());
  run(backend, {}, {"hello \"x\"", "/save " + json, "/save " + text, "/save /nowhere/x"});
  EXPECT_EQ(*read_file(json),
            "[\n  {\n    \"role\": \"user\",\n    \"content\": \"hello \\\"x\\\"\"\n  },\n  {\n    \"role\": "
            "\"assistant\",\n"
            "    \"content\": \"answer 1\"\n  }\n]\n");
  EXPECT_EQ(*read_file(text), "user:\nhello \"x\"\n\nassistant:\nanswer 1\n\n");
}

TEST(ChatLoop, SaveWritesOverNothingUnasked) {
  FakeBackend backend;
  ChatConfig config;
  config.home = testing::TempDir();
  const std::string path = testing::TempDir() + "/kept.txt";
  ASSERT_TRUE(write_file(path, "mine").ok());
  const Outcome kept = run(backend, config, {"x", "/save ~/kept.txt"});
  EXPECT_NE(kept.out.find("is there already: /save! "), std::string::npos) << kept.out;
  EXPECT_EQ(*read_file(path), "mine");
  run(backend, config, {"x", "/save! ~/kept.txt", "y", "/save"});
  // Its own file is written again.
  EXPECT_EQ(*read_file(path), "user:\nx\n\nassistant:\nanswer 1\n\nuser:\ny\n\nassistant:\nanswer 3\n\n");
}

TEST(ChatLoop, LoadGoesOnWithASavedConversation) {
  FakeBackend backend;
  ChatConfig config;
  config.system_prompt = "s";
  const std::string path = testing::TempDir() + "/load.json";
  std::remove(path.c_str());
  run(backend, config, {"one", "/save " + path});
  const Outcome loaded = run(backend, {}, {"/load " + path, "two", "/load /nowhere", "/load"});
  ASSERT_EQ(backend.seen.size(), 4u);
  EXPECT_EQ(backend.seen[0].content, "s");
  EXPECT_EQ(backend.seen[2].content, "answer 2");
  EXPECT_NE(loaded.out.find("Not loaded: cannot open /nowhere"), std::string::npos) << loaded.out;
}

TEST(ChatLoop, QuotesHoldSeveralLines) {
  FakeBackend backend;
  run(backend, {}, {"\"\"\"", "/one", "", "two", "\"\"\""});
  ASSERT_EQ(backend.num_asked, 1);
  EXPECT_EQ(backend.seen[0].content, "/one\n\ntwo");
  run(backend, {}, {"\"\"\"a\"\"\""});
  EXPECT_EQ(backend.seen[0].content, "a");
  run(backend, {}, {"\"\"\"a", "b\"\"\" "});
  EXPECT_EQ(backend.seen[0].content, "a\nb");
  run(backend, {}, {" /not a command"});
  EXPECT_EQ(backend.seen[0].content, " /not a command");
}

TEST(ChatLoop, InterruptDropsTheLineAndStopsTheAnswer) {
  FakeBackend backend;
  EXPECT_EQ(run(backend, {}, {"one\\", kInterrupt, "two"}).code, 0);
  EXPECT_EQ(backend.seen[0].content, "two");
  backend.stop = true;
  const Outcome stopped = run(backend, {}, {"one", "two"});
  EXPECT_EQ(stopped.code, 0);
  EXPECT_NE(stopped.out.find("(stopped)"), std::string::npos);
  ChatConfig config;
  config.prompts = {"x", "y"};
  EXPECT_EQ(run(backend, config, {}).code, 130);
}

TEST(ChatLoop, InputThatIsNoTerminalIsAskedOnce) {
  FakeBackend backend;
  const Outcome asked = run(backend, {}, {}, false, "/one\ntwo\n");
  EXPECT_EQ(asked.code, 0);
  EXPECT_EQ(backend.num_asked, 1);
  EXPECT_EQ(backend.seen[0].content, "/one\ntwo\n");
  // The answer alone; the reasoning goes beside it.
  EXPECT_EQ(asked.out, "answer 1\n");
  EXPECT_EQ(asked.err, "thinking\n\n");
  EXPECT_EQ(run(backend, {}, {}, false, " \n").code, 1);
  EXPECT_EQ(backend.num_asked, 1);
  backend.fail = true;
  EXPECT_EQ(run(backend, {}, {}, false, "x").code, 1);
}

}  // namespace
}  // namespace hadal
