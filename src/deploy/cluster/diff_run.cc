#include "deploy/cluster/diff_run.h"

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/object_diff.h"
#include "deploy/cluster/server_check.h"
#include "deploy/cluster/shared_object.h"
#include "deploy/cluster/target_namespace.h"

namespace hadal::cluster {
namespace {

void print_text(const std::string& text, const PrintLine& print) {
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    print(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

std::string commented(std::string text) {
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 3))
    text.insert(at + 1, "# ");
  return text;
}

// The object as it would be, said to be new where the server cannot be asked yet.
Result<ApplyOutcome> ask(KubeClient& client, KubeDiscovery& discovery, const ApplyObject& object,
                         ApplyObjectOptions options) {
  ApplyOutcome fresh;
  fresh.kind = ApplyOutcome::Kind::kCreated;
  if (discovery.is_expected(text_at(object.object, "apiVersion"), kind_of(object.object))) return fresh;
  HADAL_ASSIGN(ApplyOutcome outcome, apply_object(client, object, options));
  if (outcome.kind == ApplyOutcome::Kind::kConflict) {
    const std::vector<FieldConflict> conflicts = outcome.conflicts;
    options.force_conflicts = true;
    HADAL_ASSIGN(outcome, apply_object(client, object, options));
    outcome.conflicts = conflicts;
  }
  if (outcome.before.is_null() && !missing_namespace(outcome).empty()) return fresh;
  return outcome;
}

}  // namespace

Result<int> run_diff(KubeClient& client, const ApplyRunOptions& options, ApplyInput input,
                     const PrintLine& print) {
  KubeDiscovery discovery(client);
  InventoryStore store(client);
  HADAL_RETURN_IF_ERROR(check_deployment_name(input.name));
  HADAL_RETURN_IF_ERROR(resolve_objects(input, discovery, options.namespace_name, options.strict_namespace));
  std::vector<InventoryEntry> entries;
  for (const ApplyObject& object : input.objects) entries.push_back(entry_of(object.object, object.wave));
  HADAL_ASSIGN(const Inventory inventory, store.load(options.namespace_name, input.name));
  const PrunePlan prune = plan_prune(inventory, entries, {options.prune, options.prune_storage});
  const ScaleRules scaling(input.objects, prune.remove);
  ApplyObjectOptions object_options;
  object_options.scaling = &scaling;
  object_options.dry_run = true;
  object_options.owner = options.namespace_name + "/" + input.name;
  bool differs = false, refused = false;
  for (const auto& [name, user] : namespaces_of(input, options.namespace_name)) {
    if (namespace_in(input, name) != nullptr) continue;
    HADAL_ASSIGN(const bool missing, is_namespace_missing(client, name));
    if (missing) print("# apply would be refused: " + missing_namespace_advice(name, user));
    refused |= missing;
  }
  for (const ApplyObject& object : input.objects) {
    HADAL_ASSIGN(const ApplyOutcome outcome, ask(client, discovery, object, object_options));
    if (outcome.failed()) {
      print_text("# " + commented(object.title() + ": apply would be refused: " + outcome.message), print);
      refused = true;
      continue;
    }
    const bool is_new = outcome.before.is_null() && outcome.kind != ApplyOutcome::Kind::kShared;
    const std::string before = is_new ? "" : to_yaml(comparable(outcome.before));
    const std::string after = to_yaml(comparable(is_new ? object.object : outcome.live));
    const std::string title = object.title();
    const std::string text =
        unified_diff(before, after, is_new ? "(absent)" : title + " (live)", title + " (applied)");
    differs |= !text.empty();
    print_text(text, print);
    for (const std::string& note : outcome.notes) print("# " + title + ": " + note);
    for (const FieldConflict& conflict : outcome.conflicts)
      print("# conflict: " + conflict.field + " was set by " + manager_title(conflict.manager) +
            "; apply needs --force-conflicts");
  }
  for (const InventoryEntry& entry : prune.remove) print("# " + entry.title() + " would be pruned");
  for (const PrunePlan::Kept& kept : prune.kept)
    print("# " + kept.entry.title() + " would stay: " + kept.why);
  if (refused) return kDiffRefused;
  return differs || !prune.remove.empty() ? 1 : 0;
}

}  // namespace hadal::cluster
