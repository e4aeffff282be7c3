// apply_object: one object into the cluster by server-side apply, and what came of it. Blocking; one thread
// at a time.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/apply_input.h"
#include "deploy/cluster/kube_client.h"
#include "deploy/cluster/scaling.h"

namespace hadal::cluster {

// A field that somebody else set to another value.
struct FieldConflict {
  std::string field;    // ".spec.replicas"
  std::string manager;  // "kubectl-client-side-apply"
};

struct ApplyOutcome {
  enum class Kind { kCreated, kChanged, kUnchanged, kReplaced, kShared, kConflict, kRefused };
  Kind kind = Kind::kUnchanged;
  Json live;    // as the server has it now (or would have)
  Json before;  // null: it was not there
  std::vector<FieldConflict> conflicts;
  std::string message;  // of a refusal
  std::vector<std::string> notes;
  bool failed() const { return kind == Kind::kConflict || kind == Kind::kRefused; }
};

struct ApplyObjectOptions {
  bool force_conflicts = false;
  bool dry_run = false;
  bool skip_validation = false;         // unknown fields are warnings
  const ScaleRules* scaling = nullptr;  // null: nothing is known of autoscalers
  std::string owner;                    // "NAMESPACE/NAME" of the inventory
};

// "Service a/b created", "Deployment a/b CONFLICT:" and what conflicts, a line each.
std::string outcome_line(const ApplyObject& object, const ApplyOutcome& outcome);
// Of a reply with status 409.
std::vector<FieldConflict> read_conflicts(const Json& status);
// "field .spec.replicas is kubectl's ...": a line a field, and what to do.
std::string conflict_text(const std::vector<FieldConflict>& conflicts);

// A refusal is an outcome. An object of a shared kind that is there already is never an obstacle: what may
// not be changed of it is said in a note. Errors: the connection, the credential, stop.
Result<ApplyOutcome> apply_object(KubeClient& client, const ApplyObject& object,
                                  const ApplyObjectOptions& options);

}  // namespace hadal::cluster
