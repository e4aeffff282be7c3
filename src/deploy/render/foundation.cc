// What the rest stands on: namespace, account, OpenShift's rights, and what separates tenants.
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

// restricted-v2 has neither IPC_LOCK nor hostPath nor the host's network.
bool needs_scc(const RenderContext& c) {
  return c.profile == ProfileKind::kOpenshift && c.spec.security.create_scc &&
         (c.spec.network.type != "none" || c.storage_type == "host-path" || c.spec.security.run_as_root);
}

void add_scc(const RenderContext& c, RenderResult& out) {
  const std::string name = c.spec.ns + "-" + c.spec.name;
  const bool rdma = c.spec.network.type == "rdma" || !c.spec.network.resource.empty();
  const bool host = c.spec.network.type == "host", path = c.storage_type == "host-path";
  JsonArray volumes{"configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"};
  if (path) volumes.insert(volumes.begin() + 3, "hostPath");
  JsonArray capabilities;
  if (rdma) capabilities.emplace_back("IPC_LOCK");
  if (seeds_peers(c)) capabilities.emplace_back("CHOWN");  // the step that gives the directory to its user
  if (c.storage_type == "oci") volumes.insert(volumes.begin() + (path ? 4 : 3), "image");
  Json scc = obj(
      {{"apiVersion", "security.openshift.io/v1"},
       {"kind", "SecurityContextConstraints"},
       {"metadata", c.cluster_metadata(name, "server")},
       {"priority", nullptr},
       {"allowPrivilegedContainer", false},
       {"allowPrivilegeEscalation", false},
       {"allowHostNetwork", host},
       {"allowHostPorts", host},
       {"allowHostPID", false},
       {"allowHostIPC", false},
       {"allowHostDirVolumePlugin", path},
       {"readOnlyRootFilesystem", false},
       {"defaultAddCapabilities", nullptr},
       {"allowedCapabilities", capabilities.empty() ? Json() : Json(std::move(capabilities))},
       {"requiredDropCapabilities", arr({"ALL"})},
       {"runAsUser", obj({{"type", path || c.spec.security.run_as_root ? "RunAsAny" : "MustRunAsRange"}})},
       {"seLinuxContext", obj({{"type", "MustRunAs"}})},
       {"fsGroup", obj({{"type", path ? "RunAsAny" : "MustRunAs"}})},
       {"supplementalGroups", obj({{"type", "RunAsAny"}})},
       {"seccompProfiles", arr({"runtime/default"})},
       {"volumes", Json(std::move(volumes))},
       {"users", arr({})},
       {"groups", arr({})}});
  add_object(out, std::move(scc), 0,
             "Only what this deployment needs beyond restricted-v2; privileged is not.");
  add_object(out,
             obj({{"apiVersion", "rbac.authorization.k8s.io/v1"},
                  {"kind", "ClusterRole"},
                  {"metadata", c.cluster_metadata(name + "-scc", "server")},
                  {"rules", arr({obj({{"apiGroups", arr({"security.openshift.io"})},
                                      {"resources", arr({"securitycontextconstraints"})},
                                      {"resourceNames", arr({name})},
                                      {"verbs", arr({"use"})}})})}}),
             0);
  add_object(
      out,
      obj({{"apiVersion", "rbac.authorization.k8s.io/v1"},
           {"kind", "RoleBinding"},
           {"metadata", c.metadata(c.spec.name + "-scc", "server")},
           {"roleRef", obj({{"apiGroup", "rbac.authorization.k8s.io"},
                            {"kind", "ClusterRole"},
                            {"name", name + "-scc"}})},
           {"subjects",
            arr({obj(
                {{"kind", "ServiceAccount"}, {"name", c.service_account}, {"namespace", c.spec.ns}})})}}),
      0);
}

void add_account(const RenderContext& c, RenderResult& out) {
  Json account = obj({{"apiVersion", "v1"},
                      {"kind", "ServiceAccount"},
                      {"metadata", c.metadata(c.service_account, "server")},
                      {"automountServiceAccountToken", false}});
  if (c.model_uri.starts_with("s3://") && !c.spec.storage.secret.empty()) {
    put_why(account, "secrets", arr({obj({{"name", c.spec.storage.secret}})}),
            "KServe fetches the model with this Secret; another endpoint than AWS goes into the Secret's "
            "annotations serving.kserve.io/s3-endpoint, s3-usehttps and s3-region.");
  }
  add_object(out, std::move(account), 0);
}

void add_quota(const RenderContext& c, RenderResult& out) {
  if (!c.on_gpus()) return;
  int64_t gpus = c.total_gpus();
  if (c.spec.autoscaling.type != "none") gpus = c.role().gpus() * scaling_max(c.spec);
  gpus += c.spec.rollout.max_surge * c.role().gpus();
  add_object(out,
             obj({{"apiVersion", "v1"},
                  {"kind", "ResourceQuota"},
                  {"metadata", c.metadata(c.spec.name, "server")},
                  {"spec", obj({{"hard", obj({{"requests." + c.gpu_resource, std::to_string(gpus)}})}})}}),
             0);
}

}  // namespace

void render_foundation(const RenderContext& c, RenderResult& out) {
  // OpenShift's users get their projects from oc new-project, and may not write Namespaces.
  const bool create =
      c.spec.has("createNamespace") ? c.spec.create_namespace : c.profile != ProfileKind::kOpenshift;
  if (create && c.spec.ns != "default") {
    add_object(out,
               obj({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", c.shared_metadata(c.spec.ns)}}),
               0);
  }
  if (c.spec.security.service_account.empty()) {
    add_account(c, out);
  }
  if (needs_scc(c)) add_scc(c, out);
  render_policies(c, out);
  if (c.spec.tenancy.quota) add_quota(c, out);
}

}  // namespace hadal
