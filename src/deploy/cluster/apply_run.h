// ApplyRun: a deployment's objects into the cluster: recorded first, applied wave by wave, waited for, what
// is no more pruned, all of it so that a run that is cut short can be run again and ends the same. One
// thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "deploy/cluster/apply_input.h"
#include "deploy/cluster/apply_object.h"
#include "deploy/cluster/inventory.h"
#include "deploy/cluster/inventory_store.h"
#include "deploy/cluster/server_check.h"
#include "deploy/cluster/wait_run.h"

namespace hadal::cluster {

struct ApplyRunOptions {
  std::string namespace_name;
  bool strict_namespace = false;  // --namespace was given
  bool dry_run = false;           // asks the server, changes nothing
  bool wait = true;
  std::chrono::milliseconds timeout{std::chrono::hours(1)};
  bool force_conflicts = false;
  bool prune = true;
  bool prune_storage = false;
  bool prune_first = false;  // before workloads are waited for
  bool skip_validation = false;
  bool create_namespace = false;
};

class ApplyRun {
 public:
  ApplyRun(KubeClient& client, ApplyRunOptions options, PrintLine print);
  // The exit code: 0 done, 1 refused, not ready, or nothing could be done about it (said by print). Errors:
  // what stopped it, with how far it got.
  Result<int> run(ApplyInput input);

 private:
  Status prepare(ApplyInput& input);
  // The namespaces that are missing and that this apply makes before all else: the deployment's own, where
  // the input has it, and with --create-namespace all that no object of the input makes. Errors: one is
  // missing, and nothing makes it.
  Result<std::vector<ApplyObject>> namespaces_to_make(const ApplyInput& input);
  Status ensure_namespaces(const ApplyInput& input);
  Status record(const ApplyInput& input);
  Result<int> dry_run(const ApplyInput& input);
  Status check_one(const ApplyObject& object, const std::vector<std::string>& coming, ServerCheck& check);
  Status check_prune();
  // Errors: the connection. False: an object was refused.
  Result<bool> apply_wave(const ApplyInput& input, int wave);
  Result<bool> apply_one(const ApplyObject& object);
  void say_outcome(const ApplyObject& object, const ApplyOutcome& outcome);
  // Exit code; 0: go on.
  int wait_wave(int wave);
  Status prune(const std::function<bool(const InventoryEntry&)>& is_wanted);
  Status prune_one(const InventoryEntry& entry);
  Status prune_after(int wave);
  Status finish();
  Status forget_revisions();
  // Sets what the objects of the next wave are to the inventory, and writes it.
  Status open_next_wave(const ApplyInput& input, int after);
  Error interrupted(Error error) const;
  ApplyObjectOptions object_options() const;

  KubeClient& client_;
  const ApplyRunOptions options_;
  const PrintLine print_;
  KubeDiscovery discovery_;
  InventoryStore store_;
  ReadinessWaiter waiter_;
  std::chrono::steady_clock::time_point deadline_;
  std::string owner_;
  Inventory before_, inventory_;
  PrunePlan prune_;
  std::vector<InventoryEntry> entries_;
  ScaleRules scaling_;
  std::vector<WaitItem> applied_;                 // of the wave
  std::map<int, std::vector<WaitItem>> awaited_;  // by the wave at whose end they must be ready
  int num_applied_ = 0, num_changed_ = 0, num_stuck_ = 0;
  std::string made_namespace_;  // before the waves
  bool recorded_ = false;
};

// The objects of an earlier revision, to be applied again; revision 0: revision_to_go_back_to().
Result<ApplyInput> read_revision_input(KubeClient& client, const std::string& name, int revision);

}  // namespace hadal::cluster
