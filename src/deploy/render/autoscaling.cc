// Scaling by what the engine says of itself: waiting requests, KV in use. A GPU's utilisation says nothing
// (one request makes it 100%), and Kubernetes' Resource metrics know only CPU and memory.
#include <cstdio>

#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/metric_text.h"
#include "deploy/render/parts.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

Json target_of(const RenderContext& c) {
  if (c.role().is_group())
    return obj({{"apiVersion", "leaderworkerset.x-k8s.io/v1"},
                {"kind", "LeaderWorkerSet"},
                {"name", c.role().workload}});
  const bool kserve = c.profile == ProfileKind::kKserve;
  return obj({{"apiVersion", "apps/v1"},
              {"kind", "Deployment"},
              {"name", kserve ? c.spec.name + "-predictor" : c.role().workload}});
}

Json behavior_of(const RenderContext& c) {
  const int64_t down = c.spec.autoscaling.scale_down_minutes * 60;
  const int64_t up = std::min<int64_t>(1800, c.time.startup);
  return obj(
      {{"scaleUp", obj({{"stabilizationWindowSeconds", 30},
                        {"policies", arr({obj({{"type", "Pods"}, {"value", 1}, {"periodSeconds", up}})})}})},
       {"scaleDown", obj({{"stabilizationWindowSeconds", down},
                          {"policies", arr({obj({{"type", "Pods"},
                                                 {"value", 1},
                                                 {"periodSeconds", std::min<int64_t>(1800, down)}})})}})}});
}

void add_hpa(const RenderContext& c, RenderResult& out) {
  const AutoscalingSpec& scaling = c.spec.autoscaling;
  const Json metric =
      obj({{"type", "Pods"},
           {"pods", obj({{"metric", obj({{"name", std::string(engine_traits(c.engine).waiting)}})},
                         {"target", obj({{"type", "AverageValue"},
                                         {"averageValue", std::to_string(scaling.waiting_requests)}})}})}});
  Json spec = obj(
      {{"scaleTargetRef", target_of(c)}, {"minReplicas", scaling.min}, {"maxReplicas", scaling_max(c.spec)}});
  put_why(spec, "metrics", arr({metric}),
          "Waiting requests per instance, from the pods through an adapter for custom metrics "
          "(prometheus-adapter). A GPU "
          "cannot be a Resource metric.");
  put_why(spec, "behavior", behavior_of(c),
          "One instance at a time: a new one takes minutes to load, and counts only then.");
  add_object(out,
             obj({{"apiVersion", "autoscaling/v2"},
                  {"kind", "HorizontalPodAutoscaler"},
                  {"metadata", c.metadata(c.spec.name, "autoscaler")},
                  {"spec", std::move(spec)}}),
             5);
}

Json trigger(const RenderContext& c, std::string name, std::string query, std::string threshold,
             std::string activation) {
  return obj({{"type", "prometheus"},
              {"name", std::move(name)},
              {"metricType", "AverageValue"},
              {"metadata", obj({{"serverAddress", c.spec.autoscaling.prometheus},
                                {"query", std::move(query)},
                                {"threshold", std::move(threshold)},
                                {"activationThreshold", std::move(activation)}})}});
}

void add_keda(const RenderContext& c, RenderResult& out) {
  const AutoscalingSpec& scaling = c.spec.autoscaling;
  const EngineTraits& traits = engine_traits(c.engine);
  const std::string labels = metric_labels(c);
  JsonArray triggers;
  triggers.push_back(trigger(c, "waiting", "sum(" + std::string(traits.waiting) + "{" + labels + "})",
                             std::to_string(scaling.waiting_requests), "0"));
  triggers.push_back(
      trigger(c, "kv", "sum(" + kv_usage_query(c) + ")", to_json(Json(scaling.kv_usage)), "0"));
  Json spec = obj({{"scaleTargetRef", target_of(c)},
                   {"minReplicaCount", scaling.min},
                   {"maxReplicaCount", scaling_max(c.spec)},
                   {"pollingInterval", 15},
                   {"cooldownPeriod", scaling.scale_down_minutes * 60}});
  put_why(spec, "fallback",
          obj({{"failureThreshold", 4}, {"replicas", std::max<int64_t>(scaling.min, c.spec.replicas)}}),
          "Prometheus does not answer: stay at what the spec says.");
  spec.set("advanced", obj({{"horizontalPodAutoscalerConfig", obj({{"behavior", behavior_of(c)}})}}));
  put_why(spec, "triggers", Json(std::move(triggers)),
          "Both are sums over the instances, which KEDA divides by their number: the queue, and the share of "
          "KV in use.");
  add_object(out,
             obj({{"apiVersion", "keda.sh/v1alpha1"},
                  {"kind", "ScaledObject"},
                  {"metadata", c.metadata(c.spec.name, "autoscaler")},
                  {"spec", std::move(spec)}}),
             5);
}

}  // namespace

void render_autoscaling(const RenderContext& c, RenderResult& out) {
  if (c.spec.autoscaling.type == "hpa") add_hpa(c, out);
  if (c.spec.autoscaling.type == "keda") add_keda(c, out);
}

}  // namespace hadal
