// The model's text side from its files: templates, reasoning, sampling defaults, end tokens.
#include "app/text_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/gguf_writer.h"
#include "base/temp_dir.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::system_clock::time_point kNow{};

class TextSetup : public ::testing::Test {
 protected:
  TextSetup() {
    auto tokenizer = read_file(HADAL_SOURCE_DIR "/src/text/testdata/qwen2.json");
    HADAL_CHECK(tokenizer.ok());
    dir_.write("tokenizer.json", *tokenizer);
    model_.directory = dir_.path();
  }
  ModelText load() {
    auto text = load_model_text(settings_, model_);
    HADAL_CHECK(text.ok()) << text.error().message;
    return std::move(*text);
  }
  std::string error() {
    auto text = load_model_text(settings_, model_);
    EXPECT_FALSE(text.ok());
    return text.ok() ? "" : text.error().message;
  }
  static std::string render(const ModelText& text, const std::string& variables) {
    auto out = text.chat_templates->render(*parse_json(variables), kNow);
    return out.ok() ? *out : "error: " + out.error().message;
  }

  TempDir dir_;
  Settings settings_;
  OpenedModel model_;
};

TEST_F(TextSetup, WithoutFilesThereIsNoTemplateAndOpenAisDefaultsHold) {
  const ModelText text = load();
  EXPECT_EQ(text.chat_templates, nullptr);
  EXPECT_EQ(text.reasoning, ReasoningKind::kNone);
  EXPECT_EQ(text.default_sampling.temperature, SamplingParams{}.temperature);
  EXPECT_EQ(text.default_sampling.top_k, SamplingParams{}.top_k);
}

TEST_F(TextSetup, NamedTemplatesOfTheConfig) {
  dir_.write("tokenizer_config.json", R"({"chat_template":[{"name":"default","template":"plain"},
      {"name":"tool_use","template":"with {{ tools | length }}"},{"name":"rag","template":"rag"}]})");
  const ModelText text = load();
  EXPECT_EQ(render(text, R"({"tools":[{}]})"), "with 1");
  EXPECT_EQ(render(text, R"({"tools":null})"), "plain");
  dir_.write("tokenizer_config.json", R"({"chat_template":[{"name":"rag","template":"rag"}]})");
  EXPECT_THAT(render(load(), "{}"), HasSubstr("['rag']"));
}

TEST_F(TextSetup, TemplateFilesAndTheFlagWin) {
  dir_.write("tokenizer_config.json", R"({"chat_template":"config"})");
  EXPECT_EQ(render(load(), "{}"), "config");
  dir_.write("chat_template.jinja", "file");
  EXPECT_EQ(render(load(), "{}"), "file");
  settings_.engine.chat_template = dir_.write("mine.jinja", "flag");
  EXPECT_EQ(render(load(), R"({"tools":[{}]})"), "flag");
  dir_.write("mine.jinja", "{% if %}");
  EXPECT_THAT(error(), HasSubstr("--chat-template"));
  settings_.engine.chat_template = dir_.file("none.jinja");
  EXPECT_THAT(error(), HasSubstr("none.jinja"));
}

TEST_F(TextSetup, ReasoningIsFoundInTheTemplate) {
  dir_.write("chat_template.jinja", "{{ messages[0].content.split('</think>')[-1] }}");
  EXPECT_EQ(load().reasoning, ReasoningKind::kQwen3);
  settings_.server.reasoning_parser = "none";
  EXPECT_EQ(load().reasoning, ReasoningKind::kNone);
  settings_.server.reasoning_parser = "deepseek-r1";
  EXPECT_EQ(load().reasoning, ReasoningKind::kDeepseekR1);
  settings_.server.reasoning_parser = "o1";
  EXPECT_THAT(error(), HasSubstr("'o1'"));
}

TEST_F(TextSetup, ReasoningMayBeInToolUseOnly) {
  dir_.write("tokenizer_config.json", R"({"chat_template":[{"name":"default","template":"plain"},
      {"name":"tool_use","template":"</think>"}]})");
  EXPECT_EQ(load().reasoning, ReasoningKind::kQwen3);
}

TEST_F(TextSetup, SamplingDefaultsComeFromGenerationConfig) {
  dir_.write("generation_config.json",
             R"({"do_sample":true,"temperature":0.6,"top_p":0.95,"top_k":20,"min_p":0.05,
                 "repetition_penalty":1.05})");
  const SamplingParams sampling = load().default_sampling;
  EXPECT_FLOAT_EQ(sampling.temperature, 0.6f);
  EXPECT_FLOAT_EQ(sampling.top_p, 0.95f);
  EXPECT_FLOAT_EQ(sampling.min_p, 0.05f);
  EXPECT_FLOAT_EQ(sampling.repetition_penalty, 1.05f);
  EXPECT_EQ(sampling.top_k, 20);
}

TEST_F(TextSetup, SamplingDefaultsOfGreedyModelsAndOddFilesAreOpenAis) {
  const SamplingParams plain;
  dir_.write("generation_config.json", R"({"do_sample":false,"temperature":0.6,"top_k":20})");
  EXPECT_EQ(load().default_sampling.temperature, plain.temperature);
  EXPECT_EQ(load().default_sampling.top_k, plain.top_k);
  dir_.write("generation_config.json", R"({"temperature":"hot","top_k":-5})");
  EXPECT_EQ(load().default_sampling.temperature, plain.temperature);
  EXPECT_EQ(load().default_sampling.top_k, 0);
  dir_.write("generation_config.json", "{");
  EXPECT_THAT(error(), HasSubstr("generation_config.json"));
}

TEST_F(TextSetup, EndTokensOfTokenizerAndConfigurationOnce) {
  dir_.write("tokenizer_config.json", R"({"eos_token":"<|im_end|>"})");
  const int32_t end = load().end_ids.at(0);
  model_.config.eos_token_ids = {end, 7, 7};
  const ModelText text = load();
  EXPECT_EQ(text.end_ids.size(), 2u);
  EXPECT_THAT(text.end_ids, ::testing::UnorderedElementsAre(7, end));
}

TEST_F(TextSetup, GgufTemplatesByName) {
  GgufWriter writer;
  writer.add_string("general.architecture", "llama")
      .add_string("tokenizer.ggml.model", "gpt2")
      .add_string("tokenizer.ggml.pre", "gpt-2")
      .add_strings("tokenizer.ggml.tokens", {"a", "b", "<s>"})
      .add_i32s("tokenizer.ggml.token_type", {1, 1, 3})
      .add_strings("tokenizer.ggml.merges", {})
      .add_u32("tokenizer.ggml.bos_token_id", 2)
      .add_u32("tokenizer.ggml.padding_token_id", 1)
      .add_string("tokenizer.chat_template", "plain {{ bos_token }}")
      .add_string("tokenizer.chat_template.tool_use", "tools");
  auto file = GgufFile::open(dir_.write("m.gguf", writer.bytes()));
  ASSERT_TRUE(file.ok()) << file.error().message;
  model_.gguf = *file;
  const ModelText text = load();
  EXPECT_EQ(render(text, R"({"tools":[{}]})"), "tools");
  EXPECT_EQ(render(text, R"({"bos_token":"x"})"), "plain x");
  EXPECT_EQ(to_json(text.tokenizer->template_tokens()), R"({"bos_token":"<s>","pad_token":"b"})");
}

TEST_F(TextSetup, AMissingTokenizerNamesTheFlag) {
  model_.directory = dir_.file("elsewhere");
  EXPECT_THAT(error(), HasSubstr("--tokenizer-path"));
  settings_.engine.load_format = "dummy";
  EXPECT_EQ(load().tokenizer->vocab_size(), 260);
}

}  // namespace
}  // namespace hadal
