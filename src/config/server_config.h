// ServerConfig: how the HTTP server listens, whom it lets in and what it bounds. Filled by the flag table,
// validated once, then const.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"

namespace hadal {

struct ServerConfig {
  std::string host = "127.0.0.1";
  int port = 30000;                             // 0: any free port, printed at start
  std::vector<std::string> api_keys;            // empty: no authentication
  std::string api_key_file;                     // one key per line; added to api_keys by load_api_keys
  std::vector<std::string> cors_allow_origins;  // "*" or origins; empty: no CORS headers
  std::string tls_cert_file;                    // PEM chain; with tls_key_file turns TLS on
  std::string tls_key_file;
  int num_io_threads = 0;         // 0: chosen from the CPUs (1 per 8, at least 1)
  int num_tokenizer_threads = 0;  // 0: chosen from the CPUs
  int max_connections = 16384;
  double drain_timeout = 30;   // seconds SIGTERM waits for running requests
  double header_timeout = 15;  // seconds for a request's headers to arrive
  double body_timeout = 60;    // seconds for a request's body to arrive
  double idle_timeout = 120;   // seconds a kept-alive connection may stay silent
  double write_timeout = 60;   // seconds a client may not read before it is dropped
  size_t max_body_bytes = size_t{32} << 20;
  size_t max_stream_buffer_bytes = size_t{1}
                                   << 20;  // unsent bytes of one stream before its client is dropped
  int max_messages = 4096;
  int max_n = 128;
  int max_stop = 64;
  int max_top_logprobs = 20;
  int max_json_depth = 64;
  int max_batch_inputs = 2048;  // inputs of one embeddings or prompts of one completions request
  std::vector<std::string> served_model_names;  // first is shown; empty: the model path
  std::string reasoning_parser;                 // default of the model; "" chosen from the chat template
  std::string chat_template;                    // file that replaces the model's own
  bool enable_metrics = true;
  bool log_requests = true;  // one access-log line per request
};

Status validate_server_config(const ServerConfig& config);

// Reads api_key_file (blank lines and # comments skipped) into api_keys. Errors name the file and line, never
// a key.
Status load_api_keys(ServerConfig& config);

}  // namespace hadal
