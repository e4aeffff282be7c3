#include "deploy/render.h"

#include <algorithm>

#include "deploy/render/context.h"
#include "deploy/render/idle_fields.h"
#include "deploy/render/ingress.h"
#include "deploy/render/parts.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

void add_network_warnings(RenderContext& c) {
  const DeploySpec& spec = c.spec;
  const bool rdma =
      spec.network.type == "rdma" || (spec.network.type == "host" && !spec.network.resource.empty());
  if ((c.any_group() || c.split) && c.on_gpus() && !rdma)
    c.warn(
        "network", "tcp",
        c.split ? "prefill sends decode its KV through TCP: many times slower than RDMA"
                : "the hosts of an instance talk through TCP: several times slower than RDMA",
        spec.network.type == "host"
            ? "set network.resource to that of your RDMA device plugin: the host's network alone gives a pod "
              "no /dev/infiniband"
            : "set network: rdma with the resource of your device plugin");
}

void add_scaling_warnings(RenderContext& c) {
  if (c.spec.autoscaling.type == "hpa" && c.spec.monitoring.type == "none")
    c.warn("autoscaling", "unscraped",
           "the metric reaches the autoscaler only if something scrapes the pods, and nothing here does",
           "set monitoring: pod-monitor, or scrape them yourself");
}

void add_warnings(RenderContext& c) {
  add_scaling_warnings(c);
  const DeploySpec& spec = c.spec;
  const bool key = !spec.api_key.secret.empty();
  const bool open = spec.exposure.type == "LoadBalancer" || spec.exposure.type == "NodePort" ||
                    spec.exposure.type == "Ingress" || spec.exposure.type == "Gateway" ||
                    spec.exposure.type == "Route";
  if (open && !key && c.profile != ProfileKind::kDynamo)
    c.warn("exposure", "open-api", "the API is reached from outside the cluster and asks for no key",
           "set apiKey to a Secret: kubectl create secret generic " + spec.name +
               "-api --from-literal=" + spec.api_key.key + "=...");
  const GatewaySpec& gateway = spec.exposure.gateway;
  const bool encrypts =
      spec.exposure.type == "Ingress" || (spec.exposure.type == "Gateway" && gateway.create);
  if (encrypts && spec.exposure.tls.secret.empty())
    c.warn("exposure.tls", "no-tls", "keys and conversations cross the network in the clear",
           "set exposure.tls.secret");
  if (spec.exposure.type == "Gateway" && !gateway.create && gateway.section.empty())
    c.warn("exposure.gateway", "any-listener",
           "the route hangs on every listener of the Gateway, also on one without TLS",
           "set exposure.gateway.section to the HTTPS listener's name");
  if (c.storage_type == "pvc" && spec.storage.storage_class.empty() && spec.storage.create && c.any_group() &&
      c.profile != ProfileKind::kTke)
    c.warn("storage.storageClass", "default-class",
           "several hosts mount the claim: the cluster's default StorageClass must "
           "know ReadWriteMany",
           "set storage.storageClass to one that does");
  if (spec.scheduler.type == "volcano" && c.uses_lws() && version_at_least(spec.versions.lws, "0.7"))
    c.warn("scheduler", "gang-provider", "gangs need LeaderWorkerSet's controller to know Volcano",
           "set gangSchedulingManagement.schedulerProvider: volcano in its configuration");
  if (spec.tenancy.network_policy && spec.network.type == "host")
    c.warn("tenancy.networkPolicy", "host-network-policy",
           "a NetworkPolicy does not reach pods on the host's network",
           "use network: rdma, or a firewall on the hosts");
  if (c.profile == ProfileKind::kKserve && !spec.storage.endpoint.empty())
    c.warn("storage.endpoint", "kserve-endpoint",
           "KServe reads the endpoint from the Secret's annotations, not from here",
           "kubectl annotate secret " + spec.storage.secret + " serving.kserve.io/s3-endpoint=HOST:PORT");
  add_network_warnings(c);
  // Meta's repositories give their files to those alone who have agreed to its terms.
  if (c.model_source.starts_with("hf:meta-llama/") && spec.storage.download.enabled &&
      spec.storage.download.token_secret.empty() && spec.storage.uri.empty())
    c.warn("model.ref", "gated-model",
           "the hub gives " + c.model_source.substr(3) + " to nobody without a token",
           "set storage.download.tokenSecret to a Secret with one, of somebody who has accepted the model's "
           "terms");
  if (spec.tenancy.quota && c.on_gpus())
    c.warn("tenancy.quota", "quota-of-namespace",
           "a ResourceQuota bounds the whole namespace " + spec.ns +
               ": pods of others there count too, and of several quotas the least holds",
           "give the deployment a namespace of its own, or one quota for all that live there");
  warn_of_shut_out(c);
  warn_of_ingress_class(c);
}

Result<RenderResult> render_once(const DeploySpec& spec) {
  HADAL_ASSIGN(RenderContext context, make_context(spec));
  add_warnings(context);
  RenderResult out;
  render_foundation(context, out);
  render_storage(context, out);
  render_workloads(context, out);
  render_router(context, out);
  render_services(context, out);
  render_scheduling(context, out);
  render_autoscaling(context, out);
  render_monitoring(context, out);
  render_web_ui(context, out);
  std::stable_sort(out.objects.begin(), out.objects.end(),
                   [](const RenderedObject& a, const RenderedObject& b) { return a.wave < b.wave; });
  out.findings = std::move(context.findings);
  return out;
}

}  // namespace

Result<RenderResult> render_spec(const DeploySpec& spec) {
  Result<RenderResult> out = render_once(spec);
  if (!out.ok()) {
    // What a cluster cannot fulfil is as wrong in a spec as a misspelt field: one kind of error, one exit
    // code.
    Error error = out.error();
    if (error.code == ErrorCode::kUnsupported) error.code = ErrorCode::kInvalidArgument;
    return error;
  }
  HADAL_RETURN_IF_ERROR(check_idle_fields(spec, *out, &render_once));
  return out;
}

}  // namespace hadal
