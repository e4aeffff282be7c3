// What a Pod asks for that it does not need, or that works by luck alone.
#include <algorithm>

#include "deploy/validate/command_text.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/pod_facts.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

// Processor counts of servers with eight GPUs: a request of all of them leaves nothing for the node.
constexpr int64_t kNodeSizes[] = {128, 192, 224, 256, 384};

bool is_pinned(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return true;
  const size_t slash = image.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const size_t colon = name.find(':');
  return colon != std::string_view::npos && name.substr(colon + 1) != "latest";
}

bool is_secret_name(std::string_view name) {
  if (name.ends_with("_FILE") || name.ends_with("_PATH") || name.ends_with("_URL") || name.ends_with("_NAME"))
    return false;
  for (const std::string_view mark :
       {"API_KEY", "APIKEY", "PASSWORD", "SECRET_KEY", "ACCESS_KEY", "HF_TOKEN", "AUTH_TOKEN"}) {
    if (name.find(mark) != std::string_view::npos) return true;
  }
  return name == "TOKEN" || name.ends_with("_SECRET");
}

void check_image(const PodTemplate& pod, View container) {
  const View image = container["image"];
  if (image.text().empty() || is_pinned(image.text()) || image.text().find("{{") != std::string_view::npos ||
      image.text().find('$') != std::string_view::npos)
    return;
  const bool engine = is_serving(container);
  Finding& finding = pod.reporter().add(
      "pod/image-not-pinned", *image, "the image " + std::string(image.text()) + " is another one tomorrow");
  if (!engine) finding.severity = Severity::kInfo;
}

// The official image starts as root and listens on port 80.
void check_root_image(const PodTemplate& pod, View container) {
  const View image = container["image"];
  std::string_view name = image.text();
  for (const std::string_view prefix : {"docker.io/", "library/"}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  if (name.substr(0, name.find_first_of(":@")) != "nginx") return;
  pod.reporter().add("pod/root-image", *image,
                     "the image starts as root: OpenShift's restricted SCC and the restricted Pod security "
                     "standard refuse it");
}

void check_secrets(const PodTemplate& pod, View container) {
  for (const Value& item : container["env"].items()) {
    const View value = View(item)["value"];
    const std::string_view name = View(item)["name"].text();
    if (name.starts_with("ALLOW_") || name.starts_with("ENABLE_")) continue;
    if (!is_secret_name(name) || value.text().empty() || value.text().starts_with("$(")) continue;
    if (value.text() == "EMPTY" || value.text() == "none" || value.text() == "dummy") continue;
    pod.reporter().add("pod/plain-secret", *value,
                       std::string(name) + " stands in plain text, for everyone who may read the object",
                       "take it from a Secret: valueFrom.secretKeyRef");
  }
  const EngineProgram engine = engine_command(container);
  const auto key = engine.flag({"--api-key"});
  if (key && !key->empty() && key->find('$') == std::string::npos)
    pod.reporter().add_at_mark("pod/plain-secret",
                               mark_inside(pod.reporter().source(), *engine.word({"--api-key"})->value, *key),
                               "the API key stands in plain text in the command",
                               "take it from a Secret: env with secretKeyRef, and $(NAME)");
}

void check_cpu(const PodTemplate& pod, View container) {
  if (gpus_of(container) < 8) return;
  // Without a request the limit is the request.
  const bool asks = container["resources"]["requests"]["cpu"].exists();
  for (const std::string_view side : {asks ? "requests" : "limits"}) {
    const View cpu = container["resources"][side]["cpu"];
    const auto quantity = parse_quantity(cpu.any_text());
    if (!quantity || std::find(std::begin(kNodeSizes), std::end(kNodeSizes),
                               static_cast<int64_t>(quantity->value)) == std::end(kNodeSizes))
      continue;
    pod.reporter().add(
        "pod/cpu-equals-node", *cpu,
        "cpu " + cpu.any_text() + " is all that such a node has: the system's share is missing",
        "ask for a tenth less");
    return;
  }
}

// No server has more than 16 GPUs, and those of DeepSeek-R1's size have 8; several nodes are several Pods.
void check_gpus_of_node(const PodTemplate& pod, View container) {
  constexpr int64_t kMaxOfNode = 16;
  constexpr int64_t kUsual = 8;
  const int64_t gpus = gpus_of(container);
  // Dynamo spreads what is asked for over its nodes.
  if (gpus <= kUsual || pod.partial) return;
  const View limits = container["resources"]["limits"];
  const View place = limits["nvidia.com/gpu"].exists() ? limits["nvidia.com/gpu"] : limits;
  if (!place.exists()) return;
  Finding& finding =
      pod.reporter().add("pod/more-gpus-than-node", *place,
                         std::to_string(gpus) + " GPUs in one container: nodes have " +
                             std::to_string(kUsual) + ", few have " + std::to_string(kMaxOfNode),
                         "write a LeaderWorkerSet with 8 GPUs a Pod");
  if (gpus <= kMaxOfNode) finding.severity = Severity::kWarning;
}

void check_gpu_pod(const PodTemplate& pod, View container) {
  const View resources = container["resources"];
  if (gpus_of(container) == 0) return;
  if (is_serving(container) && !pod.partial && !resources["requests"]["memory"].exists() &&
      !resources["limits"]["memory"].exists())
    pod.reporter().add("pod/no-memory-request", resources.exists() ? *resources : *container,
                       "a container with GPUs asks for no memory");
  check_cpu(pod, container);
  check_gpus_of_node(pod, container);
}

// Agents of a node (device plugins, networks) are DaemonSets and need it.
void check_privileged(const PodTemplate& pod, View container) {
  const View privileged = container["securityContext"]["privileged"];
  if (!privileged.is_true() || pod.document->kind == "DaemonSet") return;
  const bool serving = is_serving(container);
  Finding& finding = pod.reporter().add(
      "pod/privileged", *privileged,
      serving ? (gpus_of(container) > 0 ? "privileged is more than GPUs and RDMA need"
                                        : "the engine is privileged, and asks for no device at all")
              : "the container is privileged: it may do all that root may do on the node",
      serving ? "write capabilities: {add: [IPC_LOCK]} if it uses RDMA, else nothing; devices come from the "
                "device plugin"
              : "leave it out, or add the capabilities that it needs");
  if (!serving) finding.severity = Severity::kInfo;
}

void check_host_settings(const PodTemplate& pod, bool serves) {
  Reporter& reporter = pod.reporter();
  const View spec = pod.view();
  const View policy = spec["dnsPolicy"];
  const View network = spec["hostNetwork"];
  if (policy.text() == "ClusterFirstWithHostNet" && !network.is_true()) {
    Finding& finding =
        reporter.add("pod/dns-policy-without-host-network", *policy,
                     "dnsPolicy ClusterFirstWithHostNet has no effect without hostNetwork",
                     "remove the line, or add hostNetwork: true if the Pod needs the host's network");
    Reporter::fix_with(finding, remove_value(reporter.source(), *policy));
  }
  if (network.is_true() && policy.text() != "ClusterFirstWithHostNet" && policy.text() != "None") {
    Finding& finding = reporter.add(
        "pod/host-network-dns", *network,
        "with hostNetwork the Pod asks the node's DNS, which knows no Services and no LWS_LEADER_ADDRESS",
        "write dnsPolicy: ClusterFirstWithHostNet");
    // A node's agent may do without Services.
    if (!serves && !pod.inside_crd) finding.severity = Severity::kInfo;
    if (policy.exists()) {
      Reporter::fix_with(finding, replace_scalar(*policy, "ClusterFirstWithHostNet", false));
    } else {
      Reporter::fix_with(finding,
                         insert_member(reporter.source(), *spec, "dnsPolicy", "ClusterFirstWithHostNet"));
    }
  }
  if (serves && spec["hostPID"].is_true()) {
    Finding& finding = reporter.add_at_key(
        "pod/host-pid", *spec["hostPID"],
        "hostPID lets the container see and signal every process of the node", "remove the line");
    Reporter::fix_with(finding, remove_value(reporter.source(), *spec["hostPID"]));
  }
}

void check_placeholders(const PodTemplate& pod, View container) {
  const View image = container["image"];
  for (const std::string_view mark : {"<", "your-", "YOUR_", "my-registry/", "my-tag"}) {
    if (image.text().find(mark) == std::string_view::npos) continue;
    pod.reporter().add("pod/placeholder", *image,
                       "the image " + std::string(image.text()) + " is a placeholder");
    return;
  }
}

}  // namespace

int64_t gpus_of(View container) {
  for (const std::string_view side : {"limits", "requests"}) {
    for (const ValueMember& entry : container["resources"][side].members()) {
      if (entry.key != "nvidia.com/gpu" && entry.key != "amd.com/gpu" && entry.key != "gpu") continue;
      const auto quantity = parse_quantity(View(entry.value).any_text());
      if (quantity && quantity->value > 0 && quantity->value < 4096)
        return static_cast<int64_t>(quantity->value);
    }
  }
  return 0;
}

int64_t gpus_of_pod(View spec) {
  int64_t out = 0;
  for (const Value& container : spec["containers"].items()) out += gpus_of(View(container));
  return out;
}

bool is_serving(View container) {
  return gpus_of(container) > 0 || engine_command(container).kind != EngineName::kNone;
}

bool serves_model(View spec) {
  return std::any_of(spec["containers"].items().begin(), spec["containers"].items().end(),
                     [](const Value& c) { return is_serving(View(c)); });
}

void check_pod_practice(const PodTemplate& pod, const RuleContext&) {
  const bool serves = serves_model(pod.view());
  check_host_settings(pod, serves);
  for (const View container : all_containers(pod.view())) {
    check_image(pod, container);
    check_root_image(pod, container);
    check_secrets(pod, container);
    check_gpu_pod(pod, container);
    check_privileged(pod, container);
    check_placeholders(pod, container);
  }
}

}  // namespace hadal
