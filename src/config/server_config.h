// ServerConfig: everything the HTTP server can be told, with its defaults. Filled from the flag table,
// checked once by validate_server_config and again by Server::create (what has no flag too), then const. A
// value; any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

// --reasoning-parser; "auto" is what the model's template suggests.
inline constexpr std::string_view kReasoningParsers[] = {"auto", "deepseek-r1", "deepseek-v3", "qwen3",
                                                         "none"};

struct ServerConfig {
  // Where to listen. Port 0 lets the system choose (Server::port tells which).
  std::string host = "127.0.0.1";
  int port = 30000;
  // PEM files; both or none. With them the server speaks TLS only.
  std::string tls_cert_file;
  std::string tls_key_file;

  // Keys that clients may present; empty with no file: no authentication. The file holds one key a line, '#'
  // starts a comment line.
  std::vector<std::string> api_keys;
  std::string api_key_file;
  // Origins allowed by CORS ("https://chat.example.com"), or "*". Empty: no CORS headers.
  std::vector<std::string> cors_origins;

  // Threads: sockets, and JSON parsing + chat templates + tokenization.
  int num_io_threads = 2;
  int num_tokenizer_threads = 2;
  // Requests that wait for a tokenizer thread; more are answered 429.
  int max_queued_tokenizations = 1024;
  int retry_after_seconds = 1;  // told with 429 and 503

  // Limits on one connection or request; over them the answer is 4xx.
  int max_connections = 8192;
  size_t max_header_bytes = size_t{32} << 10;
  size_t max_body_bytes = size_t{8} << 20;
  // Bytes of all bodies that are being read, and of all that wait for a tokenizer thread; over it: 429.
  size_t max_total_body_bytes = size_t{256} << 20;
  // Bytes of a streamed answer that wait for a slow reader before its connection is dropped.
  size_t max_stream_buffer_bytes = size_t{1} << 20;
  int max_json_depth = 64;
  int max_messages = 4096;
  int max_tools = 128;
  int max_n = 128;
  int max_stop = 16;
  size_t max_stop_len = 4096;  // characters of one stop string
  int max_stop_token_ids = 256;
  int max_logit_bias = 1024;
  int max_prompts = 1024;           // of one /v1/completions request
  int max_embedding_inputs = 2048;  // of one /v1/embeddings request
  // Sequences that one HTTP request has in the engine at once; the rest of a list follows as these finish.
  int max_parallel_per_request = 128;

  // Timeouts on the socket. Header: from the first byte wanted to the last of the head; body: the whole body;
  // idle: between requests of a kept-alive connection; write: without any progress.
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds write_timeout{30'000};
  // A stream that has said nothing for the first time sends its head, and a comment after each second time of
  // silence. 0: never.
  std::chrono::milliseconds stream_silence{10'000};
  std::chrono::milliseconds stream_keep_alive{15'000};
  // How long drain waits for running answers.
  std::chrono::milliseconds drain_timeout{30'000};
  // Without progress of the scheduler for longer than this, /livez and /readyz answer 503. 0: never.
  std::chrono::milliseconds stall_timeout{120'000};
  // Ends a request after this long where it does not say itself. 0: the engine's default.
  std::chrono::milliseconds default_queue_timeout{0};
  std::chrono::milliseconds default_total_timeout{0};

  // Names the model answers to; the first is the one reported. Empty: the model's own name.
  std::vector<std::string> served_model_names;
  // One of kReasoningParsers; "" is "auto".
  std::string reasoning_parser;

  bool access_log = true;
  bool enable_metrics = true;  // off: /metrics is 404
};

// Of what flags can set; errors name the flag.
Status validate_server_config(const ServerConfig& config);

}  // namespace hadal
