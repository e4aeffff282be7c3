// Where the weights lie and how they get there.
#include <algorithm>
#include <cmath>

#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"
#include "deploy/render/pod.h"
#include "deploy/render/workload.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

int64_t pods_with_model(const RenderContext& c) {
  int64_t pods = 0;
  for (const RoleContext& role : c.roles) pods += role.nodes * role.replicas;
  return std::max(pods, c.spec.autoscaling.type == "none" ? 1 : scaling_max(c.spec));
}

bool two_claims(const RenderContext& c) {
  return c.storage_type == "pvc-per-node" && c.role().nodes == 2 && c.role().replicas == 1;
}

std::string claim_size(const RenderContext& c) {
  if (!c.spec.storage.size.empty()) return c.spec.storage.size;
  return quantity_text(std::ceil(c.weight_bytes * 1.15 / kGibibyte + 1) * kGibibyte);
}

std::string storage_class(const RenderContext& c) {
  if (!c.spec.storage.storage_class.empty()) return c.spec.storage.storage_class;
  return c.profile == ProfileKind::kTke && c.storage_type == "pvc" ? "cfs-turbo" : "";
}

}  // namespace

bool claim_is_shared(const RenderContext& c) {
  // A surge's new pod mounts it beside the old one, perhaps on another host.
  return c.storage_type == "pvc" && (pods_with_model(c) > 1 || c.spec.rollout.max_surge > 0);
}

namespace {

Json claim_spec(const RenderContext& c) {
  const std::string& asked = c.spec.storage.access_mode;
  const bool several = claim_is_shared(c);
  const bool shared = asked == "auto" ? several || (c.storage_type == "pvc" && c.profile == ProfileKind::kTke)
                                      : asked == "ReadWriteMany";
  Json spec;
  put_why(spec, "accessModes", arr({shared ? "ReadWriteMany" : "ReadWriteOnce"}),
          several  ? "Pods on several hosts mount it: ReadWriteOnce would leave all but one Pending."
          : shared ? "One host mounts it now, and more may later: a claim's access mode cannot be changed."
          : c.storage_type == "pvc-per-node" ? "One host mounts it."
                                             : "One host mounts it. This cannot be changed later; "
                                               "storage.accessMode: ReadWriteMany allows more.");
  put(spec, "storageClassName", storage_class(c));
  Json resources = obj({{"requests", obj({{"storage", claim_size(c)}})}});
  why(spec, "resources", "The weights and 15% for what a resumed or changed download needs.");
  spec.set("resources", std::move(resources));
  return spec;
}

void add_claim(const RenderContext& c, const std::string& name, RenderResult& out) {
  add_object(out,
             obj({{"apiVersion", "v1"},
                  {"kind", "PersistentVolumeClaim"},
                  {"metadata", c.metadata(name, "model")},
                  {"spec", claim_spec(c)}}),
             1);
}

JsonArray pull_env(const RenderContext& c) {
  const StorageSpec& storage = c.spec.storage;
  JsonArray env{env_value("HOME", "/cache")};
  if (!storage.download.token_secret.empty()) {
    const bool modelscope = c.model_source.starts_with("ms:");
    env.push_back(env_secret(modelscope ? "MODELSCOPE_API_TOKEN" : "HF_TOKEN", storage.download.token_secret,
                             storage.download.token_key));
  }
  if (c.model_source.starts_with("s3://") && !storage.secret.empty()) {
    env.push_back(env_secret("AWS_ACCESS_KEY_ID", storage.secret, "AWS_ACCESS_KEY_ID"));
    env.push_back(env_secret("AWS_SECRET_ACCESS_KEY", storage.secret, "AWS_SECRET_ACCESS_KEY"));
    env.push_back(env_secret("AWS_SESSION_TOKEN", storage.secret, "AWS_SESSION_TOKEN", true));
  }
  return env;
}

Json job_pod(const RenderContext& c, const std::string& claim) {
  Json spec = obj({{"restartPolicy", "OnFailure"}});
  add_pod_basics(c, spec);
  put(spec, "nodeSelector", map_json(c.spec.nodes.selector));
  spec.set("containers", arr({pull_container(c, "fetch")}));
  spec.set("volumes", arr({obj({{"name", "model"}, {"persistentVolumeClaim", obj({{"claimName", claim}})}}),
                           obj({{"name", "cache"}, {"emptyDir", obj({{"sizeLimit", "1Gi"}})}})}));
  return obj({{"metadata", obj({{"labels", c.labels("download")}})}, {"spec", std::move(spec)}});
}

void add_download(const RenderContext& c, const std::string& name, const std::string& claim,
                  RenderResult& out) {
  Json spec;
  spec.set("backoffLimit", 20);
  put_why(spec, "activeDeadlineSeconds", c.time.download,
          "From the size of the weights at 100 Mbit/s. The download resumes where it stopped.");
  spec.set("podReplacementPolicy", "Failed");
  Json metadata = c.metadata(name, "download");
  spec.set("template", job_pod(c, claim));
  add_object(out,
             obj({{"apiVersion", "batch/v1"},
                  {"kind", "Job"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             2);
}

std::string precache_name(const RenderContext& c) {
  return c.spec.name + "-precache";
}

// Fetches, feeds the other hosts while it fetches and afterwards, and keeps running, as a DaemonSet's pod
// must.
Json precache_container(const RenderContext& c) {
  Json out = pull_container(c, "pull");
  JsonArray args = out.find("args")->as_array();
  for (const std::string& word :
       {std::string("--serve"), std::string("--serve-host"), std::string("0.0.0.0"),
        std::string("--serve-port"), std::to_string(kPeerPort), std::string("--seed-from"),
        "http://" + precache_name(c) + ":" + std::to_string(kPeerPort)})
    args.emplace_back(word);
  put_why(
      out, "args", Json(std::move(args)),
      "Asks the other hosts, all that the Service's name stands for, before the origin: however many hosts "
      "there are, the origin is asked for little more than one copy.");
  out.set("ports", arr({obj({{"name", "peer"}, {"containerPort", kPeerPort}, {"protocol", "TCP"}})}));
  put_why(
      out, "readinessProbe",
      obj({{"exec", obj({{"command", arr({"test", "-s",
                                          c.model_mount + "/" + c.model_subdir + "/.hadal-model.json"})}})},
           {"periodSeconds", 10},
           {"timeoutSeconds", 5},
           {"failureThreshold", 3}}),
      "Ready when the model is whole: the marker is written last.");
  return out;
}

// Gives the model's directory to the user that fills it. The kubelet makes host directories as root's, and
// fsGroup does nothing to them.
Json own_container(const RenderContext& c) {
  const int64_t user = c.spec.security.run_as_root ? 0 : c.spec.security.user;
  const std::string owner = std::to_string(user) + ":" + std::to_string(user);
  Json security = container_security(c);
  put_why(security, "runAsUser", 0,
          "The kubelet makes host directories as root's and fsGroup does not reach them: this step gives one "
          "directory to the user of the pods, and ends. Only root with CHOWN can.");
  security.set("runAsGroup", 0);
  security.set("runAsNonRoot", false);
  security.set("capabilities", obj({{"drop", arr({"ALL"})}, {"add", arr({"CHOWN"})}}));
  return obj({{"name", "own"},
              {"image", c.hadal_image},
              {"imagePullPolicy", c.spec.engine.pull_policy},
              {"command", arr({"sh", "-c", "mkdir -p \"$0\" && chown -R " + owner + " \"$0\""})},
              {"args", arr({c.model_mount + "/" + c.model_subdir})},
              {"resources", obj({{"requests", obj({{"cpu", "100m"}, {"memory", "64Mi"}})},
                                 {"limits", obj({{"memory", "256Mi"}})}})},
              {"securityContext", std::move(security)},
              {"volumeMounts", arr({model_mount(c, true)})}});
}

// Which hosts get the weights where the spec does not say.
void choose_gpu_nodes(const RenderContext& c, Json& spec) {
  if (!c.on_gpus() || !c.spec.nodes.selector.empty() || c.gpu_resource != "nvidia.com/gpu") return;
  if (c.profile != ProfileKind::kTke) {
    put_why(spec, "nodeSelector", obj({{"nvidia.com/gpu.present", "true"}}),
            "Label of the GPU operator's feature discovery; nodes.selector takes its place.");
    return;
  }
  const Json term = obj({{"matchExpressions", arr({obj({{"key", "nvidia-device-enable"},
                                                        {"operator", "In"},
                                                        {"values", arr({"enable", "true"})}})})}});
  put_why(spec, "affinity",
          obj({{"nodeAffinity", obj({{"requiredDuringSchedulingIgnoredDuringExecution",
                                      obj({{"nodeSelectorTerms", arr({term})}})}})}}),
          "TKE's label of GPU nodes; nodes.selector takes its place.");
}

void add_peer_service(const RenderContext& c, RenderResult& out) {
  Json spec = obj({{"clusterIP", "None"}});
  put_why(spec, "publishNotReadyAddresses", true,
          "Hosts feed one another what they have while they still fetch.");
  spec.set("selector", c.selector("precache"));
  spec.set("ports",
           arr({obj({{"name", "peer"}, {"port", kPeerPort}, {"targetPort", "peer"}, {"protocol", "TCP"}})}));
  add_object(out,
             obj({{"apiVersion", "v1"},
                  {"kind", "Service"},
                  {"metadata", c.metadata(precache_name(c), "precache")},
                  {"spec", std::move(spec)}}),
             1, "By this name the hosts find one another.");
}

// A disk of each host, filled once and kept.
void add_precache(const RenderContext& c, RenderResult& out) {
  add_peer_service(c, out);
  Json spec;
  add_pod_basics(c, spec);
  add_placement(c, spec);
  choose_gpu_nodes(c, spec);
  spec.set("initContainers", arr({own_container(c)}));
  spec.set("containers", arr({precache_container(c)}));
  spec.set("volumes",
           arr({model_volume(c, true), obj({{"name", "cache"}, {"emptyDir", obj({{"sizeLimit", "1Gi"}})}})}));
  Json body;
  body.set("selector", obj({{"matchLabels", c.selector("precache")}}));
  body.set("updateStrategy",
           obj({{"type", "RollingUpdate"}, {"rollingUpdate", obj({{"maxUnavailable", "100%"}})}}));
  body.set("template",
           obj({{"metadata", obj({{"labels", c.labels("precache")}})}, {"spec", std::move(spec)}}));
  add_object(out,
             obj({{"apiVersion", "apps/v1"},
                  {"kind", "DaemonSet"},
                  {"metadata", c.metadata(precache_name(c), "precache")},
                  {"spec", std::move(body)}}),
             2, "Keeps the weights on each host's own disk and feeds them to the other hosts.");
}

}  // namespace

bool seeds_peers(const RenderContext& c) {
  return c.storage_type == "host-path" && c.spec.storage.download.enabled && !c.model_source.empty();
}

bool is_filled_by_us(const RenderContext& c) {
  const bool volume = c.storage_type == "pvc" || c.storage_type == "host-path" ||
                      (c.storage_type == "pvc-per-node" && !has_rank_claims(c));
  return volume && c.model_uri.empty() && c.spec.storage.download.enabled && !c.model_source.empty();
}

Json model_volume(const RenderContext& c, bool writable) {
  Json out = obj({{"name", "model"}});
  if (c.storage_type == "pvc" || c.storage_type == "pvc-per-node") {
    const std::string claim = two_claims(c) ? c.claim + "-0" : c.claim;
    Json source = obj({{"claimName", claim}});
    out.set("persistentVolumeClaim", std::move(source));
  } else if (c.storage_type == "host-path") {
    out.set("hostPath", obj({{"path", c.spec.storage.host_path},
                             {"type", writable ? "DirectoryOrCreate" : "Directory"}}));
  } else if (c.storage_type == "oci") {
    out.set("image", obj({{"reference", c.mirrored(c.spec.storage.image)}, {"pullPolicy", "IfNotPresent"}}));
  } else {
    Json volume;
    if (c.weight_bytes > 0 || !c.spec.storage.size.empty()) volume.set("sizeLimit", claim_size(c));
    out.set("emptyDir", volume.is_null() ? Json(JsonObject{}) : std::move(volume));
  }
  return out;
}

Json model_mount(const RenderContext& c, bool writable) {
  Json out = obj({{"name", "model"}, {"mountPath", c.model_mount}});
  const bool renamed =
      !writable && c.storage_type != "oci" && c.model_dir != c.model_mount + "/" + c.model_subdir;
  if (renamed) {
    out.set("mountPath", c.model_dir);
    out.set("subPath", c.model_subdir);
  }
  if (!writable) out.set("readOnly", true);
  return out;
}

Json pull_container(const RenderContext& c, std::string_view name) {
  Json out = obj({{"name", name}, {"image", c.hadal_image}, {"imagePullPolicy", c.spec.engine.pull_policy}});
  JsonArray args{"pull", c.model_source, "--to", c.model_mount + "/" + c.model_subdir};
  const StorageSpec& storage = c.spec.storage;
  if (!storage.endpoint.empty()) {
    args.emplace_back("--endpoint");
    args.emplace_back(storage.endpoint);
  }
  if (!storage.region.empty() && c.model_source.starts_with("s3://")) {
    args.emplace_back("--region");
    args.emplace_back(storage.region);
  }
  out.set("command", arr({"hadal"}));
  out.set("args", Json(std::move(args)));
  out.set("env", Json(pull_env(c)));
  out.set("resources",
          obj({{"requests", obj({{"cpu", "1"}, {"memory", "1Gi"}})}, {"limits", obj({{"memory", "4Gi"}})}}));
  out.set("securityContext", container_security(c));
  out.set("volumeMounts", arr({model_mount(c, true), cache_mount()}));
  out.set("terminationMessagePolicy", "FallbackToLogsOnError");
  return out;
}

void render_storage(const RenderContext& c, RenderResult& out) {
  const StorageSpec& storage = c.spec.storage;
  const bool download = storage.download.enabled && !c.model_source.empty();
  if (c.storage_type == "pvc") {
    if (storage.create) add_claim(c, c.claim, out);
    if (download) add_download(c, c.spec.name + "-download", c.claim, out);
  } else if (two_claims(c)) {
    for (int rank = 0; rank < 2; ++rank) {
      const std::string claim = c.claim + "-" + std::to_string(rank);
      if (storage.create) add_claim(c, claim, out);
      if (download) add_download(c, c.spec.name + "-download-" + std::to_string(rank), claim, out);
    }
  } else if (c.storage_type == "pvc-per-node" && !c.role().is_group()) {
    if (storage.create) add_claim(c, c.claim, out);
    if (download) add_download(c, c.spec.name + "-download", c.claim, out);
  } else if (seeds_peers(c)) {
    add_precache(c, out);
  }
}

// The claim of each rank of a LeaderWorkerSet (from 0.8), named as the volume is.
Json rank_claim_template(const RenderContext& c) {
  return obj(
      {{"metadata", obj({{"name", "model"}, {"labels", c.labels("model")}})}, {"spec", claim_spec(c)}});
}

}  // namespace hadal
