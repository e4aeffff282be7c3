// Deployments, LeaderWorkerSets and DisaggregatedSets.
#include "deploy/render/workload.h"

#include <algorithm>

#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"
#include "deploy/render/pod.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

constexpr std::string_view kChecksum = "hadal.dev/template-checksum";

bool recreates(const RenderContext& c, int64_t replicas) {
  const std::string& strategy = c.spec.rollout.strategy;
  return strategy == "recreate" || (strategy == "auto" && replicas <= 1 && c.spec.rollout.max_surge == 0);
}

Json deployment_strategy(const RenderContext& c, int64_t replicas) {
  if (recreates(c, replicas)) return obj({{"type", "Recreate"}});
  const RolloutSpec& rollout = c.spec.rollout;
  return obj({{"type", "RollingUpdate"},
              {"rollingUpdate",
               obj({{"maxUnavailable", std::min(rollout.max_unavailable, std::max<int64_t>(1, replicas))},
                    {"maxSurge", rollout.max_surge}})}});
}

void add_deployment(const RenderContext& c, const RoleContext& role, RenderResult& out) {
  const bool scaled = c.spec.autoscaling.type != "none";
  Json spec;
  if (!scaled) spec.set("replicas", role.replicas);
  spec.set("selector", obj({{"matchLabels", c.selector(role.component)}}));
  put_why(spec, "strategy", deployment_strategy(c, role.replicas),
          c.spec.rollout.max_surge > 0
              ? "New pods come first: this needs spare hosts."
              : "No spare GPUs are counted on: a new pod beside the old one would stay Pending.");
  put_why(spec, "progressDeadlineSeconds", c.time.startup + c.time.grace + 1800,
          "Startup budget, the old pod's drain, and half an hour to pull the image.");
  spec.set("revisionHistoryLimit", 5);
  Json pod = pod_template(c, role);
  const std::string sum = checksum(pod);
  Json metadata = c.metadata(role.workload, role.component);
  metadata.set("annotations", obj({{kChecksum.data(), sum}}));
  add_queue(c, metadata, false);
  spec.set("template", std::move(pod));
  add_object(out,
             obj({{"apiVersion", "apps/v1"},
                  {"kind", "Deployment"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             3);
}

void use_claim(Json& pod, const std::string& claim) {
  for (Json& volume : pod.as_object()[1].second.as_object().back().second.as_array()) {
    if (volume.find("name")->as_string() == "model")
      volume.set("persistentVolumeClaim", obj({{"claimName", claim}}));
  }
}

void add_leader_worker_set(const RenderContext& c, const RoleContext& role, RenderResult& out) {
  Json spec = leader_worker_spec(c, role, c.spec.autoscaling.type == "none");
  Json metadata = c.metadata(role.workload, role.component);
  Json annotations = obj({{kChecksum.data(), checksum(spec)}});
  if (!c.spec.scheduler.exclusive_topology.empty())
    annotations.set("leaderworkerset.sigs.k8s.io/exclusive-topology", c.spec.scheduler.exclusive_topology);
  metadata.set("annotations", std::move(annotations));
  add_queue(c, metadata, true);
  add_object(out,
             obj({{"apiVersion", "leaderworkerset.x-k8s.io/v1"},
                  {"kind", "LeaderWorkerSet"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             3);
}

void add_disaggregated_set(const RenderContext& c, RenderResult& out) {
  JsonArray roles;
  for (const RoleContext& role : c.roles) {
    Json metadata = obj({{"labels", c.labels(role.component)}});
    Json annotations;
    if (!c.spec.scheduler.exclusive_topology.empty())
      annotations.set("leaderworkerset.sigs.k8s.io/exclusive-topology", c.spec.scheduler.exclusive_topology);
    put(metadata, "annotations", std::move(annotations));
    add_queue(c, metadata, true);
    roles.push_back(obj({{"name", role.component},
                         {"metadata", std::move(metadata)},
                         {"spec", leader_worker_spec(c, role, true)}}));
  }
  Json spec;
  put_why(spec, "roles", Json(std::move(roles)),
          "One object: prefill and decode change to a new revision together.");
  Json metadata = c.metadata(c.spec.name, "server");
  metadata.set("annotations", obj({{kChecksum.data(), checksum(spec)}}));
  add_object(out,
             obj({{"apiVersion", "disaggregatedset.x-k8s.io/v1"},
                  {"kind", "DisaggregatedSet"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             3);
}

}  // namespace

std::string checksum(const Json& value) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (unsigned char c : to_json(value)) hash = (hash ^ c) * 0x100000001b3;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

void add_queue(const RenderContext& c, Json& metadata, bool group) {
  const SchedulerSpec& scheduler = c.spec.scheduler;
  const std::string queue = scheduler.queue.empty() ? "default" : scheduler.queue;
  const auto set_in = [&](std::string_view where, std::string_view key) {
    Json map = metadata.find(where) == nullptr ? Json() : *metadata.find(where);
    map.set(key, queue);
    metadata.set(where, std::move(map));
  };
  if (scheduler.type == "kueue") set_in("labels", "kueue.x-k8s.io/queue-name");
  if (scheduler.type == "volcano" && group) set_in("annotations", "scheduling.volcano.sh/queue-name");
}

bool has_rank_claims(const RenderContext& c) {
  if (c.storage_type != "pvc-per-node" || c.split) return false;
  const RoleContext& role = c.role();
  return role.is_group() && !(role.nodes == 2 && role.replicas == 1);
}

Json leader_worker_spec(const RenderContext& c, const RoleContext& role, bool static_replicas) {
  const std::string& lws = c.spec.versions.lws;
  Json spec;
  if (static_replicas) spec.set("replicas", role.replicas);
  spec.set("startupPolicy", "LeaderCreated");
  spec.set("networkConfig", obj({{"subdomainPolicy", "Shared"}}));
  const RolloutSpec& rollout = c.spec.rollout;
  const int64_t replicas = std::max<int64_t>(1, role.replicas);
  Json update = obj({{"maxUnavailable",
                      recreates(c, role.replicas) ? replicas : std::min(rollout.max_unavailable, replicas)},
                     {"maxSurge", rollout.max_surge}});
  if (version_at_least(lws, "0.7") && !c.split) update.set("partition", rollout.partition);
  put_why(spec, "rolloutStrategy",
          obj({{"type", "RollingUpdate"}, {"rollingUpdateConfiguration", std::move(update)}}),
          rollout.max_surge > 0
              ? "New groups come first: this needs spare hosts."
              : "No spare GPUs are counted on: a new group beside the old ones would stay Pending.");
  Json body;
  body.set("size", role.nodes);
  // A group whose image is still being pulled somewhere must not be torn down by an early rank's restart.
  body.set("restartPolicy",
           version_at_least(lws, "0.9") ? "RecreateGroupAfterStart" : "RecreateGroupOnPodRestart");
  const Json pod = pod_template(c, role);
  Json leader = pod, worker = pod;
  if (c.storage_type == "pvc-per-node" && !has_rank_claims(c)) {
    use_claim(worker, c.claim + "-1");
    why(body, "leaderTemplate", "Leader and worker are the same but for the claim.");
  } else {
    why(body, "leaderTemplate", "Leader and worker are the same, word for word.");
  }
  body.set("leaderTemplate", std::move(leader));
  body.set("workerTemplate", std::move(worker));
  if (has_rank_claims(c)) {
    body.set("volumeClaimTemplates", arr({rank_claim_template(c)}));
    body.set("persistentVolumeClaimRetentionPolicy",
             obj({{"whenDeleted", "Retain"}, {"whenScaled", "Retain"}}));
  }
  spec.set("leaderWorkerTemplate", std::move(body));
  return spec;
}

bool has_disaggregated_set(const RenderContext& c) {
  return c.split && c.any_group() && version_at_least(c.spec.versions.lws, "0.9");
}

void render_workloads(const RenderContext& c, RenderResult& out) {
  if (c.profile == ProfileKind::kDynamo) return render_dynamo(c, out);
  if (c.profile == ProfileKind::kKserve) return render_kserve(c, out);
  if (has_disaggregated_set(c)) return add_disaggregated_set(c, out);
  for (const RoleContext& role : c.roles) {
    if (role.is_group()) {
      add_leader_worker_set(c, role, out);
    } else {
      add_deployment(c, role, out);
    }
  }
}

}  // namespace hadal
