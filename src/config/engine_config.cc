#include "config/engine_config.h"

#include <initializer_list>
#include <string_view>

#include "base/file.h"

namespace hadal {
namespace {

Status check_choice(std::string_view flag, std::string_view value,
                    std::initializer_list<std::string_view> choices) {
  for (std::string_view choice : choices) {
    if (value == choice) return {};
  }
  std::string list;
  for (std::string_view choice : choices) {
    if (!list.empty()) list += ", ";
    list += choice.empty() ? "(unset)" : choice;
  }
  return invalid_argument(flag, " is \"", value, "\": it takes ", list);
}

template <typename T>
Status check_range(std::string_view flag, T value, T low, T high) {
  if (value >= low && value <= high) return {};
  return invalid_argument(flag, " is ", value, ": it takes ", low, " to ", high);
}

}  // namespace

Status validate_engine_config(const EngineConfig& c) {
  HADAL_RETURN_IF_ERROR(
      check_choice("--load-format", c.load_format, {"auto", "safetensors", "gguf", "dummy"}));
  HADAL_RETURN_IF_ERROR(
      check_choice("--dummy-dtype", c.dummy_dtype,
                   {"bf16", "f16", "f32", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"}));
  HADAL_RETURN_IF_ERROR(check_choice("--device", c.device, {"auto", "cpu"}));
  HADAL_RETURN_IF_ERROR(check_choice("--kv-cache-dtype", c.kv_cache_dtype,
                                     {"auto", "f16", "float16", "bf16", "bfloat16", "f32", "float32"}));
  HADAL_RETURN_IF_ERROR(check_choice("--quantization", c.quantization, {"", "fp8", "gguf"}));
  HADAL_RETURN_IF_ERROR(check_choice("--cpu-tier", c.cpu_tier,
                                     {"", "scalar", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"}));
  if (!c.chat_template.empty() && (!path_exists(c.chat_template) || is_directory(c.chat_template))) {
    return invalid_argument("--chat-template: there is no file \"", c.chat_template, "\"");
  }
  HADAL_RETURN_IF_ERROR(check_range("--num-threads", c.num_threads, 0, 1024));
  HADAL_RETURN_IF_ERROR(check_range<int64_t>("--context-length", c.context_length, 0, int64_t{1} << 24));
  HADAL_RETURN_IF_ERROR(check_range("--chunked-prefill-size", c.chunked_prefill_size, -1, 1 << 20));
  HADAL_RETURN_IF_ERROR(check_range("--max-running-requests", c.max_running_requests, 0, 1 << 16));
  HADAL_RETURN_IF_ERROR(check_range("--max-queued-requests", c.max_queued_requests, 0, 1 << 20));
  HADAL_RETURN_IF_ERROR(check_range<int64_t>("--max-total-tokens", c.max_total_tokens, 0, int64_t{1} << 40));
  HADAL_RETURN_IF_ERROR(check_range("--page-size", c.page_size, 1, 1024));
  HADAL_RETURN_IF_ERROR(check_range("--queue-timeout", c.queue_timeout, 0.0, 1e6));
  HADAL_RETURN_IF_ERROR(check_range("--request-timeout", c.request_timeout, 0.0, 1e6));
  HADAL_RETURN_IF_ERROR(check_range("--watchdog-timeout", c.watchdog_timeout, 1.0, 1e6));
  return {};
}

Status validate_parallel_config(const ParallelConfig& c) {
  HADAL_RETURN_IF_ERROR(check_range("--tp", c.tp_size, 1, 1024));
  HADAL_RETURN_IF_ERROR(check_range("--nnodes", c.nnodes, 1, 1024));
  if (c.node_rank < 0 || c.node_rank >= c.nnodes) {
    return invalid_argument("--node-rank is ", c.node_rank, ": with --nnodes ", c.nnodes, " it takes 0 to ",
                            c.nnodes - 1);
  }
  if (c.nnodes > 1 && c.dist_init_addr.empty()) {
    return invalid_argument("--nnodes ", c.nnodes, " needs --dist-init-addr HOST:PORT, the leader's address");
  }
  if (c.tp_size % c.nnodes != 0) {
    return invalid_argument("--tp ", c.tp_size, " must be a multiple of --nnodes ", c.nnodes,
                            ": each host runs the same number of ranks");
  }
  return check_range("--dist-timeout", c.dist_timeout, 1.0, 1e5);
}

}  // namespace hadal
