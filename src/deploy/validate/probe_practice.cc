// Probes that the API server takes and that kill or hide a server: the timing of a long load, checks that
// generate tokens, ports that say nothing.
#include <algorithm>

#include "config/model_catalog.h"
#include "deploy/validate/command_text.h"
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

bool generates_tokens(View probe) {
  std::string text = probe.at("httpGet.path").any_text();
  for (const Value& word : probe.at("exec.command").items()) text += " " + std::string(View(word).text());
  for (const std::string_view path :
       {"health_generate", "/v1/completions", "/v1/chat/completions", "/generate"}) {
    if (text.find(path) != std::string::npos) return true;
  }
  return false;
}

// Seconds until the probe kills the container.
int64_t budget_of(View probe) {
  const int64_t period = std::clamp<int64_t>(probe["periodSeconds"].integer_or(10), 0, 1'000'000);
  const int64_t failures = std::clamp<int64_t>(probe["failureThreshold"].integer_or(3), 0, 1'000'000);
  return std::clamp<int64_t>(probe["initialDelaySeconds"].integer_or(0), 0, 1'000'000) +
         std::max<int64_t>(period, 1) * std::max<int64_t>(failures, 1);
}

int64_t needed_seconds(const EngineProgram& engine) {
  const std::string model = engine.model();
  const size_t slash = model.rfind('/');
  const CatalogModel* known = find_catalog_model(model);
  if (known == nullptr && slash != std::string::npos) known = find_catalog_model(model.substr(slash + 1));
  if (known == nullptr) return kLeastBudget;
  return kStartSeconds + known->weight_bytes / kLoadRate;
}

void check_timing(const PodTemplate& pod, View probe, std::string_view name) {
  const int64_t period = probe["periodSeconds"].integer_or(10);
  const int64_t timeout = probe["timeoutSeconds"].integer_or(1);
  if (timeout > period && period > 0 && probe["timeoutSeconds"].exists()) {
    Finding& finding =
        pod.reporter().add("probe/timeout-over-period", *probe["timeoutSeconds"],
                           "the " + std::string(name) + " may take " + std::to_string(timeout) +
                               " s and is asked every " + std::to_string(period) + " s",
                           "write a timeoutSeconds of at most periodSeconds");
    Reporter::fix_with(finding, replace_scalar(*probe["timeoutSeconds"], std::to_string(period), false));
  }
}

void check_budget(const PodTemplate& pod, View container, const EngineProgram& engine) {
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

void check_engine_probes(const PodTemplate& pod, View container, const EngineProgram& engine) {
  Reporter& reporter = pod.reporter();
  const View readiness = container["readinessProbe"];
  const View liveness = container["livenessProbe"];
  const bool serves_http = pod.role != "worker";
  if (serves_http && !readiness.exists() && !pod.partial)
    reporter.add("probe/no-readiness", engine.place == nullptr ? *container : *engine.place,
                 "the engine has no readinessProbe: requests reach it while it loads",
                 "add a readinessProbe with httpGet on the engine's health path");
  if (readiness["tcpSocket"].exists())
    reporter.add("probe/tcp-readiness", *readiness["tcpSocket"],
                 "an open port says nothing of a model that still loads or hangs",
                 "write httpGet with the engine's health path");
  if (liveness.exists() && generates_tokens(liveness))
    reporter.add(
        "probe/liveness-generates", *liveness,
        "the livenessProbe generates tokens: a full queue kills the server",
        "ask a path that answers without the queue: /livez of hadal, /health of vLLM and of SGLang, which "
        "counts whatever the scheduler puts out");
  if (liveness["failureThreshold"].integer_or(3) == 1)
    reporter.add("probe/liveness-threshold", *liveness["failureThreshold"],
                 "one failed answer kills the container", "write failureThreshold: 6");
  if (engine.kind != EngineName::kSglang) return;
  for (const std::string_view name : {"readinessProbe", "livenessProbe", "startupProbe"}) {
    const View probe = container[name];
    const std::string_view path = probe.at("httpGet.path").text();
    if (path != "/health" && path != "/health_generate") continue;
    if (probe["timeoutSeconds"].integer_or(1) > 1) continue;
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
    check_budget(pod, container, engine);
    check_engine_probes(pod, container, engine);
  }
}

}  // namespace hadal
