// The port that an engine listens on, against what probes, containerPorts and Services say.
#include <algorithm>

#include "deploy/validate/command_text.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

// Without --port (vLLM's and SGLang's server arguments, trtllm-serve's options, hadal's flags).
int64_t usual_port(EngineName kind) {
  return kind == EngineName::kVllm || kind == EngineName::kTrtllm ? 8000 : 30000;
}

// Nothing: it is not known here.
std::optional<int64_t> port_of(View container, const EngineProgram& engine) {
  if (engine.kind == EngineName::kNone || engine.wrapped || count_engines(container) > 1) return std::nullopt;
  if (engine.flag({"--config", "--uds", "--headless"})) return std::nullopt;
  for (const Value& item : container["env"].items()) {
    if (View(item)["name"].text() == "HADAL_PORT") return std::nullopt;
  }
  if (engine.setting_word(EngineSetting::kPort) != nullptr)
    return engine.setting_number(EngineSetting::kPort);
  // What a variable adds to the command is not known.
  for (const CommandWord& word : engine.words) {
    if (word.text.starts_with("$")) return std::nullopt;
  }
  return usual_port(engine.kind);
}

bool declares(View container, int64_t port) {
  const auto ports = container["ports"].items();
  return std::any_of(ports.begin(), ports.end(), [&](const Value& p) {
    return View(p)["containerPort"].integer_or(0) == port || View(p)["hostPort"].integer_or(0) == port;
  });
}

// Another container may serve it, or the command name it.
bool may_be_elsewhere(const PodTemplate& pod, View container, int64_t port) {
  const std::string text = std::to_string(port);
  for (const CommandWord& word : command_words(container)) {
    if (word.text.find(text) != std::string::npos) return true;
  }
  for (const Value& env : container["env"].items()) {
    if (View(env)["value"].any_text().find(text) != std::string::npos) return true;
  }
  for (const View other : all_containers(pod.view())) {
    if (other.get() != container.get() && declares(other, port)) return true;
  }
  return false;
}

void check_probe_ports(const PodTemplate& pod, View container, int64_t listening) {
  for (const std::string_view name : {"startupProbe", "readinessProbe", "livenessProbe"}) {
    for (const std::string_view handler : {"httpGet", "tcpSocket"}) {
      const View port = container[name][handler]["port"];
      const auto number = port.integer();
      if (!number || *number == listening || may_be_elsewhere(pod, container, *number)) continue;
      pod.reporter().add("engine/port", *port,
                         "the " + std::string(name) + " asks port " + port.any_text() +
                             ", and the engine listens on " + std::to_string(listening),
                         "write " + std::to_string(listening));
    }
  }
}

void check_declared(const PodTemplate& pod, View container, int64_t listening) {
  const auto ports = container["ports"].items();
  if (ports.empty() || declares(container, listening)) return;
  for (const Value& item : ports) {
    const View port = View(item)["containerPort"];
    if (!port.integer() || may_be_elsewhere(pod, container, *port.integer())) continue;
    pod.reporter().add(
        "engine/port", *port,
        "the engine listens on " + std::to_string(listening) + ", which is none of the ports here",
        "write " + std::to_string(listening));
    return;
  }
}

bool is_init(const PodTemplate& pod, View container) {
  for (const Value& item : pod.view()["initContainers"].items()) {
    if (&item == container.get()) return true;
  }
  return false;
}

// Whether the number is one that nothing of this Pod listens on; the engine's port where it is so.
std::optional<int64_t> closed_beside(const PodTemplate& pod, int64_t target) {
  if (pod.partial) return std::nullopt;
  std::optional<int64_t> engine_port;
  for (const View container : all_containers(pod.view())) {
    if (declares(container, target)) return std::nullopt;
    const EngineProgram engine = engine_command(container);
    if (const auto port = port_of(container, engine)) {
      if (*port == target || may_be_elsewhere(pod, container, target)) return std::nullopt;
      engine_port = port;
      continue;
    }
    // One that declares no port may listen on any.
    if (container["ports"].items().empty() && !is_init(pod, container)) return std::nullopt;
    if (engine.kind != EngineName::kNone) return std::nullopt;
  }
  return engine_port;
}

}  // namespace

void check_engine_ports(const PodTemplate& pod) {
  if (pod.partial || !pod.serves) return;
  for (const Value& item : pod.view()["containers"].items()) {
    const View container(item);
    const auto listening = port_of(container, engine_command(container));
    if (!listening) continue;
    check_probe_ports(pod, container, *listening);
    check_declared(pod, container, *listening);
  }
}

void check_engine_service(const ManifestDocument& service, const RuleContext& context) {
  const View spec = service.view()["spec"];
  if (spec["selector"].members().empty() || spec["clusterIP"].text() == "None") return;
  const auto pods = context.set.selected(spec["selector"], service.namespace_name);
  for (const Value& item : spec["ports"].items()) {
    const View target = View(item)["targetPort"].exists() ? View(item)["targetPort"] : View(item)["port"];
    const auto number = target.integer();
    if (!number || pods.empty()) continue;
    std::optional<int64_t> listening;
    for (const PodTemplate* pod : pods) {
      if (!pod->serves) continue;
      listening = closed_beside(*pod, *number);
      if (!listening) break;
    }
    if (!listening) continue;
    Finding& finding =
        service.reporter->add("service/target-port-closed", *target,
                              "no container behind this Service declares port " + target.any_text() +
                                  ", and the engine listens on " + std::to_string(*listening),
                              "write targetPort: " + std::to_string(*listening));
    if (service.in_kustomization) finding.severity = Severity::kInfo;
  }
}

}  // namespace hadal
