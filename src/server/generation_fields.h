// GenerationFields: the fields that /v1/chat/completions and /v1/completions share: sampling, stops,
// streaming, limits. Names, ranges and defaults follow OpenAI's API reference; extensions follow SGLang and
// vLLM. A value; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/field_reader.h"
#include "server/request_limits.h"
#include "step/sampling_params.h"

namespace hadal {

// Fields that would steer the answer and are not there must not be passed over in silence. Structured output:
inline constexpr const char* kRefusedFields[] = {
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
    "json_schema",
    "regex",
    "ebnf",
    "grammar",
    "structural_tag",
    "guided_decoding_backend",
};
// And others, which may be there when they are off.
inline constexpr const char* kRefusedUnlessFalse[] = {
    "bad_words",       "allowed_token_ids",      "logits_processors", "custom_logit_processor", "lora_path",
    "prompt_logprobs", "truncate_prompt_tokens", "session_params",    "return_hidden_states",   "stop_regex",
    "use_beam_search",
};
inline constexpr size_t kMaxSaltLen = 1024;  // characters of cache_salt

struct GenerationFields {
  std::string model;
  bool stream = false;
  bool include_usage = false;     // stream_options
  bool continuous_usage = false;  // stream_options.continuous_usage_stats
  int32_t n = 1;
  std::optional<int64_t> max_tokens;
  std::optional<uint64_t> seed;
  // max_tokens, seed, end_ids and the logprob counts are filled in later.
  SamplingParams sampling;
  std::vector<std::string> stop;
  bool include_stop = false;
  bool skip_special_tokens = true;
  int32_t priority = 0;
  std::string cache_salt;
  std::chrono::milliseconds queue_timeout{0};
  std::chrono::milliseconds total_timeout{0};
};

// Reads them; `defaults` is what the model's own configuration recommends. Errors are left in the reader.
void read_generation_fields(FieldReader& reader, const RequestLimits& limits, const SamplingParams& defaults,
                            GenerationFields& out);
// The JSON document of a request's body, which must be an object. Errors: 400, for bad UTF-8 too.
std::optional<ApiError> parse_body(std::string_view body, int max_depth, Json& out);
// The model's name; missing or not a string is OpenAI's 400.
void read_model(FieldReader& reader, std::string& out);
// A list of token ids, or an error. path: where it stands in the request.
std::optional<ApiError> read_token_ids(const Json& list, const std::string& path, int64_t vocab_size,
                                       std::vector<int32_t>& out);

}  // namespace hadal
