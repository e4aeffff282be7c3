// Request bodies to GenerateRequests, and the errors of bad ones.
#include <gtest/gtest.h>

#include "server/dummy_engine.h"
#include "server/dummy_tokenizer.h"
#include "server/prompt_builder.h"

namespace hadal {
namespace {

struct Parsed {
  std::optional<ApiError> error;
  ChatRequest chat;
  ChatPrompt prompt;
  CompletionRequest completion;
  std::vector<std::string> texts;
  std::vector<GenerateRequest> orders;
};

class RequestTest : public ::testing::Test {
 protected:
  RequestTest() : engine_(options_), model_(make_dummy_model(engine_, options_)) {
    limits_ = RequestLimits::from(config_, model_.tokenizer->vocab_size(), model_.context_length);
  }
  Parsed chat(std::string_view text) {
    Parsed out;
    Json body;
    out.error = parse_body(text, 64, body);
    if (!out.error) out.error = parse_chat_request(body, limits_, model_.default_sampling, out.chat);
    if (!out.error) out.error = build_chat_prompt(out.chat, model_, out.prompt);
    const OrderContext context{model_, config_, "req-1", 7, 99};
    if (!out.error) out.error = build_chat_orders(out.chat, out.prompt, context, out.orders);
    return out;
  }
  // With a user message and `fields` added.
  Parsed chat_with(const std::string& fields) {
    return chat(R"({"model":"dummy","messages":[{"role":"user","content":"Hi"}],)" + fields + "}");
  }
  Parsed completion(const std::string& fields) {
    Parsed out;
    Json body;
    out.error = parse_body(R"({"model":"dummy",)" + fields + "}", 64, body);
    if (!out.error)
      out.error = parse_completion_request(body, limits_, model_.default_sampling, out.completion);
    const OrderContext context{model_, config_, "req-1", 7, 99};
    if (!out.error) out.error = build_completion_orders(out.completion, context, out.orders, out.texts);
    return out;
  }

  ServerConfig config_;
  DummyEngineOptions options_;
  DummyEngine engine_;
  ServedModel model_;
  RequestLimits limits_;
};

TEST_F(RequestTest, ChatDefaults) {
  const Parsed p = chat_with(R"("stream":null)");
  ASSERT_FALSE(p.error) << p.error->message;
  ASSERT_EQ(p.orders.size(), 1u);
  const GenerateRequest& r = p.orders[0];
  EXPECT_EQ(p.prompt.text, "user: Hi\nassistant:");
  EXPECT_EQ(r.prompt_ids->size(), p.prompt.text.size());  // no BOS: the template brings it
  EXPECT_EQ(r.sampling.temperature, 1.0f);
  EXPECT_EQ(r.sampling.top_p, 1.0f);
  EXPECT_EQ(r.sampling.num_logprobs, -1);
  EXPECT_EQ(r.sampling.max_tokens, 65536 - static_cast<int>(p.prompt.text.size()));
  EXPECT_EQ(r.sampling.end_ids, std::vector<int32_t>{DummyTokenizer::kEos});
  EXPECT_EQ(r.fork_group, 0u);
  EXPECT_TRUE(r.skip_special_tokens);
  EXPECT_EQ(r.request_id, "req-1");
}

TEST_F(RequestTest, EveryFieldArrives) {
  const Parsed p =
      chat_with(R"("n":3,"temperature":0.5,"top_p":0.25,"top_k":7,"min_p":0.125,"presence_penalty":-1,
    "frequency_penalty":1.5,"repetition_penalty":1.25,"seed":5,"stop":["a","bb"],"stop_token_ids":[3,4],
    "logit_bias":{"5":-100,"6":2.5},"max_completion_tokens":9,"min_tokens":2,"ignore_eos":true,"logprobs":true,
    "top_logprobs":4,"skip_special_tokens":false,"no_stop_trim":true,"priority":-3,"cache_salt":"s","timeout":1.5,
    "queue_timeout":0.25,"user":"u","metadata":{"a":"b"},"store":false,"unknown_field":{"x":1})");
  ASSERT_FALSE(p.error) << p.error->message;
  ASSERT_EQ(p.orders.size(), 3u);
  const GenerateRequest& r = p.orders[0];
  const SamplingParams& s = r.sampling;
  EXPECT_EQ(s.temperature, 0.5f);
  EXPECT_EQ(s.top_p, 0.25f);
  EXPECT_EQ(s.top_k, 7);
  EXPECT_EQ(s.min_p, 0.125f);
  EXPECT_EQ(s.presence_penalty, -1.0f);
  EXPECT_EQ(s.frequency_penalty, 1.5f);
  EXPECT_EQ(s.repetition_penalty, 1.25f);
  EXPECT_EQ(s.seed, 5u);
  EXPECT_EQ(r.stop, (std::vector<std::string>{"a", "bb"}));
  EXPECT_TRUE(r.include_stop);
  EXPECT_EQ(s.stop_token_ids, (std::vector<int32_t>{3, 4}));
  EXPECT_EQ(s.logit_bias, (std::vector<std::pair<int32_t, float>>{{5, -100.0f}, {6, 2.5f}}));
  EXPECT_EQ(s.max_tokens, 9);
  EXPECT_EQ(s.min_tokens, 2);
  EXPECT_TRUE(s.ignore_eos);
  EXPECT_EQ(s.num_logprobs, 4);
  EXPECT_FALSE(r.skip_special_tokens);
  EXPECT_EQ(r.priority, -3);
  EXPECT_EQ(r.cache_salt, "s");
  EXPECT_EQ(r.total_timeout.count(), 1500);
  EXPECT_EQ(r.queue_timeout.count(), 250);
  // Choices share the prompt and differ in their seed alone.
  EXPECT_EQ(p.orders[1].fork_group, 7u);
  EXPECT_EQ(p.orders[1].prompt_ids, r.prompt_ids);
  EXPECT_NE(p.orders[1].sampling.seed, s.seed);
  EXPECT_NE(p.orders[1].sampling.seed, p.orders[2].sampling.seed);
}

TEST_F(RequestTest, SeedMakesChoicesReproducible) {
  const Parsed a = chat_with(R"("seed":-1,"n":2)");
  const Parsed b = chat_with(R"("seed":-1,"n":2)");
  const Parsed none = chat_with(R"("n":2)");
  EXPECT_EQ(a.orders[0].sampling.seed, ~uint64_t{0});
  EXPECT_EQ(a.orders[1].sampling.seed, b.orders[1].sampling.seed);
  EXPECT_NE(none.orders[0].sampling.seed, none.orders[1].sampling.seed);
}

TEST_F(RequestTest, ErrorsNameTheParameter) {
  struct Case {
    const char* fields;
    const char* param;
    const char* code;
    const char* message;  // a part of it
  };
  const Case cases[] = {
      {R"("temperature":2.5)", "temperature", "decimal_above_max_value",
       "Expected a value <= 2, but got 2.5 instead."},
      {R"("temperature":"hot")", "temperature", "invalid_type",
       "expected a decimal, but got a string instead."},
      {R"("top_p":-0.1)", "top_p", "decimal_below_min_value", ">= 0"},
      {R"("n":0)", "n", "integer_below_min_value", "Expected a value >= 1, but got 0 instead."},
      {R"("n":129)", "n", "integer_above_max_value", "<= 128"},
      {R"("n":1.5)", "n", "invalid_type", "expected an integer, but got a decimal number instead."},
      {R"("seed":18446744073709551615)", "seed", "integer_above_max_value", ""},
      {R"("max_tokens":0)", "max_tokens", "integer_below_min_value", ""},
      {R"("max_tokens":65536)", "messages", "context_length_exceeded",
       "maximum context length is 65536 tokens"},
      {R"("stop":[1])", "stop[0]", "invalid_type", ""},
      {R"("stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])", "stop",
       "array_above_max_length", "maximum length 16, but got an array with length 17"},
      {R"("stop":5)", "stop", "invalid_type", "a string or an array of strings"},
      {R"("logit_bias":{"x":1})", "logit_bias", "invalid_logit_bias", "'x'"},
      {R"("logit_bias":{"260":1})", "logit_bias", "invalid_logit_bias", "from 0 to 259"},
      {R"("logit_bias":{"1":101})", "logit_bias.1", "decimal_above_max_value", ""},
      {R"("stop_token_ids":[260])", "stop_token_ids[0]", "integer_above_max_value", ""},
      {R"("stream_options":{"include_usage":1})", "stream_options.include_usage", "invalid_type", ""},
      {R"("stream":"yes")", "stream", "invalid_type", "a boolean"},
      {R"("n":1e19)", "n", "integer_above_max_value", ""},
      {R"("seed":-1e19)", "seed", "integer_below_min_value", ""},
      {R"("seed":-9223372036854775809)", "seed", "integer_below_min_value", ""},
      {R"("logit_bias":{"05":1})", "logit_bias", "invalid_logit_bias", "'05'"},
      {R"("use_beam_search":true)", "use_beam_search", "unsupported_parameter", ""},
      {R"("structural_tag":{})", "structural_tag", "unsupported_parameter", "structured output"},
      {R"("stop_regex":"a")", "stop_regex", "unsupported_parameter", ""},
      {R"("function_call":{"name":"f"})", "function_call", "unsupported_parameter", ""},
      {R"("logprobs":true,"top_logprobs":21)", "top_logprobs", "integer_above_max_value", ""},
      {R"("response_format":{"type":"json_object"})", "response_format.type", "unsupported_value",
       "structured output"},
      {R"("response_format":{"type":"xml"})", "response_format.type", "invalid_value", "'json_schema'"},
      {R"("tool_choice":"required")", "tool_choice", "unsupported_value", "cannot force"},
      {R"("tools":[{"type":"function"}])", "tools[0].function", "missing_required_parameter", ""},
      {R"("tools":[{"type":"function","function":{"name":"f","description":1}}])",
       "tools[0].function.description", "invalid_type", ""},
      {R"("guided_json":{})", "guided_json", "unsupported_parameter", "structured output"},
      {R"("chat_template":"x")", "chat_template", "unsupported_parameter", ""},
      {R"("functions":[{}])", "functions", "unsupported_parameter", "deprecated"},
      {R"("modalities":["audio"])", "modalities", "unsupported_parameter", "text only"},
      {R"("add_generation_prompt":true,"continue_final_message":true)", "continue_final_message",
       "invalid_value", ""},
      {R"("repetition_penalty":0)", "repetition_penalty", "decimal_below_min_value", ""},
      {R"("cache_salt":"")", "cache_salt", "invalid_value", ""},
  };
  for (const Case& c : cases) {
    const Parsed p = chat_with(c.fields);
    ASSERT_TRUE(p.error) << c.fields;
    EXPECT_EQ(p.error->status, 400) << c.fields;
    EXPECT_EQ(p.error->param.value_or(""), c.param) << c.fields;
    EXPECT_EQ(p.error->code.value_or(""), c.code) << c.fields;
    EXPECT_NE(p.error->message.find(c.message), std::string::npos) << p.error->message;
  }
}

TEST_F(RequestTest, BadBodiesAndMessages) {
  EXPECT_NE(chat("{").error->message.find("JSON"), std::string::npos);
  EXPECT_NE(chat("{\"model\":\"\xff\"}").error->message.find("UTF-8"), std::string::npos);
  EXPECT_EQ(chat("[]").error->message, "The request body must be a JSON object.");
  EXPECT_NE(chat(std::string(65, '[') + std::string(65, ']')).error->message.find("nested deeper than 64"),
            std::string::npos);
  EXPECT_EQ(chat("{}").error->message, "you must provide a model parameter");
  EXPECT_EQ(*chat(R"({"model":"m"})").error->param, "messages");
  EXPECT_EQ(*chat(R"({"model":"m","messages":[]})").error->code, "empty_array");
  EXPECT_EQ(*chat(R"({"model":"m","messages":[5]})").error->param, "messages[0]");
  EXPECT_EQ(*chat(R"({"model":"m","messages":[{"content":"x"}]})").error->param, "messages[0].role");
  EXPECT_EQ(*chat(R"({"model":"m","messages":[{"role":"robot","content":"x"}]})").error->code,
            "invalid_value");
  EXPECT_EQ(*chat(R"({"model":"m","messages":[{"role":"user"}]})").error->param, "messages[0].content");
  const auto image = chat(
      R"({"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]})");
  EXPECT_EQ(*image.error->code, "unsupported_content_part");
  const auto message_error = [&](const std::string& message) {
    const Parsed p = chat(R"({"model":"m","messages":[)" + message + "]}");
    return p.error ? p.error->param.value_or("") : "";
  };
  EXPECT_EQ(message_error(R"({"role":"tool","content":"x","tool_call_id":5})"), "messages[0].tool_call_id");
  EXPECT_EQ(message_error(R"({"role":"user","content":"x","tool_calls":[{"function":{"name":"f"}}]})"),
            "messages[0].tool_calls");
  EXPECT_EQ(message_error(R"({"role":"assistant","tool_calls":[{"id":1,"function":{"name":"f"}}]})"),
            "messages[0].tool_calls[0].id");
  EXPECT_EQ(message_error(R"({"role":"assistant","thinking":[]})"), "messages[0].thinking");
  const auto refused = chat(R"({"model":"m","messages":[{"role":"system","content":"fail"}]})");
  EXPECT_NE(refused.error->message.find("this conversation is not allowed"), std::string::npos);
}

TEST_F(RequestTest, MessagesAreNormalized) {
  const Parsed p = chat(R"({"model":"m","messages":[
    {"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b\u0000"}],"name":null},
    {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":
      {"name":"f","arguments":"{\"b\":1,\"a\":[2]}"}}]},
    {"role":"tool","content":"ok","tool_call_id":"1"}],"tools":[{"type":"function","function":{"name":"f"}}]})");
  ASSERT_FALSE(p.error) << p.error->message;
  EXPECT_EQ(
      to_json(p.chat.messages),
      R"([{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b\u0000"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1",)"
      R"("type":"function","function":{"name":"f","arguments":{"b":1,"a":[2]}}}]},)"
      R"({"role":"tool","content":"ok","tool_call_id":"1"}])");
  EXPECT_TRUE(p.chat.has_tool_calls);
  EXPECT_NE(to_json(tool_arguments_as_text(p.chat.messages)).find(R"("arguments":"{\"b\":1,\"a\":[2]}")"),
            std::string::npos);
  EXPECT_NE(p.prompt.text.find("tools: "), std::string::npos);
  // A template that takes text gets the parts joined.
  EXPECT_TRUE(p.prompt.text.starts_with(std::string("system: a\nb\0\n", 13))) << p.prompt.text;
}

TEST_F(RequestTest, ToolChoiceNoneHidesTools) {
  const Parsed p = chat_with(R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none")");
  ASSERT_FALSE(p.error);
  EXPECT_EQ(p.prompt.text.find("tools:"), std::string::npos);
}

TEST_F(RequestTest, ContinueFinalMessage) {
  const Parsed p = chat(R"({"model":"m","continue_final_message":true,"echo":true,"messages":[
    {"role":"user","content":"Count"},{"role":"assistant","content":"one, two,"}]})");
  ASSERT_FALSE(p.error) << p.error->message;
  EXPECT_EQ(p.prompt.text, "user: Count\nassistant: one, two,");
  EXPECT_EQ(p.prompt.continued, "one, two,");
  EXPECT_EQ(*chat(R"({"model":"m","continue_final_message":true,"messages":[{"role":"user","content":" "}]})")
                 .error->param,
            "continue_final_message");
}

TEST_F(RequestTest, ReasoningFollowsPromptAndField) {
  model_.reasoning = ReasoningKind::kQwen3;
  const Parsed open = chat_with(R"("chat_template_kwargs":{"enable_thinking":true})");
  EXPECT_TRUE(open.orders[0].prompt_opens_reasoning);
  EXPECT_EQ(open.orders[0].reasoning, ReasoningKind::kQwen3);
  const Parsed closed = chat_with(R"("n":1)");
  EXPECT_FALSE(closed.orders[0].prompt_opens_reasoning);
  const Parsed raw = chat_with(R"("separate_reasoning":false)");
  EXPECT_EQ(raw.orders[0].reasoning, ReasoningKind::kNone);
}

// What the continued message says of its reasoning holds for the answer.
TEST_F(RequestTest, ContinuedReasoningGoesOn) {
  const auto orders = [&](const std::string& content, const std::string& fields = "") {
    const Parsed p = chat(R"({"model":"m","continue_final_message":true,"messages":[{"role":"user",
        "content":"Q"},{"role":"assistant","content":")" +
                          content + "\"" + fields + "}]}");
    EXPECT_FALSE(p.error) << p.error->message;
    return p.orders.at(0);
  };
  for (const ReasoningKind kind : {ReasoningKind::kQwen3, ReasoningKind::kDeepseekR1}) {
    model_.reasoning = kind;
    const GenerateRequest open = orders("<think>\\nso far");
    EXPECT_EQ(open.reasoning, kind);
    EXPECT_TRUE(open.prompt_inside_reasoning);
    EXPECT_FALSE(open.prompt_opens_reasoning);
    const GenerateRequest tag = orders("<think>");
    EXPECT_TRUE(tag.prompt_opens_reasoning);
    EXPECT_FALSE(tag.prompt_inside_reasoning);
    EXPECT_EQ(orders("<think>a</think>\\nThe").reasoning, ReasoningKind::kNone);
    EXPECT_EQ(orders("The", R"(,"reasoning_content":"a")").reasoning, ReasoningKind::kNone);
    EXPECT_EQ(orders("The").reasoning, kind);
    EXPECT_FALSE(orders("The").prompt_inside_reasoning);
  }
}

TEST_F(RequestTest, TemplatesSeeTheSpecialTokensUnlessTheRequestSaysOtherwise) {
  Json seen;
  model_.render_chat = [&](const Json& variables) -> Result<std::string> {
    seen = variables;
    return std::string("prompt");
  };
  chat_with(R"("n":1)");
  EXPECT_EQ(seen.find("bos_token")->as_string(), model_.tokenizer->bos_token());
  EXPECT_EQ(seen.find("eos_token")->as_string(), model_.tokenizer->eos_token());
  EXPECT_EQ(seen.find("unk_token"), nullptr);
  chat_with(R"("chat_template_kwargs":{"bos_token":"<other>"})");
  EXPECT_EQ(seen.find("bos_token")->as_string(), "<other>");
}

TEST_F(RequestTest, TemplateVariablesCannotBeOverridden) {
  const Parsed p = chat_with(R"("chat_template_kwargs":{"messages":[],"add_generation_prompt":false})");
  ASSERT_FALSE(p.error);
  EXPECT_EQ(p.prompt.text, "user: Hi\nassistant:");
}

TEST_F(RequestTest, CompletionPromptForms) {
  Parsed p = completion(R"("prompt":"ab")");
  ASSERT_FALSE(p.error) << p.error->message;
  EXPECT_EQ(*p.orders[0].prompt_ids, (std::vector<int32_t>{DummyTokenizer::kBos, 'a', 'b'}));
  EXPECT_EQ(p.orders[0].sampling.max_tokens, 16);
  p = completion(R"("prompt":["a","b"],"n":2)");
  ASSERT_EQ(p.orders.size(), 4u);
  EXPECT_EQ(p.orders[2].prompt_ids->back(), 'b');
  EXPECT_EQ(p.orders[0].fork_group, p.orders[1].fork_group);
  EXPECT_NE(p.orders[1].fork_group, p.orders[2].fork_group);
  p = completion(R"("prompt":[97,98])");
  EXPECT_EQ(*p.orders[0].prompt_ids, (std::vector<int32_t>{'a', 'b'}));
  p = completion(R"("prompt":[[97],[98,99]],"echo":true,"logprobs":2)");
  ASSERT_EQ(p.orders.size(), 2u);
  EXPECT_EQ(p.texts, (std::vector<std::string>{"a", "bc"}));
  EXPECT_EQ(p.orders[0].sampling.num_prompt_logprobs, 2);
  p = completion(R"("prompt":"")");
  EXPECT_EQ(p.orders[0].prompt_ids->size(), 1u);
  p = completion(R"("prompt":"a","echo":true,"max_tokens":0)");
  ASSERT_FALSE(p.error);
  EXPECT_EQ(p.orders[0].sampling.max_tokens, 1);
}

TEST_F(RequestTest, CompletionErrors) {
  EXPECT_EQ(*completion(R"("n":1)").error->param, "prompt");
  EXPECT_EQ(*completion(R"("prompt":[])").error->code, "empty_array");
  EXPECT_EQ(*completion(R"("prompt":[[]])").error->param, "prompt[0]");
  EXPECT_EQ(*completion(R"("prompt":[1,"a"])").error->param, "prompt[1]");
  EXPECT_EQ(*completion(R"("prompt":[260])").error->param, "prompt[0]");
  EXPECT_EQ(*completion(R"("prompt":[-1])").error->code, "integer_below_min_value");
  EXPECT_EQ(*completion(R"("prompt":{})").error->code, "invalid_type");
  EXPECT_EQ(*completion(R"("prompt":"a","suffix":"b")").error->param, "suffix");
  EXPECT_EQ(*completion(R"("prompt":"a","best_of":2)").error->param, "best_of");
  EXPECT_EQ(*completion(R"("prompt":"a","logprobs":6)").error->param, "logprobs");
  EXPECT_FALSE(completion(R"("prompt":"a","max_tokens":0)").error);
  EXPECT_FALSE(completion(R"("prompt":"a","best_of":2,"n":3)").error);
}

// JSON Schema's integers: without a fraction, however they are written.
TEST_F(RequestTest, IntegralNumbersAreIntegers) {
  const Parsed p = chat_with(R"("n":2.0,"max_tokens":1e1,"seed":-5.0,"stop_token_ids":[3.0],"top_k":40.0)");
  ASSERT_FALSE(p.error) << p.error->message;
  ASSERT_EQ(p.orders.size(), 2u);
  EXPECT_EQ(p.orders[0].sampling.max_tokens, 10);
  EXPECT_EQ(p.orders[0].sampling.seed, static_cast<uint64_t>(-5));
  EXPECT_EQ(p.orders[0].sampling.stop_token_ids, std::vector<int32_t>{3});
  const Parsed ids = completion(R"("prompt":[97.0,9.8e1])");
  ASSERT_FALSE(ids.error) << ids.error->message;
  EXPECT_EQ(*ids.orders[0].prompt_ids, (std::vector<int32_t>{'a', 'b'}));
  EXPECT_EQ(*completion(R"("prompt":[97.5])").error->code, "invalid_type");
}

TEST_F(RequestTest, FieldsThatOnlyOthersGiveAMeaningAreIgnored) {
  const Parsed p =
      chat_with(R"("stream_options":{"include_usage":true},"top_logprobs":3,"min_tokens":9,)"
                R"("max_tokens":4,"functions":[],"function_call":"none","use_beam_search":false)");
  ASSERT_FALSE(p.error) << p.error->message;
  EXPECT_EQ(p.orders[0].sampling.num_logprobs, -1);
  EXPECT_EQ(p.orders[0].sampling.min_tokens, 4);
}

TEST_F(RequestTest, CacheSaltIsMeasuredInCharacters) {
  std::string salt;
  for (int i = 0; i < 1024; ++i) salt += "\xC3\xA9";
  EXPECT_FALSE(chat_with("\"cache_salt\":\"" + salt + "\"").error);
  EXPECT_EQ(*chat_with("\"cache_salt\":\"" + salt + "x\"").error->param, "cache_salt");
}

TEST_F(RequestTest, ReasoningGetsEveryNameThatTemplatesRead) {
  for (const std::string name : {"reasoning_content", "thinking", "reasoning"}) {
    const Parsed p =
        chat(R"({"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b",")" +
             name + R"(":"why"},{"role":"user","content":"c"}]})");
    ASSERT_FALSE(p.error) << p.error->message;
    const Json& message = p.chat.messages.as_array()[1];
    EXPECT_EQ(message.find("reasoning_content")->as_string(), "why") << name;
    EXPECT_EQ(message.find("thinking")->as_string(), "why") << name;
    EXPECT_EQ(p.chat.messages.as_array()[0].find("thinking"), nullptr);
  }
}

// A tokenizer that must not be asked.
class NoTokenizer : public DummyTokenizer {
 public:
  std::vector<int32_t> encode(std::string_view, const EncodeOptions&) const override {
    ADD_FAILURE() << "tokenized";
    return {};
  }
  size_t min_ids(std::string_view text) const override { return text.size() / 4 + 1; }
};

TEST_F(RequestTest, WhatCannotFitIsRefusedUntokenized) {
  model_.tokenizer = std::make_shared<NoTokenizer>();
  model_.context_length = 100;
  const std::string text(401, ' ');
  const Parsed p = completion("\"prompt\":\"" + text + "\"");
  ASSERT_TRUE(p.error);
  EXPECT_EQ(*p.error->code, "context_length_exceeded");
  EXPECT_NE(p.error->message.find("at least 101 tokens"), std::string::npos) << p.error->message;
  const Parsed c = chat(R"({"model":"m","messages":[{"role":"user","content":")" + text + R"("}]})");
  ASSERT_TRUE(c.error);
  EXPECT_EQ(*c.error->param, "messages");
  EmbeddingRequest embedding;
  embedding.inputs = {text, text};
  std::vector<GenerateRequest> orders;
  const OrderContext context{model_, config_, "req-1", 7, 99};
  EXPECT_EQ(*build_embedding_orders(embedding, context, orders)->param, "input[0]");
}

TEST_F(RequestTest, Embeddings) {
  const auto parse = [&](const std::string& fields, EmbeddingRequest& out) {
    Json body;
    auto error = parse_body(R"({"model":"dummy",)" + fields + "}", 64, body);
    return error ? error : parse_embedding_request(body, limits_, out);
  };
  EmbeddingRequest r;
  ASSERT_FALSE(parse(R"("input":["a","b"],"encoding_format":"base64","pooling":"mean")", r));
  EXPECT_TRUE(r.base64);
  std::vector<GenerateRequest> orders;
  const OrderContext context{model_, config_, "req-1", 7, 99};
  ASSERT_FALSE(build_embedding_orders(r, context, orders));
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_EQ(orders[0].pooling, Pooling::kMean);
  r.dimensions = 4;
  EXPECT_EQ(*build_embedding_orders(r, context, orders)->param, "dimensions");
  EmbeddingRequest bad;
  EXPECT_EQ(*parse(R"("input":"")", bad)->code, "empty_string");
  EXPECT_EQ(*parse(R"("input":"a","encoding_format":"int8")", bad)->param, "encoding_format");
  EXPECT_EQ(*parse(R"("n":1)", bad)->param, "input");
}

TEST_F(RequestTest, TokenizeForms) {
  const auto parse = [&](const std::string& text, TokenizeRequest& out) {
    Json body;
    auto error = parse_body(text, 64, body);
    return error ? error : parse_tokenize_request(body, limits_, out);
  };
  TokenizeRequest a, b, c, d;
  EXPECT_FALSE(parse(R"({"prompt":"x"})", a));
  EXPECT_FALSE(parse(R"({"prompt":["x","y"]})", b));
  EXPECT_TRUE(b.is_list);
  EXPECT_FALSE(parse(R"({"messages":[{"role":"user","content":"x"}]})", c));
  EXPECT_TRUE(c.chat.has_value());
  EXPECT_EQ(*parse("{}", d)->param, "prompt");
  DetokenizeRequest e;
  Json body;
  ASSERT_FALSE(parse_body(R"({"tokens":[[1,2],[3]]})", 64, body));
  ASSERT_FALSE(parse_detokenize_request(body, limits_, e));
  EXPECT_EQ(e.tokens.size(), 2u);
}

}  // namespace
}  // namespace hadal
