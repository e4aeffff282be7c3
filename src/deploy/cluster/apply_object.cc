#include "deploy/cluster/apply_object.h"

#include "deploy/cluster/inventory.h"
#include "deploy/cluster/inventory_store.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/object_diff.h"

namespace hadal::cluster {
namespace {

constexpr char kApplyPatch[] = "application/apply-patch+yaml";
constexpr int kGoneChecks = 150;
constexpr auto kGonePause = std::chrono::milliseconds(200);

// The object, null where it is not there.
Result<Json> get_live(KubeClient& client, const std::string& path) {
  KubeCall request;
  request.path = path;
  HADAL_ASSIGN(KubeReply reply, client.call(request));
  if (reply.status == 404) return Json();
  if (!reply.ok()) return kube_error(reply, "");
  return std::move(reply.body);
}

Result<KubeReply> patch(KubeClient& client, const ApplyObject& object, const Json& body,
                        const ApplyObjectOptions& options) {
  KubeCall request;
  request.method = "PATCH";
  request.path = object.path();
  request.query = {{"fieldManager", kFieldManager},
                   {"fieldValidation", options.skip_validation ? "Warn" : "Strict"}};
  if (options.force_conflicts) request.query.emplace_back("force", "true");
  if (options.dry_run) request.query.emplace_back("dryRun", "All");
  request.body = body;
  request.content_type = kApplyPatch;
  return client.call(request);
}

bool is_immutable_refusal(const KubeReply& reply) {
  return reply.status == 422 &&
         text_at(reply.body, "message").find("field is immutable") != std::string_view::npos;
}

Status wait_until_gone(KubeClient& client, const std::string& path, std::string_view uid) {
  for (int i = 0; i < kGoneChecks; ++i) {
    HADAL_ASSIGN(const Json live, get_live(client, path));
    if (live.is_null() || text_at(live, "metadata.uid") != uid) return {};
    if (!client.sleep(kGonePause)) return make_error(ErrorCode::kCancelled, "it was told to stop");
  }
  return make_error(ErrorCode::kDeadlineExceeded, path, " is still being deleted: a finalizer holds it");
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

// A Job's template cannot be changed: a new one takes its place.
Result<KubeReply> replace_job(KubeClient& client, const ApplyObject& object, const Json& body,
                              const Json& live, const ApplyObjectOptions& options) {
  if (!options.dry_run) {
    HADAL_ASSIGN(const KubeReply gone,
                 delete_uid(client, object.path(), text_at(live, "metadata.uid"), false));
    if (!gone.ok() && gone.status != 404) return gone;
    HADAL_RETURN_IF_ERROR(wait_until_gone(client, object.path(), text_at(live, "metadata.uid")));
    return patch(client, object, body, options);
  }
  KubeReply pretended;
  pretended.status = 200;
  pretended.body = body;
  return pretended;
}

// An autoscaler has moved spec.replicas: it stays the autoscaler's.
bool only_replicas(const std::vector<FieldConflict>& conflicts) {
  for (const FieldConflict& conflict : conflicts) {
    if (conflict.field != ".spec.replicas") return false;
  }
  return !conflicts.empty();
}

void read_refusal(const KubeReply& reply, ApplyOutcome& out) {
  out.conflicts = reply.status == 409 ? read_conflicts(reply.body) : std::vector<FieldConflict>();
  out.kind = out.conflicts.empty() ? ApplyOutcome::Kind::kRefused : ApplyOutcome::Kind::kConflict;
  out.message = out.conflicts.empty() ? kube_error(reply, "").message : conflict_text(out.conflicts);
}

bool is_applied_by_hadal(const Json& live) {
  for (const Json& entry : array_at(live, "metadata.managedFields")) {
    if (text_at(entry, "manager") == kFieldManager && text_at(entry, "operation") == "Apply") return true;
  }
  return false;
}

}  // namespace

std::string_view outcome_word(ApplyOutcome::Kind kind) {
  switch (kind) {
    case ApplyOutcome::Kind::kCreated:
      return "created";
    case ApplyOutcome::Kind::kChanged:
      return "changed";
    case ApplyOutcome::Kind::kUnchanged:
      return "unchanged";
    case ApplyOutcome::Kind::kReplaced:
      return "replaced (its template cannot be changed)";
    case ApplyOutcome::Kind::kConflict:
      return "CONFLICT";
    case ApplyOutcome::Kind::kRefused:
      break;
  }
  return "REFUSED";
}

std::string_view remove_word(RemoveOutcome outcome) {
  switch (outcome) {
    case RemoveOutcome::kRemoved:
      return "removed";
    case RemoveOutcome::kAbsent:
      return "was gone already";
    case RemoveOutcome::kNotOurs:
      return "stays: it is not this deployment's any more";
    case RemoveOutcome::kShared:
      return "stays: other deployments are in it";
    case RemoveOutcome::kKept:
      break;
  }
  return "stays: it asks to be kept (helm.sh/resource-policy)";
}

std::vector<FieldConflict> read_conflicts(const Json& status) {
  std::vector<FieldConflict> out;
  for (const Json& cause : array_at(status, "details.causes")) {
    if (text_at(cause, "reason") != "FieldManagerConflict") continue;
    // conflict with "NAME" using apps/v1 [at TIME], or with "NAME" with subresource "scale" using ...
    const std::string_view message = text_at(cause, "message");
    const size_t open = message.find('"');
    const size_t close = open == std::string_view::npos ? open : message.find('"', open + 1);
    const bool quoted = close != std::string_view::npos;
    out.push_back({std::string(text_at(cause, "field")),
                   std::string(quoted ? message.substr(open + 1, close - open - 1) : message)});
  }
  return out;
}

std::string conflict_text(const std::vector<FieldConflict>& conflicts) {
  std::string out;
  for (const FieldConflict& conflict : conflicts)
    out += "\n    " + conflict.field + " was set by " + conflict.manager;
  return out +
         "\n    leave the field out, let its manager give it up, or take it over with --force-conflicts";
}

Result<ApplyOutcome> apply_object(KubeClient& client, const ApplyObject& object,
                                  const ApplyObjectOptions& options) {
  ApplyOutcome out;
  HADAL_ASSIGN(out.before, get_live(client, object.path()));
  const std::string_view other = annotation_of(out.before, kOwnerAnnotation);
  // Deployments share a namespace: it belongs to the one that made it, if any, and is nobody's obstacle.
  const bool shared =
      kind_of(object.object) == "Namespace" && !out.before.is_null() && other != options.owner;
  if (!shared && !other.empty() && other != options.owner && !options.force_conflicts) {
    out.kind = ApplyOutcome::Kind::kRefused;
    out.message = "it belongs to deployment " + std::string(other) +
                  ": give it another name, or take it over with --force-conflicts";
    return out;
  }
  Json body = object.object;
  // All deployments are one field manager to the server: what is not sent again would go.
  const std::string owner = shared ? std::string(other) : options.owner;
  if (!owner.empty()) member_of(member_of(body, "metadata"), "annotations").set(kOwnerAnnotation, owner);
  HADAL_ASSIGN(KubeReply reply, patch(client, object, body, options));
  if (reply.status == 409 && options.scaled_by_another && only_replicas(read_conflicts(reply.body))) {
    remove_member(member_of(body, "spec"), "replicas");
    HADAL_ASSIGN(reply, patch(client, object, body, options));
    out.notes.push_back("replicas are left to the autoscaler");
  }
  const bool replaced = kind_of(object.object) == "Job" && is_immutable_refusal(reply);
  if (replaced) {
    HADAL_ASSIGN(reply, replace_job(client, object, body, out.before, options));
  }
  out.notes.insert(out.notes.end(), reply.warnings.begin(), reply.warnings.end());
  if (!reply.ok()) {
    read_refusal(reply, out);
    return out;
  }
  out.live = std::move(reply.body);
  // The server may count a version where it changed nothing but its own notes.
  const bool same = (!options.dry_run && text_at(out.before, "metadata.resourceVersion") ==
                                             text_at(out.live, "metadata.resourceVersion")) ||
                    comparable(out.before) == comparable(out.live);
  out.kind = out.before.is_null() ? ApplyOutcome::Kind::kCreated
             : replaced           ? ApplyOutcome::Kind::kReplaced
             : same               ? ApplyOutcome::Kind::kUnchanged
                                  : ApplyOutcome::Kind::kChanged;
  return out;
}

Result<RemoveOutcome> remove_object(KubeClient& client, const KubeResource& resource,
                                    const std::string& namespace_name, const std::string& name,
                                    const std::string& owner, bool dry_run) {
  const std::string path = object_path(resource, namespace_name, name);
  HADAL_ASSIGN(const Json live, get_live(client, path));
  if (live.is_null()) return RemoveOutcome::kAbsent;
  const std::string_view annotation = annotation_of(live, kOwnerAnnotation);
  if (!owner.empty() && (annotation != owner || !is_applied_by_hadal(live))) return RemoveOutcome::kNotOurs;
  if (annotation_of(live, "helm.sh/resource-policy") == "keep") return RemoveOutcome::kKept;
  if (resource.kind == "Namespace") {
    HADAL_ASSIGN(const std::vector<Inventory> inside, InventoryStore(client).list(name));
    for (const Inventory& inventory : inside) {
      if (inventory.namespace_name + "/" + inventory.name != owner) return RemoveOutcome::kShared;
    }
  }
  HADAL_ASSIGN(const KubeReply reply, delete_uid(client, path, text_at(live, "metadata.uid"), dry_run));
  if (reply.ok() || reply.status == 404) return RemoveOutcome::kRemoved;
  if (reply.status == 409) return RemoveOutcome::kNotOurs;  // made anew under the same name meanwhile
  return kube_error(reply, "cannot delete " + path);
}

}  // namespace hadal::cluster
