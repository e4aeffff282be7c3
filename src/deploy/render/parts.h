// The parts of a deployment; each adds its objects. Internal to deploy/render; one thread.
#pragma once

#include "deploy/render/context.h"

namespace hadal {

void render_foundation(const RenderContext& context, RenderResult& out);  // namespace, account, SCC, policies
void render_policies(const RenderContext& context, RenderResult& out);    // of the network
void render_storage(const RenderContext& context, RenderResult& out);     // claims, download, precache
void render_workloads(const RenderContext& context, RenderResult& out);   // Deployment, LeaderWorkerSet, ...
void render_kserve(const RenderContext& context, RenderResult& out);
void render_dynamo(const RenderContext& context, RenderResult& out);
void render_router(const RenderContext& context, RenderResult& out);      // of prefill and decode
void render_services(const RenderContext& context, RenderResult& out);    // Service, routes
void render_scheduling(const RenderContext& context, RenderResult& out);  // Volcano, disruption budgets
void render_autoscaling(const RenderContext& context, RenderResult& out);
void render_monitoring(const RenderContext& context, RenderResult& out);
void render_web_ui(const RenderContext& context, RenderResult& out);
// Warns of who needs the API and is kept from it by tenancy.allowNamespaces, because the spec does not say
// where it is.
void warn_of_shut_out(RenderContext& context);

// The labels by which Services, budgets and monitors find the pods that answer clients.
Json api_selector(const RenderContext& context);
// Component of those pods: "server", "router".
std::string_view api_component(const RenderContext& context);
// Namespace of the Prometheus that scrapes the pods.
std::string prometheus_namespace(const RenderContext& context);
// A DaemonSet of ours keeps the weights on each host, and its pods feed one another.
bool seeds_peers(const RenderContext& context);
// Pods on several hosts mount the claim of storage pvc, or will.
bool claim_is_shared(const RenderContext& context);
// A Grafana dashboard of the engine's metrics, as JSON text.
std::string grafana_dashboard(const RenderContext& context);

}  // namespace hadal
