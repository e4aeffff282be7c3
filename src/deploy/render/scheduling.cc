// Volcano's queue and gang, and disruption budgets.
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

void add_volcano(const RenderContext& c, RenderResult& out) {
  const SchedulerSpec& scheduler = c.spec.scheduler;
  const std::string queue = scheduler.queue.empty() ? "default" : scheduler.queue;
  if (scheduler.create_queue) {
    Json spec = obj({{"weight", 1}, {"reclaimable", false}});
    if (c.on_gpus()) spec.set("capability", obj({{c.gpu_resource, std::to_string(c.total_gpus())}}));
    add_object(out,
               obj({{"apiVersion", "scheduling.volcano.sh/v1beta1"},
                    {"kind", "Queue"},
                    {"metadata", c.shared_metadata(queue)},
                    {"spec", std::move(spec)}}),
               0);
  }
  const RoleContext& role = c.role();
  if (!c.uses_lws() || version_at_least(c.spec.versions.lws, "0.7")) return;
  Json spec = obj({{"minMember", role.nodes}, {"queue", queue}});
  if (c.on_gpus()) spec.set("minResources", obj({{c.gpu_resource, std::to_string(role.gpus())}}));
  add_object(out,
             obj({{"apiVersion", "scheduling.volcano.sh/v1beta1"},
                  {"kind", "PodGroup"},
                  {"metadata", c.metadata(role.workload + "-0", role.component)},
                  {"spec", std::move(spec)}}),
             2, "All ranks or none: LeaderWorkerSet makes gangs itself only from 0.7.");
}

void add_budget(const RenderContext& c, const RoleContext& role, RenderResult& out) {
  int64_t instances = role.replicas;
  if (c.spec.autoscaling.type != "none") instances = c.spec.autoscaling.min;
  if (instances < 1) return;
  const int64_t asked = c.spec.pdb.min_available;
  const int64_t keep = asked >= 0 ? std::min(asked, instances) : std::max<int64_t>(1, instances - 1);
  Json spec;
  put_why(spec, "minAvailable", keep * role.nodes,
          role.is_group()
              ? std::to_string(keep) + " of " + std::to_string(instances) + " instances of " +
                    std::to_string(role.nodes) + " pods: one eviction takes a whole instance away."
              : std::to_string(keep) + " of " + std::to_string(instances) + " instances.");
  spec.set("unhealthyPodEvictionPolicy", "AlwaysAllow");
  spec.set("selector", obj({{"matchLabels", c.selector(role.component)}}));
  add_object(out,
             obj({{"apiVersion", "policy/v1"},
                  {"kind", "PodDisruptionBudget"},
                  {"metadata", c.metadata(role.workload, role.component)},
                  {"spec", std::move(spec)}}),
             5);
}

}  // namespace

void render_scheduling(const RenderContext& c, RenderResult& out) {
  if (c.spec.scheduler.type == "volcano") add_volcano(c, out);
  if (!c.spec.pdb.enabled) return;
  for (const RoleContext& role : c.roles) add_budget(c, role, out);
}

}  // namespace hadal
