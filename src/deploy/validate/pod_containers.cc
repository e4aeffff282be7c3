#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <sstream>

#include "config/nearest_name.h"
#include "deploy/image_ref.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/pod_check.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

constexpr int64_t kDefaultGrace = 30;

bool is_extended(std::string_view name) {
  return name.find('/') != std::string_view::npos && name.find("kubernetes.io/") == std::string_view::npos;
}

// Given in whole units, as much as the limit.
bool whole_name(std::string_view name) {
  return is_extended(name) || name.starts_with("hugepages-");
}

bool is_standard_resource(std::string_view name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" || name.starts_with("hugepages-");
}

constexpr std::string_view kFieldPaths[] = {
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs"};

bool is_field_path(std::string_view path) {
  for (const std::string_view prefix : {"metadata.labels['", "metadata.annotations['"}) {
    if (path.starts_with(prefix) && path.ends_with("']")) return true;
  }
  return std::find(std::begin(kFieldPaths), std::end(kFieldPaths), path) != std::end(kFieldPaths);
}

}  // namespace

void PodCheck::check_containers() {
  for (const Value& item : spec_["initContainers"].items()) {
    if (item.is_map()) check_container(View(item), true);
  }
  if (spec_["containers"].items().empty() && !pod_.partial)
    reporter_.add(
        "object/required", *spec_,
        spec_["containers"].exists() ? "a Pod needs at least one container" : missing_field("containers"),
        "add a container");
  for (const Value& item : spec_["containers"].items()) {
    if (item.is_map()) check_container(View(item), false);
  }
}

void PodCheck::check_container(View container, bool init) {
  const View name = container["name"];
  if (!pod_.partial) check_present(reporter_, container, "name");
  if (!name.text().empty()) {
    if (!is_dns1123_label(name.text()))
      reporter_.add("object/name", *name, shown_text(name) + " is no name of a container (a DNS label)",
                    "use lower-case letters, digits and \"-\", at most 63");
    if (!container_names_.emplace(name.text()).second)
      reporter_.add("object/duplicate-name", *name, "two containers are called " + shown_text(name));
  }
  if (!pod_.partial) check_present(reporter_, container, "image");
  const std::string_view image = container["image"].text();
  if (!image.empty() && (image.front() == ' ' || image.back() == ' '))
    reporter_.add("object/format", *container["image"], "the image's name begins or ends with a blank");
  else
    check_image(container["image"]);
  check_choice(reporter_, container["imagePullPolicy"], {"Always", "IfNotPresent", "Never"});
  check_choice(reporter_, container["terminationMessagePolicy"], {"File", "FallbackToLogsOnError"});
  check_env(container);
  check_ports(container);
  check_volume_mounts(container);
  check_resources(container);
  check_security_context(container["securityContext"], false);
  const bool sidecar = init && container["restartPolicy"].text() == "Always";
  for (const std::string_view probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    if (init && !sidecar && container[probe].exists())
      reporter_.add_at_key("object/combination", *container[probe],
                           "an init container takes no " + std::string(probe));
    check_probe(container, probe);
  }
  if (init && !sidecar && container["lifecycle"].exists())
    reporter_.add_at_key("object/combination", *container["lifecycle"],
                         "an init container takes no lifecycle");
  check_lifecycle(container);
}

// The kubelet's own reading of it: InvalidImageName. Variables and placeholders are no images yet.
void PodCheck::check_image(View image) {
  if (image.text().empty() || image.text().find_first_of("$<>{}") != std::string_view::npos) return;
  if (image.text().starts_with("ko://")) return;  // ko builds it, and writes its name here
  const Result<ImageRef> read = parse_image_ref(image.text());
  if (!read.ok())
    reporter_.add("pod/image-name", *image, shown_text(image) + " names no image: " + read.error().message);
}

void PodCheck::check_env(View container) {
  std::map<std::string, const Value*, std::less<>> seen;
  for (const Value& item : container["env"].items()) {
    const View env(item);
    const View name = env["name"];
    if (check_present(reporter_, env, "name") && name.is_string()) {
      if (!is_env_name(name.text()))
        reporter_.add("object/name", *name, shown_text(name) + " is no name of a variable");
      const auto [place, fresh] = seen.emplace(name.text(), &item);
      if (!fresh)
        reporter_.add("pod/duplicate-env", *name,
                      "the variable " + shown_text(name) + " is set twice: the last one counts");
    }
    const View value = env["value"];
    if (value.exists() && !value.is_string() && value.get()->is_scalar() &&
        pod_.document->schema == nullptr) {
      Finding& finding =
          reporter_.add("pod/env-value-string", *value,
                        "a variable's value must be a string, not " + shown_text(value), "quote it");
      Reporter::fix_with(
          finding, replace_scalar(*value, value.get()->node == nullptr ? "" : value.get()->node->text, true));
    }
    const View from = env["valueFrom"];
    if (!from.exists()) continue;
    if (!value.text().empty())
      reporter_.add_at_key("object/combination", *from, "value and valueFrom exclude each other");
    const std::string_view source = check_one_of(
        reporter_, from, {"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"},
        "object/combination", true);
    if (source == "configMapKeyRef" || source == "secretKeyRef") {
      const View key = from[source]["key"];
      if (check_present(reporter_, from[source], "key") && key.is_string() && !is_config_key(key.text()) &&
          key.text().find("{{") == std::string_view::npos)
        reporter_.add("object/name", *key, shown_text(key) + " is no key of a Secret or ConfigMap");
    }
    if (!pod_.partial && (source == "configMapKeyRef" || source == "secretKeyRef"))
      check_present(reporter_, from[source], "name");
    const View name_of_source = from[source.empty() ? "none" : source]["name"];
    if (name_of_source.is_string() && !name_of_source.text().empty() &&
        name_of_source.text().find("{{") == std::string_view::npos &&
        !is_dns1123_subdomain(name_of_source.text()))
      reporter_.add("object/name", *name_of_source, shown_text(name_of_source) + " is no name of an object");
    if (source == "resourceFieldRef") check_present(reporter_, from[source], "resource");
    const View path = from.at("fieldRef.fieldPath");
    if (path.is_string() && !is_field_path(path.text()))
      reporter_.add("object/enum", *path, shown_text(path) + " is no field that a variable can take");
  }
  for (const Value& item : container["envFrom"].items()) {
    const std::string_view source =
        check_one_of(reporter_, View(item), {"configMapRef", "secretRef"}, "object/combination", true);
    if (!source.empty()) check_present(reporter_, View(item)[source], "name");
  }
}

void PodCheck::check_ports(View container) {
  std::set<std::string, std::less<>> names;
  const bool host_network = spec_["hostNetwork"].is_true();
  for (const Value& item : container["ports"].items()) {
    const View port(item);
    const View name = port["name"];
    check_range(reporter_, port["containerPort"], 1, 65535);
    if (!pod_.partial) check_present(reporter_, port, "containerPort");
    if (port["hostPort"].integer_or(1) != 0) check_range(reporter_, port["hostPort"], 1, 65535);
    check_choice(reporter_, port["protocol"], {"TCP", "UDP", "SCTP"});
    if (name.is_string() && !name.text().empty()) {
      if (!is_port_name(name.text()))
        reporter_.add(
            "pod/port-name", *name,
            shown_text(name) + " is no name of a port" +
                (name.text().size() > 15 ? ": it has " + std::to_string(name.text().size()) + " characters"
                                         : ""));
      if (!names.emplace(name.text()).second)
        reporter_.add("object/duplicate-name", *name, "two ports are called " + shown_text(name));
    }
    const int64_t host = port["hostPort"].integer_or(0);
    if (host_network && host != 0 && host != port["containerPort"].integer_or(host)) {
      Finding& finding = reporter_.add(
          "pod/host-port", *port["hostPort"],
          "with hostNetwork, hostPort must equal containerPort " + shown_text(port["containerPort"]));
      Reporter::fix_with(finding, replace_scalar(*port["hostPort"], port["containerPort"].any_text(), false));
    }
    const int64_t taken = host_network && host == 0 ? port["containerPort"].integer_or(0) : host;
    const std::string protocol =
        port["protocol"].text().empty() ? "TCP" : std::string(port["protocol"].text());
    if (taken != 0 &&
        host_ports_[protocol + std::to_string(taken) + std::string(port["hostIP"].text())]++ > 0)
      reporter_.add("object/duplicate-name", item,
                    "the host's port " + std::to_string(taken) + " is taken twice");
  }
}

void PodCheck::check_port_reference(View port, View container) {
  if (!port.exists()) return;
  check_range(reporter_, port, 1, 65535);
  if (!port.is_string()) return;
  if (!is_port_name(port.text())) {
    reporter_.add("pod/port-name", *port, shown_text(port) + " is neither a port's number nor a name of one");
    return;
  }
  std::vector<std::string_view> names;
  for (const Value& p : container["ports"].items()) names.push_back(View(p)["name"].text());
  if (std::find(names.begin(), names.end(), port.text()) != names.end()) return;
  const std::string nearest = nearest_name(port.text(), names);
  Finding& finding = reporter_.add(
      "pod/undefined-port", *port, "this container has no port that is called " + shown_text(port),
      nearest.empty() ? "add the port's name under ports, or write its number" : "write " + nearest);
  if (!nearest.empty()) Reporter::fix_with(finding, replace_scalar(*port, nearest, false));
}

void PodCheck::check_handler(View handler, View container, bool hook) {
  const std::string_view kind =
      hook ? check_one_of(reporter_, handler, {"exec", "httpGet", "tcpSocket", "sleep"}, "pod/one-handler",
                          true)
           : check_one_of(reporter_, handler, {"exec", "httpGet", "tcpSocket", "grpc"}, "pod/one-handler",
                          !pod_.partial);
  if (kind == "exec" && handler.at("exec.command").items().empty())
    reporter_.add("object/required", *handler["exec"], "exec needs a command");
  if (kind == "httpGet") {
    check_present(reporter_, handler["httpGet"], "port");
    check_choice(reporter_, handler.at("httpGet.scheme"), {"HTTP", "HTTPS"});
  }
  if (kind == "tcpSocket") check_present(reporter_, handler["tcpSocket"], "port");
  if (kind == "httpGet" || kind == "tcpSocket") check_port_reference(handler[kind]["port"], container);
}

void PodCheck::check_probe(View container, std::string_view name) {
  const View probe = container[name];
  if (!probe.is_map()) return;
  check_handler(probe, container, false);
  for (const std::string_view key :
       {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold", "successThreshold"})
    check_range(reporter_, probe[key], 0, INT32_MAX);
  if (name != "readinessProbe" && probe["successThreshold"].integer_or(1) > 1) {
    Finding& finding = reporter_.add("pod/success-threshold", *probe["successThreshold"],
                                     "the successThreshold of a " + std::string(name) + " must be 1");
    Reporter::fix_with(finding, replace_scalar(*probe["successThreshold"], "1", false));
  }
  const View grace = probe["terminationGracePeriodSeconds"];
  if (grace.exists() && name == "readinessProbe")
    reporter_.add_at_key("object/combination", *grace,
                         "a readinessProbe takes no terminationGracePeriodSeconds");
  check_range(reporter_, grace, 1, INT32_MAX);
}

namespace {

// "sleep 60" in a hook's command: what all of them take together. Nothing where there is none, or a loop.
std::optional<int64_t> slept_seconds(View command) {
  std::string text;
  for (const Value& word : command.items()) text += View(word).any_text() + " ";
  for (char& c : text) c = c == '\n' || c == ';' || c == '&' || c == '\t' ? ' ' : c;
  std::istringstream words(text);
  std::optional<int64_t> total;
  for (std::string word; words >> word;) {
    if (word == "while" || word == "for" || word == "until" || word == "if" || word == "||" ||
        word == "timeout")
      return std::nullopt;
    if (word != "sleep" && !word.ends_with("/sleep")) continue;
    if (!(words >> word)) break;
    int64_t count = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), count);
    const std::string_view unit(end, static_cast<size_t>(word.data() + word.size() - end));
    if (error != std::errc() || count < 0 || count > 1'000'000) continue;
    const int64_t scale = unit == "m" ? 60 : unit == "h" ? 3600 : unit.empty() || unit == "s" ? 1 : 0;
    total = total.value_or(0) + count * scale;
  }
  return total;
}

}  // namespace

// The kubelet takes such a hook and kills it with the container when the grace period ends.
void PodCheck::check_sleeping_command(View hook, int64_t grace) {
  const View command = hook.at("exec.command");
  const std::optional<int64_t> length = slept_seconds(command);
  if (!length || *length < grace || grace < 0) return;
  reporter_.add("pod/pre-stop-uses-grace", *command,
                "the hook sleeps " + std::to_string(*length) + " s, and terminationGracePeriodSeconds is " +
                    std::to_string(grace),
                "write terminationGracePeriodSeconds over the sleep and the longest request together");
}

void PodCheck::check_lifecycle(View container) {
  const View lifecycle = container["lifecycle"];
  for (const std::string_view hook : {"postStart", "preStop"}) {
    if (!lifecycle[hook].is_map()) continue;
    check_handler(lifecycle[hook], container, true);
    const View seconds = lifecycle[hook].at("sleep.seconds");
    const int64_t grace = spec_["terminationGracePeriodSeconds"].integer_or(kDefaultGrace);
    const auto length = seconds.integer();
    if (length && (*length < 0 || *length > grace))
      reporter_.add("pod/pre-stop-grace", *seconds,
                    "a sleep of " + std::to_string(*length) +
                        " s does not fit terminationGracePeriodSeconds, " + std::to_string(grace),
                    "raise terminationGracePeriodSeconds above the sleep and the longest request together");
    if (hook == "preStop" && !pod_.partial) check_sleeping_command(lifecycle[hook], grace);
    if (length && *length == grace && hook == "preStop")
      reporter_.add("pod/pre-stop-uses-grace", *seconds,
                    "the sleep takes the whole grace period of " + std::to_string(grace) + " s");
  }
}

void PodCheck::check_resource_name(const ValueMember& entry) {
  const std::string& name = entry.key;
  if (is_standard_resource(name)) return;
  if (name.find('/') == std::string::npos) {
    reporter_.add_at_key(
        "pod/resource-name", entry.value,
        "\"" + name + "\" is no resource: cpu, memory, ephemeral-storage, hugepages-SIZE or domain/name",
        name == "gpu" ? "write nvidia.com/gpu" : "");
  } else if (!is_qualified_name(name)) {
    reporter_.add_at_key("pod/resource-name", entry.value, "\"" + name + "\" is no name of a resource");
  }
}

void PodCheck::check_resources(View container) {
  const View limits = container.at("resources.limits");
  const View requests = container.at("resources.requests");
  std::set<std::string> names;
  for (const View map : {limits, requests}) {
    for (const ValueMember& entry : map.members()) {
      check_resource_name(entry);
      names.insert(entry.key);
      const auto quantity = parse_quantity(View(entry.value).any_text());
      if (quantity && quantity->value < 0)
        reporter_.add("object/range", entry.value, "a quantity of a resource must not be negative");
      if (!quantity && View(entry.value).is_string() && pod_.document->schema == nullptr)
        reporter_.add("schema/quantity", entry.value, shown_text(View(entry.value)) + " is no quantity");
      if (quantity && is_extended(entry.key) && !quantity->is_integer)
        reporter_.add("pod/extended-resource-whole", entry.value,
                      entry.key + " is given in whole units, not " + View(entry.value).any_text());
    }
  }
  for (const std::string& name : names) check_limit_and_request(limits, requests, name);
}

void PodCheck::check_limit_and_request(View limits, View requests, const std::string& name) {
  const View limit = limits[name];
  const View request = requests[name];
  // A limit without a value is read as 0.
  const bool zero = limit.get() != nullptr && !limit.exists() && !whole_name(name);
  const auto l = parse_quantity(zero ? "0" : limit.any_text());
  const auto r = parse_quantity(request.any_text());
  const bool whole = whole_name(name);
  if (whole && r && !limit.exists()) {
    Finding& finding =
        reporter_.add_at_key("pod/extended-resource-limit", *request, name + " is requested without a limit",
                             "write the same value under limits");
    if (limits.is_map())
      Reporter::fix_with(finding,
                         insert_member(reporter_.source(), *limits, name, yaml_quoted(request.any_text())));
    return;
  }
  if (!l || !r) return;
  if (whole && l->value != r->value) {
    reporter_.add(
        "pod/extended-resource-limit", *request,
        "the request of " + name + ", " + request.any_text() + ", must equal its limit, " + limit.any_text());
  } else if (r->value > l->value) {
    reporter_.add("pod/request-over-limit", *request,
                  "the request of " + name + ", " + request.any_text() + ", is over its limit, " +
                      (zero ? "which has no value and is read as 0" : limit.any_text()));
  }
}

// The runtime puts CAP_ before each of them (include/uapi/linux/capability.h).
void PodCheck::check_capabilities(View list) {
  constexpr std::string_view kNames[] = {"ALL",
                                         "AUDIT_CONTROL",
                                         "AUDIT_READ",
                                         "AUDIT_WRITE",
                                         "BLOCK_SUSPEND",
                                         "BPF",
                                         "CHECKPOINT_RESTORE",
                                         "CHOWN",
                                         "DAC_OVERRIDE",
                                         "DAC_READ_SEARCH",
                                         "FOWNER",
                                         "FSETID",
                                         "IPC_LOCK",
                                         "IPC_OWNER",
                                         "KILL",
                                         "LEASE",
                                         "LINUX_IMMUTABLE",
                                         "MAC_ADMIN",
                                         "MAC_OVERRIDE",
                                         "MKNOD",
                                         "NET_ADMIN",
                                         "NET_BIND_SERVICE",
                                         "NET_BROADCAST",
                                         "NET_RAW",
                                         "PERFMON",
                                         "SETFCAP",
                                         "SETGID",
                                         "SETPCAP",
                                         "SETUID",
                                         "SYSLOG",
                                         "SYS_ADMIN",
                                         "SYS_BOOT",
                                         "SYS_CHROOT",
                                         "SYS_MODULE",
                                         "SYS_NICE",
                                         "SYS_PACCT",
                                         "SYS_PTRACE",
                                         "SYS_RAWIO",
                                         "SYS_RESOURCE",
                                         "SYS_TIME",
                                         "SYS_TTY_CONFIG",
                                         "WAKE_ALARM"};
  for (const Value& item : list.items()) {
    const View capability(item);
    std::string name(capability.text());
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (name.empty() || name.find_first_of("$<{") != std::string::npos) continue;
    const bool prefixed = name.starts_with("CAP_");
    if (prefixed) name.erase(0, 4);
    if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) {
      const std::string nearest = nearest_name(name, kNames);
      reporter_.add("pod/capability", item, shown_text(capability) + " is no capability",
                    nearest.empty() ? "" : "write " + nearest);
      continue;
    }
    if (!prefixed) continue;
    Finding& finding =
        reporter_.add("pod/capability", item,
                      shown_text(capability) + " becomes CAP_" + std::string(capability.text()) +
                          ", which is none: Kubernetes adds CAP_ itself",
                      "write " + name);
    Reporter::fix_with(finding, replace_scalar(item, name, false));
  }
}

void PodCheck::check_security_context(View context, bool of_pod) {
  if (!context.is_map()) return;
  for (const std::string_view key : {"runAsUser", "runAsGroup", "fsGroup"})
    check_range(reporter_, context[key], 0, INT32_MAX);
  check_choice(reporter_, context["procMount"], {"Default", "Unmasked"});
  check_filled_choice(reporter_, context["fsGroupChangePolicy"], {"OnRootMismatch", "Always"});
  const View seccomp = context["seccompProfile"];
  if (seccomp.is_map() && check_present(reporter_, seccomp, "type")) {
    check_choice(reporter_, seccomp["type"], {"RuntimeDefault", "Unconfined", "Localhost"});
    const bool local = seccomp["type"].text() == "Localhost";
    if (local != seccomp["localhostProfile"].exists())
      reporter_.add(
          "object/combination", *seccomp,
          local ? "type Localhost needs localhostProfile" : "localhostProfile needs type Localhost");
  }
  if (of_pod) return;
  for (const std::string_view side : {"add", "drop"}) check_capabilities(context["capabilities"][side]);
  const View escalation = context["allowPrivilegeEscalation"];
  if (escalation.exists() && !escalation.is_true()) {
    if (context["privileged"].is_true())
      reporter_.add("object/combination", *escalation,
                    "allowPrivilegeEscalation: false and privileged: true exclude each other");
    for (const Value& capability : context.at("capabilities.add").items()) {
      if (View(capability).text() == "CAP_SYS_ADMIN")
        reporter_.add("object/combination", capability,
                      "allowPrivilegeEscalation: false and CAP_SYS_ADMIN exclude each other");
    }
  }
}

}  // namespace hadal
