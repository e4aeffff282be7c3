#include "config/flag_table.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "config/nearest_name.h"

namespace hadal {
namespace {

Status parse_into(std::string& out, std::string_view text) {
  out = text;
  return {};
}

Status parse_into(bool& out, std::string_view text) {
  for (std::string_view yes : {"true", "1", "yes", "on"}) {
    if (text == yes) return out = true, Status();
  }
  for (std::string_view no : {"false", "0", "no", "off"}) {
    if (text == no) return out = false, Status();
  }
  return invalid_argument("\"", text, "\" is neither true nor false");
}

template <typename T>
Status parse_integer(T& out, std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto r = std::from_chars(text.data(), end, value);
  if (r.ec != std::errc() || r.ptr != end)
    return invalid_argument("\"", text, "\" is not a whole number in range");
  out = value;
  return {};
}
Status parse_into(int& out, std::string_view text) {
  return parse_integer(out, text);
}
Status parse_into(int64_t& out, std::string_view text) {
  return parse_integer(out, text);
}
Status parse_into(size_t& out, std::string_view text) {
  return parse_integer(out, text);
}

// A count of tokens: a whole number, or one with a suffix as SGLang 0.5.23 takes it (human_readable_int in
// python/sglang/srt/utils/common.py): 32k, 1.5M, 1G (powers of 1000, decimals allowed), 32Ki, 1Mi, 1Gi
// (powers of 1024). 32K and 1m are neither there: other programs read them in different ways.
struct TokenSuffix {
  std::string_view text;
  int64_t factor;
};
constexpr TokenSuffix kTokenSuffixes[] = {
    {"k", 1'000},
    {"M", 1'000'000},
    {"G", 1'000'000'000},
    {"Ki", int64_t{1} << 10},
    {"Mi", int64_t{1} << 20},
    {"Gi", int64_t{1} << 30},
};

// Digits, then maybe a point and digits, times the factor; nullopt: it is no such number, no whole number of
// tokens, or out of range.
std::optional<int64_t> scaled(std::string_view number, int64_t factor, bool decimals) {
  const size_t point = number.find('.');
  std::string digits(number.substr(0, point));
  if (point != std::string_view::npos) {
    const std::string_view fraction = number.substr(point + 1);
    if (!decimals || digits.empty() || fraction.empty()) return std::nullopt;
    digits += fraction;
    for (size_t i = 0; i < fraction.size(); ++i) {
      if (factor % 10 != 0) return std::nullopt;
      factor /= 10;
    }
  }
  const bool only_digits = digits.find_first_not_of("0123456789") == std::string::npos;
  int64_t value = 0;
  const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (!only_digits || r.ec != std::errc() || __builtin_mul_overflow(value, factor, &value))
    return std::nullopt;
  return value;
}

template <typename T>
Status parse_tokens(T& out, std::string_view text) {
  if (parse_integer(out, text).ok()) return {};
  for (const TokenSuffix& suffix : kTokenSuffixes) {
    if (!text.ends_with(suffix.text)) continue;
    const bool decimals = suffix.text.size() == 1;
    const auto value = scaled(text.substr(0, text.size() - suffix.text.size()), suffix.factor, decimals);
    if (!value || *value > std::numeric_limits<T>::max()) break;
    out = static_cast<T>(*value);
    return {};
  }
  return invalid_argument("\"", text,
                          "\" is not a number of tokens in range: it takes a whole number, or one like 32k "
                          "(32000), 1.5M, 32Ki (32768) or 1Mi");
}

Status parse_into(double& out, std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto r = std::from_chars(text.data(), end, value);
  if (r.ec != std::errc() || r.ptr != end || !std::isfinite(value)) {
    return invalid_argument("\"", text, "\" is not a number");
  }
  out = value;
  return {};
}

// Times are given in seconds.
Status parse_into(std::chrono::milliseconds& out, std::string_view text) {
  constexpr double kMaxSeconds = 1e9;
  double seconds = 0;
  HADAL_RETURN_IF_ERROR(parse_into(seconds, text));
  if (seconds < 0 || seconds > kMaxSeconds)
    return invalid_argument("\"", text, "\" is not a time in seconds");
  out = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  return {};
}

Status parse_into(std::vector<std::string>& out, std::string_view text) {
  if (text.empty()) return invalid_argument("is empty");
  out.emplace_back(text);
  return {};
}

std::string show_text(const std::string& value) {
  return value;
}
std::string show_text(bool value) {
  return value ? "true" : "false";
}
template <typename T>
requires std::is_integral_v<T> std::string show_text(T value) {
  return std::to_string(value);
}
std::string show_text(double value) {
  char buffer[40];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}
std::string show_text(std::chrono::milliseconds value) {
  return show_text(static_cast<double>(value.count()) / 1000);
}
std::string show_text(const std::vector<std::string>&) {
  return "";
}

// The setter and the default's printer of one field.
template <auto Part, auto Field>
struct At {
  static Status set(Settings& s, std::string_view value) { return parse_into((s.*Part).*Field, value); }
  static std::string show(const Settings& s) { return show_text((s.*Part).*Field); }
};
template <auto Part, auto Field>
struct TokensAt : At<Part, Field> {
  static Status set(Settings& s, std::string_view value) { return parse_tokens((s.*Part).*Field, value); }
};
template <auto Part, auto Field>
Status set_false(Settings& s, std::string_view value) {
  bool flag = false;
  HADAL_RETURN_IF_ERROR(parse_into(flag, value));
  (s.*Part).*Field = !flag;
  return {};
}
template <auto Field>
using Eng = At<&Settings::engine, Field>;
template <auto Field>
using EngTokens = TokensAt<&Settings::engine, Field>;
template <auto Field>
using ChtTokens = TokensAt<&Settings::chat, Field>;
template <auto Field>
using Par = At<&Settings::parallel, Field>;
template <auto Field>
using Srv = At<&Settings::server, Field>;
template <auto Field>
using Log = At<&Settings::log, Field>;
template <auto Field>
using Cht = At<&Settings::chat, Field>;

Status set_config_file(Settings& s, std::string_view value) {
  s.config_file = value;
  return {};
}

#define HADAL_FIELD(kind, field) &kind<field>::set, &kind<field>::show

constexpr bool kOnce = false;
constexpr bool kMany = true;

using EC = EngineConfig;
using PC = ParallelConfig;
using SC = ServerConfig;
using LC = LogConfig;
using CC = ChatConfig;

const FlagSpec kFlags[] = {
    // clang-format off
    {"--model-path,--model", kForServe, "Model", "PATH", "The MODEL, as a flag", kOnce, HADAL_FIELD(Eng, &EC::model_path)},
    {"--tokenizer-path", kForBoth, "Model", "PATH", "Directory or .gguf file with the tokenizer, where it is not the model's", kOnce, HADAL_FIELD(Eng, &EC::tokenizer_path)},
    {"--load-format", kForBoth, "Model", "FORMAT", "auto, safetensors, gguf, or dummy (random weights of the config's shape)", kOnce, HADAL_FIELD(Eng, &EC::load_format)},
    {"--dummy-dtype", kForBoth, "Model", "DTYPE", "Type of random matrices with --load-format dummy: bf16, f16, f32, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k", kOnce, HADAL_FIELD(Eng, &EC::dummy_dtype)},
    {"--context-length", kForBoth, "Model", "TOKENS", "Longest prompt plus answer, as 32768, 32k (32000) or 32Ki (32768); 0: the model's own, bounded by the KV cache", kOnce, HADAL_FIELD(EngTokens, &EC::context_length)},
    {"--quantization", kForBoth, "Model", "METHOD", "fp8 or gguf: accepted where the checkpoint is so; the type is always read from the files", kOnce, HADAL_FIELD(Eng, &EC::quantization)},
    {"--kv-cache-dtype", kForBoth, "Model", "DTYPE", "auto (f16 on the CPU), f16, bf16 or f32", kOnce, HADAL_FIELD(Eng, &EC::kv_cache_dtype)},
    {"--served-model-name", kForServe, "Model", "NAME", "Name in /v1/models and answers; repeat for more names. Default: the model path", kMany, HADAL_FIELD(Srv, &SC::served_model_names)},
    {"--chat-template", kForBoth, "Model", "FILE", "Jinja file that replaces the model's chat template", kOnce, HADAL_FIELD(Eng, &EC::chat_template)},
    {"--reasoning-parser", kForBoth, "Model", "NAME", "How reasoning is told from the answer: auto (from the chat template), deepseek-r1 (the answer begins inside it), deepseek-v3 or qwen3 (it begins at a <think> tag), none", kOnce, HADAL_FIELD(Srv, &SC::reasoning_parser)},

    {"--host", kForServe, "Server", "ADDRESS", "Address to listen on; 0.0.0.0 or :: for all", kOnce, HADAL_FIELD(Srv, &SC::host)},
    {"--port", kForServe, "Server", "PORT", "Port to listen on; 0: any free one, printed", kOnce, HADAL_FIELD(Srv, &SC::port)},
    {"--api-key", kForServe, "Server", "KEY", "Key that requests must carry; repeat for more. Better from HADAL_API_KEY or --api-key-file: arguments are visible to other users", kMany, HADAL_FIELD(Srv, &SC::api_keys)},
    {"--api-key-file", kForServe, "Server", "FILE", "Keys, one a line", kOnce, HADAL_FIELD(Srv, &SC::api_key_file)},
    {"--cors-allow-origin", kForServe, "Server", "ORIGIN", "Origin that browsers may call from, or *; repeat for more", kMany, HADAL_FIELD(Srv, &SC::cors_origins)},
    {"--ssl-certfile", kForServe, "Server", "FILE", "TLS certificate chain (PEM); with --ssl-keyfile", kOnce, HADAL_FIELD(Srv, &SC::tls_cert_file)},
    {"--ssl-keyfile", kForServe, "Server", "FILE", "TLS private key (PEM)", kOnce, HADAL_FIELD(Srv, &SC::tls_key_file)},
    {"--drain-timeout", kForServe, "Server", "SECONDS", "How long SIGTERM lets running requests finish", kOnce, HADAL_FIELD(Srv, &SC::drain_timeout)},
    {"--max-connections", kForServe, "Server", "N", "Connections held at once", kOnce, HADAL_FIELD(Srv, &SC::max_connections)},
    {"--max-body-bytes", kForServe, "Server", "BYTES", "Largest request body", kOnce, HADAL_FIELD(Srv, &SC::max_body_bytes)},
    {"--io-threads", kForServe, "Server", "N", "Threads for sockets", kOnce, HADAL_FIELD(Srv, &SC::num_io_threads)},
    {"--tokenizer-worker-num", kForServe, "Server", "N", "Threads that render templates and tokenize", kOnce, HADAL_FIELD(Srv, &SC::num_tokenizer_threads)},
    {"--enable-metrics", kForServe, "Server", "", "Serve /metrics (on by default; =false turns it off)", kOnce, HADAL_FIELD(Srv, &SC::enable_metrics)},
    {"--log-requests", kForServe, "Server", "", "One access-log line a request, without prompts (on by default)", kOnce, HADAL_FIELD(Srv, &SC::access_log)},

    {"--max-running-requests", kForServe, "Scheduling", "N", "Requests that run at once; 0: 128", kOnce, HADAL_FIELD(Eng, &EC::max_running_requests)},
    {"--max-queued-requests", kForServe, "Scheduling", "N", "Requests that may wait; more are answered 429; 0: 1024", kOnce, HADAL_FIELD(Eng, &EC::max_queued_requests)},
    {"--max-total-tokens", kForBoth, "Scheduling", "TOKENS", "KV cache size, as 1000000, 1M or 1Mi (1048576); 0: chosen from the memory", kOnce, HADAL_FIELD(EngTokens, &EC::max_total_tokens)},
    {"--chunked-prefill-size", kForBoth, "Scheduling", "TOKENS", "Most tokens of one step, as 8192, 8k (8000) or 8Ki (8192); 0: chosen; -1: whole prompts", kOnce, HADAL_FIELD(EngTokens, &EC::chunked_prefill_size)},
    {"--page-size", kForBoth, "Scheduling", "TOKENS", "Tokens of one KV block", kOnce, HADAL_FIELD(Eng, &EC::page_size)},
    {"--disable-radix-cache", kForBoth, "Scheduling", "", "Do not reuse the KV of common prefixes (for measurements)", kOnce, HADAL_FIELD(Eng, &EC::disable_radix_cache)},
    {"--queue-timeout", kForServe, "Scheduling", "SECONDS", "How long a request may wait to start; 0: no limit", kOnce, HADAL_FIELD(Eng, &EC::queue_timeout)},
    {"--request-timeout", kForServe, "Scheduling", "SECONDS", "How long a request may take in all; 0: no limit", kOnce, HADAL_FIELD(Eng, &EC::request_timeout)},
    {"--watchdog-timeout", kForServe, "Scheduling", "SECONDS", "A step longer than this counts as hung: the server says so and ends", kOnce, HADAL_FIELD(Eng, &EC::watchdog_timeout)},
    {"--random-seed", kForBoth, "Scheduling", "N", "Seed of requests that bring none; -1: from the system", kOnce, HADAL_FIELD(Eng, &EC::random_seed)},

    {"--device", kForBoth, "Machine", "DEVICE", "auto or cpu", kOnce, HADAL_FIELD(Eng, &EC::device)},
    {"--num-threads", kForBoth, "Machine", "N", "CPU threads for the model on this host; 0: all CPUs this process may use", kOnce, HADAL_FIELD(Eng, &EC::num_threads)},
    {"--cpu-tier", kForBoth, "Machine", "TIER", "Highest instruction set to use: scalar, avx2, avx512, avx512_vnni, avx512_bf16, amx", kOnce, HADAL_FIELD(Eng, &EC::cpu_tier)},
    {"--tp,--tp-size,--tensor-parallel-size", kForBoth, "Machine", "N", "Ranks that share every layer, over all hosts", kOnce, HADAL_FIELD(Par, &PC::tp_size)},
    {"--nnodes", kForServe, "Machine", "N", "Hosts of the group", kOnce, HADAL_FIELD(Par, &PC::nnodes)},
    {"--node-rank", kForServe, "Machine", "R", "This host's number; 0 leads and serves", kOnce, HADAL_FIELD(Par, &PC::node_rank)},
    {"--dist-init-addr,--nccl-init-addr", kForServe, "Machine", "HOST:PORT", "Where host 0 waits for the others", kOnce, HADAL_FIELD(Par, &PC::dist_init_addr)},
    {"--dist-timeout", kForServe, "Machine", "SECONDS", "How long the hosts wait for one another at start", kOnce, HADAL_FIELD(Par, &PC::dist_timeout)},
    {"--group-secret", kForServe, "Machine", "SECRET", "Secret shared by the hosts of a group; better from HADAL_GROUP_SECRET", kOnce, HADAL_FIELD(Par, &PC::group_secret)},

    {"--system", kForChat, "Chat", "TEXT", "System prompt", kOnce, HADAL_FIELD(Cht, &CC::system_prompt)},
    {"--prompt,-p", kForChat, "Chat", "TEXT", "Ask this, print the answer and end; repeat for several turns. Without it, and where the input is no terminal, all of the input is asked once", kMany, HADAL_FIELD(Cht, &CC::prompts)},
    {"--temperature", kForChat, "Chat", "T", "Sampling temperature; -1: the default", kOnce, HADAL_FIELD(Cht, &CC::temperature)},
    {"--top-p", kForChat, "Chat", "P", "Nucleus sampling; -1: the default", kOnce, HADAL_FIELD(Cht, &CC::top_p)},
    {"--max-tokens", kForChat, "Chat", "N", "Longest answer, as 2000, 2k or 2Ki (2048) tokens; 0: until the model ends", kOnce, HADAL_FIELD(ChtTokens, &CC::max_tokens)},
    {"--hide-reasoning", kForChat, "Chat", "", "Do not show the model's reasoning (it is dimmed; on standard error where the output is no terminal)", kOnce, &set_false<&Settings::chat, &CC::show_reasoning>, nullptr},
    {"--chat-api-key,--api-key", kForChat, "Chat", "KEY", "API key of the server at the URL; better from HADAL_CHAT_API_KEY: arguments are visible to other users", kOnce, HADAL_FIELD(Cht, &CC::api_key)},
    {"--tls-ca-file", kForChat, "Chat", "FILE", "Certificates (PEM) to trust for an https URL, in place of the system's", kOnce, HADAL_FIELD(Cht, &CC::tls_ca_file)},
    {"--insecure", kForChat, "Chat", "", "Do not verify the certificate of an https URL: anyone on the way can read the key and the conversation", kOnce, HADAL_FIELD(Cht, &CC::insecure)},
    {"--load-timeout", kForChat, "Chat", "SECONDS", "How long to wait for a server that is still loading its model; 0: not at all", kOnce, HADAL_FIELD(Cht, &CC::load_timeout)},
    {"--model-name", kForChat, "Chat", "NAME", "Model to ask for at the URL; default: its first", kOnce, HADAL_FIELD(Cht, &CC::model_name)},

    {"--config", kForBoth, "Settings and logging", "FILE", "YAML file of flags: each line is a flag's name without dashes, a colon and its value; lists where a flag may be repeated", kOnce, &set_config_file, nullptr},
    {"--log-level", kForBoth, "Settings and logging", "LEVEL", "debug, info, warning, error or off", kOnce, HADAL_FIELD(Log, &LC::level)},
    {"--log-format", kForBoth, "Settings and logging", "FORMAT", "text or json", kOnce, HADAL_FIELD(Log, &LC::format)},
    // clang-format on
};

}  // namespace

std::span<const FlagSpec> flag_table() {
  return kFlags;
}
std::vector<std::string_view> flag_names(const FlagSpec& flag) {
  std::vector<std::string_view> out;
  for (size_t begin = 0; begin <= flag.names.size();) {
    const size_t comma = std::min(flag.names.find(',', begin), flag.names.size());
    out.push_back(flag.names.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return out;
}

const FlagSpec* find_flag(std::string_view name, unsigned commands) {
  for (const FlagSpec& flag : kFlags) {
    if ((flag.commands & commands) == 0) continue;
    for (std::string_view candidate : flag_names(flag)) {
      if (candidate == name) return &flag;
    }
  }
  return nullptr;
}

bool is_secret(const FlagSpec& flag) {
  const std::string_view key = flag_key(flag);
  return key == "api-key" || key == "chat-api-key" || key == "group-secret";
}

std::string nearest_flag(std::string_view name, unsigned commands) {
  std::vector<std::string_view> candidates;
  for (const FlagSpec& flag : kFlags) {
    if ((flag.commands & commands) == 0) continue;
    for (std::string_view candidate : flag_names(flag)) candidates.push_back(candidate);
  }
  return nearest_name(name, candidates);
}

std::string_view flag_key(const FlagSpec& flag) {
  const std::string_view first = flag.names.substr(0, flag.names.find(','));
  return first.substr(first.find_first_not_of('-'));
}

std::string environment_name(std::string_view flag_name) {
  std::string name = "HADAL_";
  for (char c : flag_name.substr(flag_name.find_first_not_of('-'))) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  }
  return name;
}

}  // namespace hadal
