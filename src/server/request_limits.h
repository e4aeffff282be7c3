// RequestLimits: what a request's fields are checked against: the server's configuration and the model's
// sizes. A value; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "config/server_config.h"

namespace hadal {

struct RequestLimits {
  size_t max_messages = 4096;
  size_t max_tools = 128;
  int64_t max_n = 128;
  size_t max_stop = 16;
  size_t max_stop_len = 4096;
  size_t max_stop_token_ids = 256;
  size_t max_logit_bias = 1024;
  size_t max_prompts = 1024;
  size_t max_embedding_inputs = 2048;
  int64_t vocab_size = INT32_MAX;
  int64_t context_length = INT32_MAX;

  static RequestLimits from(const ServerConfig& config, int64_t vocab_size, int64_t context_length) {
    RequestLimits limits;
    limits.max_messages = static_cast<size_t>(config.max_messages);
    limits.max_tools = static_cast<size_t>(config.max_tools);
    limits.max_n = config.max_n;
    limits.max_stop = static_cast<size_t>(config.max_stop);
    limits.max_stop_len = config.max_stop_len;
    limits.max_stop_token_ids = static_cast<size_t>(config.max_stop_token_ids);
    limits.max_logit_bias = static_cast<size_t>(config.max_logit_bias);
    limits.max_prompts = static_cast<size_t>(config.max_prompts);
    limits.max_embedding_inputs = static_cast<size_t>(config.max_embedding_inputs);
    limits.vocab_size = vocab_size;
    limits.context_length = context_length;
    return limits;
  }
};

}  // namespace hadal
