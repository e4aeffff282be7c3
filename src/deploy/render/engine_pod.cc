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
// SGLang has no heartbeat. From 0.4.10 (sglang#8444) its /health is its /health_generate: it waits up to 20 s
// for any output of the scheduler, which a busy one has anyway and an idle one makes as one token through
// every rank. So a hang shows whatever the load, and a full queue does not, if the probe waits longer than
// that. Before, and from 0.5.6 on (sglang#13320) where SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION is false,
// /health says that the server has started and no more; hadal leaves that variable alone, which is true by
// default.
constexpr ProbePaths kPaths[] = {
    {"/startupz", "/readyz", "/livez"},
    {"/health_generate", "/health", "/health"},
    {"/health", "/health", "/health"},
    {"/health", "/health", "/health"},
};

struct ProbeTimes {
  int64_t startup_period, startup_timeout;
  int64_t ready_period, ready_timeout, ready_failures;
  int64_t live_period, live_timeout, live_failures;
};
constexpr ProbeTimes kHadalTimes{10, 5, 5, 3, 2, 10, 5, 6};
constexpr ProbeTimes kSglangTimes{30, 25, 30, 25, 2, 30, 25, 6};
constexpr ProbeTimes kOtherTimes{20, 15, 15, 10, 2, 15, 10, 8};

const ProbeTimes& probe_times(EngineKind engine) {
  if (engine == EngineKind::kHadal) return kHadalTimes;
  return engine == EngineKind::kSglang ? kSglangTimes : kOtherTimes;
}

// "LWS_WORKER_INDEX" of "$(LWS_WORKER_INDEX)".
std::string rank_name(const RenderContext& c) {
  if (c.engine == EngineKind::kVllm) return "NODE_RANK";
  const std::string_view variable = rank_variable(c);
  return std::string(variable.substr(2, variable.size() - 3));
}

// A worker of vLLM serves no port: its check is that the leader takes connections. A worker of SGLang serves
// a /health that answers once its part is loaded, and 200 ever after, so it also dials the leader's
// rendezvous, which is open while the leader lives.
std::string worker_check(const RenderContext& c, const RoleContext& role) {
  const int64_t port = c.engine == EngineKind::kVllm ? engine_port(c, role) : kDistPort;
  return "socket.create_connection((os.environ['LWS_LEADER_ADDRESS']," + std::to_string(port) +
         "),3).close()\n";
}
std::string health_check(const RenderContext& c, const RoleContext& role, int64_t timeout) {
  return "u.urlopen('http://127.0.0.1:" + std::to_string(engine_port(c, role)) +
         "/health',timeout=" + std::to_string(timeout) + ")\n";
}

Json python(const std::string& script) {
  return obj({{"command", arr({"python3", "-c", "import os,socket,urllib.request as u\n" + script})}});
}

// One script for every rank of a group.
Json group_check(const RenderContext& c, const RoleContext& role) {
  const std::string is_leader = "if os.environ['" + rank_name(c) + "']=='0': ";
  if (c.engine == EngineKind::kVllm)
    return python(is_leader + health_check(c, role, 8) + "else: " + worker_check(c, role));
  return python(health_check(c, role, 21) + "if os.environ['" + rank_name(c) +
                "']!='0': " + worker_check(c, role));
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

std::string_view ready_path(EngineKind engine) {
  return kPaths[static_cast<size_t>(engine)].ready;
}

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

namespace {

std::string live_words(EngineKind engine, const ProbeTimes& times) {
  switch (engine) {
    case EngineKind::kHadal:
      return "Asks whether the process makes progress, never for a token: load does not fail it.";
    case EngineKind::kSglang:
      return "Waits longer than SGLang's own 20 s for any answer of its scheduler: a busy one gives it "
             "without work, an idle one with one token. Load does not fail it; a hang does, after " +
             std::to_string(times.live_period * times.live_failures) + " s.";
    case EngineKind::kVllm:
      return "vLLM answers while its engine lives, whatever the load; a step that hangs ends the engine "
             "after vLLM's own limit (VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS, 300 s).";
    case EngineKind::kTrtllm:
      return "Asks the server alone: load does not fail it.";
  }
  return {};
}

// check: of startup, readiness and liveness; exec or httpGet.
void set_probes(const RenderContext& c, Json (&checks)[3], bool exec, bool replace, Json& container) {
  const ProbeTimes& times = probe_times(c.engine);
  // Never longer than the period: probes of one container must not overlap.
  Json startup = probe(std::move(checks[0]), exec, times.startup_period, times.startup_timeout,
                       (c.time.startup + times.startup_period - 1) / times.startup_period);
  if (!replace) why(container, "startupProbe", c.time.startup_words);
  container.set("startupProbe", std::move(startup));
  container.set("readinessProbe", probe(std::move(checks[1]), exec, times.ready_period, times.ready_timeout,
                                        times.ready_failures));
  Json live = probe(std::move(checks[2]), exec, times.live_period, times.live_timeout, times.live_failures);
  // A hung rank has nothing to drain.
  live.set("terminationGracePeriodSeconds", 10);
  std::string words = live_words(c.engine, times);
  words += " A rank that hangs gets 10 s to end, not the drain's time.";
  if (!replace) why(container, "livenessProbe", words);
  container.set("livenessProbe", std::move(live));
}

}  // namespace

void add_probes(const RenderContext& c, const RoleContext& role, Json& container) {
  if (c.profile == ProfileKind::kDynamo) return add_dynamo_probes(c, container);
  const ProbePaths& paths = kPaths[static_cast<size_t>(c.engine)];
  const bool python_engine = c.engine == EngineKind::kSglang || c.engine == EngineKind::kVllm;
  // KServe merges its own template under this one, which has httpGet in the leader: an exec beside it would
  // be a second handler, which the API server refuses.
  const bool exec = python_engine && role.is_group() && !c.llm_service;
  const auto check = [&](std::string_view path) { return exec ? group_check(c, role) : http_get(c, path); };
  Json checks[] = {check(paths.startup), check(paths.ready), check(paths.live)};
  set_probes(c, checks, exec, false, container);
}

void add_worker_probes(const RenderContext& c, const RoleContext& role, Json& container) {
  if (c.engine != EngineKind::kSglang && c.engine != EngineKind::kVllm) return;  // each rank has its own
  Json checks[] = {group_check(c, role), group_check(c, role), group_check(c, role)};
  set_probes(c, checks, true, true, container);
}

}  // namespace hadal
