// Conversations through real templates: the prompt is what transformers' apply_chat_template makes of them.
// The goldens are transformers 5.23's, with a tool call's arguments as an object and, for Qwen3, the parts
// joined by a newline.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/dummy_engine.h"
#include "server/prompt_builder.h"
#include "text/chat_template.h"

namespace hadal {
namespace {

constexpr const char* kConversation = R"({"model":"m","messages":[
  {"role":"user","content":[{"type":"text","text":"What is"},{"type":"text","text":"the weather?"}]},
  {"role":"assistant","content":"","reasoning":"I should look it up.","tool_calls":[{"id":"c1","type":"function",
   "function":{"name":"weather","arguments":"{\"city\":\"Köln\",\"days\":[1,2]}"}}]},
  {"role":"tool","content":"sunny","tool_call_id":"c1"}],
  "tools":[{"type":"function","function":{"name":"weather","description":"Weather","parameters":
   {"type":"object","properties":{"city":{"type":"string"}}}}}]})";

constexpr const char* kQwen3 = R"(<|im_start|>system
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
<|im_start|>user
What is
the weather?<|im_end|>
<|im_start|>assistant
<think>
I should look it up.
</think>

<tool_call>
{"name": "weather", "arguments": {"city": "Köln", "days": [1, 2]}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
sunny
</tool_response><|im_end|>
<|im_start|>assistant
)";

constexpr const char* kGemma4 = R"x(<s><|turn>system
<|tool>declaration:weather{description:<|"|>Weather<|"|>,parameters:{properties:{city:{type:<|"|>STRING<|"|>}},type:<|"|>OBJECT<|"|>}}<tool|><turn|>
<|turn>user
What isthe weather?<turn|>
<|turn>model
<|channel>thought
I should look it up.
<channel|><|tool_call>call:weather{city:<|"|>Köln<|"|>,days:[1,2]}<tool_call|><|tool_response>response:weather{value:<|"|>sunny<|"|>}<tool_response|>)x";

class TemplateTest : public ::testing::Test {
 protected:
  TemplateTest() : engine_(options_), model_(make_dummy_model(engine_, options_)) {}
  // False: the folder is absent.
  bool load(const std::string& name) {
    std::string folder = HADAL_SOURCE_DIR "/../shared/chat-templates";
    if (!std::filesystem::exists(folder)) folder = HADAL_SOURCE_DIR "/../../shared/chat-templates";
    if (!std::filesystem::exists(folder)) return false;
    std::ifstream file(folder + "/" + name + ".jinja");
    std::stringstream source;
    source << file.rdbuf();
    return load_source(source.str());
  }
  bool load_source(const std::string& source) {
    auto parsed = ChatTemplate::parse(source);
    EXPECT_TRUE(parsed.ok()) << parsed.error().message;
    template_ = *parsed;
    model_.render_chat = [this](const Json& variables) {
      Json all = variables;
      all.set("bos_token", Json("<s>"));
      all.set("eos_token", Json("</s>"));
      return template_->render(all, {});
    };
    model_.content_form = ContentForm::probe(model_.render_chat, "<s>", "</s>");
    return true;
  }
  std::string prompt(std::string_view text) {
    Json body;
    ChatRequest request;
    ChatPrompt out;
    auto error = parse_body(text, 64, body);
    if (!error) error = parse_chat_request(body, {}, {}, request);
    if (!error) error = build_chat_prompt(request, model_, out);
    return error ? "error: " + error->message : out.text;
  }

  DummyEngineOptions options_;
  DummyEngine engine_;
  ServedModel model_;
  std::shared_ptr<const ChatTemplate> template_;
};

TEST_F(TemplateTest, Qwen3TakesTextReasoningAndArguments) {
  if (!load("Qwen-Qwen3-0.6B")) GTEST_SKIP() << "../shared/chat-templates is absent";
  EXPECT_TRUE(model_.content_form.takes_text);
  EXPECT_FALSE(model_.content_form.takes_parts[1]);
  EXPECT_EQ(prompt(kConversation), kQwen3);
}

TEST_F(TemplateTest, Gemma4TakesParts) {
  if (!load("google-gemma-4-31B-it")) GTEST_SKIP() << "../shared/chat-templates is absent";
  EXPECT_TRUE(model_.content_form.takes_text);
  EXPECT_TRUE(model_.content_form.takes_parts[1]);
  EXPECT_EQ(prompt(kConversation), kGemma4);
}

// Concatenates arguments: an object would be an error there.
TEST_F(TemplateTest, DeepSeekTakesArgumentsAsText) {
  if (!load("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B")) GTEST_SKIP() << "../shared/chat-templates is absent";
  EXPECT_FALSE(model_.content_form.takes_parts[1]);
  const std::string text =
      prompt(R"({"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant",
    "content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}]},
    {"role":"tool","content":"r","tool_call_id":"c1"}]})");
  EXPECT_NE(text.find("{\"a\":1}"), std::string::npos) << text;
}

TEST_F(TemplateTest, TemplatesThatTakePartsOnlyGetText) {
  load_source(
      "{% for m in messages %}{{ m['role'] }}:{% for p in m['content'] %}{% if p['type'] == 'text' %}"
      "{{ p['text'] }}{% endif %}{% endfor %};{% endfor %}");
  EXPECT_FALSE(model_.content_form.takes_text);
  EXPECT_EQ(prompt(R"({"model":"m","messages":[{"role":"user","content":"hello"}]})"), "user:hello;");
}

}  // namespace
}  // namespace hadal
