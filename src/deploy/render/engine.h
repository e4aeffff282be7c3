// What each engine wants of its pods: command line, variables, probes, metrics. One topology, four dialects.
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "deploy/render/context.h"

namespace hadal {

struct EngineTraits {
  std::string_view name;
  std::string_view repository;
  std::string_view tag;
  int64_t port = 8000;
  int64_t warm_up_gpu = 600;  // seconds from loaded to ready
  int64_t warm_up_cpu = 30;
  std::string_view metrics_path = "/metrics";
  // Names of the metrics; "" where the engine exports none. Histograms without _bucket.
  std::string_view waiting, running;
  std::string_view kv_usage;  // PromQL of the share in use, with %s for the label selector
  std::string_view first_token, inter_token, request_time, prompt_tokens, generated_tokens;
  bool metrics_need_key = false;
  bool checks_api_key = true;
};
const EngineTraits& engine_traits(EngineKind engine);

// command (null: the image's), args.
struct EngineCommand {
  Json command;
  JsonArray args;
};
EngineCommand engine_command(const RenderContext& context, const RoleContext& role);
// Answers 200 when the engine takes requests.
std::string_view ready_path(EngineKind engine);
// Environment of the engine alone, without network and caches.
void add_engine_env(const RenderContext& context, const RoleContext& role, JsonArray& env);
// Sets startupProbe, readinessProbe, livenessProbe: of one host's pod and of a group's leader; of a group of
// SGLang or vLLM one script that knows the rank. KServe's LLMInferenceService is the exception, see
// add_worker_probes.
void add_probes(const RenderContext& context, const RoleContext& role, Json& container);
// Replaces the probes by those of a worker. For KServe's workers alone: everywhere else leader and worker are
// one template.
void add_worker_probes(const RenderContext& context, const RoleContext& role, Json& container);
// Sets lifecycle.preStop, so that running requests end before the engine does.
// The handler of a preStop that only waits until the routers know that the pod goes.
Json stop_after_delay(const RenderContext& context);
void add_shutdown(const RenderContext& context, const RoleContext& role, Json& container);

// The port of the role's own API. Beside KServe's routing sidecar it is not the one that clients ask.
int64_t engine_port(const RenderContext& context, const RoleContext& role);
// Whether the engine is of this version ("0.18") or newer, by engine.version or the image's tag; `unknown`
// where neither tells ("latest", a digest, Dynamo's images).
bool engine_at_least(const RenderContext& context, std::string_view version, bool unknown);
// Whether the engine itself finishes running requests after SIGTERM.
bool drains_at_sigterm(const RenderContext& context, const RoleContext& role);
// What of the engine's own versions and flags forbids this render; warnings go into the context.
Status check_engine_flags(const DeploySpec& spec, RenderContext& context);
// The words behind the comment above the container's args; "" for none.
std::string args_comment(const RenderContext& context, const RoleContext& role);

// The longest request to tell the engine of: the spec's, or what fits; 0: the model's own.
int64_t context_length(const RenderContext& context, const RoleContext& role);
// The rank's number as the pod's variables give it: "$(LWS_WORKER_INDEX)", or "$(NODE_RANK)" where the
// controller is older than 0.6.
std::string_view rank_variable(const RenderContext& context);

// {name, value}.
Json env_value(std::string_view name, std::string_view value);
Json env_field(std::string_view name, std::string_view field_path);
Json env_secret(std::string_view name, std::string_view secret, std::string_view key, bool optional = false);

// NCCL, Gloo, UCX and NVSHMEM from the spec's network: the one place that names their variables.
void add_network_env(const RenderContext& context, const RoleContext& role, JsonArray& env);

}  // namespace hadal
