#include "deploy/cluster/delete_run.h"

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/remove_object.h"
#include "deploy/cluster/shared_object.h"

namespace hadal::cluster {
namespace {

using Clock = std::chrono::steady_clock;

std::string outcome_text(const RemoveOutcome& outcome) {
  return outcome.kind == RemoveOutcome::Kind::kRemoved ? " deleted" : " " + outcome.text();
}

// A namespace that --create-namespace made belongs to no deployment; "": there is none, or others use it.
Result<std::string> namespace_that_stays(KubeClient& client, const std::string& name) {
  KubeCall request;
  request.path = object_path(*well_known_resource("Namespace"), "", name);
  HADAL_ASSIGN(const KubeReply reply, client.call(request));
  if (!reply.ok() || annotation_of(reply.body, kMadeWithAnnotation).empty()) return std::string();
  HADAL_ASSIGN(const OtherUsers others, find_other_users(client, reply.body, ""));
  if (!others.known || !others.names.empty()) return std::string();
  return "Namespace " + name + " stays, as --create-namespace made it: `kubectl delete namespace " + name +
         "` removes it and all in it";
}

Error no_deployment(const DeleteOptions& options, InventoryStore& store) {
  std::string known;
  if (const auto all = store.list(options.namespace_name); all.ok()) {
    for (const Inventory& inventory : *all) known += (known.empty() ? "" : ", ") + inventory.name;
  }
  return make_error(ErrorCode::kNotFound, "hadal has applied nothing under the name ", options.name,
                    " in namespace ", options.namespace_name, known.empty() ? "" : "; known: ", known);
}

struct Waves {
  std::vector<InventoryEntry> remove;
  std::vector<InventoryEntry> keep;
};

Waves plan_delete(const Inventory& inventory, bool storage) {
  // All that the inventory lists is what a revision without objects would prune.
  PrunePlan plan = plan_prune(inventory, {}, {true, storage});
  Waves out;
  out.remove = std::move(plan.remove);
  for (PrunePlan::Kept& kept : plan.kept) out.keep.push_back(std::move(kept.entry));
  return out;
}

class DeleteRun {
 public:
  DeleteRun(KubeClient& client, const DeleteOptions& options, const PrintLine& print)
      : client_(client), options_(options), print_(print), discovery_(client), waiter_(client, print) {}

  // Wave by wave, each gone before the next.
  Result<int> remove(const std::vector<InventoryEntry>& entries, const std::string& owner) {
    const auto deadline = Clock::now() + options_.timeout;
    std::vector<WaitItem> removed;
    for (size_t i = 0; i < entries.size(); ++i) {
      HADAL_RETURN_IF_ERROR(remove_one(entries[i], owner, removed));
      const bool wave_ends = i + 1 == entries.size() || entries[i + 1].wave != entries[i].wave;
      if (!wave_ends || !options_.wait || options_.dry_run) continue;
      const WaitEnd end = waiter_.wait_gone(removed, deadline);
      if (end != WaitEnd::kReady) {
        print_(end == WaitEnd::kTimeout
                   ? "not everything is gone in time: run the same command again to wait on"
                   : "stopped: run the same command again to go on");
        return 1;
      }
      removed.clear();
    }
    return 0;
  }

  // What may not be deleted.
  const std::vector<InventoryEntry>& stuck() const { return stuck_; }

 private:
  Status remove_one(const InventoryEntry& entry, const std::string& owner, std::vector<WaitItem>& removed) {
    const auto resource = discovery_.find(entry.api_version, entry.kind);
    if (!resource.ok()) {
      if (resource.error().code != ErrorCode::kNotFound) return resource.status();
      print_(entry.title() + " was gone already: the cluster has no such kind any more");
      return {};
    }
    HADAL_ASSIGN(const RemoveOutcome outcome, remove_object(client_, *resource, entry.namespace_name,
                                                            entry.name, owner, options_.dry_run));
    print_(entry.title() + outcome_text(outcome) + (options_.dry_run ? " (dry run)" : ""));
    using Kind = RemoveOutcome::Kind;
    if (outcome.kind == Kind::kUnseen || outcome.kind == Kind::kForbidden) stuck_.push_back(entry);
    if (outcome.kind == Kind::kRemoved)
      removed.push_back({*resource, entry.namespace_name, entry.name, "", 0});
    return {};
  }

  KubeClient& client_;
  std::vector<InventoryEntry> stuck_;
  const DeleteOptions& options_;
  const PrintLine& print_;
  KubeDiscovery discovery_;
  ReadinessWaiter waiter_;
};

}  // namespace

Result<int> run_delete(KubeClient& client, const DeleteOptions& options, const PrintLine& print) {
  InventoryStore store(client);
  HADAL_ASSIGN(Inventory inventory, store.load(options.namespace_name, options.name));
  if (inventory.resource_version.empty()) return no_deployment(options, store);
  const Waves plan = plan_delete(inventory, options.storage);
  for (const InventoryEntry& entry : plan.keep)
    print(entry.title() + " stays: it holds data; --storage deletes it too");
  if (options.confirm && !options.dry_run) {
    for (const InventoryEntry& entry : plan.remove) print(entry.title() + " will be deleted");
    if (!options.confirm("Delete " + options.name + " from namespace " + options.namespace_name + " (" +
                         std::to_string(plan.remove.size()) + " objects)?")) {
      print("nothing was deleted");
      return 1;
    }
  }
  const std::string owner = options.namespace_name + "/" + options.name;
  DeleteRun run(client, options, print);
  HADAL_ASSIGN(const int code, run.remove(plan.remove, owner));
  if (code != 0 || options.dry_run) return code != 0 || !run.stuck().empty() ? 1 : 0;
  std::vector<InventoryEntry> rest = plan.keep;
  rest.insert(rest.end(), run.stuck().begin(), run.stuck().end());
  if (rest.empty()) {
    HADAL_RETURN_IF_ERROR(store.remove(inventory));
  } else {
    // What stays is still known, so that a later delete finds it.
    inventory.objects.clear();
    inventory.left = std::move(rest);
    inventory.in_progress = false;
    HADAL_RETURN_IF_ERROR(store.save(inventory));
  }
  if (!run.stuck().empty()) {
    print(options.name + " is deleted but for " + std::to_string(run.stuck().size()) +
          " that may not be deleted (see above): run the same command again with more rights");
    return 1;
  }
  print(options.name + " is deleted" + (plan.keep.empty() ? "" : " but for its storage"));
  if (plan.keep.empty()) {
    HADAL_ASSIGN(const std::string stays, namespace_that_stays(client, options.namespace_name));
    if (!stays.empty()) print(stays);
  }
  return 0;
}

}  // namespace hadal::cluster
