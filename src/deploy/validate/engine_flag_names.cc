#include "deploy/validate/engine_flag_names.h"

#include <algorithm>
#include <vector>

#include "config/nearest_name.h"

namespace hadal {
namespace {

// vllm serve, from 0.6 to 0.19 (its engine and server arguments' documentation).
constexpr std::string_view kVllmFlags =
    "model task runner convert tokenizer tokenizer-mode trust-remote-code dtype seed hf-config-path "
    "allowed-local-media-path allowed-media-domains revision code-revision rope-scaling rope-theta "
    "tokenizer-revision max-model-len quantization enforce-eager max-seq-len-to-capture max-logprobs "
    "logprobs-mode disable-sliding-window disable-cascade-attn skip-tokenizer-init enable-prompt-embeds "
    "served-model-name disable-async-output-proc config-format hf-token hf-overrides override-pooler-config "
    "pooler-config generation-config override-generation-config enable-sleep-mode model-impl "
    "override-attention-dtype logits-processors io-processor-plugin load-format download-dir "
    "safetensors-load-strategy model-loader-extra-config ignore-patterns use-tqdm-on-load "
    "pt-load-map-location guided-decoding-backend guided-decoding-disable-fallback "
    "guided-decoding-disable-any-whitespace reasoning-parser reasoning-parser-plugin "
    "distributed-executor-backend pipeline-parallel-size tensor-parallel-size decode-context-parallel-size "
    "prefill-context-parallel-size data-parallel-size data-parallel-rank data-parallel-start-rank "
    "data-parallel-size-local data-parallel-address data-parallel-rpc-port data-parallel-backend "
    "data-parallel-hybrid-lb data-parallel-external-lb enable-expert-parallel all2all-backend enable-dbo "
    "dbo-decode-token-threshold dbo-prefill-token-threshold disable-nccl-for-dp-synchronization enable-eplb "
    "eplb-config expert-placement-strategy num-redundant-experts eplb-window-size eplb-step-interval "
    "eplb-log-balancedness max-parallel-loading-workers ray-workers-use-nsight disable-custom-all-reduce "
    "worker-cls worker-extension-cls enable-multimodal-encoder-data-parallel block-size "
    "gpu-memory-utilization kv-cache-memory-bytes swap-space kv-cache-dtype num-gpu-blocks-override "
    "enable-prefix-caching prefix-caching-hash-algo cpu-offload-gb calculate-kv-scales "
    "kv-sharing-fast-prefill mamba-cache-dtype mamba-ssm-cache-dtype mamba-block-size kv-offloading-size "
    "kv-offloading-backend limit-mm-per-prompt media-io-kwargs mm-processor-kwargs mm-processor-cache-gb "
    "mm-processor-cache-type mm-shm-cache-max-object-size-mb mm-encoder-tp-mode mm-encoder-attn-backend "
    "interleave-mm-strings skip-mm-profiling video-pruning-rate enable-lora enable-lora-bias max-loras "
    "max-lora-rank lora-extra-vocab-size lora-dtype max-cpu-loras fully-sharded-loras default-mm-loras "
    "speculative-config speculative-model num-speculative-tokens show-hidden-metrics-for-version "
    "otlp-traces-endpoint collect-detailed-traces max-num-batched-tokens max-num-seqs "
    "max-num-partial-prefills max-long-partial-prefills cuda-graph-sizes long-prefill-token-threshold "
    "num-lookahead-slots scheduler-delay-factor preemption-mode num-scheduler-steps "
    "multi-step-stream-outputs scheduling-policy enable-chunked-prefill disable-chunked-mm-input "
    "scheduler-cls disable-hybrid-kv-cache-manager async-scheduling stream-interval cudagraph-capture-sizes "
    "max-cudagraph-capture-size kv-transfer-config kv-events-config compilation-config attention-backend "
    "attention-config additional-config structured-outputs-config disable-log-stats disable-log-requests "
    "enable-log-requests aggregate-engine-logging headless api-server-count config host port uds "
    "uvicorn-log-level disable-uvicorn-access-log allow-credentials allowed-origins allowed-methods "
    "allowed-headers api-key lora-modules prompt-adapters chat-template chat-template-content-format "
    "trust-request-chat-template response-role ssl-keyfile ssl-certfile ssl-ca-certs enable-ssl-refresh "
    "ssl-cert-reqs root-path middleware return-tokens-as-token-ids disable-frontend-multiprocessing "
    "enable-request-id-headers enable-auto-tool-choice exclude-tools-when-tool-choice-none "
    "tool-call-parser tool-parser-plugin tool-server log-config-file max-log-len disable-fastapi-docs "
    "enable-prompt-tokens-details enable-force-include-usage enable-server-load-tracking "
    "enable-tokenizer-info-endpoint enable-log-outputs h11-max-incomplete-event-size h11-max-header-count "
    "enable-offline-docs nnodes node-rank master-addr master-port shutdown-timeout use-v2-block-manager "
    "worker-use-ray engine-use-ray device optimization-level profiler-config tokens-only";

// trtllm-serve (TensorRT-LLM's documentation of its command line, 1.0 to 1.2).
constexpr std::string_view kTrtllmFlags =
    "tokenizer host port backend max_batch_size max_num_tokens max_seq_len max_beam_width tp_size pp_size "
    "ep_size cp_size cluster_size gpus_per_node kv_cache_free_gpu_memory_fraction kv_cache_dtype "
    "num_postprocess_workers trust_remote_code extra_llm_api_options extra_encoder_model_options "
    "reasoning_parser tool_parser metadata_server_config_file server_role "
    "fail_fast_on_attention_window_too_large log_level chat_template otlp_traces_endpoint "
    "enable_chunked_prefill custom_module_dirs media_io_kwargs disagg_cluster_uri served_model_name revision "
    "config config_file server_start_timeout request_timeout metrics_log_interval free_gpu_memory_fraction";

// A word that is further off may be a flag that is not listed.
constexpr int kMaxEdits = 2;

std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(' ', at), list.size());
    out.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

std::string meant_engine_flag(EngineName engine, std::string_view name) {
  if (!name.starts_with("--")) return "";
  const bool vllm = engine == EngineName::kVllm;
  if (!vllm && engine != EngineName::kTrtllm) return "";
  std::string bare(name.substr(2, name.find('.') - 2));
  if (vllm) std::replace(bare.begin(), bare.end(), '_', '-');
  const std::string_view prefix = vllm && bare.starts_with("no-") ? "no-" : "";
  const std::string_view key = std::string_view(bare).substr(prefix.size());
  std::string_view best;
  int least = kMaxEdits + 1;
  for (const std::string_view flag : words_of(vllm ? kVllmFlags : kTrtllmFlags)) {
    const int edits = edit_distance(key, flag);
    if (edits == 0) return "";
    // Short names are near everything.
    if (edits < least && flag.size() > 3 * static_cast<size_t>(edits)) {
      least = edits;
      best = flag;
    }
  }
  return best.empty() ? "" : "--" + std::string(prefix) + std::string(best);
}

}  // namespace hadal
