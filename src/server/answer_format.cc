#include "server/answer_format.h"

#include <cmath>
#include <cstring>

#include "base/utf8.h"
#include "net/sse.h"

namespace hadal {
namespace {

std::string_view bytes_of(const Tokenizer& tokenizer, int32_t id) {
  const std::string_view bytes = tokenizer.token_bytes(id);
  // Special tokens may add no bytes to the text; their name is what a reader wants to see.
  return bytes.empty() ? tokenizer.id_to_token(id) : bytes;
}

void append_matched(JsonWriter& json, const OutputDelta& last) {
  json.key("matched_stop");
  if (!last.matched_stop.empty()) {
    json.value(last.matched_stop);
  } else if (last.matched_token) {
    json.value(static_cast<int64_t>(*last.matched_token));
  } else {
    json.null();
  }
}

std::string chunk_prefix(const AnswerHead& head, std::string_view object) {
  std::string out = "data: ";
  JsonWriter json(out);
  json.begin_object().member("id", head.id).member("object", object).member("created", head.created);
  json.member("model", head.model)
      .member("system_fingerprint", head.fingerprint)
      .key("choices")
      .begin_array();
  return out;
}

void append_logprob_token(JsonWriter& json, const Tokenizer& tokenizer, int32_t id, float logprob) {
  const std::string_view bytes = bytes_of(tokenizer, id);
  // Bytes that are no whole character are printed with U+FFFD; "bytes" has them exactly.
  json.member("token", bytes).member("logprob", static_cast<double>(logprob)).key("bytes").begin_array();
  for (char c : bytes) json.value(static_cast<int64_t>(static_cast<unsigned char>(c)));
  json.end_array();
}

void append_end(std::string& out, const Usage* usage, bool usage_null) {
  if (usage) {
    out += "],\"usage\":";
    JsonWriter json(out);
    append_usage(json, *usage);
    out += "}\n\n";
  } else {
    out += usage_null ? "],\"usage\":null}\n\n" : "]}\n\n";
  }
}

// Logprobs of -infinity (a banned token) have no JSON form: OpenAI prints -9999.
double finite_logprob(float logprob) {
  return std::isfinite(logprob) ? static_cast<double>(logprob) : -9999.0;
}

void append_comma(std::string& out) {
  if (!out.empty()) out += ',';
}

}  // namespace

void append_usage(JsonWriter& json, const Usage& usage) {
  json.begin_object().member("prompt_tokens", static_cast<int64_t>(usage.prompt_tokens));
  json.member("completion_tokens", static_cast<int64_t>(usage.completion_tokens));
  json.member("total_tokens", static_cast<int64_t>(usage.prompt_tokens) + usage.completion_tokens);
  json.key("prompt_tokens_details").begin_object();
  json.member("cached_tokens", static_cast<int64_t>(usage.cached_tokens)).end_object();
  json.key("completion_tokens_details").begin_object();
  json.member("reasoning_tokens", static_cast<int64_t>(usage.reasoning_tokens)).end_object().end_object();
}

void add_usage(Usage& total, const Usage& usage, bool counts_prompt) {
  if (counts_prompt) {
    total.prompt_tokens += usage.prompt_tokens;
    total.cached_tokens += usage.cached_tokens;
  }
  total.completion_tokens += usage.completion_tokens;
  total.reasoning_tokens += usage.reasoning_tokens;
}

std::string token_text(const Tokenizer& tokenizer, int32_t id) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::string_view bytes = bytes_of(tokenizer, id);
  if (utf8_is_valid(bytes)) return std::string(bytes);
  std::string out = "bytes:";
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

void append_chat_logprobs(std::string& out, const Tokenizer& tokenizer, std::span<const TokenInfo> tokens,
                          int num_top) {
  for (const TokenInfo& token : tokens) {
    append_comma(out);
    JsonWriter json(out);
    json.begin_object();
    append_logprob_token(json, tokenizer, token.id, static_cast<float>(finite_logprob(token.logprob)));
    json.key("top_logprobs").begin_array();
    for (size_t i = 0; i < token.top.size() && static_cast<int>(i) < num_top; ++i) {
      json.begin_object();
      append_logprob_token(json, tokenizer, token.top[i].token,
                           static_cast<float>(finite_logprob(token.top[i].logprob)));
      json.end_object();
    }
    json.end_array().end_object();
  }
}

void CompletionLogprobs::add(const Tokenizer& tokenizer, const TokenInfo& token, int num_top,
                             bool has_logprob) {
  append_comma(tokens_);
  append_comma(logprobs_);
  append_comma(top_);
  append_comma(offsets_);
  JsonWriter(tokens_).value(token_text(tokenizer, token.id));
  offsets_ += std::to_string(offset_);
  offset_ += static_cast<int64_t>(utf8_count(bytes_of(tokenizer, token.id)));
  if (!has_logprob) {
    logprobs_ += "null";
    top_ += "null";
    return;
  }
  JsonWriter(logprobs_).value(finite_logprob(token.logprob));
  JsonWriter json(top_);
  json.begin_object();
  bool has_chosen = false;
  for (size_t i = 0; i < token.top.size() && static_cast<int>(i) < num_top; ++i) {
    json.member(token_text(tokenizer, token.top[i].token), finite_logprob(token.top[i].logprob));
    has_chosen = has_chosen || token.top[i].token == token.id;
  }
  // As OpenAI: the chosen token is always among them.
  if (!has_chosen) json.member(token_text(tokenizer, token.id), finite_logprob(token.logprob));
  json.end_object();
}

std::string CompletionLogprobs::take() {
  std::string out = "{\"tokens\":[" + tokens_ + "],\"token_logprobs\":[" + logprobs_ +
                    "],\"top_logprobs\":[" + top_ + "],\"text_offset\":[" + offsets_ + "]}";
  tokens_.clear();
  logprobs_.clear();
  top_.clear();
  offsets_.clear();
  return out;
}

ChatChunks::ChatChunks(const AnswerHead& head, bool usage_null)
    : prefix_(chunk_prefix(head, "chat.completion.chunk")), usage_null_(usage_null) {}

void ChatChunks::end(std::string& out, const Usage* usage) const {
  append_end(out, usage, usage_null_);
}

void ChatChunks::role(std::string& out, int index, const Usage* usage) const {
  out += prefix_;
  out += "{\"index\":";
  out += std::to_string(index);
  out += R"(,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null})";
  end(out, usage);
}

void ChatChunks::text(std::string& out, int index, std::string_view content, std::string_view reasoning,
                      std::string_view logprobs, const Usage* usage) const {
  out += prefix_;
  out += "{\"index\":";
  out += std::to_string(index);
  out += reasoning.empty() ? ",\"delta\":{\"content\":\"" : ",\"delta\":{\"reasoning_content\":\"";
  append_json_escaped(out, reasoning.empty() ? content : reasoning);
  out += "\"},\"logprobs\":";
  if (logprobs.empty()) {
    out += "null";
  } else {
    out += "{\"content\":[";
    out += logprobs;
    out += "],\"refusal\":null}";
  }
  out += ",\"finish_reason\":null}";
  end(out, usage);
}

void ChatChunks::finish(std::string& out, int index, const OutputDelta& last, std::string_view logprobs,
                        const Usage* usage) const {
  out += prefix_;
  JsonWriter json(out);
  json.begin_object().member("index", index).key("delta").begin_object().end_object().key("logprobs");
  if (logprobs.empty()) {
    json.null();
  } else {
    json.raw("{\"content\":[" + std::string(logprobs) + "],\"refusal\":null}");
  }
  json.member("finish_reason", finish_reason_name(*last.finish));
  append_matched(json, last);
  json.end_object();
  end(out, usage);
}

void ChatChunks::usage(std::string& out, const Usage& usage) const {
  out += prefix_;
  append_end(out, &usage, false);
}

CompletionChunks::CompletionChunks(const AnswerHead& head, bool usage_null)
    : prefix_(chunk_prefix(head, "text_completion")), usage_null_(usage_null) {}

void CompletionChunks::end(std::string& out, const Usage* usage) const {
  append_end(out, usage, usage_null_);
}

void CompletionChunks::text(std::string& out, int index, std::string_view text, std::string_view logprobs,
                            const OutputDelta* last, const Usage* usage) const {
  out += prefix_;
  JsonWriter json(out);
  json.begin_object().member("index", index).member("text", text).key("logprobs");
  if (logprobs.empty()) {
    json.null();
  } else {
    json.raw(logprobs);
  }
  json.key("finish_reason");
  if (last) {
    json.value(finish_reason_name(*last->finish));
    append_matched(json, *last);
  } else {
    json.null();
  }
  json.end_object();
  end(out, usage);
}

void CompletionChunks::usage(std::string& out, const Usage& usage) const {
  out += prefix_;
  append_end(out, &usage, false);
}

std::string chat_response(const AnswerHead& head, std::span<const ChatChoice> choices, const Usage& usage,
                          bool with_reasoning, bool with_logprobs) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .member("id", head.id)
      .member("object", "chat.completion")
      .member("created", head.created);
  json.member("model", head.model).key("choices").begin_array();
  for (size_t i = 0; i < choices.size(); ++i) {
    const ChatChoice& choice = choices[i];
    json.begin_object().member("index", static_cast<int64_t>(i)).key("message").begin_object();
    json.member("role", "assistant").member("content", choice.content);
    if (with_reasoning) {
      json.key("reasoning_content");
      if (choice.reasoning.empty()) {
        json.null();
      } else {
        json.value(choice.reasoning);
      }
    }
    json.key("refusal").null().end_object().key("logprobs");
    if (with_logprobs) {
      json.raw("{\"content\":[" + choice.logprobs + "],\"refusal\":null}");
    } else {
      json.null();
    }
    json.member("finish_reason", finish_reason_name(*choice.last.finish));
    append_matched(json, choice.last);
    json.end_object();
  }
  json.end_array().key("usage");
  append_usage(json, usage);
  json.member("system_fingerprint", head.fingerprint).end_object();
  return out;
}

std::string completion_response(const AnswerHead& head, std::span<const CompletionChoice> choices,
                                const Usage& usage) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .member("id", head.id)
      .member("object", "text_completion")
      .member("created", head.created);
  json.member("model", head.model).key("choices").begin_array();
  for (size_t i = 0; i < choices.size(); ++i) {
    json.begin_object()
        .member("index", static_cast<int64_t>(i))
        .member("text", choices[i].text)
        .key("logprobs");
    if (choices[i].logprobs.empty()) {
      json.null();
    } else {
      json.raw(choices[i].logprobs);
    }
    json.member("finish_reason", finish_reason_name(*choices[i].last.finish));
    append_matched(json, choices[i].last);
    json.end_object();
  }
  json.end_array().key("usage");
  append_usage(json, usage);
  json.member("system_fingerprint", head.fingerprint).end_object();
  return out;
}

std::string embedding_response(const std::string& model, std::span<const std::vector<float>> vectors,
                               bool base64, int64_t prompt_tokens) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("object", "list").key("data").begin_array();
  for (size_t i = 0; i < vectors.size(); ++i) {
    json.begin_object()
        .member("object", "embedding")
        .member("index", static_cast<int64_t>(i))
        .key("embedding");
    if (base64) {
      // Little-endian float32, which is what the machine has.
      std::string bytes(vectors[i].size() * sizeof(float), '\0');
      std::memcpy(bytes.data(), vectors[i].data(), bytes.size());
      json.value(base64_encode(bytes));
    } else {
      json.begin_array();
      for (float value : vectors[i]) json.value(static_cast<double>(value));
      json.end_array();
    }
    json.end_object();
  }
  json.end_array().member("model", model).key("usage").begin_object();
  json.member("prompt_tokens", prompt_tokens).member("total_tokens", prompt_tokens).end_object().end_object();
  return out;
}

bool normalize_embedding(std::vector<float>& vector) {
  double sum = 0;
  for (float value : vector) sum += static_cast<double>(value) * value;
  if (!std::isfinite(sum)) return false;
  const double scale = sum > 0 ? 1.0 / std::sqrt(sum) : 1.0;
  for (float& value : vector) value = static_cast<float>(value * scale);
  return true;
}

std::string base64_encode(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += k > bytes.size() - i ? '=' : kDigits[group >> (18 - 6 * k) & 63];
    }
  }
  return out;
}

}  // namespace hadal
