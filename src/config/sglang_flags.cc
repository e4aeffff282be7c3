#include "config/sglang_flags.h"

#include <algorithm>
#include <string>

#include "config/flag_table.h"
#include "config/nearest_name.h"

namespace hadal {
namespace {

// Names of SGLang 0.4.6 to 0.5.23 (python/sglang/srt/server_args.py and arg_groups/fields/);
// testdata/sglang_flags.txt lists those, and a test finds each of them here or in the flag table.

using enum FlagValues;

constexpr SglangReason unneeded(std::string_view text) {
  return {FlagVerdict::kUnneeded, text};
}
constexpr SglangReason refused(std::string_view text) {
  return {FlagVerdict::kRefused, text};
}

// clang-format off
constexpr SglangReason kGpu = unneeded("it tunes a GPU, and this build computes on the CPU");
constexpr SglangReason kKernel = unneeded("the kernel is chosen from the machine and the shape");
constexpr SglangReason kOtherModels = unneeded("it is for model families that hadal does not serve");
constexpr SglangReason kWatchdog = unneeded("--watchdog-timeout covers it");
constexpr SglangReason kSleeps = unneeded("idle threads always sleep");
constexpr SglangReason kNuma = unneeded("threads run on the CPUs that this process is given");
constexpr SglangReason kEmbedded = unneeded("it is for Python programs that embed the engine");
constexpr SglangReason kGc = unneeded("there is no garbage collector");
constexpr SglangReason kTextOnly = unneeded("hadal serves text, and loads no other part of a model");
constexpr SglangReason kFp32 = unneeded("sums and logits are always in f32");
constexpr SglangReason kReleaseMemory = unneeded("memory is fixed at start and kept while serving");
constexpr SglangReason kGrammar = unneeded(
    "it tunes structured output, which this build does not have: its requests are refused");
constexpr SglangReason kNoCompile = unneeded("nothing is compiled at run time");
constexpr SglangReason kMetrics = unneeded("running figures and times are in /metrics");
constexpr SglangReason kSharding = unneeded("--tp alone decides how layers are split");
constexpr SglangReason kNoExpertRanks = unneeded(
    "experts are split by --tp, so nothing is sent between expert ranks");
constexpr SglangReason kOffload = unneeded("weights are in host memory already");
constexpr SglangReason kCpuExperts = unneeded("experts run on the CPU from the model's own weights");
constexpr SglangReason kLru = unneeded("least recently used blocks go first");
constexpr SglangReason kMeasured = unneeded(
    "memory is measured and fixed at start, so nothing has to be guessed");
constexpr SglangReason kHostCache = unneeded(
    "the KV cache is in host memory already: --max-total-tokens sets its size");
constexpr SglangReason kRemoteCode = unneeded("hadal runs no code from a model's directory");
constexpr SglangReason kEmbedding = unneeded("every decoder model also serves /v1/embeddings");
constexpr SglangReason kOneModel = unneeded("there is one implementation of each model");
constexpr SglangReason kDtype = unneeded("weights keep the checkpoint's type; sums are in f32");
constexpr SglangReason kLoader = unneeded("files are mapped and read in parallel");
constexpr SglangReason kDownload = unneeded("models are read from where they are");
constexpr SglangReason kLogLevel = unneeded("--log-level covers the HTTP server");
constexpr SglangReason kRequestLog = unneeded(
    "the access log has one line a request on standard error, without prompts; --log-format sets its form");
constexpr SglangReason kHealthLog = unneeded("health checks are not in the access log");
constexpr SglangReason kOnePort = unneeded("hosts meet at --dist-init-addr alone");
constexpr SglangReason kStepBound = unneeded("--chunked-prefill-size bounds every step");
constexpr SglangReason kPolicy = unneeded(
    "prefix reuse and priorities are always on; order is priority, then arrival");
constexpr SglangReason kPriorities = unneeded("priorities are always on");
constexpr SglangReason kResume = unneeded("a preempted request resumes from its cached prefix");
constexpr SglangReason kOverlap = unneeded("planning always overlaps execution");
constexpr SglangReason kMixed = unneeded("prefill chunks always share steps with decodes");
constexpr SglangReason kTokenizer = unneeded(
    "there is one tokenizer, and --tokenizer-worker-num sets its threads");
constexpr SglangReason kIoThreads = unneeded("--io-threads share one listener");
constexpr SglangReason kWarmup = unneeded("there is no warm-up request");
constexpr SglangReason kCacheReport = unneeded("cached tokens are always reported in usage");
constexpr SglangReason kStripCache = unneeded(
    "a prefix of the cache serves only a request that has the same prefix");
constexpr SglangReason kStreams = unneeded("each step's tokens are sent at once");
constexpr SglangReason kSampler = unneeded("there is one sampler");
constexpr SglangReason kDeterministic = unneeded(
    "a request's tokens never depend on what else is in the batch");
constexpr SglangReason kCanaryTuning = unneeded("it tunes a check that hadal does not have");

constexpr SglangReason kSpeculative = refused("speculative decoding is not there: leave its flags out");
constexpr SglangReason kDisaggregation = refused(
    "prefill and decode cannot be split between servers: start whole servers");
constexpr SglangReason kEncoders = refused(
    "there are no separate encoder servers, since hadal serves text alone: leave it out");
constexpr SglangReason kGrpc = refused("there is no gRPC server: use the OpenAI API over HTTP");
constexpr SglangReason kLora = refused(
    "adapters are not there: merge the adapter into the checkpoint and serve that");
constexpr SglangReason kDataParallel = refused(
    "data parallelism inside one server is not there: start several servers");
constexpr SglangReason kAttentionDp = refused("data-parallel attention is not there: use --tp");
constexpr SglangReason kPipeline = refused("pipeline parallelism is not there: use --tp");
constexpr SglangReason kExpertParallel = refused(
    "expert parallelism is not there: use --tp, which splits every expert");
constexpr SglangReason kContextParallel = refused("context parallelism is not there: use --tp");
constexpr SglangReason kToolCalls = refused(
    "tool calls are not parsed: leave it out, and their text stays in content");
constexpr SglangReason kToolServer = refused("hadal calls no tools: run them in the client");
constexpr SglangReason kTokenizerInit = refused(
    "the tokenizer is always loaded: leave it out, prompts may be token ids all the same");
constexpr SglangReason kOverride = refused(
    "a model's configuration is not overridden by flags: edit its config.json");
constexpr SglangReason kRevision = refused(
    "models are read from where they are: name the directory of the revision");
constexpr SglangReason kTemplateName = refused(
    "a template is not chosen by name: give it with --chat-template FILE");
constexpr SglangReason kLowPriority = refused(
    "higher priority values always run first: turn the values round in the requests");
constexpr SglangReason kPriorityRule = refused(
    "priorities cannot be tuned: give each request its own, and it is 0 without one");
constexpr SglangReason kDiffusion = refused(
    "diffusion models are not there: serve a model that decodes token by token");
constexpr SglangReason kWatermark = refused("watermarks are not there: leave it out");
constexpr SglangReason kExtraOutputs = refused(
    "hidden states, expert choices and the like are not returned: ask for logprobs");
constexpr SglangReason kLogitProcessor = refused("a request's own code is not run: use logit_bias");
constexpr SglangReason kScoring = refused(
    "scoring of several items in one request is not there: send one request for each");
constexpr SglangReason kQuantize = refused(
    "hadal does not quantise at load: serve a checkpoint that is quantised (FP8 or GGUF)");
constexpr SglangReason kSparse = refused("sparse attention is not there: leave it out");
constexpr SglangReason kRemoteWeights = refused("weights come from files alone: give the model's path");
constexpr SglangReason kLoaderConfig = refused("the loader has no options: leave it out");
constexpr SglangReason kEncrypted = refused("encrypted checkpoints are not read: give a decrypted directory");
constexpr SglangReason kChecksum = refused(
    "checksums of whole checkpoints are not compared: check the files before the start");
constexpr SglangReason kDelete = refused("hadal deletes no model files: delete them after the start");
constexpr SglangReason kTrainer = refused("sampling is not matched to a trainer's: leave it out");
constexpr SglangReason kKvStorage = refused(
    "the KV cache has one tier, in memory: --max-total-tokens sets its size");
constexpr SglangReason kSessions = refused(
    "sessions are not there: each request brings its whole conversation, and prefixes are reused");
constexpr SglangReason kAdmin = refused("there are no administration routes to guard: use --api-key");
constexpr SglangReason kRootPath = refused("routes begin at /: let the proxy take its prefix off");
constexpr SglangReason kClientCertificates = refused("clients' certificates are not checked: use --api-key");
constexpr SglangReason kKeyPassword = refused(
    "encrypted keys are not read: decrypt the file that --ssl-keyfile names");
constexpr SglangReason kTlsRefresh = refused(
    "certificates are read at start: restart the server to change them");
constexpr SglangReason kHttp2 = refused("the server speaks HTTP/1.1: let a proxy speak HTTP/2");
constexpr SglangReason kRequestTemplate = refused(
    "a request cannot bring its own chat template: set it with --chat-template");
constexpr SglangReason kTemplateArguments = refused(
    "template arguments are not set for all requests: send chat_template_kwargs with each");
constexpr SglangReason kCompletionTemplate = refused(
    "completions have no template: write the prompt as the model expects it");
constexpr SglangReason kResponseStore = refused("answers and files are not stored: keep them in the client");
constexpr SglangReason kPreferred = refused(
    "sampling settings are not announced: write them into the model's generation_config.json");
constexpr SglangReason kSamplingDefaults = refused(
    "defaults come from the model's generation_config.json: send other settings with each request");
constexpr SglangReason kTruncate = refused("prompts are never cut: one that is too long is answered 400");
constexpr SglangReason kUsageDefault = refused(
    "usage is not streamed unasked: send stream_options.include_usage");
constexpr SglangReason kSegments = refused("streams carry what is new since the last event: leave it out");
constexpr SglangReason kStrictThinking = refused(
    "tokens are not filtered while the model reasons: use logit_bias");
constexpr SglangReason kTextModels = refused("hadal serves text models alone: leave it out");
constexpr SglangReason kLabels = refused(
    "metrics carry no labels of your own: add them where they are scraped");
constexpr SglangReason kTracing = refused("traces are not sent: use /metrics and the access log");
constexpr SglangReason kMetricsFile = refused("metrics are not written to files: scrape /metrics");
constexpr SglangReason kEvents = refused("cache and load events are not published: scrape /metrics");
constexpr SglangReason kDumps = refused("nothing is dumped or recorded for debugging: leave it out");
constexpr SglangReason kRay = refused("Ray is not used: start each host with --nnodes and --node-rank");
constexpr SglangReason kWeightVersion = refused("weights carry no version: put it into --served-model-name");
constexpr SglangReason kGatedLaunch = refused(
    "a start cannot be held back: start the server when it should run");
constexpr SglangReason kCanary = refused("there is no canary in the KV cache: leave it out");

constexpr SglangFlags kFlags[] = {
    {kGpu, kOne,
     "--base-gpu-id --gpu-id-step --cuda-graph-config --cuda-graph-backend-decode "
     "--cuda-graph-backend-prefill --cuda-graph-max-bs-decode --cuda-graph-max-bs-prefill "
     "--cuda-graph-max-seq-len-prefill --cuda-graph-prefill-max-context --context-bucket "
     "--flashinfer-allreduce-fusion-backend --tbo-token-distribution-threshold "
     "--monokernel-backend --cuda-graph-max-bs --piecewise-cuda-graph-tokens "
     "--piecewise-cuda-graph-compiler --piecewise-cuda-graph-max-tokens"},
    {kGpu, kNone,
     "--mlx-enable-sampling --enable-nvidia-megakernel --enable-amd-monokernel "
     "--disable-prefill-cuda-graph --disable-decode-cuda-graph --disable-cuda-graph-padding "
     "--enable-profile-cuda-graph --enable-cudagraph-gc --debug-cuda-graph --enable-nccl-nvls "
     "--enable-symm-mem --disable-custom-all-reduce --enable-mscclpp --enable-torch-symm-mem "
     "--pre-warm-nccl --enforce-disable-flashinfer-allreduce-fusion "
     "--enable-aiter-allreduce-fusion --disable-aiter-allreduce-fusion-in-prefill "
     "--disable-aiter-allreduce-fusion-in-decode --enable-two-batch-overlap "
     "--enable-single-batch-overlap --enable-p2p-check --disable-cuda-graph "
     "--enable-flashinfer-allreduce-fusion --enable-piecewise-cuda-graph"},
    {kGpu, kNumbers, "--cuda-graph-bs-decode --cuda-graph-bs-prefill --cuda-graph-bs"},
    {kWatchdog, kOne, "--soft-watchdog-timeout"},
    {kSleeps, kNone, "--sleep-on-idle"},
    {kNuma, kNumbers, "--numa-node"},
    {kNuma, kNone, "--disable-hicache-numa-detect"},
    {kEmbedded, kOne, "--custom-sigquit-handler"},
    {kGc, kNumbers, "--gc-threshold"},
    {kTextOnly, kNone,
     "--language-model-only --enable-precise-embedding-interpolation "
     "--enable-broadcast-mm-inputs-process --enable-prefix-mm-cache --trust-mm-content-hashes "
     "--enable-mm-global-cache --disable-fast-image-processor --keep-mm-feature-on-device"},
    {kTextOnly, kOne,
     "--mm-attention-backend --mm-process-config --mm-processor-worker-num --mm-io-worker-num "
     "--media-url-max-file-size-mb --mm-preprocess-cache-size-mb --limit-mm-data-per-request "
     "--image-processor-backend --mm-global-cache-backend --mm-feature-transport "
     "--mm-max-concurrent-calls --mm-per-request-timeout"},
    {kTextOnly, kWords, "--allowed-media-domains"},
    {kFp32, kNone,
     "--enable-fp32-lm-head --triton-attention-reduce-in-fp32 --enable-nan-detection"},
    {kFp32, kNegatable, "--enable-tf32-matmul"},
    {kReleaseMemory, kNone,
     "--enable-memory-saver --enable-weights-cpu-backup --enable-draft-weights-cpu-backup"},
    {kOtherModels, kNone,
     "--enable-encoder-swa-bounded-replay --enable-deepseek-v4-fp4-indexer "
     "--enable-mamba-cache-stochastic-rounding --enable-int8-mamba-checkpoint "
     "--enable-linear-replayssm --enable-linear-replayssm-spec --disable-hybrid-swa-memory"},
    {kOtherModels, kNegatable, "--enable-decoder-swa-bounded-replay --enable-dsa-fused-indexer"},
    {kOtherModels, kOne,
     "--dsa-prefill-backend --dsv4-prefill-backend --dsa-triton-union --dsa-decode-backend "
     "--dsv4-attn-backend --dsa-paged-mqa-logits-backend --dsa-topk-backend --mamba-backend "
     "--mamba-ssm-dtype --mamba-max-states-per-path --mamba-cache-philox-rounds "
     "--mamba-radix-cache-strategy --mamba-scheduler-strategy --mamba-track-interval "
     "--int8-mamba-ckpt-size "
     "--linear-attn-backend --linear-attn-decode-backend --linear-attn-prefill-backend "
     "--linear-attn-verify-backend --linear-replayssm-cache-len --qsa-indexer-dtype "
     "--c128-page-size --swa-full-tokens-ratio --swa-prefix-tails --max-mamba-cache-size "
     "--mamba-full-memory-ratio --nsa-prefill-backend --nsa-decode-backend"},
    {kOtherModels, kOptional, "--hybrid-kvcache-ratio"},
    {kGrammar, kNone,
     "--disable-outlines-disk-cache --constrained-json-disable-any-whitespace"},
    {kGrammar, kOne,
     "--grammar-backend --constrained-json-whitespace-pattern "
     "--constrained-json-max-whitespace-cnt"},
    {kKernel, kOne,
     "--attention-backend --decode-attention-backend --prefill-attention-backend "
     "--prefill-kv-cache-dequant-dtype --fp8-gemm-backend --fp4-gemm-backend "
     "--bf16-gemm-backend --triton-attention-num-kv-splits --triton-attention-split-tile-size "
     "--moe-runner-backend --flashinfer-mxfp4-moe-precision"},
    {kKernel, kNone,
     "--enable-lean-attention --disable-flashinfer-autotune --flashinfer-mla-disable-ragged "
     "--disable-flashinfer-cutlass-moe-fp4-allgather --disable-shared-experts-fusion "
     "--enforce-shared-experts-fusion --disable-chunked-prefix-cache --enable-flashinfer-mla "
     "--enable-flashmla"},
    {kKernel, kWords, "--flashinfer-autotune-skip-ops"},
    {kKernel, kNegatable, "--enable-fused-qk-norm-rope"},
    {kNoCompile, kNone, "--enable-torch-compile --enable-torch-compile-debug-mode"},
    {kNoCompile, kOne, "--torch-compile-max-bs"},
    {kMetrics, kNone,
     "--enable-layerwise-nvtx-marker --show-time-cost --enable-mfu-metrics "
     "--enable-metrics-for-all-schedulers --enable-request-time-stats-logging "
     "--collect-tokens-histogram"},
    {kMetrics, kOne,
     "--load-snapshot-publish-interval --gc-warning-threshold-secs --decode-log-interval "
     "--load-watch-interval"},
    {kMetrics, kNumbers,
     "--bucket-time-to-first-token --bucket-inter-token-latency --bucket-e2e-request-latency"},
    {kMetrics, kWords, "--prompt-tokens-buckets --generation-tokens-buckets"},
    {kSharding, kNone,
     "--enable-scattered-sconv --enable-quant-communications --enable-fused-moe-sum-all-reduce "
     "--enable-attn-tp-input-scattered --enable-shared-experts-attn-tp "
     "--enable-dense-mlp-attn-tp --enable-layernorm-sp --disable-attn-tp-gather"},
    {kSharding, kOne, "--boundary-reduction --shared-experts-tp-size --moe-dense-tp-size"},
    {kSharding, kNegatable, "--enable-tp-lm-head-all-to-all"},
    {kNoExpertRanks, kNone,
     "--enable-w4a4-mxfp4-megamoe --enable-waterfill --enable-megamoe-for-layernorm-sp"},
    {kNoExpertRanks, kOne,
     "--deepep-v2-mode --deepep-mode --fuseep-mode --deepep-dispatcher-output-dtype "
     "--flashinfer-a2a-dispatch-type --ep-dispatch-algorithm --eplb-algorithm "
     "--eplb-rebalance-num-iterations --eplb-rebalance-layers-per-chunk "
     "--eplb-min-rebalancing-utilization-threshold --deepep-config --mooncake-ib-device "
     "--n-share-experts-fusion"},
    {kOffload, kNone, "--enable-paged-experts"},
    {kOffload, kOne,
     "--paged-experts-num-resident --cpu-offload-gb --offload-group-size "
     "--offload-num-in-group --offload-prefetch-step --offload-mode --ple-offload-backend "
     "--ple-offload-dir"},
    {kOffload, kNegatable, "--ple-offload-embedding"},
    {kCpuExperts, kOne,
     "--kt-weight-path --kt-method --kt-cpuinfer --kt-threadpool-count --kt-num-gpu-experts "
     "--kt-max-deferred-experts-per-token --kt-amx-weight-path --kt-amx-method"},
    {kDeterministic, kNone, "--enable-deterministic-inference"},
    {kLru, kOne, "--radix-eviction-policy --radix-eviction-policy-config"},
    {kMeasured, kNone,
     "--enable-page-major-kv-layout --enable-unified-memory --prefill-only-disable-kv-cache"},
    {kMeasured, kOne, "--mem-fraction-static"},
    {kHostCache, kNone, "--enable-hierarchical-cache --enable-hicache"},
    {kHostCache, kOne,
     "--hicache-host-memory-mode --hicache-ratio --hicache-size --hicache-host-memory-fraction "
     "--hicache-write-policy --hicache-io-backend --hicache-mem-layout"},
    {kRemoteCode, kNone, "--trust-remote-code"},
    {kEmbedding, kNone, "--is-embedding"},
    {kOneModel, kOne, "--model-impl --model-config-parser"},
    {kDtype, kOne, "--dtype"},
    {kLoader, kOne, "--startup-weight-load-mode --weight-loader-prefetch-num-threads"},
    {kLoader, kNone,
     "--weight-loader-disable-mmap --weight-loader-prefetch-checkpoints "
     "--weight-loader-drop-cache-after-load"},
    {kDownload, kOne, "--download-dir"},
    {kLogLevel, kOne, "--log-level-http"},
    {kRequestLog, kOne, "--log-requests-level --log-requests-format"},
    {kRequestLog, kWords, "--log-requests-target"},
    {kHealthLog, kWords, "--uvicorn-access-log-exclude-prefixes"},
    {kCanaryTuning, kOne, "--kv-canary-sweep-interval --kv-canary-real-data"},
    {kOnePort, kOne, "--nccl-port"},
    {kStepBound, kOne,
     "--prefill-decode-interval --prefill-decode-interval-min-bs --max-prefill-tokens "
     "--prefill-max-requests --scheduler-recv-interval"},
    {kPolicy, kOne, "--schedule-policy"},
    {kPriorities, kNone, "--enable-priority-scheduling --abort-on-priority-when-disabled"},
    {kPriorities, kOne, "--priority-scheduling-preemption-threshold"},
    {kResume, kOne, "--retraction-policy --schedule-conservativeness"},
    {kOverlap, kNone, "--disable-overlap-schedule"},
    {kOverlap, kOne, "--num-continuous-decode-steps"},
    {kMixed, kNone, "--enable-mixed-chunk --enable-prefill-delayer"},
    {kMixed, kOne,
     "--prefill-delayer-max-delay-passes --prefill-delayer-token-usage-low-watermark "
     "--prefill-delayer-queue-min-ratio --prefill-delayer-max-delay-ms --min-free-slots-delay"},
    {kMixed, kNumbers,
     "--prefill-delayer-forward-passes-buckets --prefill-delayer-wait-seconds-buckets"},
    {kTokenizer, kOne,
     "--tokenizer-mode --tokenizer-backend --detokenizer-worker-num "
     "--dynamic-batch-tokenizer-batch-size --dynamic-batch-tokenizer-batch-timeout"},
    {kTokenizer, kNone,
     "--enable-dynamic-batch-tokenizer --enable-tokenizer-batch-encode "
     "--disable-tokenizer-batch-decode"},
    {kIoThreads, kNone, "--enable-http-worker-reuseport"},
    {kWarmup, kNone, "--skip-server-warmup"},
    {kWarmup, kOne, "--warmups"},
    {kCacheReport, kNone, "--enable-cache-report"},
    {kStripCache, kNone, "--strip-thinking-cache"},
    {kStreams, kOne, "--stream-interval --batch-notify-size"},
    {kSampler, kOne, "--sampling-backend"},
    {kRay, kNone, "--use-ray"},
    {kSpeculative, kOne,
     "--decoupled-spec-bind-endpoint --decoupled-spec-connect-endpoints --decoupled-spec-rank "
     "--speculative-algorithm --uno-lora-path --speculative-draft-model-path "
     "--speculative-draft-model --speculative-draft-model-revision "
     "--speculative-draft-load-format --speculative-num-steps --speculative-eagle-topk "
     "--speculative-num-draft-tokens --speculative-dflash-block-size "
     "--speculative-domino-candidate-pool-size --speculative-dspark-block-size "
     "--speculative-dspark-sps-table-path --speculative-dspark-confidence-sts-path "
     "--speculative-accept-threshold-single --speculative-accept-threshold-acc "
     "--speculative-token-map --speculative-attention-mode "
     "--speculative-draft-attention-backend --speculative-dsa-topk-backend "
     "--speculative-draft-kv-cache-dtype --speculative-draft-window-size "
     "--speculative-draft-sink-size --speculative-moe-runner-backend "
     "--speculative-moe-a2a-backend --speculative-draft-model-quantization "
     "--speculative-adaptive-config --spec-trace-dir --speculative-ngram-min-bfs-breadth "
     "--speculative-ngram-max-bfs-breadth --speculative-ngram-match-type "
     "--speculative-ngram-max-trie-depth --speculative-ngram-capacity "
     "--speculative-ngram-external-corpus-path --speculative-ngram-external-sam-budget "
     "--speculative-ngram-external-corpus-max-tokens --speculative-ngram-min-match-window-size "
     "--speculative-ngram-max-match-window-size --speculative-ngram-branch-length"},
    {kSpeculative, kOne, "--decoupled-spec-role", "null"},
    {kSpeculative, kNone,
     "--speculative-dspark-align-verify-tokens-to-graph-tier "
     "--speculative-use-rejection-sampling --speculative-use-block-verification "
     "--enable-multi-layer-eagle --speculative-adaptive"},
    {kSpeculative, kNegatable, "--speculative-enable-w4a4-mxfp4-megamoe"},
    {kDisaggregation, kOne, "--disaggregation-mode", "null"},
    {kDisaggregation, kOne,
     "--disaggregation-decode-allocation-policy --disaggregation-transfer-backend "
     "--disaggregation-bootstrap-port --disaggregation-ib-device "
     "--disaggregation-decode-retraction-backup --num-reserved-decode-tokens "
     "--disaggregation-decode-extra-slots --disaggregation-decode-polling-interval "
     "--pdmux-config-path --sm-group-num --disaggregation-decode-host-receive-threshold "
     "--pdlb-url --disaggregation-decode-tp --disaggregation-decode-dp "
     "--disaggregation-prefill-pp"},
    {kDisaggregation, kNone,
     "--disaggregation-enable-kv-checksum --disaggregation-decode-enable-radix-cache "
     "--disaggregation-decode-enable-offload-kvcache --enable-pd-role-switch --enable-pdmux "
     "--prefill-round-robin-balance"},
    {kDisaggregation, kOne, "--optimistic-prefill-attempts", "0"},
    {kEncoders, kNone, "--encoder-only --language-only --enable-adaptive-dispatch-to-encoder"},
    {kEncoders, kOne, "--encoder-transfer-backend --encoder-bootstrap-port"},
    {kEncoders, kWords, "--encoder-urls --encoder-register-urls"},
    {kLogitProcessor, kNone, "--enable-custom-logit-processor"},
    {kWatermark, kNone, "--enable-watermark"},
    {kWatermark, kOne, "--watermark-config"},
    {kExtraOutputs, kNone,
     "--enable-return-hidden-states --enable-return-aux-hidden-states "
     "--enable-return-routed-experts --enable-return-indexer-topk --return-input-ids "
     "--return-output-ids"},
    {kExtraOutputs, kOne, "--return-hidden-states-mode --sampling-mask-max-tokens"},
    {kExtraOutputs, kNumbers, "--return-aux-hidden-state-layer-ids"},
    {kScoring, kNone, "--enable-mis"},
    {kScoring, kOne, "--multi-item-scoring-delimiter"},
    {kExpertParallel, kOne, "--moe-a2a-backend --elastic-ep-backend", "none"},
    {kExpertParallel, kOne, "--ep-num-redundant-experts", "0"},
    {kExpertParallel, kOne, "--init-expert-location", "trivial"},
    {kExpertParallel, kNone,
     "--enable-eplb --enable-elastic-expert-backup --enable-ep-moe --enable-deepep-moe"},
    {kExpertParallel, kOne,
     "--elastic-ep-join-mode --elastic-ep-scale-timeout --elastic-ep-join-rank-offset "
     "--elastic-ep-initial-size --max-ep-size"},
    {kExpertParallel, kOne, "--ep-size --expert-parallel-size --ep", "1"},
    {kDumps, kOne,
     "--expert-distribution-recorder-mode --expert-distribution-recorder-buffer-size "
     "--expert-balancedness-report-mode --crash-dump-folder --debug-tensor-dump-output-folder "
     "--debug-tensor-dump-input-file --forward-hooks --msprobe-dump-config "
     "--debug-tensor-dump-inject"},
    {kDumps, kNumbers, "--debug-tensor-dump-layers"},
    {kDumps, kNone, "--enable-expert-distribution-metrics"},
    {kDiffusion, kOne, "--dllm-algorithm --dllm-algorithm-config"},
    {kDiffusion, kNegatable, "--dllm-fdfo"},
    {kTrainer, kOne, "--rl-on-policy-target"},
    {kLora, kNone,
     "--enable-lora --enable-lora-overlap-loading --lora-use-virtual-experts"},
    {kLora, kOne,
     "--max-lora-rank --max-loaded-loras --max-loras-per-batch --lora-eviction-policy "
     "--lora-backend --max-lora-chunk-size --lora-drain-wait-threshold"},
    {kLora, kWords, "--lora-target-modules --lora-paths"},
    {kLora, kNegatable, "--experts-shared-outer-loras --lora-strict-loading"},
    {kSessions, kNone, "--enable-session-radix-cache --enable-streaming-session"},
    {kKvStorage, kOne,
     "--radix-cache-backend --hicache-storage-backend --hicache-storage-prefetch-policy "
     "--hicache-storage-backend-extra-config --hicache-storage-prefetch-retry-poll-interval "
     "--hicache-storage-prefetch-retry-max-attempts --unified-cache-external-linker-backend "
     "--unified-cache-external-linker-config --lmcache-config-file --flexkv-config-file"},
    {kKvStorage, kNone,
     "--enable-unified-cache-external-linker --enable-linker-mla-dedup --enable-lmcache "
     "--enable-flexkv"},
    {kSparse, kNone, "--enable-hisparse --enable-double-sparsity"},
    {kSparse, kOne,
     "--hisparse-config --hierarchical-sparse-attention-extra-config --ds-channel-config-path "
     "--ds-heavy-channel-num --ds-heavy-token-num --ds-heavy-channel-type "
     "--ds-sparse-decode-threshold"},
    {kTextModels, kNone, "--enable-multimodal"},
    {kTextModels, kNegatable, "--mm-enable-dp-encoder"},
    {kTextModels, kOne, "--asr-max-buffer-seconds --asr-max-concurrent-sessions"},
    {kLoaderConfig, kOne, "--model-loader-extra-config", "{}"},
    {kRevision, kOne, "--revision"},
    {kOverride, kOne, "--json-model-override-args", "{}"},
    {kQuantize, kOne,
     "--quantization-param-path --modelopt-quant --modelopt-checkpoint-restore-path "
     "--modelopt-checkpoint-save-path --modelopt-export-path --rl-quant-profile "
     "--torchao-config"},
    {kQuantize, kNone, "--quantize-and-serve"},
    {kRemoteWeights, kWords, "--custom-weight-loader"},
    {kRemoteWeights, kOne,
     "--remote-instance-weight-loader-seed-instance-ip "
     "--remote-instance-weight-loader-seed-instance-service-port "
     "--remote-instance-weight-loader-send-weights-group-ports "
     "--remote-instance-weight-loader-backend --engine-info-bootstrap-port "
     "--modelexpress-config --weight-cache-socket --weight-cache-timeout"},
    {kRemoteWeights, kNone,
     "--remote-instance-weight-loader-start-seed-via-transfer-engine "
     "--checkpoint-engine-wait-weights-before-ready"},
    {kRemoteWeights, kOne, "--weight-cache-mode", "off"},
    {kChecksum, kOptional, "--model-checksum"},
    {kDelete, kNone, "--delete-ckpt-after-loading"},
    {kEncrypted, kOne, "--decrypted-config-file --decrypted-draft-config-file"},
    {kGrpc, kOne,
     "--smg-http-sidecar-port --grpc-http-sidecar-port --grpc-port "
     "--grpc-response-timeout-secs --sidecar --sidecar-args"},
    {kGrpc, kNone, "--smg-grpc-mode --grpc-mode"},
    {kLabels, kOne, "--tokenizer-metrics-custom-labels-header --extra-metric-labels"},
    {kLabels, kWords, "--tokenizer-metrics-allowed-custom-labels"},
    {kEvents, kOne,
     "--kv-events-config --load-publish-endpoint --forward-pass-metrics-worker-id "
     "--forward-pass-metrics-ipc-name"},
    {kEvents, kNone, "--enable-forward-pass-metrics"},
    {kTracing, kNone, "--enable-trace"},
    {kTracing, kOne, "--trace-modules --otlp-traces-endpoint --otlp-service-name"},
    {kMetricsFile, kNone, "--export-metrics-to-file"},
    {kMetricsFile, kOne, "--export-metrics-to-file-dir"},
    {kCanary, kOne, "--kv-canary", "none"},
    {kGatedLaunch, kOne, "--gated-launch-port"},
    {kContextParallel, kOne,
     "--dcp-size --decode-context-parallel-size --attn-cp-size "
     "--attention-context-parallel-size", "1"},
    {kContextParallel, kOne, "--dcp-comm-backend --cp-strategy --nsa-prefill-cp-mode"},
    {kContextParallel, kNegatable, "--dcp-replicate-q-proj"},
    {kContextParallel, kNone,
     "--enable-prefill-cp --enable-dsa-cache-layer-split --enable-cp-decode-attn-tp "
     "--enable-kv-cache-sharding --enable-nsa-prefill-context-parallel"},
    {kPipeline, kOne, "--pp-size --pipeline-parallel-size --pp", "1"},
    {kPipeline, kOne, "--pp-max-micro-batch-size --max-micro-batch-size"},
    {kPipeline, kOne, "--pp-async-batch-depth", "0"},
    {kPipeline, kNone, "--enable-dynamic-chunking"},
    {kDataParallel, kOne, "--dp-size --data-parallel-size --dp", "1"},
    {kDataParallel, kOne, "--load-balance-method", "auto"},
    {kAttentionDp, kOne,
     "--attn-dp-size --attention-data-parallel-size --moe-dp-size --moe-data-parallel-size "
     "--dwdp-size", "1"},
    {kAttentionDp, kNone,
     "--enable-dp-attention-local-control-broadcast --enable-dp-lm-head --enable-dp-attention"},
    {kPriorityRule, kNone, "--disable-priority-preemption"},
    {kPriorityRule, kOne, "--default-priority-value", "0"},
    {kLowPriority, kNone, "--schedule-low-priority-values-first"},
    {kResponseStore, kNone, "--enable-response-store"},
    {kResponseStore, kOne, "--file-storage-path"},
    {kTokenizerInit, kNone, "--skip-tokenizer-init"},
    {kRootPath, kOne, "--fastapi-root-path"},
    {kHttp2, kNone, "--enable-http2"},
    {kHttp2, kOne, "--http2-max-concurrent-streams --http2-initial-connection-window-size"},
    {kClientCertificates, kOne, "--ssl-ca-certs"},
    {kKeyPassword, kOne, "--ssl-keyfile-password"},
    {kTlsRefresh, kNone, "--enable-ssl-refresh"},
    {kAdmin, kOne, "--admin-api-key"},
    {kWeightVersion, kOne, "--weight-version", "default"},
    {kRequestTemplate, kNone, "--trust-request-chat-template"},
    {kTemplateName, kOne, "--hf-chat-template-name"},
    {kCompletionTemplate, kOne, "--completion-template"},
    {kTemplateArguments, kOne, "--default-chat-template-kwargs"},
    {kStrictThinking, kNone, "--enable-strict-thinking"},
    {kToolServer, kOne, "--tool-server"},
    {kSamplingDefaults, kOne, "--sampling-defaults", "model"},
    {kPreferred, kOne, "--preferred-sampling-params"},
    {kTruncate, kNone, "--allow-auto-truncate"},
    {kUsageDefault, kNone, "--stream-response-default-include-usage"},
    {kSegments, kNone, "--incremental-streaming-output --stream-output"},
    {kToolCalls, kOne, "--tool-call-parser"},
};
// clang-format on

bool has_name(std::string_view names, std::string_view name) {
  for (size_t begin = 0; begin < names.size();) {
    const size_t end = std::min(names.find(' ', begin), names.size());
    if (names.substr(begin, end - begin) == name) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

std::span<const SglangFlags> sglang_flags() {
  return kFlags;
}

SglangMatch find_sglang_flag(std::string_view name) {
  constexpr std::string_view kNo = "--no-";
  for (const SglangFlags& flag : kFlags) {
    if (has_name(flag.names, name)) return {&flag, false};
    if (flag.values != FlagValues::kNegatable || !name.starts_with(kNo)) continue;
    if (has_name(flag.names, "--" + std::string(name.substr(kNo.size())))) return {&flag, true};
  }
  return {};
}

namespace {

// Every name, "--no-" ones left out.
std::vector<std::string_view> engine_flag_names() {
  std::vector<std::string_view> out;
  for (const SglangFlags& flag : kFlags) {
    for (size_t begin = 0; begin < flag.names.size();) {
      const size_t end = std::min(flag.names.find(' ', begin), flag.names.size());
      out.push_back(flag.names.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  for (const FlagSpec& flag : serve_flags()) {
    if ((flag.commands & kForServe) == 0) continue;
    for (const std::string_view name : flag_names(flag)) out.push_back(name);
  }
  return out;
}

}  // namespace

bool is_engine_flag(std::string_view name) {
  return find_sglang_flag(name).flag != nullptr || find_flag(name, kForServe) != nullptr;
}

std::vector<std::string> engine_flags_with_prefix(std::string_view prefix) {
  std::vector<std::string> out;
  if (is_engine_flag(prefix)) return out;
  for (const std::string_view name : engine_flag_names()) {
    if (name.starts_with(prefix)) out.emplace_back(name);
  }
  return out;
}

std::string nearest_engine_flag(std::string_view name) {
  const std::vector<std::string_view> names = engine_flag_names();
  return nearest_name(name, names);
}

}  // namespace hadal
