#include "deploy/cluster/apply_object.h"

#include <algorithm>

#include "deploy/cluster/immutable_field.h"
#include "deploy/cluster/inventory.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/object_diff.h"
#include "deploy/cluster/remove_object.h"
#include "deploy/cluster/shared_object.h"

namespace hadal::cluster {
namespace {

constexpr char kApplyPatch[] = "application/apply-patch+yaml";
constexpr int kHandOverTries = 3;
constexpr int kGoneChecks = 150;
constexpr auto kGonePause = std::chrono::milliseconds(200);

Result<KubeReply> read_live(KubeClient& client, const std::string& path) {
  KubeCall request;
  request.path = path;
  return client.call(request);
}

// The object, null where it is not there.
Result<Json> get_live(KubeClient& client, const std::string& path) {
  HADAL_ASSIGN(KubeReply reply, read_live(client, path));
  if (reply.status == 404) return Json();
  if (!reply.ok()) return kube_error(reply, "");
  return std::move(reply.body);
}

Result<KubeReply> patch(KubeClient& client, const ApplyObject& object, const Json& body,
                        const ApplyObjectOptions& options, const std::string& manager = kFieldManager) {
  KubeCall request;
  request.method = "PATCH";
  request.path = object.path();
  request.query = {{"fieldManager", manager},
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

bool only_replicas(const std::vector<FieldConflict>& conflicts) {
  for (const FieldConflict& conflict : conflicts) {
    if (conflict.field != ".spec.replicas") return false;
  }
  return !conflicts.empty();
}

// What was ours and is not sent any more falls back to its default: spec.replicas, which an autoscaler sets
// from now on, is handed over with the value it has first. A refusal of that is the reply; a dry run sends
// the value along instead.
Result<KubeReply> hand_over_replicas(KubeClient& client, const ApplyObject& object,
                                     const ApplyObjectOptions& options, Json& body, ApplyOutcome& out) {
  KubeReply reply;
  reply.status = 200;
  for (int i = 0; i < kHandOverTries; ++i) {
    const Json* replicas = json_at(out.before, "spec.replicas");
    if (replicas == nullptr || json_at(body, "spec.replicas") != nullptr ||
        !is_sole_owner_of_replicas(out.before, kFieldManager))
      return reply;
    const std::string note = "replicas stay " + scalar_text(replicas) + ", as they are: ";
    const bool scaled = options.scaling != nullptr && options.scaling->is_scaled(object.object);
    out.notes = {note + (scaled ? "the autoscaler sets them from now on"
                                : "they are left out now, and whoever scales it sets them")};
    if (options.dry_run) {
      member_of(body, "spec").set("replicas", *replicas);
      return reply;
    }
    const Json only(JsonObject{{"apiVersion", text_at(body, "apiVersion")},
                               {"kind", kind_of(body)},
                               {"metadata", JsonObject{{"name", name_of(body)}}},
                               {"spec", JsonObject{{"replicas", *replicas}}}});
    ApplyObjectOptions unforced = options;
    unforced.force_conflicts = false;
    HADAL_ASSIGN(reply, patch(client, object, only, unforced, kScaleManager));
    if (reply.status != 409) return reply;
    // Somebody has scaled it since it was read.
    HADAL_ASSIGN(out.before, get_live(client, object.path()));
  }
  return reply;
}

// What an autoscaler of this apply has set is not taken from it, not even by force.
void leave_scaled_replicas(const ApplyObject& object, const ApplyObjectOptions& options, Json& body,
                           ApplyOutcome& out) {
  const Json* live = json_at(out.before, "spec.replicas");
  const Json* wanted = json_at(body, "spec.replicas");
  if (live == nullptr || wanted == nullptr || *live == *wanted || options.scaling == nullptr ||
      !options.scaling->is_scaled(object.object) || owns_replicas(out.before, kFieldManager))
    return;
  remove_member(member_of(body, "spec"), "replicas");
  out.notes.push_back("replicas are left to the autoscaler");
}

// Why the replicas that somebody else set are not taken back; "": they are.
Result<std::string> reason_against_taking(KubeClient& client, const ApplyObjectOptions& options,
                                          const std::vector<FieldConflict>& conflicts, const Json& live) {
  bool all_ours = true;
  for (const FieldConflict& conflict : conflicts) {
    all_ours &= conflict.manager == kScaleManager;
    if (conflict.manager != kScaleManager && !is_scaler_manager(conflict.manager))
      return conflict.manager + " set them";
  }
  const auto other = options.scaling->other_scaler(client, live);
  if (other.ok()) return other->empty() ? "" : *other + " scales it: leave spec.replicas out";
  if (other.error().code != ErrorCode::kPermissionDenied) return other.error();
  return all_ours ? "" : "autoscalers may not be looked at: " + other.error().message;
}

// The reply to a patch that spec.replicas alone stood against, settled where an autoscaler is or was the
// reason.
Result<KubeReply> settle_replicas(KubeClient& client, const ApplyObject& object,
                                  const ApplyObjectOptions& options, Json body, KubeReply reply,
                                  ApplyOutcome& out) {
  const std::vector<FieldConflict> conflicts = read_conflicts(reply.body);
  if (reply.status != 409 || options.scaling == nullptr || !only_replicas(conflicts)) return reply;
  if (options.scaling->is_scaled(object.object)) {
    remove_member(member_of(body, "spec"), "replicas");
    out.notes.push_back("replicas are left to the autoscaler");
    return patch(client, object, body, options);
  }
  HADAL_ASSIGN(const std::string reason, reason_against_taking(client, options, conflicts, out.before));
  if (!reason.empty()) {
    if (is_scaler_manager(conflicts[0].manager)) out.notes.push_back("replicas: " + reason);
    return reply;
  }
  out.notes.push_back("replicas are set by the file again, nothing scales it any more");
  ApplyObjectOptions forced = options;
  forced.force_conflicts = true;
  return patch(client, object, body, forced);
}

void read_refusal(const KubeReply& reply, const Json& body, ApplyOutcome& out) {
  out.conflicts = reply.status == 409 ? read_conflicts(reply.body) : std::vector<FieldConflict>();
  out.kind = out.conflicts.empty() ? ApplyOutcome::Kind::kRefused : ApplyOutcome::Kind::kConflict;
  out.message =
      out.conflicts.empty() ? immutable_refusal(reply, body, out.before) : conflict_text(out.conflicts);
  if (out.message.empty()) out.message = kube_error(reply, "").message;
}

// What came of a patch that the server took.
void read_success(KubeReply reply, const ApplyObjectOptions& options, ApplyOutcome& out) {
  out.live = std::move(reply.body);
  // The server may count a version where it changed nothing but its own notes.
  const bool same = (!options.dry_run && text_at(out.before, "metadata.resourceVersion") ==
                                             text_at(out.live, "metadata.resourceVersion")) ||
                    comparable(out.before) == comparable(out.live);
  out.kind = out.before.is_null() ? ApplyOutcome::Kind::kCreated
             : same               ? ApplyOutcome::Kind::kUnchanged
                                  : ApplyOutcome::Kind::kChanged;
}

Result<ApplyOutcome> apply_own(KubeClient& client, const ApplyObject& object,
                               const ApplyObjectOptions& options, ApplyOutcome out) {
  const std::string_view other = annotation_of(out.before, kOwnerAnnotation);
  if (!other.empty() && other != options.owner && !options.force_conflicts) {
    out.kind = ApplyOutcome::Kind::kRefused;
    out.message = "it belongs to deployment " + std::string(other) +
                  ": give it another name, or take it over with --force-conflicts";
    return out;
  }
  Json body = object.object;
  if (!options.owner.empty())
    member_of(member_of(body, "metadata"), "annotations").set(kOwnerAnnotation, options.owner);
  leave_scaled_replicas(object, options, body, out);
  HADAL_ASSIGN(KubeReply reply, hand_over_replicas(client, object, options, body, out));
  if (reply.ok()) {
    HADAL_ASSIGN(reply, patch(client, object, body, options));
    HADAL_ASSIGN(reply, settle_replicas(client, object, options, body, std::move(reply), out));
  }
  const bool replaced = kind_of(object.object) == "Job" && is_immutable_refusal(reply);
  if (replaced) {
    HADAL_ASSIGN(reply, replace_job(client, object, body, out.before, options));
  }
  out.notes.insert(out.notes.end(), reply.warnings.begin(), reply.warnings.end());
  if (!reply.ok()) {
    read_refusal(reply, body, out);
    return out;
  }
  read_success(std::move(reply), options, out);
  if (replaced) out.kind = ApplyOutcome::Kind::kReplaced;
  return out;
}

// Whether a refused change of an object that others share is let be.
bool is_let_be(const KubeReply& reply, bool ours) {
  if (!ours || reply.status == 403) return true;
  const std::vector<FieldConflict> conflicts = read_conflicts(reply.body);
  return reply.status == 409 && !conflicts.empty() &&
         std::all_of(conflicts.begin(), conflicts.end(),
                     [](const FieldConflict& c) { return is_hadal_manager(c.manager); });
}

// maker: the other deployment that made it; "": this one did, or nobody knows.
void let_be(const ApplyObject& object, const KubeReply& reply, const std::string& maker, bool ours,
            ApplyOutcome& out) {
  out.kind = ApplyOutcome::Kind::kShared;
  out.live = out.before;
  std::string note = ours            ? "other deployments have set fields of it"
                     : maker.empty() ? "it was there before"
                                     : "deployment " + maker + " made it";
  if (reply.status == 403) note += ", and you may not change it";
  std::string fields;
  for (const FieldDifference& field : different_fields(object.object, out.before))
    fields += (fields.empty() ? "" : ", ") + field.path + " (it has " +
              (field.live.empty() ? "none" : field.live) + ", this deployment wants " + field.wanted + ")";
  note += fields.empty() ? ": it is as this deployment wants it"
                         : ": it is left as it is, and differs in " + fields;
  if (!fields.empty() && reply.status == 409) {
    std::string others;
    for (const FieldConflict& conflict : read_conflicts(reply.body)) {
      const std::string title = conflict.field + " was set by " + manager_title(conflict.manager);
      if (others.find(title) == std::string::npos) others += (others.empty() ? "" : ", ") + title;
    }
    note += "; " + others + (others.empty() ? "" : "; ") +
            "--force-conflicts takes that over: the other deployment is changed by it";
  }
  out.notes.push_back(std::move(note));
}

Result<ApplyOutcome> apply_shared(KubeClient& client, const ApplyObject& object,
                                  const ApplyObjectOptions& options, ApplyOutcome out) {
  const std::string maker(annotation_of(out.before, kOwnerAnnotation));
  const bool ours = out.before.is_null() || (!maker.empty() && maker == options.owner);
  const std::string manager = shared_manager(options.owner);
  if (!ours && !is_applied_by(out.before, manager) && missing_fields(object.object, out.before).empty()) {
    out.kind = ApplyOutcome::Kind::kShared;
    out.live = out.before;
    return out;
  }
  Json body = object.object;
  if (ours && !options.owner.empty())
    member_of(member_of(body, "metadata"), "annotations").set(kOwnerAnnotation, options.owner);
  HADAL_ASSIGN(KubeReply reply, patch(client, object, body, options, manager));
  if (reply.ok()) {
    out.notes = reply.warnings;
    read_success(std::move(reply), options, out);
  } else if (!out.before.is_null() && is_let_be(reply, ours)) {
    let_be(object, reply, maker, ours, out);
  } else {
    read_refusal(reply, body, out);
  }
  return out;
}

// The object may not be read.
ApplyOutcome unseen_outcome(const ApplyObject& object, const KubeReply& reply) {
  ApplyOutcome out;
  const Error error = kube_error(reply, "");
  if (kind_of(object.object) == "Namespace") {
    out.kind = ApplyOutcome::Kind::kShared;
    out.notes = {"you may not look at it: it is taken to be there"};
  } else {
    out.kind = ApplyOutcome::Kind::kRefused;
    out.message = error.message;
  }
  return out;
}

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
    case ApplyOutcome::Kind::kShared:
      return "is shared, and left as it is";
    case ApplyOutcome::Kind::kConflict:
      return "CONFLICT";
    case ApplyOutcome::Kind::kRefused:
      break;
  }
  return "REFUSED";
}

}  // namespace

std::string outcome_line(const ApplyObject& object, const ApplyOutcome& outcome) {
  std::string out = object.title() + " " + std::string(outcome_word(outcome.kind));
  if (!outcome.failed()) return out;
  // A list of conflicts begins with its own line.
  return out + (outcome.message.starts_with("\n") ? ":" : ": ") + outcome.message;
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
    out += "\n    " + conflict.field + " was set by " + manager_title(conflict.manager);
  return out +
         "\n    leave the field out, let its manager give it up, or take it over with --force-conflicts";
}

Result<ApplyOutcome> apply_object(KubeClient& client, const ApplyObject& object,
                                  const ApplyObjectOptions& options) {
  HADAL_ASSIGN(KubeReply there, read_live(client, object.path()));
  if (there.status == 403) return unseen_outcome(object, there);
  if (!there.ok() && there.status != 404) return kube_error(there, object.title());
  ApplyOutcome out;
  if (there.ok()) out.before = std::move(there.body);
  // What is recorded in it would be lost: what to prune, what to go back to.
  if (const std::string recorded = deployment_recorded_by(out.before); !recorded.empty()) {
    out.kind = ApplyOutcome::Kind::kRefused;
    out.message = "hadal keeps its record of the deployment " + recorded +
                  " in an object of this name: give yours another";
    return out;
  }
  return is_shared_kind(kind_of(object.object)) ? apply_shared(client, object, options, std::move(out))
                                                : apply_own(client, object, options, std::move(out));
}

}  // namespace hadal::cluster
