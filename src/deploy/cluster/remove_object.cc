#include "deploy/cluster/remove_object.h"

#include <algorithm>
#include <vector>

#include "deploy/cluster/inventory.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/shared_object.h"

namespace hadal::cluster {
namespace {

using Removal = RemoveOutcome::Kind;

// Those of a namespace whose loss would be noticed.
constexpr std::string_view kInhabitants[] = {"Pod",
                                             "PersistentVolumeClaim",
                                             "Deployment",
                                             "StatefulSet",
                                             "DaemonSet",
                                             "Job",
                                             "CronJob",
                                             "Service",
                                             "ConfigMap",
                                             "Secret",
                                             "Ingress",
                                             "LeaderWorkerSet",
                                             "DisaggregatedSet",
                                             "InferenceService",
                                             "LLMInferenceService",
                                             "DynamoGraphDeployment",
                                             "HTTPRoute",
                                             "Gateway",
                                             "Route",
                                             "ScaledObject"};
constexpr size_t kMaxNamed = 3;

std::string_view word_of(Removal kind) {
  switch (kind) {
    case Removal::kRemoved:
      return "removed";
    case Removal::kAbsent:
      return "was gone already";
    case Removal::kNotOurs:
      return "stays: it is not this deployment's any more";
    case Removal::kNotMade:
      return "stays: this deployment did not make it";
    case Removal::kShared:
      return "stays: other deployments use it";
    case Removal::kInhabited:
      return "stays: something else lives in it";
    case Removal::kUnknown:
      return "stays: others may use it, and you may not look";
    case Removal::kUnseen:
      return "is left: you may not look whether it is there";
    case Removal::kForbidden:
      return "STAYS: you may not delete it";
    case Removal::kKept:
      break;
  }
  return "stays: it asks to be kept (helm.sh/resource-policy)";
}

// What Kubernetes and its distributions put into every namespace.
bool is_of_every_namespace(const Json& object) {
  const std::string_view name = name_of(object);
  return name == "kube-root-ca.crt" || name == "openshift-service-ca.crt" || name == "istio-ca-root-cert" ||
         !annotation_of(object, "kubernetes.io/service-account.name").empty() ||
         text_at(object, "type") == "kubernetes.io/service-account-token";
}

bool is_inhabitant(const Json& object, const std::string& owner) {
  const bool goes = !text_at(object, "metadata.deletionTimestamp").empty();
  const bool is_dependent = !array_at(object, "metadata.ownerReferences").empty();
  if (goes || is_dependent || is_of_every_namespace(object)) return false;
  if (annotation_of(object, kOwnerAnnotation) == owner) return false;
  // The inventory itself.
  const std::string recorded = deployment_recorded_by(object);
  return recorded.empty() || owner != std::string(namespace_of(object)) + "/" + recorded;
}

// What lives in a namespace beside the deployment. Errors: the connection; kPermissionDenied.
Result<std::vector<std::string>> find_inhabitants(KubeClient& client, const std::string& name_space,
                                                  const std::string& owner) {
  std::vector<std::string> out;
  for (const std::string_view kind : kInhabitants) {
    const auto objects = client.list(collection_path(*well_known_resource(kind), name_space));
    if (!objects.ok() && objects.error().code == ErrorCode::kNotFound) continue;  // no such kind
    if (!objects.ok()) return objects.error();
    for (const Json& object : *objects) {
      if (is_inhabitant(object, owner)) out.push_back(std::string(kind) + " " + std::string(name_of(object)));
    }
  }
  return out;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kMaxNamed); ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMaxNamed) out += " and " + std::to_string(names.size() - kMaxNamed) + " more";
  return out;
}

// Makes another deployment the one that is in charge, as if it had made the object. A merge and no apply: an
// apply would take back what that deployment has applied before. False: it may not be.
bool hand_over(KubeClient& client, const std::string& path, const std::string& heir) {
  KubeCall request;
  request.method = "PATCH";
  request.path = path;
  request.query = {{"fieldManager", shared_manager(heir)}};
  request.content_type = "application/merge-patch+json";
  request.body =
      Json(JsonObject{{"metadata", JsonObject{{"annotations", JsonObject{{kOwnerAnnotation, heir}}}}}});
  const auto reply = client.call(request);
  return reply.ok() && reply->ok();
}

// Why a shared object stays; kRemoved: nothing speaks against its removal.
Result<RemoveOutcome> check_shared(KubeClient& client, const std::string& path, const Json& live,
                                   const std::string& owner, bool dry_run) {
  HADAL_ASSIGN(const OtherUsers others, find_other_users(client, live, owner));
  if (!others.known) return RemoveOutcome{Removal::kUnknown, "no right to list ConfigMaps"};
  const std::string command =
      "`kubectl delete namespace " + std::string(name_of(live)) + "` removes it and all in it";
  const bool is_namespace = kind_of(live) == "Namespace";
  if (!others.names.empty()) {
    std::string detail = joined(others.names);
    const std::string heir = others.listed_by.empty() ? "" : others.listed_by.front();
    if (!heir.empty() && (dry_run || hand_over(client, path, heir)))
      detail += "; its removal is up to " + heir + " now";
    else if (is_namespace)
      detail += "; when they are gone, " + command;
    return RemoveOutcome{Removal::kShared, std::move(detail)};
  }
  if (!is_namespace) return RemoveOutcome{};
  const auto inhabitants = find_inhabitants(client, std::string(name_of(live)), owner);
  if (!inhabitants.ok() && inhabitants.error().code == ErrorCode::kPermissionDenied)
    return RemoveOutcome{Removal::kUnknown, inhabitants.error().message};
  if (!inhabitants.ok()) return inhabitants.error();
  if (inhabitants->empty()) return RemoveOutcome{};
  return RemoveOutcome{Removal::kInhabited, joined(*inhabitants) + "; " + command};
}

}  // namespace

std::string RemoveOutcome::text() const {
  return std::string(word_of(kind)) + (detail.empty() ? "" : ": " + detail);
}

Result<KubeReply> delete_uid(KubeClient& client, const std::string& path, std::string_view uid,
                             bool dry_run) {
  KubeCall request;
  request.method = "DELETE";
  request.path = path;
  request.body = Json(JsonObject{{"kind", "DeleteOptions"},
                                 {"apiVersion", "v1"},
                                 {"propagationPolicy", "Background"},
                                 {"preconditions", JsonObject{{"uid", uid}}}});
  if (dry_run) request.body.set("dryRun", JsonArray{"All"});
  return client.call(request);
}

Result<RemoveOutcome> remove_object(KubeClient& client, const KubeResource& resource,
                                    const std::string& namespace_name, const std::string& name,
                                    const std::string& owner, bool dry_run) {
  const std::string path = object_path(resource, namespace_name, name);
  KubeCall look;
  look.path = path;
  HADAL_ASSIGN(const KubeReply there, client.call(look));
  if (there.status == 404) return RemoveOutcome{Removal::kAbsent, ""};
  if (there.status == 403) return RemoveOutcome{Removal::kUnseen, ""};
  if (!there.ok()) return kube_error(there, path);
  const Json& live = there.body;
  const bool shared = is_shared_kind(resource.kind);
  const bool is_owned =
      annotation_of(live, kOwnerAnnotation) == owner &&
      (shared ? is_set_by(live, shared_manager(owner)) : is_applied_by(live, kFieldManager));
  if (!owner.empty() && !is_owned) return RemoveOutcome{shared ? Removal::kNotMade : Removal::kNotOurs, ""};
  if (annotation_of(live, "helm.sh/resource-policy") == "keep") return RemoveOutcome{Removal::kKept, ""};
  if (shared) {
    HADAL_ASSIGN(RemoveOutcome checked, check_shared(client, path, live, owner, dry_run));
    if (checked.kind != Removal::kRemoved) return checked;
  }
  HADAL_ASSIGN(const KubeReply reply, delete_uid(client, path, text_at(live, "metadata.uid"), dry_run));
  if (reply.ok() || reply.status == 404) return RemoveOutcome{};
  if (reply.status == 409) return RemoveOutcome{Removal::kNotOurs, ""};  // made anew under its name meanwhile
  if (reply.status == 403) return RemoveOutcome{Removal::kForbidden, ""};
  return kube_error(reply, "cannot delete " + path);
}

}  // namespace hadal::cluster
