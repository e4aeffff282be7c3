#include "deploy/engine_flags.h"

#include <algorithm>
#include <span>

#include "config/sglang_flags.h"

namespace hadal {
namespace {

// vllm serve, from 0.6 to 0.33 (vllm/engine/arg_utils.py and its server's arguments).
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
    "worker-use-ray engine-use-ray device optimization-level profiler-config tokens-only "
    "allow-deprecated-quantization anthropic-disabled-thinking-effort aux-output-config cohere-format "
    "cohere-is-reasoning-model cp-kv-cache-interleave-size cpu-distributed-timeout-seconds "
    "cpu-offload-params cudagraph-metrics custom-histogram-buckets data-parallel-multi-port-external-lb "
    "data-parallel-supervisor-port dcp-comm-backend dcp-kv-cache-interleave-size dcp-q-replicate "
    "default-chat-template-kwargs device-ids device-memory-utilization diffusion-config "
    "disable-access-log-for-endpoints disable-mm-preprocessor-cache distributed-timeout-seconds "
    "dp-supervisor-probe-failure-threshold dp-supervisor-probe-interval-s dp-supervisor-probe-timeout-s "
    "dp-sync-interval ec-manager-config ec-transfer-config elastic-ep-max-dp-size "
    "enable-batch-sharded-sampling enable-cumem-allocator enable-elastic-ep enable-ep-weight-filter "
    "enable-fault-tolerance enable-flash-late-interaction enable-flashinfer-autotune enable-hc-sp "
    "enable-layerwise-nvtx-tracing enable-log-deltas enable-logging-iteration-details "
    "enable-mamba-cache-stochastic-rounding enable-mamba-shared-prefix-checkpoint enable-mfu-metrics "
    "enable-mixed-moe-lora-format enable-mm-embeds enable-mm-processor-stats enable-moe-shared-loras "
    "enable-nccl-comm-suspend enable-per-request-metrics enable-return-routed-experts enable-scale-out "
    "enable-shm-tensor-arena enable-tower-connector-lora enable-trace-replay engram-config "
    "fail-on-environ-validation fault-tolerance-config fingerprint-mode fingerprint-value "
    "gdn-prefill-backend grpc grpc-port ir-op-priority jit-monitor-mode jit-monitor-verbose "
    "kda-decode-backend kda-prefill-backend kernel-config kv-cache-dtype-skip-layers kv-cache-metrics "
    "kv-cache-metrics-sample language-model-only linear-backend log-error-stack log-level logging-config "
    "logits-processor-pattern long-prefill-token-threshold-adaptive lora-target-modules mamba-backend "
    "mamba-cache-mode mamba-cache-philox-rounds mamba-config mamba-ssu-algorithm max-lora-cls-labels "
    "max-num-active-seqs max-num-queued-reqs max-num-queued-tokens max-num-scheduled-tokens "
    "mm-device-do-normalize mm-encoder-attn-dtype mm-encoder-fp8-scale-path "
    "mm-encoder-fp8-scale-save-margin mm-encoder-fp8-scale-save-path mm-encoder-only mm-hasher-algorithm "
    "mm-ipc-gpu-memory-gb mm-processor-device mm-tensor-ipc model-class-overrides moe-backend monokernel "
    "numa-bind numa-bind-cpus numa-bind-nodes offload-backend offload-group-size offload-num-in-group "
    "offload-params offload-prefetch-step per-request-spec-decode-metrics performance-mode "
    "prefill-schedule-interval prefix-cache-retention-interval prefix-match-unit quantization-config "
    "reasoning-config reasoning-effort-map renderer-num-workers replayssm-buffer-len return-sampling-mask "
    "safetensors-prefetch-block-size safetensors-prefetch-num-threads scheduler-reserve-full-isl "
    "sleep-mode-backend sleep-mode-offload-cudagraph sleep-preserve-parameter-names "
    "sparse-indexer-topk-backend spec-method spec-model spec-tokens specialize-active-lora "
    "sse-keep-alive-interval ssl-ciphers swa-bounded-replay tool-strict-level trust-request-mm-kwargs "
    "ubatch-size use-fp64-gumbel use-replayssm video-pruning-method watchdog-config watermark "
    "watermark-config weight-transfer-config";

// trtllm-serve (TensorRT-LLM's documentation of its command line, 1.0 to 1.2).
constexpr std::string_view kTrtllmFlags =
    "tokenizer host port backend max_batch_size max_num_tokens max_seq_len max_beam_width tp_size pp_size "
    "ep_size cp_size cluster_size gpus_per_node kv_cache_free_gpu_memory_fraction kv_cache_dtype "
    "num_postprocess_workers trust_remote_code extra_llm_api_options extra_encoder_model_options "
    "reasoning_parser tool_parser metadata_server_config_file server_role "
    "fail_fast_on_attention_window_too_large log_level chat_template otlp_traces_endpoint "
    "enable_chunked_prefill custom_module_dirs media_io_kwargs disagg_cluster_uri served_model_name revision "
    "config config_file server_start_timeout request_timeout metrics_log_interval free_gpu_memory_fraction";

// What else --X may be completed to, or -X.
constexpr std::string_view kVllmShort =
    "-tp -pp -dp -dpn -dpr -dpl -dpa -dpp -dpb -dph -dpe -ep -dcp -pcp -asc -n -r -q -O -cc -ac";

// Names of one setting, per engine; Dynamo's sglang and vllm modules have those of their engines.
struct SettingRow {
  EngineSetting setting;
  std::string_view field;
  std::string_view hadal, sglang, vllm, trtllm, dynamo_trtllm;
};

using enum EngineSetting;

// vLLM: vllm/engine/arg_utils.py and entrypoints/openai/cli_args.py (0.6 to 0.19); SGLang: server_args.py
// (0.4 to 0.5); TensorRT-LLM: tensorrt_llm/commands/serve.py (1.0 to 1.2); Dynamo: components' backend
// arguments (0.7 to 1.3).
// clang-format off
constexpr SettingRow kSettings[] = {
    {kModel, "model.ref", "--model-path --model", "--model-path --model", "--model", "--model", "--model-path --model"},
    {kServedName, "model.servedName", "--served-model-name", "--served-model-name", "--served-model-name", "--served_model_name", "--served-model-name"},
    {kHost, "", "--host", "--host", "--host", "--host", ""},
    {kPort, "engine.port", "--port", "--port", "--port", "--port", ""},
    {kApiKey, "apiKey", "--api-key --api-key-file", "--api-key", "--api-key", "", ""},
    {kTensorParallel, "engine.tensorParallel", "--tp --tp-size --tensor-parallel-size", "--tensor-parallel-size --tp-size --tp", "--tensor-parallel-size -tp", "--tensor_parallel_size --tp_size", "--tensor-parallel-size"},
    {kPipelineParallel, "engine.pipelineParallel", "", "--pipeline-parallel-size --pp-size --pp", "--pipeline-parallel-size -pp", "--pipeline_parallel_size --pp_size", "--pipeline-parallel-size"},
    {kDataParallel, "engine.dataParallel", "", "--data-parallel-size --dp-size --dp", "--data-parallel-size -dp", "", "--enable-attention-dp"},
    {kDataParallelHosts, "", "", "", "--data-parallel-size-local -dpl --data-parallel-address -dpa --data-parallel-rpc-port -dpp --data-parallel-start-rank -dpr --data-parallel-rank -dpn", "", ""},
    {kExpertParallel, "engine.expertParallel", "", "--expert-parallel-size --ep-size --ep", "--enable-expert-parallel -ep", "--moe_expert_parallel_size --ep_size", "--expert-parallel-size"},
    {kNodes, "nodes.count", "--nnodes", "--nnodes", "--nnodes -n", "", ""},
    {kNodeRank, "", "--node-rank", "--node-rank", "--node-rank -r", "", ""},
    {kMeeting, "", "--dist-init-addr --nccl-init-addr", "--dist-init-addr --nccl-init-addr", "--master-addr --master-port", "", ""},
    {kHeadless, "", "", "", "--headless", "", ""},
    {kContextLength, "model.contextLength", "--context-length", "--context-length", "--max-model-len", "--max_seq_len", "--max-seq-len"},
    {kRunningRequests, "engine.maxRunningRequests", "--max-running-requests", "--max-running-requests", "--max-num-seqs", "--max_batch_size", "--max-batch-size"},
    {kMemoryFraction, "engine.memoryFraction", "", "--mem-fraction-static", "--gpu-memory-utilization", "--kv_cache_free_gpu_memory_fraction --free_gpu_memory_fraction", "--free-gpu-memory-fraction"},
    {kKvDtype, "model.kvDtype", "--kv-cache-dtype", "--kv-cache-dtype", "--kv-cache-dtype", "--kv_cache_dtype", ""},
    {kDrain, "timing.longestRequestSeconds", "--drain-timeout", "", "--shutdown-timeout", "", ""},
    {kDisaggregation, "topology", "", "--disaggregation-mode --disaggregation-bootstrap-port", "--disaggregation-mode", "--server_role", "--disaggregation-mode"},
    {kGroupSecret, "groupSecret", "--group-secret", "", "", "", ""},
};
// clang-format on

std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(' ', at), list.size());
    if (end > at) out.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool is_vllm(EngineDialect dialect) {
  return dialect == EngineDialect::kVllm || dialect == EngineDialect::kDynamoVllm;
}
bool is_sglang(EngineDialect dialect) {
  return dialect == EngineDialect::kSglang || dialect == EngineDialect::kDynamoSglang;
}
// Python's argparse completes names; hadal and click, which trtllm-serve is made with, do not.
bool completes(EngineDialect dialect) {
  return dialect != EngineDialect::kHadal && dialect != EngineDialect::kTrtllm;
}

std::string_view names_of(const SettingRow& row, EngineDialect dialect) {
  if (is_vllm(dialect)) return row.vllm;
  if (is_sglang(dialect)) return row.sglang;
  if (dialect == EngineDialect::kTrtllm) return row.trtllm;
  return dialect == EngineDialect::kHadal ? row.hadal : row.dynamo_trtllm;
}

std::string dashes(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

// "--x" of "--x=1", and of vLLM's "--x.part".
std::string_view flag_of(EngineDialect dialect, std::string_view word) {
  if (word.size() < 2 || word[0] != '-' || (word[1] >= '0' && word[1] <= '9')) return "";
  word = word.substr(0, word.find('='));
  return is_vllm(dialect) ? word.substr(0, word.find('.')) : word;
}

EngineFlag exact_flag(EngineDialect dialect, std::string_view name) {
  const std::string normal = dashes(name);
  for (const SettingRow& row : kSettings) {
    for (const std::string_view own : words_of(names_of(row, dialect))) {
      if (own == name) return {row.setting, std::string(own)};
      // vLLM takes underscores after "--"; to the others they make another name.
      if (dashes(own) == normal) return {row.setting, std::string(own), false, is_vllm(dialect)};
    }
  }
  return {};
}

// All that argparse may complete the name to.
std::vector<std::string> completions(EngineDialect dialect, const std::string& begin) {
  std::vector<std::string> out;
  if (is_sglang(dialect)) out = engine_flags_with_prefix(begin);
  const auto add = [&](std::string name) {
    if (name.starts_with(begin) && std::find(out.begin(), out.end(), name) == out.end())
      out.push_back(std::move(name));
  };
  for (const std::string_view name : known_engine_flags(dialect)) add("--" + std::string(name));
  if (is_vllm(dialect)) {
    for (const std::string_view name : words_of(kVllmShort)) add(std::string(name));
  }
  for (const SettingRow& row : kSettings) {
    for (const std::string_view name : words_of(names_of(row, dialect))) add(std::string(name));
  }
  return out;
}

bool is_known(EngineDialect dialect, const std::string& name) {
  if (is_sglang(dialect)) return is_engine_flag(name);
  const auto known = known_engine_flags(dialect);
  return name.starts_with("--") &&
         std::find(known.begin(), known.end(), std::string_view(name).substr(2)) != known.end();
}

EngineFlag completed_flag(EngineDialect dialect, std::string_view name) {
  const std::string begin = is_vllm(dialect) ? dashes(name) : std::string(name);
  if (begin == "--" || begin == "-" || is_known(dialect, begin)) return {};
  EngineFlag out;
  for (const std::string& full : completions(dialect, begin)) {
    const EngineFlag found = exact_flag(dialect, full);
    if (found.setting == kNone || (out.setting != kNone && out.setting != found.setting)) return {};
    out = found;
  }
  out.abbreviated = out.setting != kNone;
  return out;
}

}  // namespace

EngineFlag find_engine_flag(EngineDialect dialect, std::string_view word) {
  const std::string_view name = flag_of(dialect, word);
  if (name.empty()) return {};
  EngineFlag out = exact_flag(dialect, name);
  if (out.setting == kNone && completes(dialect)) out = completed_flag(dialect, name);
  return out;
}

std::string_view setting_field(EngineSetting setting) {
  for (const SettingRow& row : kSettings) {
    if (row.setting == setting) return row.field;
  }
  return "";
}

std::string_view setting_flag(EngineDialect dialect, EngineSetting setting) {
  for (const SettingRow& row : kSettings) {
    const std::string_view names = names_of(row, dialect);
    if (row.setting == setting) return names.substr(0, names.find(' '));
  }
  return "";
}

std::vector<std::string_view> known_engine_flags(EngineDialect dialect) {
  if (is_vllm(dialect)) return words_of(kVllmFlags);
  return dialect == EngineDialect::kTrtllm ? words_of(kTrtllmFlags) : std::vector<std::string_view>();
}

}  // namespace hadal
