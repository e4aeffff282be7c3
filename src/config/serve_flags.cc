// The flags and commands of hadal serve and hadal chat.
#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {
namespace {

template <auto Field>
using Eng = FlagField<&Settings::engine, Field>;
template <auto Field>
using EngSeconds = SecondsFlagField<&Settings::engine, Field>;
template <auto Field>
using ParSeconds = SecondsFlagField<&Settings::parallel, Field>;
template <auto Field>
using EngTokens = TokenFlagField<&Settings::engine, Field>;
template <auto Field>
using ChtTokens = TokenFlagField<&Settings::chat, Field>;
template <auto Field>
using Par = FlagField<&Settings::parallel, Field>;
template <auto Field>
using Srv = FlagField<&Settings::server, Field>;
template <auto Field>
using Cht = FlagField<&Settings::chat, Field>;

using EC = EngineConfig;
using PC = ParallelConfig;
using SC = ServerConfig;
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
    {"--drain-timeout", kForServe, "Server", "DURATION", "How long SIGTERM lets running requests finish", kOnce, HADAL_FIELD(Srv, &SC::drain_timeout)},
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
    {"--queue-timeout", kForServe, "Scheduling", "DURATION", "How long a request may wait to start; 0: no limit", kOnce, HADAL_FIELD(EngSeconds, &EC::queue_timeout)},
    {"--request-timeout", kForServe, "Scheduling", "DURATION", "How long a request may take in all; 0: no limit", kOnce, HADAL_FIELD(EngSeconds, &EC::request_timeout)},
    {"--watchdog-timeout", kForServe, "Scheduling", "DURATION", "A step longer than this counts as hung: the server says so and ends", kOnce, HADAL_FIELD(EngSeconds, &EC::watchdog_timeout)},
    {"--random-seed", kForBoth, "Scheduling", "N", "Seed of requests that bring none; -1: from the system", kOnce, HADAL_FIELD(Eng, &EC::random_seed)},

    {"--device", kForBoth, "Machine", "DEVICE", "auto or cpu", kOnce, HADAL_FIELD(Eng, &EC::device)},
    {"--num-threads", kForBoth, "Machine", "N", "CPU threads for the model on this host; 0: all CPUs this process may use", kOnce, HADAL_FIELD(Eng, &EC::num_threads)},
    {"--cpu-tier", kForBoth, "Machine", "TIER", "Highest instruction set to use: scalar, avx2, avx512, avx512_vnni, avx512_bf16, amx", kOnce, HADAL_FIELD(Eng, &EC::cpu_tier)},
    {"--tp,--tp-size,--tensor-parallel-size", kForBoth, "Machine", "N", "Ranks that share every layer, over all hosts", kOnce, HADAL_FIELD(Par, &PC::tp_size)},
    {"--nnodes", kForServe | kForPreflight, "Machine", "N", "Hosts of the group", kOnce, HADAL_FIELD(Par, &PC::nnodes)},
    {"--node-rank", kForServe | kForPreflight, "Machine", "R", "This host's number; 0 leads and serves", kOnce, HADAL_FIELD(Par, &PC::node_rank)},
    {"--dist-init-addr,--nccl-init-addr", kForServe | kForPreflight, "Machine", "HOST:PORT", "Where host 0 waits for the others", kOnce, HADAL_FIELD(Par, &PC::dist_init_addr)},
    {"--dist-timeout", kForServe, "Machine", "DURATION", "How long the hosts wait for one another at start", kOnce, HADAL_FIELD(ParSeconds, &PC::dist_timeout)},
    {"--group-secret", kForServe | kForPreflight, "Machine", "SECRET", "Secret shared by the hosts of a group; better from HADAL_GROUP_SECRET", kOnce, HADAL_FIELD(Par, &PC::group_secret)},

    {"--system", kForChat, "Chat", "TEXT", "System prompt", kOnce, HADAL_FIELD(Cht, &CC::system_prompt)},
    {"--prompt,-p", kForChat, "Chat", "TEXT", "Ask this, print the answer and end; repeat for several turns. Without it, and where the input is no terminal, all of the input is asked once", kMany, HADAL_FIELD(Cht, &CC::prompts)},
    {"--temperature", kForChat, "Chat", "T", "Sampling temperature; -1: the default", kOnce, HADAL_FIELD(Cht, &CC::temperature)},
    {"--top-p", kForChat, "Chat", "P", "Nucleus sampling; -1: the default", kOnce, HADAL_FIELD(Cht, &CC::top_p)},
    {"--max-tokens", kForChat, "Chat", "N", "Longest answer, as 2000, 2k or 2Ki (2048) tokens; 0: until the model ends", kOnce, HADAL_FIELD(ChtTokens, &CC::max_tokens)},
    {"--hide-reasoning", kForChat, "Chat", "", "Do not show the model's reasoning (it is dimmed; on standard error where the output is no terminal)", kOnce, &set_false_flag<&Settings::chat, &CC::show_reasoning>, nullptr},
    {"--chat-api-key,--api-key", kForChat, "Chat", "KEY", "API key of the server at the URL; better from HADAL_CHAT_API_KEY: arguments are visible to other users", kOnce, HADAL_FIELD(Cht, &CC::api_key)},
    {"--tls-ca-file", kForChat, "Chat", "FILE", "Certificates (PEM) to trust for an https URL, in place of the system's", kOnce, HADAL_FIELD(Cht, &CC::tls_ca_file)},
    {"--insecure", kForChat, "Chat", "", "Do not verify the certificate of an https URL: anyone on the way can read the key and the conversation", kOnce, HADAL_FIELD(Cht, &CC::insecure)},
    {"--load-timeout", kForChat, "Chat", "DURATION", "How long to wait for a server that is still loading its model; 0: not at all", kOnce, HADAL_FIELD(Cht, &CC::load_timeout)},
    {"--model-name", kForChat, "Chat", "NAME", "Model to ask for at the URL; default: its first", kOnce, HADAL_FIELD(Cht, &CC::model_name)},
    // clang-format on
};

Status take_model(const std::vector<std::string>& arguments, const FlagValueMap& values, Settings& settings) {
  if (!arguments.empty()) {
    const auto given = values.find(find_flag("--model-path", kForServe));
    if (given != values.end() && given->second.origin.starts_with("command line") &&
        settings.engine.model_path != arguments[0]) {
      return invalid_argument("two models: ", arguments[0], " and --model-path ", settings.engine.model_path);
    }
    settings.engine.model_path = arguments[0];
  }
  if (settings.engine.model_path.empty()) return invalid_argument("serve needs a model: hadal serve MODEL");
  return {};
}

Status take_target(const std::vector<std::string>& arguments, const FlagValueMap&, Settings& settings) {
  if (!arguments.empty()) settings.chat.target = arguments[0];
  if (settings.chat.target.empty())
    return invalid_argument("chat needs a model or a server: hadal chat MODEL|URL");
  return {};
}

Status validate_serve(const Settings& settings) {
  HADAL_RETURN_IF_ERROR(validate_engine_config(settings.engine));
  HADAL_RETURN_IF_ERROR(validate_parallel_config(settings.parallel));
  return validate_server_config(settings.server);
}

constexpr CommandSpec kCommands[] = {
    {"serve", Command::kServe, kForServe, "MODEL",
     "A Hugging Face directory, a .gguf file, or (with --load-format dummy) a config.json",
     "Load a model and serve the OpenAI API", 1, &take_model, &validate_serve},
    {"chat", Command::kChat, kForChat, "MODEL|URL",
     "A model as for serve, or http(s)://HOST:PORT of a server that speaks the OpenAI API",
     "Talk to a local model or to a server in the terminal", 1, &take_target, &validate_serve},
};

}  // namespace

std::span<const FlagSpec> serve_flags() {
  return kFlags;
}
std::span<const CommandSpec> serve_commands() {
  return kCommands;
}

}  // namespace hadal
