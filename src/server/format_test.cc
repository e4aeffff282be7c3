// Answers, byte for byte.
#include <gtest/gtest.h>
#include <regex.h>

#include <cmath>

#include "server/answer_format.h"
#include "server/api_error.h"
#include "server/dummy_tokenizer.h"
#include "server/openapi.h"

namespace hadal {
namespace {

const AnswerHead kHead{"chatcmpl-1", "m", "fp", 5};
const std::string kPrefix =
    R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","system_fingerprint":"fp","choices":[)";

TEST(Format, ChatChunks) {
  const ChatChunks chunks(kHead, false);
  std::string out;
  chunks.role(out, 0, nullptr);
  EXPECT_EQ(
      out,
      kPrefix +
          R"({"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]})"
          "\n\n");
  out.clear();
  chunks.text(out, 1, "a\"\n", "", "", nullptr);
  EXPECT_EQ(out, kPrefix + R"({"index":1,"delta":{"content":"a\"\n"},"logprobs":null,"finish_reason":null}]})"
                           "\n\n");
  out.clear();
  chunks.text(out, 0, "", "why", "", nullptr);
  EXPECT_EQ(out,
            kPrefix +
                R"({"index":0,"delta":{"reasoning_content":"why"},"logprobs":null,"finish_reason":null}]})"
                "\n\n");
  out.clear();
  OutputDelta last;
  last.finish = FinishReason::kStop;
  last.matched_stop = "END";
  chunks.finish(out, 0, last, "", nullptr);
  EXPECT_EQ(out, kPrefix +
                     R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop","matched_stop":"END"}]})"
                     "\n\n");
}

TEST(Format, UsageInStreams) {
  Usage usage{10, 4, 3, 2};
  const std::string text =
      R"("usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":4},)"
      R"("completion_tokens_details":{"reasoning_tokens":2}}})"
      "\n\n";
  const ChatChunks chunks(kHead, true);
  std::string out;
  chunks.usage(out, usage);
  EXPECT_EQ(out, kPrefix + "]," + text);
  out.clear();
  chunks.text(out, 0, "x", "", "", nullptr);
  EXPECT_TRUE(out.ends_with("],\"usage\":null}\n\n")) << out;
  out.clear();
  chunks.text(out, 0, "x", "", "", &usage);
  EXPECT_TRUE(out.ends_with("]," + text)) << out;
}

TEST(Format, ChatLogprobsHaveExactBytes) {
  const DummyTokenizer tokenizer;
  TokenInfo token;
  token.id = 0xC3;  // half of a character
  token.logprob = -0.5f;
  token.top = {{'a', -0.5f}, {'b', -INFINITY}};
  std::string out;
  append_chat_logprobs(out, tokenizer, std::span(&token, 1), 2);
  EXPECT_EQ(out,
            "{\"token\":\"\xEF\xBF\xBD\",\"logprob\":-0.5,\"bytes\":[195],\"top_logprobs\":["
            R"({"token":"a","logprob":-0.5,"bytes":[97]},{"token":"b","logprob":-9999.0,"bytes":[98]}]})");
}

TEST(Format, CompletionLogprobs) {
  const DummyTokenizer tokenizer;
  CompletionLogprobs logprobs;
  TokenInfo token;
  token.id = 'x';
  token.logprob = -1.0f;
  token.top = {{'y', -0.25f}};
  logprobs.add(tokenizer, token, 1, false);
  logprobs.add(tokenizer, token, 1, true);
  EXPECT_EQ(
      logprobs.take(),
      R"({"tokens":["x","x"],"token_logprobs":[null,-1.0],"top_logprobs":[null,{"y":-0.25,"x":-1.0}],"text_offset":[0,1]})");
  token.id = 0xFF;
  logprobs.add(tokenizer, token, 0, true);
  EXPECT_EQ(
      logprobs.take(),
      R"({"tokens":["bytes:\\xff"],"token_logprobs":[-1.0],"top_logprobs":[{"bytes:\\xff":-1.0}],"text_offset":[2]})");
}

TEST(Format, WholeAnswers) {
  ChatChoice choice;
  choice.content = "hi";
  choice.last.finish = FinishReason::kLength;
  choice.last.matched_token = 7;
  EXPECT_EQ(
      chat_response(kHead, std::span(&choice, 1), Usage{1, 0, 2, 0}, true, false),
      R"({"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,"message":)"
      R"({"role":"assistant","content":"hi","reasoning_content":null,"refusal":null},"logprobs":null,)"
      R"("finish_reason":"length","matched_stop":7}],"usage":{"prompt_tokens":1,"completion_tokens":2,)"
      R"("total_tokens":3,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":)"
      R"({"reasoning_tokens":0}},"system_fingerprint":"fp"})");
  const std::vector<float> vectors[] = {{0.5f, -1.0f}};
  EXPECT_EQ(
      embedding_response("m", vectors, false, 3),
      R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0]}],"model":"m",)"
      R"("usage":{"prompt_tokens":3,"total_tokens":3}})");
  EXPECT_NE(embedding_response("m", vectors, true, 3).find(R"("embedding":"AAAAPwAAgL8=")"),
            std::string::npos);
}

TEST(Format, Base64AndNormalization) {
  EXPECT_EQ(base64_encode(""), "");
  EXPECT_EQ(base64_encode("f"), "Zg==");
  EXPECT_EQ(base64_encode("fo"), "Zm8=");
  EXPECT_EQ(base64_encode("foo"), "Zm9v");
  EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
  std::vector<float> v = {3, 4}, zero = {0, 0}, bad = {1, NAN};
  EXPECT_TRUE(normalize_embedding(v));
  EXPECT_FLOAT_EQ(v[0], 0.6f);
  EXPECT_TRUE(normalize_embedding(zero));
  EXPECT_FALSE(normalize_embedding(bad));
}

TEST(Format, Errors) {
  EXPECT_EQ(api_error_body(invalid_param("n", "bad", "c")),
            R"({"error":{"message":"bad","type":"invalid_request_error","param":"n","code":"c"}})");
  EXPECT_EQ(api_error_body(http_api_error(404, "x")),
            R"({"error":{"message":"x","type":"invalid_request_error","param":null,"code":null}})");
  const HttpResponse full = api_error_response(http_api_error(429, "x"), 3);
  EXPECT_EQ(*full.headers.find("retry-after"), "3");
  EXPECT_EQ(to_api_error(make_error(ErrorCode::kDeadlineExceeded, "x")).status, 504);
}

TEST(Format, OpenApiIsJsonWithItsLimits) {
  ServerConfig config;
  config.max_n = 77;
  OpenApiFacts facts;
  facts.version = "1.2\"";
  facts.model_names = {"a"};
  facts.needs_key = true;
  auto document = parse_json(openapi_document(config, facts));
  ASSERT_TRUE(document.ok()) << document.error().message;
  EXPECT_EQ(document->find("info")->find("version")->as_string(), "1.2\"");
  const Json& chat = *document->find("components")->find("schemas")->find("ChatRequest")->find("properties");
  EXPECT_EQ(chat.find("n")->find("maximum")->as_int(), 77);
  EXPECT_EQ(to_json(*chat.find("model")), R"({"type":"string","enum":["a"]})");
  EXPECT_EQ(document->find("security")->as_array().size(), 2u);
  EXPECT_EQ(document->find("paths")->as_object().size(), 14u);
  EXPECT_EQ(to_json(*document).find('@'), std::string::npos);
  const Json& completion =
      *document->find("components")->find("schemas")->find("CompletionRequest")->find("properties");
  EXPECT_EQ(to_json(*completion.find("logit_bias")), to_json(*chat.find("logit_bias")));
  EXPECT_EQ(to_json(*chat.find("structural_tag")->find("type")), "\"null\"");
}

// By the C library's regular expressions.
class Pattern {
 public:
  explicit Pattern(const std::string& text) {
    EXPECT_EQ(regcomp(&compiled_, ("^(" + text + ")$").c_str(), REG_EXTENDED | REG_NOSUB), 0) << text;
  }
  ~Pattern() { regfree(&compiled_); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  bool matches(const std::string& text) const {
    return regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_;
};

TEST(Format, NumberPatterns) {
  EXPECT_EQ(number_pattern(0), "0");
  EXPECT_EQ(number_pattern(9), "[0-9]");
  for (const int last : {0, 5, 9, 10, 19, 99, 100, 259, 1000, 2048}) {
    const Pattern pattern(number_pattern(last));
    for (int i = 0; i < 3 * last + 20; ++i) {
      ASSERT_EQ(pattern.matches(std::to_string(i)), i <= last) << i << " " << number_pattern(last);
    }
    EXPECT_FALSE(pattern.matches("00"));
    EXPECT_FALSE(pattern.matches(""));
  }
}

}  // namespace
}  // namespace hadal
