// JSON of answers in OpenAI's shapes: pure functions that append to a string. Used on the output thread for
// every streamed chunk, so what does not change in a stream is made once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/engine_api.h"
#include "text/tokenizer.h"

namespace hadal {

// What every object of one answer starts with.
struct AnswerHead {
  std::string id;  // "chatcmpl-...", "cmpl-..."
  std::string model;
  std::string fingerprint;
  int64_t created = 0;
};

void append_usage(JsonWriter& json, const Usage& usage);
// Sum over choices; the prompt counts once for the choices that share it (`counts_prompt`).
void add_usage(Usage& total, const Usage& usage, bool counts_prompt);

// A token's text for people: its bytes where they are UTF-8, else "bytes:\xNN...", as OpenAI prints parts of
// characters.
std::string token_text(const Tokenizer& tokenizer, int32_t id);

// Entries of chat's logprobs.content, comma-separated, appended to `out` (which holds earlier ones).
void append_chat_logprobs(std::string& out, const Tokenizer& tokenizer, std::span<const TokenInfo> tokens,
                          int num_top);

// The four parallel arrays of completions' logprobs, grown token by token.
class CompletionLogprobs {
 public:
  // has_logprob: false for a prompt's first token.
  void add(const Tokenizer& tokenizer, const TokenInfo& token, int num_top, bool has_logprob);
  bool empty() const { return tokens_.empty(); }
  // {"tokens": [...], ...}; forgets them but not the text offset.
  std::string take();

 private:
  std::string tokens_, logprobs_, top_, offsets_;
  int64_t offset_ = 0;  // characters before the next token, from the start of the choice's text
};

// "chat.completion.chunk" objects as SSE events.
class ChatChunks {
 public:
  // usage_null: the request has include_usage, so that other chunks say "usage": null.
  ChatChunks(const AnswerHead& head, bool usage_null);
  void role(std::string& out, int index, const Usage* usage) const;
  // `logprobs`: entries, or empty for none. At most one of the texts is not empty.
  void text(std::string& out, int index, std::string_view content, std::string_view reasoning,
            std::string_view logprobs, const Usage* usage) const;
  void finish(std::string& out, int index, const OutputDelta& last, std::string_view logprobs,
              const Usage* usage) const;
  void usage(std::string& out, const Usage& usage) const;

 private:
  void end(std::string& out, const Usage* usage) const;
  std::string prefix_;  // up to and with "choices":[
  bool usage_null_;
};

// "text_completion" objects as SSE events.
class CompletionChunks {
 public:
  CompletionChunks(const AnswerHead& head, bool usage_null);
  // logprobs: an object, or empty. last: set on the choice's final chunk.
  void text(std::string& out, int index, std::string_view text, std::string_view logprobs,
            const OutputDelta* last, const Usage* usage) const;
  void usage(std::string& out, const Usage& usage) const;

 private:
  void end(std::string& out, const Usage* usage) const;
  std::string prefix_;
  bool usage_null_;
};

// A finished choice of a whole (not streamed) answer.
struct ChatChoice {
  std::string content;
  std::string reasoning;
  std::string logprobs;  // entries
  OutputDelta last;      // finish, matched_*
};
std::string chat_response(const AnswerHead& head, std::span<const ChatChoice> choices, const Usage& usage,
                          bool with_reasoning, bool with_logprobs);

struct CompletionChoice {
  std::string text;
  std::string logprobs;  // object, or empty
  OutputDelta last;
};
std::string completion_response(const AnswerHead& head, std::span<const CompletionChoice> choices,
                                const Usage& usage);

std::string embedding_response(const std::string& model, std::span<const std::vector<float>> vectors,
                               bool base64, int64_t prompt_tokens);
// Scales to length 1; a vector of zeros stays. False when a value is not finite.
bool normalize_embedding(std::vector<float>& vector);
std::string base64_encode(std::string_view bytes);

}  // namespace hadal
