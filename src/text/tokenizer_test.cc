#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/bpe_tokenizer.h"
#include "text/incremental_decoder.h"
#include "text/tokenizer_gguf.h"

namespace hadal {
namespace {

std::string testdata(const std::string& name) {
  return std::string(HADAL_SOURCE_DIR) + "/src/text/testdata/" + name;
}

Json read_json(const std::string& path) {
  auto text = read_file(path);
  EXPECT_TRUE(text.ok()) << path;
  auto json = parse_json(*text);
  EXPECT_TRUE(json.ok()) << path;
  return *json;
}

std::vector<int32_t> ids_of(const Json& array) {
  std::vector<int32_t> out;
  for (const Json& id : array.as_array()) out.push_back(static_cast<int32_t>(id.as_int()));
  return out;
}

std::string stream(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<int32_t>& ids,
                   bool skip) {
  IncrementalDecoder decoder(tokenizer, skip);
  std::string out;
  for (const int32_t id : ids) {
    decoder.push(id, out);
    EXPECT_TRUE(utf8_is_valid(out));
  }
  decoder.finish(out);
  return out;
}

void check_goldens(const std::shared_ptr<const Tokenizer>& tokenizer, const std::string& golden) {
  const Json cases = read_json(testdata(golden));
  ASSERT_GT(cases.as_array().size(), 20u);
  for (const Json& c : cases.as_array()) {
    const std::string& text = c.find("text")->as_string();
    EXPECT_EQ(tokenizer->encode(text, {.add_special_tokens = false}), ids_of(*c.find("ids"))) << text;
    EXPECT_LE(tokenizer->min_ids(text), c.find("ids")->as_array().size()) << text;
    if (c.find("with_special") == nullptr) continue;
    const std::vector<int32_t> ids = ids_of(*c.find("with_special"));
    EXPECT_EQ(tokenizer->encode(text), ids) << text;
    for (const bool skip : {false, true}) {
      const std::string& want = c.find(skip ? "decoded_skip" : "decoded")->as_string();
      EXPECT_EQ(tokenizer->decode(ids, skip), want) << text;
      EXPECT_EQ(stream(tokenizer, ids, skip), want) << text;
    }
  }
}

std::shared_ptr<const Tokenizer> load_small(const std::string& name, std::string_view config = "") {
  auto json = read_file(testdata(name + ".json"));
  EXPECT_TRUE(json.ok());
  auto tokenizer = Tokenizer::from_json(*json, config);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  return *tokenizer;
}

class SmallTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(SmallTokenizer, EqualsHuggingFace) {
  check_goldens(load_small(GetParam()), std::string(GetParam()) + ".golden.json");
}

INSTANTIATE_TEST_SUITE_P(Types, SmallTokenizer,
                         testing::Values("gpt2", "smollm", "llama3", "qwen2", "deepseek", "tekken", "flags",
                                         "spm_legacy", "spm_metaspace_first", "metaspace"),
                         [](const auto& param) { return std::string(param.param); });

class SharedTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(SharedTokenizer, EqualsHuggingFace) {
  std::string directory;
  for (const char* up : {"/../shared/tokenizers/", "/../../shared/tokenizers/"}) {
    const std::string path = std::string(HADAL_SOURCE_DIR) + up + GetParam();
    if (is_directory(path)) directory = path;
  }
  if (directory.empty()) GTEST_SKIP() << "../shared/tokenizers is not beside the checkout";
  auto tokenizer = Tokenizer::from_directory(directory);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_FALSE((*tokenizer)->chat_template().empty());
  // Goldens are of tokenizer.json alone: the config's add_bos_token adds DeepSeek's BOS on top.
  auto json = read_file(directory + "/tokenizer.json");
  auto plain = Tokenizer::from_json(*json, "");
  ASSERT_TRUE(plain.ok());
  check_goldens(*plain, std::string(GetParam()) + ".golden.json");
  if (std::string_view(GetParam()) != "deepseek_v3") return;
  EXPECT_EQ((*tokenizer)->bos_token(), "<\uFF5Cbegin\u2581of\u2581sentence\uFF5C>");
  EXPECT_EQ((*tokenizer)->encode("").size(), 1u);
  EXPECT_EQ((*tokenizer)->encode("")[0], (*tokenizer)->bos_id());
  EXPECT_FALSE((*tokenizer)->is_special(*(*tokenizer)->token_to_id("<\uFF5CUser\uFF5C>")));
}

INSTANTIATE_TEST_SUITE_P(Models, SharedTokenizer, testing::Values("deepseek_v3", "qwen3"),
                         [](const auto& param) { return std::string(param.param); });

// A "llama" vocabulary in GGUF fields; kept alive beside them.
struct SpmFields {
  std::vector<std::string> tokens;
  std::vector<double> scores;
  std::vector<int64_t> types;
  GgufTokenizerFields fields;
  SpmFields() {
    const Json json = read_json(testdata("spm_gguf.json"));
    for (const Json& v : json.find("tokens")->as_array()) tokens.push_back(v.as_string());
    for (const Json& v : json.find("scores")->as_array()) scores.push_back(v.as_double());
    for (const Json& v : json.find("types")->as_array()) types.push_back(v.as_int());
    fields.model = "llama";
    fields.tokens = &tokens;
    fields.scores = &scores;
    fields.token_types = &types;
  }
  std::shared_ptr<const Tokenizer> build() const {
    auto parts = tokenizer_parts_from_gguf(fields);
    EXPECT_TRUE(parts.ok()) << parts.error().message;
    auto tokenizer = BpeTokenizer::build(*std::move(parts));
    EXPECT_TRUE(tokenizer.ok());
    return *tokenizer;
  }
};

TEST(GgufTokenizer, SpmEqualsLlamaCpp) {
  const auto tokenizer = SpmFields().build();
  check_goldens(tokenizer, "spm_gguf.golden.json");
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->encode("x").front(), 1);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("it's \u4f60\U0001F600 fine"), true),
            "it's \u4f60\U0001F600 fine");
}

TEST(GgufTokenizer, TemplatesGetTheNamedTokens) {
  SpmFields spm;
  spm.fields.unknown_id = 0;
  spm.fields.padding_id = 3;
  spm.fields.mask_id = 1 << 30;  // no such token
  const Json tokens = spm.build()->template_tokens();
  EXPECT_EQ(tokens.find("bos_token")->as_string(), spm.tokens[1]);
  EXPECT_EQ(tokens.find("eos_token")->as_string(), spm.tokens[2]);
  EXPECT_EQ(tokens.find("unk_token")->as_string(), spm.tokens[0]);
  EXPECT_EQ(tokens.find("pad_token")->as_string(), spm.tokens[3]);
  EXPECT_EQ(tokens.find("mask_token"), nullptr);
  EXPECT_EQ(tokens.find("sep_token"), nullptr);
}

TEST(GgufTokenizer, AddSpacePrefixOff) {
  SpmFields spm;
  spm.fields.add_space_prefix = false;
  const auto tokenizer = spm.build();
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(" a"), true), " a");
  EXPECT_NE(tokenizer->encode("a"), SpmFields().build()->encode("a"));
}

TEST(GgufTokenizer, WrongFieldsAreErrors) {
  const auto error = [](auto change) {
    SpmFields spm;
    change(spm);
    auto parts = tokenizer_parts_from_gguf(spm.fields);
    return parts.ok() ? std::string("accepted") : parts.error().message;
  };
  EXPECT_THAT(error([](SpmFields& s) { s.fields.tokens = nullptr; }),
              testing::HasSubstr("tokens is missing"));
  EXPECT_THAT(error([](SpmFields& s) { s.scores.pop_back(); }), testing::HasSubstr("scores has"));
  EXPECT_THAT(error([](SpmFields& s) { s.fields.scores = nullptr; }),
              testing::HasSubstr("scores is missing"));
  EXPECT_THAT(error([](SpmFields& s) { s.types.push_back(1); }), testing::HasSubstr("token_type has"));
  EXPECT_THAT(error([](SpmFields& s) { s.fields.model = "bert"; }), testing::HasSubstr("not supported"));
  EXPECT_THAT(error([](SpmFields& s) { s.fields.model = "gpt2"; }), testing::HasSubstr("merges is missing"));
  EXPECT_THAT(error([](SpmFields& s) {
                s.fields.model = "gpt2";
                s.fields.pre = "klingon";
              }),
              testing::HasSubstr("llama-bpe"));
}

TEST(GgufTokenizer, EveryPreNameBuildsAndKeepsText) {
  const Json model = read_json(testdata("gpt2.json"));
  const Json* bpe = model.find("model");
  std::vector<std::string> tokens(bpe->find("vocab")->as_object().size());
  for (const auto& [token, id] : bpe->find("vocab")->as_object())
    tokens[static_cast<size_t>(id.as_int())] = token;
  std::vector<std::string> merges;
  for (const Json& merge : bpe->find("merges")->as_array()) {
    merges.push_back(merge.as_array()[0].as_string() + " " + merge.as_array()[1].as_string());
  }
  for (const char* pre : {"", "default", "gpt-2", "llama-bpe", "qwen2", "qwen35", "smollm", "deepseek-v3",
                          "deepseek-llm", "deepseek-coder", "deepseek-r1-qwen", "tekken", "gpt-4o"}) {
    GgufTokenizerFields fields;
    fields.model = "gpt2";
    fields.pre = pre;
    fields.tokens = &tokens;
    fields.merges = &merges;
    auto parts = tokenizer_parts_from_gguf(fields);
    ASSERT_TRUE(parts.ok()) << pre << ": " << parts.error().message;
    auto tokenizer = BpeTokenizer::build(*std::move(parts));
    const std::string text = "It's 2024,\r\n  the \u4f60\u597d world\u3002 \t x1 end  ";
    EXPECT_EQ((*tokenizer)->decode((*tokenizer)->encode(text), false), text) << pre;
  }
}

TEST(Tokenizer, ParseSpecialOffEncodesAddedTokensAsText) {
  const auto tokenizer = load_small("deepseek");
  const std::string text = "<\uFF5CUser\uFF5C>hi<\uFF5Cend\u2581of\u2581sentence\uFF5C>";
  const auto parsed = tokenizer->encode(text);
  const auto plain = tokenizer->encode(text, {.parse_special = false});
  EXPECT_EQ(parsed.front(), tokenizer->token_to_id("<\uFF5CUser\uFF5C>"));
  for (const int32_t id : plain) EXPECT_FALSE(tokenizer->is_special(id));
  EXPECT_GT(plain.size(), parsed.size());
  EXPECT_EQ(tokenizer->decode(plain, true), text);
}

TEST(Tokenizer, ConfigNamesSpecialTokensAndTemplates) {
  const auto tokenizer = load_small("qwen2", R"({"bos_token": null, "eos_token": {"content": "<|im_end|>"},
      "add_bos_token": true, "add_eos_token": true,
      "chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]})");
  EXPECT_EQ(tokenizer->bos_id(), std::nullopt);
  EXPECT_EQ(tokenizer->bos_token(), "");
  EXPECT_EQ(tokenizer->eos_token(), "<|im_end|>");
  EXPECT_EQ(tokenizer->end_ids(), std::vector<int32_t>{*tokenizer->eos_id()});
  EXPECT_EQ(tokenizer->encode("a").back(), *tokenizer->eos_id());
  EXPECT_EQ(tokenizer->encode("a", {.add_special_tokens = false}).back(), *tokenizer->token_to_id("a"));
  EXPECT_EQ(tokenizer->chat_template(), "D");
  EXPECT_EQ(tokenizer->chat_template("tool_use"), "T");
  EXPECT_EQ(tokenizer->chat_template("none"), "");
  EXPECT_EQ(tokenizer->chat_template_names(), (std::vector<std::string>{"default", "tool_use"}));
}

TEST(Tokenizer, TemplatesGetTheSpecialTokensOfTheConfig) {
  const auto tokenizer = load_small("qwen2", R"({"bos_token": null, "eos_token": {"content": "<|im_end|>"},
      "unk_token": "<unk>", "pad_token": {"content": "<|endoftext|>", "lstrip": false}, "sep_token": "<sep>",
      "cls_token": "<cls>", "mask_token": "<mask>",
      "additional_special_tokens": ["<a>", {"content": "<b>"}]})");
  EXPECT_EQ(
      to_json(tokenizer->template_tokens()),
      R"({"eos_token":"<|im_end|>","unk_token":"<unk>","sep_token":"<sep>","pad_token":"<|endoftext|>",)"
      R"("cls_token":"<cls>","mask_token":"<mask>","additional_special_tokens":["<a>","<b>"]})");
  EXPECT_EQ(to_json(load_small("qwen2", "")->template_tokens()), "{}");
}

TEST(Tokenizer, UnknownIdsGiveNothing) {
  const auto tokenizer = load_small("gpt2");
  for (const int32_t id : {-1, INT32_MIN, INT32_MAX, tokenizer->vocab_size()}) {
    EXPECT_EQ(tokenizer->token_bytes(id), "");
    EXPECT_EQ(tokenizer->first_token_bytes(id), "");
    EXPECT_EQ(tokenizer->id_to_token(id), "");
    EXPECT_FALSE(tokenizer->is_special(id));
    EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{id}, false), "");
  }
  EXPECT_EQ(tokenizer->token_to_id("no such token"), std::nullopt);
}

TEST(Tokenizer, InvalidUtf8IsEncodedAsReplacementCharacters) {
  for (const char* name : {"gpt2", "qwen2", "deepseek", "spm_legacy", "tekken"}) {
    const auto tokenizer = load_small(name);
    EXPECT_EQ(tokenizer->encode("a\xFF b\xE4\xBD"), tokenizer->encode("a\uFFFD b\uFFFD")) << name;
  }
}

TEST(Tokenizer, RandomIdsStreamAsTheyDecode) {
  std::mt19937 random(std::random_device{}());
  const auto seed = random();
  SCOPED_TRACE(seed);
  random.seed(seed);
  for (const char* name : {"gpt2", "qwen2", "spm_legacy", "metaspace", "flags"}) {
    const auto tokenizer = load_small(name);
    for (int round = 0; round < 300; ++round) {
      std::vector<int32_t> ids;
      for (size_t n = random() % 12; n > 0; --n) {
        ids.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(tokenizer->vocab_size() + 2)) -
                      1);
      }
      const bool skip = random() % 2 == 0;
      EXPECT_EQ(stream(tokenizer, ids, skip), tokenizer->decode(ids, skip)) << name;
    }
  }
}

// Hostile texts: the right ids are known from their structure, and a quadratic algorithm would not finish in
// the test's time.
TEST(Tokenizer, LongRunsKeepTheirText) {
  for (const char* name : {"gpt2", "llama3", "qwen2", "deepseek", "tekken", "spm_legacy"}) {
    const auto tokenizer = load_small(name);
    for (const char* unit : {"a", " ", "\n", "1", "\u4f60", "e", "'", "\u0301"}) {
      std::string text;
      while (text.size() < 200'000) text += unit;
      const auto ids = tokenizer->encode(text, {.add_special_tokens = false});
      EXPECT_TRUE(tokenizer->decode(ids, false) == text) << name << " " << testing::PrintToString(unit);
    }
  }
}

struct BadFile {
  const char* json;
  const char* message;
};
TEST(Tokenizer, BrokenFilesNameWhatIsWrong) {
  const BadFile files[] = {
      {"", "tokenizer.json"},
      {"[]", "tokenizer.json"},
      {"{}", "\"model\" is missing"},
      {R"({"model":{"type":"Unigram"}})", "Unigram"},
      {R"({"model":{"type":"BPE"}})", "model.vocab"},
      {R"({"model":{"vocab":{"a":"x"},"merges":[]}})", "no integer id"},
      {R"({"model":{"vocab":{"a":-1},"merges":[]}})", "outside"},
      {R"({"model":{"vocab":{"a":99999999},"merges":[]}})", "outside"},
      {R"({"model":{"vocab":{"a":0}}})", "merges must be a list"},
      {R"({"model":{"vocab":{"a":0},"merges":["a b"]}})", "not in model.vocab"},
      {R"({"model":{"vocab":{"a":0},"merges":["a"]}})", "neither"},
      {R"({"model":{"vocab":{"a":0},"merges":[],"dropout":0.1}})", "dropout"},
      {R"({"model":{"vocab":{"a":0},"merges":[],"end_of_word_suffix":"</w>"}})", "end_of_word_suffix"},
      {R"({"model":{"vocab":{"a":0},"merges":[]},"added_tokens":[{"content":"x"}]})", "added_tokens"},
      {R"({"model":{"vocab":{"a":0},"merges":[]},"normalizer":{"type":"NFKC"}})", "NFKC"},
      {R"({"model":{"vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"}})",
       "regex"},
      {R"({"model":{"vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"BertPreTokenizer"}})",
       "BertPreTokenizer"},
      {R"({"model":{"vocab":{"a":0},"merges":[]},"decoder":{"type":"WordPiece"}})", "WordPiece"},
      {R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],"special_tokens":{}}})",
       "no ids"},
  };
  for (const BadFile& file : files) {
    auto tokenizer = Tokenizer::from_json(file.json, "");
    ASSERT_FALSE(tokenizer.ok()) << file.json;
    EXPECT_THAT(tokenizer.error().message, testing::HasSubstr(file.message));
  }
  auto config = Tokenizer::from_json(R"({"model":{"vocab":{"a":0},"merges":[]}})", "{");
  EXPECT_THAT(config.error().message, testing::HasSubstr("tokenizer_config.json"));
  EXPECT_EQ(Tokenizer::from_directory("/nonexistent").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace hadal
