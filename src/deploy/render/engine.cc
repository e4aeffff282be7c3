#include "deploy/render/engine.h"

#include <algorithm>

#include "deploy/render/json_build.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

#ifndef HADAL_VERSION
#define HADAL_VERSION "latest"
#endif

// Metric names: hadal's src/engine/engine_metrics.cc; SGLang's observability metrics collector (0.5); vLLM's
// v1 metrics (0.11); TensorRT-LLM's metrics collector (1.1).
constexpr EngineTraits kTraits[] = {
    {.name = "hadal",
     .repository = "hadal",
     .tag = HADAL_VERSION,
     .port = 30000,
     .warm_up_gpu = 120,
     .warm_up_cpu = 30,
     .waiting = "hadal_waiting_requests",
     .running = "hadal_running_requests",
     .kv_usage = "sum by (pod) (hadal_kv_blocks{state=\"used\",%s}) / sum by (pod) "
                 "(hadal_kv_blocks{state=\"total\",%s})",
     .first_token = "hadal_time_to_first_token_seconds",
     .inter_token = "hadal_inter_token_seconds",
     .request_time = "hadal_request_seconds",
     .prompt_tokens = "hadal_prompt_tokens_total",
     .generated_tokens = "hadal_generated_tokens_total",
     .metrics_need_key = true},
    {.name = "sglang",
     .repository = "lmsysorg/sglang",
     .tag = "v0.5.5",
     .port = 30000,
     .warm_up_gpu = 900,
     .warm_up_cpu = 300,
     .waiting = "sglang:num_queue_reqs",
     .running = "sglang:num_running_reqs",
     .kv_usage = "max by (pod) (sglang:token_usage{%s})",
     .first_token = "sglang:time_to_first_token_seconds",
     .inter_token = "sglang:inter_token_latency_seconds",
     .request_time = "sglang:e2e_request_latency_seconds",
     .prompt_tokens = "sglang:prompt_tokens_total",
     .generated_tokens = "sglang:generation_tokens_total"},
    {.name = "vllm",
     .repository = "vllm/vllm-openai",
     .tag = "v0.12.0",
     .port = 8000,
     .warm_up_gpu = 900,
     .warm_up_cpu = 300,
     .waiting = "vllm:num_requests_waiting",
     .running = "vllm:num_requests_running",
     .kv_usage = "max by (pod) (vllm:kv_cache_usage_perc{%s})",
     .first_token = "vllm:time_to_first_token_seconds",
     .inter_token = "vllm:inter_token_latency_seconds",
     .request_time = "vllm:e2e_request_latency_seconds",
     .prompt_tokens = "vllm:prompt_tokens_total",
     .generated_tokens = "vllm:generation_tokens_total"},
    {.name = "trtllm",
     .repository = "nvcr.io/nvidia/tensorrt-llm/release",
     .tag = "1.1.0",
     .port = 8000,
     .warm_up_gpu = 1200,
     .warm_up_cpu = 600,
     .metrics_path = "/prometheus/metrics",
     .first_token = "trtllm_time_to_first_token_seconds",
     .inter_token = "trtllm_time_per_output_token_seconds",
     .request_time = "trtllm_e2e_request_latency_seconds",
     .checks_api_key = false},
};

void add_user_args(const RenderContext& context, const RoleContext& role, JsonArray& args) {
  for (const std::string& word : context.spec.engine.extra_args) args.emplace_back(word);
  for (const std::string& word : role.extra_args) args.emplace_back(word);
}

void flag(JsonArray& args, std::string_view name, std::string_view value) {
  args.emplace_back(name);
  args.emplace_back(value);
}
void flag(JsonArray& args, std::string_view name, int64_t value) {
  flag(args, name, std::to_string(value));
}
void flag_if(JsonArray& args, std::string_view name, int64_t value) {
  if (value > 0) flag(args, name, value);
}
std::string number_text(double value) {
  return to_json(Json(value));
}

std::string leader_address() {
  return "$(LWS_LEADER_ADDRESS):" + std::to_string(kDistPort);
}

EngineCommand hadal_command(const RenderContext& c, const RoleContext& role) {
  JsonArray args{"serve", c.model_dir};
  flag(args, "--served-model-name", c.served_name);
  flag(args, "--host", "0.0.0.0");
  flag(args, "--port", engine_port(c, role));
  if (role.tp > 1) flag(args, "--tp", role.tp);
  if (role.is_group()) {
    flag(args, "--nnodes", "$(LWS_GROUP_SIZE)");
    flag(args, "--node-rank", rank_variable(c));
    flag(args, "--dist-init-addr", leader_address());
    // A rank may still pull its image or load while the others wait.
    flag(args, "--dist-timeout", c.time.startup);
  }
  flag(args, "--drain-timeout", c.time.longest_request);
  flag(args, "--request-timeout", c.time.longest_request);
  flag_if(args, "--context-length", c.spec.model.context_length);
  flag_if(args, "--max-running-requests", c.spec.engine.max_running_requests);
  if (!c.spec.model.kv_dtype.empty()) flag(args, "--kv-cache-dtype", c.spec.model.kv_dtype);
  if (!c.spec.engine.log_requests) args.emplace_back("--log-requests=false");
  add_user_args(c, role, args);
  return {arr({"hadal"}), std::move(args)};
}

void add_sglang_split(const RenderContext& c, const RoleContext& role, JsonArray& args) {
  if (role.kind == RoleKind::kServer) return;
  flag(args, "--disaggregation-mode", role.component);
  flag(args, "--disaggregation-transfer-backend", c.spec.engine.transfer_backend);
  if (role.kind == RoleKind::kPrefill) flag(args, "--disaggregation-bootstrap-port", kBootstrapPort);
  if (c.spec.network.type == "none" || c.spec.network.hcas.empty()) return;
  std::string devices;
  for (const std::string& hca : c.spec.network.hcas) devices += (devices.empty() ? "" : ",") + hca;
  flag(args, "--disaggregation-ib-device", devices);
}

EngineCommand sglang_command(const RenderContext& c, const RoleContext& role) {
  const bool dynamo = c.profile == ProfileKind::kDynamo;
  JsonArray args;
  flag(args, "--model-path", c.model_dir);
  flag(args, "--served-model-name", c.served_name);
  if (!dynamo || role.kind == RoleKind::kPrefill) flag(args, "--host", "0.0.0.0");
  if (!dynamo) flag(args, "--port", engine_port(c, role));
  flag(args, "--tp-size", role.tp);
  if (role.pp > 1) flag(args, "--pp-size", role.pp);
  if (role.dp > 1) {
    flag(args, "--dp-size", role.dp);
    args.emplace_back("--enable-dp-attention");
  }
  if (role.ep > 1) flag(args, "--ep-size", role.ep);
  // Dynamo's operator adds the group's flags itself.
  if (role.is_group() && !dynamo) {
    flag(args, "--nnodes", "$(LWS_GROUP_SIZE)");
    flag(args, "--node-rank", rank_variable(c));
    flag(args, "--dist-init-addr", leader_address());
    flag(args, "--dist-timeout", c.time.startup);
  }
  if (c.own_code) args.emplace_back("--trust-remote-code");
  if (!dynamo) args.emplace_back("--enable-metrics");
  if (c.spec.engine.log_requests && !dynamo) args.emplace_back("--log-requests");
  // A first batch may compile its kernels for as long as the warm-up takes; a longer one hangs.
  flag(args, "--watchdog-timeout", std::max<int64_t>(300, c.time.warm_up));
  if (role.memory_fraction > 0) flag(args, "--mem-fraction-static", number_text(role.memory_fraction));
  flag_if(args, "--context-length", c.spec.model.context_length);
  flag_if(args, "--max-running-requests", c.spec.engine.max_running_requests);
  if (c.spec.model.kv_dtype == "fp8") flag(args, "--kv-cache-dtype", "fp8_e4m3");
  if (c.spec.model.kv_dtype == "bf16") flag(args, "--kv-cache-dtype", "bf16");
  if (!c.spec.api_key.secret.empty() && !dynamo) flag(args, "--api-key", "$(API_KEY)");
  add_sglang_split(c, role, args);
  add_user_args(c, role, args);
  return {arr({"python3", "-m", dynamo ? "dynamo.sglang" : "sglang.launch_server"}), std::move(args)};
}

// Every rank runs the same words; the shell adds what only followers take. The leader names no first rank:
// vLLM takes one that is given without --headless for a host that balances load itself.
std::string vllm_script(const RoleContext& role) {
  std::string follower = "--headless";
  if (role.dp > 1)
    follower += " --data-parallel-start-rank $((NODE_RANK * " + std::to_string(role.dp / role.nodes) + "))";
  return "if [ \"$NODE_RANK\" != 0 ]; then set -- \"$@\" " + follower + "; fi; exec vllm serve \"$@\"";
}

void add_vllm_group(const RoleContext& role, JsonArray& args) {
  if (role.dp > 1) {  // each host has attention groups of its own
    flag(args, "--data-parallel-size-local", role.dp / role.nodes);
    flag(args, "--data-parallel-address", "$(LWS_LEADER_ADDRESS)");
    flag(args, "--data-parallel-rpc-port", kDistPort);
    return;
  }
  flag(args, "--nnodes", "$(LWS_GROUP_SIZE)");
  flag(args, "--node-rank", "$(NODE_RANK)");
  flag(args, "--master-addr", "$(LWS_LEADER_ADDRESS)");
  flag(args, "--master-port", kDistPort);
}

EngineCommand vllm_command(const RenderContext& c, const RoleContext& role) {
  const bool dynamo = c.profile == ProfileKind::kDynamo;
  JsonArray args;
  if (dynamo) args.emplace_back("--model");
  args.emplace_back(c.model_dir);
  flag(args, "--served-model-name", c.served_name);
  if (!dynamo) {
    flag(args, "--host", "0.0.0.0");
    flag(args, "--port", engine_port(c, role));
  }
  flag(args, "--tensor-parallel-size", role.tp);
  if (role.pp > 1) flag(args, "--pipeline-parallel-size", role.pp);
  if (role.dp > 1) flag(args, "--data-parallel-size", role.dp);
  if (role.ep > 1) args.emplace_back("--enable-expert-parallel");
  if (role.is_group() && !dynamo) add_vllm_group(role, args);
  if (c.own_code) args.emplace_back("--trust-remote-code");
  if (role.memory_fraction > 0) flag(args, "--gpu-memory-utilization", number_text(role.memory_fraction));
  flag_if(args, "--max-model-len", context_length(c, role));
  flag_if(args, "--max-num-seqs", c.spec.engine.max_running_requests);
  if (c.spec.model.kv_dtype == "fp8") flag(args, "--kv-cache-dtype", "fp8");
  if (!dynamo && !role.is_group() && drains_at_sigterm(c, role))
    flag(args, "--shutdown-timeout", c.time.longest_request);
  if (!c.spec.engine.log_requests && !dynamo) args.emplace_back("--disable-uvicorn-access-log");
  if (role.kind != RoleKind::kServer) {
    if (dynamo) flag(args, "--disaggregation-mode", role.component);
    flag(args, "--kv-transfer-config", R"({"kv_connector":"NixlConnector","kv_role":"kv_both"})");
  }
  add_user_args(c, role, args);
  if (dynamo) return {arr({"python3", "-m", "dynamo.vllm"}), std::move(args)};
  if (!role.is_group()) return {arr({"vllm", "serve"}), std::move(args)};
  return {arr({"sh", "-c", vllm_script(role), "vllm"}), std::move(args)};
}

// Without a transceiver for the KV cache prefill has no way to hand it to decode; its buffer must hold the
// longest prompt. Prefill alone has no overlapping steps (TensorRT-LLM's disaggregated serving).
std::string trtllm_split_options(const RenderContext& c, const RoleContext& role) {
  Json transceiver = obj({{"backend", "DEFAULT"}});
  if (const int64_t tokens = context_length(c, role); tokens > 0)
    transceiver.set("max_tokens_in_buffer", tokens);
  return to_json(obj({{"cache_transceiver_config", std::move(transceiver)},
                      {"disable_overlap_scheduler", role.kind == RoleKind::kPrefill}}));
}

EngineCommand trtllm_command(const RenderContext& c, const RoleContext& role) {
  const bool dynamo = c.profile == ProfileKind::kDynamo;
  JsonArray args;
  if (dynamo) {
    flag(args, "--model-path", c.model_dir);
    flag(args, "--served-model-name", c.served_name);
    flag(args, "--tensor-parallel-size", role.tp);
    if (role.pp > 1) flag(args, "--pipeline-parallel-size", role.pp);
    if (role.ep > 1) flag(args, "--expert-parallel-size", role.ep);
    flag_if(args, "--max-seq-len", context_length(c, role));
    flag_if(args, "--max-batch-size", c.spec.engine.max_running_requests);
    if (role.memory_fraction > 0) flag(args, "--free-gpu-memory-fraction", number_text(role.memory_fraction));
    if (role.dp > 1) args.emplace_back("--enable-attention-dp");
    if (role.kind != RoleKind::kServer) {
      flag(args, "--disaggregation-mode", role.component);
      flag(args, "--override-engine-args", trtllm_split_options(c, role));
    }
  } else {
    // trtllm-serve has no flag for the name: it answers with the directory's, which is the served name here.
    args.emplace_back(c.model_dir);
    flag(args, "--host", "0.0.0.0");
    flag(args, "--port", engine_port(c, role));
    flag(args, "--backend", "pytorch");
    flag(args, "--tp_size", role.tp);
    if (role.pp > 1) flag(args, "--pp_size", role.pp);
    if (role.ep > 1) flag(args, "--ep_size", role.ep);
    flag_if(args, "--max_seq_len", context_length(c, role));
    flag_if(args, "--max_batch_size", c.spec.engine.max_running_requests);
    if (role.memory_fraction > 0)
      flag(args, "--kv_cache_free_gpu_memory_fraction", number_text(role.memory_fraction));
    if (c.own_code) args.emplace_back("--trust_remote_code");
  }
  add_user_args(c, role, args);
  return {dynamo ? arr({"python3", "-m", "dynamo.trtllm"}) : arr({"trtllm-serve"}), std::move(args)};
}

}  // namespace

const EngineTraits& engine_traits(EngineKind engine) {
  return kTraits[static_cast<size_t>(engine)];
}

EngineCommand engine_command(const RenderContext& context, const RoleContext& role) {
  switch (context.engine) {
    case EngineKind::kHadal:
      return hadal_command(context, role);
    case EngineKind::kSglang:
      return sglang_command(context, role);
    case EngineKind::kVllm:
      return vllm_command(context, role);
    case EngineKind::kTrtllm:
      return trtllm_command(context, role);
  }
  return {};
}

int64_t engine_port(const RenderContext& context, const RoleContext& role) {
  // KServe puts its routing sidecar on the port before decode, and has it ask this one.
  constexpr int64_t kBehindSidecar = 8001;
  return context.llm_service && role.kind == RoleKind::kDecode ? kBehindSidecar : context.port;
}

int64_t context_length(const RenderContext& context, const RoleContext& role) {
  const int64_t own = context.spec.model.context_length;
  return own > 0 ? own : role.fitted_context;
}

std::string_view rank_variable(const RenderContext& context) {
  return version_at_least(context.spec.versions.lws, "0.6") ? "$(LWS_WORKER_INDEX)" : "$(NODE_RANK)";
}

}  // namespace hadal
