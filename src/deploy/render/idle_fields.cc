#include "deploy/render/idle_fields.h"

#include <algorithm>

#include "deploy/spec_check.h"
#include "deploy/spec_table.h"

namespace hadal {
namespace {

struct IdleHint {
  std::string_view path;  // of a field, or of a section for all its fields
  std::string_view goes_with;
};
// Where a field counts. The longest path that fits speaks.
constexpr IdleHint kHints[] = {
    {"replicas",
     "one kind of instance; with topology prefill-decode set prefill.replicas and decode.replicas"},
    {"annotations", "pods that are rendered here"},
    {"preflight", "engine hadal, which checks its hosts itself, outside of KServe"},
    {"createNamespace", "a namespace other than default"},
    {"registry", "images that are rendered here"},
    {"model.path", "a volume that holds the model under another path"},
    {"model.revision", "a download, of a reference that names no revision itself"},
    {"engine.version", "the default image; engine.image names its own tag"},
    {"engine.routerImage", "topology prefill-decode of sglang, without dynamo and kserve"},
    {"engine.transferBackend", "topology prefill-decode of sglang"},
    {"engine.port", "profiles other than dynamo, whose frontend has port 8000"},
    {"engine.pipelineParallel", "engines sglang, vllm and trtllm"},
    {"engine.dataParallel", "engines sglang and vllm; with prefill-decode, roles that set none of their own"},
    {"engine.expertParallel",
     "engines sglang, vllm and trtllm; with prefill-decode, roles that set none of their own"},
    {"engine.memoryFraction",
     "engines sglang, vllm and trtllm; with prefill-decode, roles that set none of their own"},
    {"engine.logRequests", "engines hadal, sglang and vllm, without dynamo"},
    {"gpus", "gpus.type"},
    {"resources.shm", "a pod that has a /dev/shm of its own"},
    {"storage.claim", "storage pvc and pvc-per-node"},
    {"storage.create", "storage pvc and pvc-per-node"},
    {"storage.accessMode", "a rendered claim (pvc, pvc-per-node)"},
    {"storage.size",
     "a rendered claim (pvc, pvc-per-node), or a volume that each start fills (s3, empty-dir)"},
    {"storage.storageClass", "a rendered claim (pvc, pvc-per-node)"},
    {"storage.hostPath", "storage host-path"},
    {"storage.uri", "storage s3"},
    {"storage.endpoint",
     "weights that hadal fetches (storage.download); KServe's own fetch reads the Secret's annotation "
     "serving.kserve.io/s3-endpoint"},
    {"storage.region",
     "weights that hadal fetches from s3://; KServe's own fetch reads the Secret's annotation "
     "serving.kserve.io/s3-region"},
    {"storage.secret", "weights that come from s3://"},
    {"storage.image", "storage oci"},
    {"storage.download",
     "weights that hadal fetches: storage pvc, pvc-per-node and host-path, s3 and empty-dir without KServe"},
    {"storage.download.image", "an engine other than hadal, and weights that hadal fetches"},
    {"storage.download.tokenKey", "storage.download.tokenSecret"},
    {"storage.download.deadlineHours", "a download Job: storage pvc, or pvc-per-node of one or two hosts"},
    {"exposure.path", "Ingress, Gateway, and InferencePool with a gateway"},
    {"exposure.tls.secret", "Ingress, Gateway with create, and Route"},
    {"exposure.tls.termination", "Route"},
    {"exposure.host", "Ingress, Gateway, Route, and InferencePool with a gateway"},
    {"exposure.gateway", "exposure Gateway and InferencePool"},
    {"exposure.gateway.class", "gateway.create"},
    {"exposure.annotations", "a Service, Ingress, HTTPRoute or Route that is rendered here"},
    {"exposure.controllerNamespace",
     "tenancy.allowNamespaces or allowCidrs, which would shut it out, and Ingress, Gateway, InferencePool, "
     "openWebUI.host or profile kserve"},
    {"apiKey", "a Secret: apiKey.secret"},
    {"groupSecret", "groups of engine hadal: nodes 2 or more"},
    {"scheduler.type",
     "workloads that take it: Kueue's queue goes on Deployments and LeaderWorkerSets, not on KServe's and "
     "Dynamo's objects"},
    {"scheduler.queue", "scheduler volcano with several hosts or lws, and kueue"},
    {"scheduler.exclusiveTopology", "several hosts an instance: a LeaderWorkerSet or DisaggregatedSet"},
    {"scheduler.topologyMode", "scheduler.topology"},
    {"network", "instances over several hosts, or topology prefill-decode"},
    {"network.trafficClass", "network rdma with fabric roce"},
    {"network.fabric", "network rdma, or host with a resource"},
    {"network.debug", "instances over several hosts with GPUs, or topology prefill-decode"},
    {"autoscaling", "autoscaling.type hpa or keda"},
    {"autoscaling.kvUsage", "autoscaling keda"},
    {"autoscaling.prometheus", "autoscaling keda"},
    {"monitoring", "monitoring pod-monitor or service-monitor"},
    {"monitoring.namespace",
     "tenancy.networkPolicy, which lets it in, and monitoring pod-monitor or service-monitor"},
    {"monitoring.rules", "monitoring pod-monitor or service-monitor, without dynamo, which has its own"},
    {"monitoring.dashboard", "monitoring pod-monitor or service-monitor, without dynamo, which has its own"},
    {"monitoring.gpuRules", "GPUs and monitoring.rules"},
    {"monitoring.ttftSeconds", "monitoring.rules"},
    {"monitoring.interTokenSeconds", "monitoring.rules"},
    {"openWebUI", "openWebUI.enabled"},
    {"openWebUI.class", "openWebUI.host, outside of OpenShift"},
    {"openWebUI.tlsSecret", "openWebUI.host, outside of OpenShift"},
    {"pdb", "pdb.enabled and at least one instance"},
    {"rollout",
     "Deployments and LeaderWorkerSets that change one after another: replicas 2 or more, or maxSurge"},
    {"rollout.partition", "several hosts an instance without prefill-decode: a LeaderWorkerSet"},
    {"tenancy.allowNamespaces", "tenancy.networkPolicy: without it every namespace can call the API"},
    {"tenancy.allowCidrs", "tenancy.networkPolicy: without it every network can call the API"},
    {"tenancy.quota", "GPUs"},
    {"timing.warmUpSeconds", "a computed startup budget: leave startupSeconds out"},
    {"timing", "probes and hooks that are rendered here"},
    {"security.user", "profiles other than openshift, which chooses the user itself"},
    {"security.createSCC",
     "profile openshift, where RDMA, host paths, the host's network or root are asked for"},
    {"kserve", "profile kserve"},
    {"prefill", "topology prefill-decode"},
    {"decode", "topology prefill-decode"},
};

std::string_view hint_of(std::string_view path) {
  for (; !path.empty(); path = spec_parent(path)) {
    for (const IdleHint& hint : kHints) {
      if (hint.path == path) return hint.goes_with;
    }
  }
  return "another combination of fields";
}

// What describes the world and asks for nothing: true or false, it may be said anywhere. So may the wishes
// that are checked against the rest, and a restatement of what holds anyway.
bool is_statement(const DeploySpec& spec, std::string_view path) {
  const bool rdma = spec.network.type == "rdma" || !spec.network.resource.empty();
  if (path == "network.fabric") return rdma;  // RoCE with the libraries' own choice of a GID is as InfiniBand
  constexpr std::string_view kStatements[] = {"specVersion", "name",         "profile",        "topology",
                                              "model.ref",   "model.dtype",  "model.size",     "model.like",
                                              "gpus.type",   "gpus.count",   "gpus.perNode",   "nodes.count",
                                              "nodes.cpu",   "nodes.memory", "storage.readGBs"};
  return path.starts_with("versions.") ||
         std::find(std::begin(kStatements), std::end(kStatements), path) != std::end(kStatements);
}

std::string_view sample_text(TextRule rule) {
  switch (rule) {
    case TextRule::kHost:
      return "probe.example.com";
    case TextRule::kImage:
      return "probe.example.com/image:1";
    case TextRule::kRegistry:
      return "probe.example.com";
    case TextRule::kPath:
      return "/probe";
    case TextRule::kVersion:
      return "1.31";
    case TextRule::kLabelKey:
    case TextRule::kResource:
      return "probe.example.com/probe";
    case TextRule::kCidr:
      return "10.9.8.0/24";
    case TextRule::kUrl:
      return "http://probe.example.com";
    default:
      return "probe";
  }
}

// Values to try in place of the one that is there.
JsonArray other_values(const SpecField& field, const Json& now) {
  JsonArray out;
  switch (field.type) {
    case SpecType::kBool:
      out.emplace_back(!now.as_bool());
      break;
    case SpecType::kInteger: {
      const auto low = static_cast<int64_t>(field.min), high = static_cast<int64_t>(field.max);
      for (int64_t value : {now.as_int() + 1, now.as_int() - 1, low, high}) {
        if (value >= low && value <= high && value != now.as_int()) out.emplace_back(value);
      }
      break;
    }
    case SpecType::kNumber:
      for (double value : {field.min, (field.min + field.max) / 2, field.max}) out.emplace_back(value);
      break;
    case SpecType::kQuantity:
      for (std::string_view value : {"3Ti", "7Gi", "3"}) out.emplace_back(value);
      break;
    case SpecType::kStringList:
      out.emplace_back(JsonArray{sample_text(field.rule)});
      break;
    case SpecType::kStringMap:
    case SpecType::kSecretEnv:
      out.emplace_back(JsonObject{{field.path == "engine.env" ? "PROBE" : "probe", Json("probe")}});
      break;
    case SpecType::kString:
      if (field.choices.empty()) {
        const bool uri = field.path == "storage.uri", source = field.path == "storage.download.source";
        out.emplace_back(uri      ? std::string_view("s3://probe/probe")
                         : source ? std::string_view("hf:probe/probe")
                                  : sample_text(field.rule));
      }
      for (std::string_view rest = field.choices; !rest.empty();) {
        const size_t end = std::min(rest.find('|'), rest.size());
        out.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      break;
  }
  return out;
}

bool same_result(const RenderResult& a, const RenderResult& b) {
  if (a.objects.size() != b.objects.size() || a.findings.size() != b.findings.size()) return false;
  for (size_t i = 0; i < a.objects.size(); ++i) {
    if (!(a.objects[i].object == b.objects[i].object)) return false;
  }
  for (size_t i = 0; i < a.findings.size(); ++i) {
    if (a.findings[i].message != b.findings[i].message) return false;
  }
  return true;
}

bool has_effect(const DeploySpec& spec, const SpecField& field, const RenderResult& rendered,
                RenderOnce render) {
  const Json now = field.get(spec), usual = field.get(DeploySpec{});
  // A choice of its own must differ from the one that holds without it; where hadal chooses, from any.
  const bool own_choice = !field.choices.empty() && usual.is_string() && !usual.as_string().empty() &&
                          usual.as_string() != "auto";
  bool tried = false;
  for (const Json& value : own_choice ? JsonArray{usual} : other_values(field, now)) {
    if (value == now) continue;
    DeploySpec other = spec;
    field.set(other, value);
    // A choice that other fields rule out was a choice; a number that they rule out says nothing.
    if (!check_deploy_spec(other).ok()) {
      if (!field.choices.empty()) return true;
      continue;
    }
    tried = true;
    const auto again = render(other);
    if (!again.ok() || !same_result(*again, rendered)) return true;
  }
  return !tried;  // others depend on it
}

}  // namespace

Status check_idle_fields(const DeploySpec& spec, const RenderResult& rendered, RenderOnce render) {
  const DeploySpec defaults;
  std::string errors;
  for (const SpecField& field : spec_fields()) {
    if (!spec.has(field.path) || is_statement(spec, field.path)) continue;
    // What is the default anyway may be said; but a switch that is on and does nothing is a promise. One that
    // is off where nothing would be done anyway has its way, but for the engines' logs, which are theirs.
    const bool is_default = field.get(spec) == field.get(defaults);
    const bool is_promise = field.type == SpecType::kBool && field.get(spec).as_bool();
    if (field.type == SpecType::kBool && !is_promise && field.path != "engine.logRequests") continue;
    if ((is_default && !is_promise) || has_effect(spec, field, rendered, render)) continue;
    if (!errors.empty()) errors += "\n";
    errors += spec.place(field.path) + ": " + std::string(field.path) + " has no effect here: it goes with " +
              std::string(hint_of(field.path));
  }
  if (errors.empty()) return {};
  return invalid_argument(errors);
}

}  // namespace hadal
