// SamplingParams: how one request's tokens are chosen; plain data that travels in plans. Names follow OpenAI
// and SGLang.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace hadal {

struct SamplingParams {
  float temperature = 1.0f;  // 0: greedy
  int32_t top_k = 0;         // 0 or -1: off
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;
  float presence_penalty = 0.0f;
  float frequency_penalty = 0.0f;
  std::vector<std::pair<int32_t, float>> logit_bias;
  uint64_t seed = 0;                    // always set: the server draws one where the request has none
  int32_t max_tokens = 16;              // of output; at least 1
  int32_t min_tokens = 0;               // end tokens are banned before
  bool ignore_eos = false;              // end ids do not end the answer (stop_token_ids still do)
  std::vector<int32_t> end_ids;         // the model's; empty of meaning when ignore_eos
  std::vector<int32_t> stop_token_ids;  // the request's
  int32_t num_logprobs = -1;            // -1: none; k: the chosen token's and the k most likely
  int32_t num_prompt_logprobs = -1;     // the same for each prompt token but the first

  bool has_penalties() const {
    return repetition_penalty != 1.0f || presence_penalty != 0.0f || frequency_penalty != 0.0f;
  }
};

}  // namespace hadal
