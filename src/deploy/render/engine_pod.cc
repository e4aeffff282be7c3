// Variables and probes of each engine.
#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

Json http_get(const RenderContext& c, std::string_view path) {
  Json out = obj({{"path", path}, {"port", "http"}});
  // KServe's own template says HTTPS, which the engine does not speak here.
  if (c.llm_service) out.set("scheme", "HTTP");
  return out;
}

struct ProbePaths {
  std::string_view startup, ready, live;
};
constexpr ProbePaths kPaths[] = {
    {"/startupz", "/readyz", "/livez"},
    // /health_generate sends one token through every rank: proof that the group works, asked once. Afterwards
    // /health, which generates nothing (see the variable) and so stays right under load.
    {"/health_generate", "/health", "/health"},
    {"/health", "/health", "/health"},
    {"/health", "/health", "/health"},
};

// A follower of vLLM serves no port: it dials the leader's rendezvous; the leader asks its own API.
Json vllm_group_check(const RenderContext& c) {
  const std::string script =
      "import os,socket,urllib.request as u\n"
      "if os.environ['NODE_RANK']=='0': u.urlopen('http://127.0.0.1:" +
      std::to_string(c.port) +
      "/health',timeout=8)\n"
      "else: socket.create_connection((os.environ['LWS_LEADER_ADDRESS']," +
      std::to_string(kDistPort) + "),8).close()\n";
  return obj({{"command", arr({"python3", "-c", script})}});
}

Json probe(Json check, bool exec, int64_t period, int64_t timeout, int64_t failures) {
  Json out;
  out.set(exec ? "exec" : "httpGet", std::move(check));
  out.set("periodSeconds", period);
  out.set("timeoutSeconds", timeout);
  out.set("failureThreshold", failures);
  return out;
}

}  // namespace

Json env_value(std::string_view name, std::string_view value) {
  return obj({{"name", name}, {"value", value}});
}
Json env_field(std::string_view name, std::string_view field_path) {
  return obj({{"name", name}, {"valueFrom", obj({{"fieldRef", obj({{"fieldPath", field_path}})}})}});
}
Json env_secret(std::string_view name, std::string_view secret, std::string_view key, bool optional) {
  Json ref = obj({{"name", secret}, {"key", key}});
  if (optional) ref.set("optional", true);
  return obj({{"name", name}, {"valueFrom", obj({{"secretKeyRef", std::move(ref)}})}});
}

void add_engine_env(const RenderContext& c, const RoleContext& role, JsonArray& env) {
  const SecretRef& key = c.spec.api_key;
  const bool lws = role.is_group() && c.profile != ProfileKind::kDynamo;
  if (lws && (c.engine == EngineKind::kVllm || rank_variable(c) == "$(NODE_RANK)")) {
    // The controller sets LWS_WORKER_INDEX from 0.6 on; before, the pod's label is the only source.
    if (version_at_least(c.spec.versions.lws, "0.6")) {
      env.push_back(env_value("NODE_RANK", "$(LWS_WORKER_INDEX)"));
    } else {
      env.push_back(env_field("NODE_RANK", "metadata.labels['leaderworkerset.sigs.k8s.io/worker-index']"));
    }
  }
  switch (c.engine) {
    case EngineKind::kHadal:
      if (!key.secret.empty()) env.push_back(env_secret("HADAL_API_KEY", key.secret, key.key));
      if (role.is_group())
        env.push_back(env_secret("HADAL_GROUP_SECRET", c.group_secret, c.spec.group_secret.key));
      break;
    case EngineKind::kSglang:
      if (!key.secret.empty() && c.profile != ProfileKind::kDynamo)
        env.push_back(env_secret("API_KEY", key.secret, key.key));
      env.push_back(env_value("SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION", "false"));
      break;
    case EngineKind::kVllm:
      if (!key.secret.empty() && c.profile != ProfileKind::kDynamo)
        env.push_back(env_secret("VLLM_API_KEY", key.secret, key.key));
      if (role.is_group()) env.push_back(env_field("VLLM_HOST_IP", "status.podIP"));
      if (role.kind != RoleKind::kServer)
        env.push_back(env_field("VLLM_NIXL_SIDE_CHANNEL_HOST", "status.podIP"));
      break;
    case EngineKind::kTrtllm:
      break;
  }
}

// Workers of Dynamo answer on the port that its operator gives them; readiness and liveness are the
// operator's.
void add_dynamo_probes(const RenderContext& c, Json& container) {
  constexpr int64_t kSystemPort = 9090, kPeriod = 10;
  Json startup = probe(obj({{"path", "/live"}, {"port", kSystemPort}}), false, kPeriod, 5,
                       (c.time.startup + kPeriod - 1) / kPeriod);
  put_why(container, "startupProbe", std::move(startup), c.time.startup_words);
}

void add_probes(const RenderContext& c, const RoleContext& role, Json& container) {
  if (c.profile == ProfileKind::kDynamo) return add_dynamo_probes(c, container);
  const ProbePaths& paths = kPaths[static_cast<size_t>(c.engine)];
  const bool exec = c.engine == EngineKind::kVllm && role.is_group();
  const auto check = [&](std::string_view path) { return exec ? vllm_group_check(c) : http_get(c, path); };
  const bool slow = c.engine != EngineKind::kHadal;
  constexpr int64_t kStartupPeriod = 10;
  const int64_t period = slow ? 20 : kStartupPeriod;
  // Never longer than the period: probes of one container must not overlap.
  Json startup =
      probe(check(paths.startup), exec, period, slow ? 15 : 5, (c.time.startup + period - 1) / period);
  put_why(container, "startupProbe", std::move(startup), c.time.startup_words);
  container.set("readinessProbe", probe(check(paths.ready), exec, slow ? 15 : 5, slow ? 10 : 3, 2));
  Json live = probe(check(paths.live), exec, slow ? 15 : 10, slow ? 10 : 5, slow ? 8 : 6);
  // A hung rank has nothing to drain.
  live.set("terminationGracePeriodSeconds", 10);
  put_why(
      container, "livenessProbe", std::move(live),
      "Asks whether the process makes progress, never for a token: load does not fail it. A rank that hangs "
      "gets 10 s to end, not the drain's time.");
}

}  // namespace hadal
