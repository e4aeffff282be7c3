// Probes that the API server takes and that kill or hide a server: the timing of a long load, checks that
// generate tokens, ports that say nothing.
#include <algorithm>

#include "deploy/validate/command_text.h"
#include "deploy/validate/named_model.h"
#include "deploy/validate/pod_facts.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

// Bytes a second that a shared file system gives one Pod, with room to spare; and what starting takes
// besides.
constexpr int64_t kLoadRate = 1'000'000'000;
constexpr int64_t kStartSeconds = 60;
constexpr int64_t kLeastBudget = 120;
// A health path may well take so many seconds: a longer timeout is surely none that was meant.
constexpr int64_t kMeantTimeout = 60;

bool generates_tokens(View probe) {
  std::string text = probe.at("httpGet.path").any_text();
  for (const Value& word : probe.at("exec.command").items()) text += " " + std::string(View(word).text());
  for (const std::string_view path :
       {"health_generate", "/v1/completions", "/v1/chat/completions", "/generate"}) {
    if (text.find(path) != std::string::npos) return true;
  }
  return false;
}

// Paths of other servers' health checks, and which engines have one of them (vLLM's entrypoints/serve and
// sagemaker routes; SGLang's entrypoints/http_server.py; TensorRT-LLM's serve/openai_server.py): the rest
// answer 404.
struct HealthPath {
  std::string_view path;
  bool hadal, sglang, vllm, trtllm;
};
// clang-format off
constexpr HealthPath kHealthPaths[] = {
    {"/healthz", false, false, false, false},      {"/livez", true, false, false, false},
    {"/readyz", true, false, false, false},        {"/startupz", true, false, false, false},
    {"/live", false, false, false, false},         {"/ready", false, false, false, false},
    {"/liveness", false, false, false, false},     {"/readiness", false, false, false, false},
    {"/healthcheck", false, false, false, false},  {"/health-check", false, false, false, false},
    {"/health/live", false, false, false, false},  {"/health/ready", false, false, false, false},
    {"/v1/health", false, false, false, false},    {"/v1/health/live", false, false, false, false},
    {"/v1/health/ready", false, false, false, false}, {"/v2/health/live", false, false, false, false},
    {"/v2/health/ready", false, false, false, false}, {"/api/health", false, false, false, false},
    {"/health_generate", true, true, false, true}, {"/ping", true, true, true, false},
};
// clang-format on

// The engine's own; "": it has this path, or it is not known not to.
std::string_view path_instead(const EngineProgram& engine, std::string_view path) {
  path = path.substr(0, path.find('?'));
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  for (const HealthPath& row : kHealthPaths) {
    if (row.path != path) continue;
    switch (engine.kind) {
      case EngineName::kHadal:
        return row.hadal ? "" : "/readyz, and /livez for the livenessProbe";
      case EngineName::kSglang:
        return row.sglang ? "" : "/health";
      case EngineName::kVllm:
        return row.vllm ? "" : "/health";
      case EngineName::kTrtllm:
        return row.trtllm ? "" : "/health";
      case EngineName::kNone:
        break;
    }
  }
  return "";
}

// A sidecar that serves the port has paths of its own.
bool is_served_beside(const PodTemplate& pod, View container, View port) {
  for (const View other : all_containers(pod.view())) {
    if (other.get() == container.get()) continue;
    for (const Value& p : other["ports"].items()) {
      if (View(p)["containerPort"].any_text() == port.any_text()) return true;
    }
  }
  return false;
}

void check_paths(const PodTemplate& pod, View container, const EngineProgram& engine) {
  if (engine.wrapped || pod.partial || count_engines(container) > 1 ||
      engine.flag({"--root-path", "--middleware", "--fastapi-root-path"}))
    return;
  for (const std::string_view name : {"startupProbe", "readinessProbe", "livenessProbe"}) {
    const View http = container[name]["httpGet"];
    const std::string_view instead = path_instead(engine, http["path"].text());
    if (instead.empty() || is_served_beside(pod, container, http["port"])) continue;
    pod.reporter().add("probe/no-such-path", *http["path"],
                       "the engine has no " + std::string(http["path"].text()) + ": it answers 404",
                       "write " + std::string(instead));
  }
}

// Seconds until the probe kills the container.
int64_t budget_of(View probe) {
  const int64_t period = std::clamp<int64_t>(probe["periodSeconds"].integer_or(10), 0, 1'000'000);
  const int64_t failures = std::clamp<int64_t>(probe["failureThreshold"].integer_or(3), 0, 1'000'000);
  return std::clamp<int64_t>(probe["initialDelaySeconds"].integer_or(0), 0, 1'000'000) +
         std::max<int64_t>(period, 1) * std::max<int64_t>(failures, 1);
}

int64_t needed_seconds(const EngineProgram& engine) {
  const CatalogModel* model = named_model(engine.model());
  if (model == nullptr || is_quantised(engine)) return kLeastBudget;
  return kStartSeconds + model->weight_bytes / kLoadRate;
}

void check_timing(const PodTemplate& pod, View probe, std::string_view name) {
  const int64_t period = probe["periodSeconds"].integer_or(10);
  const int64_t timeout = probe["timeoutSeconds"].integer_or(1);
  if (timeout > period && period > 0 && probe["timeoutSeconds"].exists()) {
    Finding& finding = pod.reporter().add(
        "probe/timeout-over-period", *probe["timeoutSeconds"],
        "the " + std::string(name) + " may take " + std::to_string(timeout) + " s and is asked every " +
            std::to_string(period) + " s",
        timeout <= kMeantTimeout ? "raise periodSeconds to " + std::to_string(timeout) +
                                       ", or lower timeoutSeconds where answers come sooner"
                                 : "write a timeoutSeconds of at most periodSeconds");
    if (timeout <= kMeantTimeout) return;
    Reporter::fix_with(finding, replace_scalar(*probe["timeoutSeconds"], std::to_string(period), false));
  }
}

void check_startup_budget(const PodTemplate& pod, View container, const EngineProgram& engine) {
  const View startup = container["startupProbe"];
  const View liveness = container["livenessProbe"];
  const int64_t needed = needed_seconds(engine);
  const View killer = startup.exists() ? startup : liveness;
  if (!killer.exists() || budget_of(killer) >= needed) return;
  pod.reporter().add(
      "probe/startup-budget", *killer,
      std::string(startup.exists() ? "startupProbe" : "livenessProbe") + " kills the container after " +
          std::to_string(budget_of(killer)) + " s, and loading may take " + std::to_string(needed) + " s",
      startup.exists()
          ? "raise failureThreshold to " +
                std::to_string(needed / std::max<int64_t>(startup["periodSeconds"].integer_or(10), 1) + 1)
          : "add a startupProbe: the livenessProbe waits for it");
}

bool has_light_health(View container) {
  for (const Value& item : container["env"].items()) {
    const View env(item);
    const std::string value = env["value"].any_text();
    if (env["name"].text() == "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION" &&
        (value == "0" || value == "false" || value == "False"))
      return true;
  }
  return false;
}

// A probe here would be asked of workers too. Those of SGLang answer it (its
// launch_dummy_health_check_server).
bool is_leader_and_workers(const PodTemplate& pod, const EngineProgram& engine) {
  const View size = pod.document->view().at("spec.leaderWorkerTemplate.size");
  return pod.role == "worker" && size.integer_or(1) > 1 && engine.kind != EngineName::kSglang;
}

void check_engine_probes(const PodTemplate& pod, View container, const EngineProgram& engine) {
  Reporter& reporter = pod.reporter();
  const View readiness = container["readinessProbe"];
  const View liveness = container["livenessProbe"];
  if (pod.serves && !readiness.exists() && !pod.partial)
    reporter.add(
        "probe/no-readiness", engine.place == nullptr ? *container : *engine.place,
        "the engine has no readinessProbe: requests reach it while it loads",
        is_leader_and_workers(pod, engine)
            ? "add a leaderTemplate whose container has a readinessProbe with httpGet on the engine's "
              "health path: workers, which this template makes too, do not answer there"
            : "add a readinessProbe with httpGet on the engine's health path");
  if (readiness["tcpSocket"].exists())
    reporter.add("probe/tcp-readiness", *readiness["tcpSocket"],
                 "an open port says nothing of a model that still loads or hangs",
                 "write httpGet with the engine's health path");
  if (liveness.exists() && generates_tokens(liveness))
    reporter.add(
        "probe/liveness-generates", *liveness,
        "the livenessProbe generates tokens: a full queue kills the server",
        engine.kind == EngineName::kSglang
            ? "ask /health with a timeoutSeconds over 20: from SGLang 0.5 on it asks for a token too, "
              "which SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION=0 turns off, and takes any sign of life "
              "within 20 s"
            : "ask a path that answers without the queue: /livez of hadal, /health of vLLM and "
              "trtllm-serve");
  if (liveness["failureThreshold"].integer_or(3) == 1)
    reporter.add("probe/liveness-threshold", *liveness["failureThreshold"],
                 "one failed answer kills the container", "write failureThreshold: 6");
  if (engine.kind != EngineName::kSglang) return;
  for (const std::string_view name : {"readinessProbe", "livenessProbe", "startupProbe"}) {
    const View probe = container[name];
    const std::string_view path = probe.at("httpGet.path").text();
    if (path != "/health" && path != "/health_generate") continue;
    if (probe["timeoutSeconds"].integer_or(1) > 1) continue;
    // 0.5 brought the token to /health (sglang#8444); this turns it off.
    if (path == "/health" && has_light_health(container)) continue;
    Finding& finding = reporter.add("probe/sglang-health-timeout",
                                    probe["timeoutSeconds"].exists() ? *probe["timeoutSeconds"] : *probe,
                                    "SGLang's " + std::string(path) + " may take over a second, and the " +
                                        std::string(name) + " waits one",
                                    "write timeoutSeconds: 5 and a periodSeconds of at least as much");
    if (probe["timeoutSeconds"].exists()) {
      Reporter::fix_with(finding, replace_scalar(*probe["timeoutSeconds"], "5", false));
    } else {
      Reporter::fix_with(finding, insert_member(reporter.source(), *probe, "timeoutSeconds", "5"));
    }
  }
}

}  // namespace

void check_probe_practice(const PodTemplate& pod, const RuleContext&) {
  for (const Value& item : pod.view()["containers"].items()) {
    const View container(item);
    for (const std::string_view name : {"livenessProbe", "readinessProbe", "startupProbe"})
      if (container[name].is_map()) check_timing(pod, container[name], name);
    const EngineProgram engine = engine_command(container);
    const bool served_by_gpus = gpus_of(container) > 0 && pod.document->is("apps", "Deployment");
    if (engine.kind == EngineName::kNone && !served_by_gpus) continue;
    check_startup_budget(pod, container, engine);
    check_paths(pod, container, engine);
    check_engine_probes(pod, container, engine);
  }
}

}  // namespace hadal
