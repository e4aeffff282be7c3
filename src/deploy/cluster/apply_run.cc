#include "deploy/cluster/apply_run.h"

#include <time.h>

#include <algorithm>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/remove_object.h"
#include "deploy/cluster/target_namespace.h"

namespace hadal::cluster {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kNumWaves = 6;
constexpr int kDownloadWave = 2;
constexpr int kWorkloadWave = 3;
constexpr int kServiceWave = 4;
constexpr std::string_view kWaveNames[kNumWaves] = {"namespace, accounts and policies",
                                                    "storage and configuration",
                                                    "download",
                                                    "workloads",
                                                    "services and routes",
                                                    "monitoring and scaling"};

std::string count_text(size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

// The download is the one wave that is one thing.
bool is_one(int wave) {
  return wave == kDownloadWave;
}

bool is_in(const std::vector<InventoryEntry>& entries, const InventoryEntry& entry) {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const InventoryEntry& e) { return !e.planned && e.same_object(entry); });
}

// The wave at whose end the object must be ready. Not its own where waiting could be in vain: a Service that
// workloads find one another by has no ready Pods before them; and a Job that hadal did not render may need
// the workloads that come after it.
int ready_wave_of(const ApplyObject& object) {
  const std::string_view kind = kind_of(object.object);
  if (kind == "Service") return kServiceWave;
  if (kind == "Job" && label_of(object.object, "hadal.dev/deployment").empty())
    return std::max(object.wave, kWorkloadWave);
  return object.wave;
}

}  // namespace

ApplyRun::ApplyRun(KubeClient& client, ApplyRunOptions options, PrintLine print)
    : client_(client),
      options_(std::move(options)),
      print_(print),
      discovery_(client),
      store_(client),
      waiter_(client, print),
      deadline_(Clock::now() + options_.timeout) {}

Error ApplyRun::interrupted(Error error) const {
  if (!recorded_) return error;
  return make_error(error.code, error.message, "\n", num_applied_, " of ",
                    count_text(entries_.size(), "object"), " of revision ", inventory_.revision, " of ",
                    inventory_.name, " were applied before this; run the same command again to go on");
}

ApplyObjectOptions ApplyRun::object_options() const {
  ApplyObjectOptions out;
  out.force_conflicts = options_.force_conflicts;
  out.dry_run = options_.dry_run;
  out.skip_validation = options_.skip_validation;
  out.scaling = &scaling_;
  out.owner = owner_;
  return out;
}

Status ApplyRun::prepare(ApplyInput& input) {
  HADAL_RETURN_IF_ERROR(check_deployment_name(input.name));
  HADAL_RETURN_IF_ERROR(
      resolve_objects(input, discovery_, options_.namespace_name, options_.strict_namespace));
  owner_ = options_.namespace_name + "/" + input.name;
  for (const ApplyObject& object : input.objects) entries_.push_back(entry_of(object.object, object.wave));
  HADAL_ASSIGN(before_, store_.load(options_.namespace_name, input.name));
  prune_ = plan_prune(before_, entries_, {options_.prune, options_.prune_storage});
  scaling_ = ScaleRules(input.objects, prune_.remove);
  if (before_.in_progress) {
    print_("the last apply of " + input.name + " (revision " + std::to_string(before_.revision) +
           ") did not end: " + std::to_string(before_.num_applied) + " of " +
           count_text(before_.objects.size(), "object") + " are known to be applied; going on");
  }
  const std::string_view will = options_.dry_run ? "would be" : "will be";
  for (const InventoryEntry& entry : prune_.remove)
    print_(entry.title() + " " + std::string(will) + " pruned: it is not in this revision");
  for (const PrunePlan::Kept& kept : prune_.kept)
    print_(kept.entry.title() + " is not in this revision and stays: " + kept.why);
  return {};
}

Result<std::vector<ApplyObject>> ApplyRun::namespaces_to_make(const ApplyInput& input) {
  std::vector<ApplyObject> out;
  for (const auto& [name, user] : namespaces_of(input, options_.namespace_name)) {
    const ApplyObject* own = namespace_in(input, name);
    if (own != nullptr && name != options_.namespace_name) continue;  // its wave is the first
    HADAL_ASSIGN(const bool missing, is_namespace_missing(client_, name));
    if (!missing) continue;
    if (own == nullptr && !options_.create_namespace)
      return make_error(ErrorCode::kNotFound, missing_namespace_advice(name, user));
    out.push_back(own != nullptr ? *own : made_namespace(name));
  }
  return out;
}

Status ApplyRun::ensure_namespaces(const ApplyInput& input) {
  HADAL_ASSIGN(const std::vector<ApplyObject> all, namespaces_to_make(input));
  for (const ApplyObject& made : all) {
    ApplyObjectOptions options = object_options();
    const bool is_of_input = is_in(entries_, entry_of(made.object, 0));
    if (!is_of_input) options.owner.clear();  // others may live there: never pruned or deleted
    HADAL_ASSIGN(const ApplyOutcome outcome, apply_object(client_, made, options));
    say_outcome(made, outcome);
    if (outcome.failed())
      return make_error(ErrorCode::kInvalidArgument, "namespace ", name_of(made.object), " was refused");
    if (is_of_input) made_namespace_ = options_.namespace_name;
  }
  return {};
}

Status ApplyRun::open_next_wave(const ApplyInput& input, int after) {
  int next = kNumWaves;
  for (const ApplyObject& object : input.objects) {
    if (object.wave > after) next = std::min(next, object.wave);
  }
  open_wave(inventory_, next);
  return store_.save(inventory_);
}

Status ApplyRun::record(const ApplyInput& input) {
  std::vector<Json> objects;
  for (const ApplyObject& object : input.objects) objects.push_back(object.object);
  RevisionEntry revision;
  revision.digest = objects_digest(objects);
  revision.time = format_rfc3339(::time(nullptr));
  revision.source = input.source;
  revision.num_objects = static_cast<int>(objects.size());
  const bool same = !before_.history.empty() && before_.history.back().digest == revision.digest;
  revision.revision = before_.revision + (same ? 0 : 1);
  if (same) revision = before_.history.back();
  revision.ended = same && revision.ended;
  inventory_ = begin_revision(before_, entries_, revision);
  mark_planned(inventory_, before_);
  // The list first: what comes later is then found by it.
  HADAL_RETURN_IF_ERROR(open_next_wave(input, -1));
  recorded_ = true;
  HADAL_ASSIGN(const bool stored, store_.save_revision(inventory_, inventory_.revision, objects));
  inventory_.history.back().stored = stored;
  // Here too: applies that fail each time must not pile revisions up.
  HADAL_RETURN_IF_ERROR(forget_revisions());
  if (!stored) print_("this revision is too large to be kept: rollback to it will not be possible");
  return {};
}

void ApplyRun::say_outcome(const ApplyObject& object, const ApplyOutcome& outcome) {
  print_(outcome_line(object, outcome));
  for (const std::string& note : outcome.notes) print_("  note: " + note);
}

Result<bool> ApplyRun::apply_one(const ApplyObject& object) {
  HADAL_ASSIGN(const ApplyOutcome outcome, apply_object(client_, object, object_options()));
  // It was made, and said, before the waves.
  const bool was_said = kind_of(object.object) == "Namespace" && name_of(object.object) == made_namespace_ &&
                        outcome.kind == ApplyOutcome::Kind::kUnchanged;
  if (was_said) ++num_changed_;
  if (!was_said) say_outcome(object, outcome);
  if (outcome.failed()) {
    // Surely not there: it must not be pruned later.
    for (InventoryEntry& entry : inventory_.objects)
      entry.planned |= outcome.before.is_null() && entry.same_object(entry_of(object.object, 0)) &&
                       !is_in(before_.objects, entry) && !is_in(before_.left, entry);
    return false;
  }
  ++num_applied_;
  if (outcome.kind != ApplyOutcome::Kind::kUnchanged && outcome.kind != ApplyOutcome::Kind::kShared)
    ++num_changed_;
  WaitItem item{object.resource, std::string(namespace_of(object.object)),
                std::string(name_of(object.object)), std::string(text_at(outcome.live, "metadata.uid")),
                int_at(outcome.live, "metadata.generation")};
  const bool is_seen = !outcome.live.is_null();
  if (is_seen && has_readiness(item.resource.kind)) awaited_[ready_wave_of(object)].push_back(item);
  applied_.push_back(std::move(item));
  return true;
}

Result<bool> ApplyRun::apply_wave(const ApplyInput& input, int wave) {
  applied_.clear();
  bool ok = true, crds = false, any = false;
  for (const ApplyObject& object : input.objects) {
    if (object.wave != wave) continue;
    any = true;
    HADAL_ASSIGN(const bool applied, apply_one(object));
    ok &= applied;
    crds |= kind_of(object.object) == "CustomResourceDefinition";
  }
  if (any) {
    inventory_.num_applied = num_applied_;
    HADAL_RETURN_IF_ERROR(ok ? open_next_wave(input, wave) : store_.save(inventory_));
  }
  if (!ok || !crds) return ok;
  // Their kinds must be served before objects of them come.
  std::vector<WaitItem> established;
  for (const WaitItem& item : applied_) {
    if (item.resource.kind == "CustomResourceDefinition") established.push_back(item);
  }
  const auto limit = std::min(deadline_, Clock::now() + std::chrono::minutes(1));
  discovery_.forget();
  return waiter_.wait(established, limit) == WaitEnd::kReady;
}

int ApplyRun::wait_wave(int wave) {
  const std::vector<WaitItem>& items = awaited_[wave];
  if (items.empty()) return 0;
  switch (waiter_.wait(items, deadline_)) {
    case WaitEnd::kReady:
      return 0;
    case WaitEnd::kFailed:
      print_("failed: the " + std::string(kWaveNames[wave]) + " will not come right by " +
             (is_one(wave) ? "itself" : "themselves") + "; `hadal deploy doctor` looks for the cause");
      return 1;
    case WaitEnd::kStopped:
      print_("stopped while waiting for the " + std::string(kWaveNames[wave]) +
             ": what was applied goes on in the cluster; run the same command again to go on");
      return 1;
    case WaitEnd::kTimeout:
      break;
  }
  print_("the " + std::string(kWaveNames[wave]) + (is_one(wave) ? " is" : " are") + " not ready within " +
         age_text(std::chrono::duration_cast<std::chrono::seconds>(options_.timeout).count()) +
         ": what was applied goes on in the cluster; run the same command again to wait on, or `hadal deploy "
         "doctor`");
  if (!prune_.remove.empty())
    print_(
        "objects of the last revision still run and may hold what is missing: --prune-first removes them "
        "earlier");
  return 1;
}

Status ApplyRun::prune_one(const InventoryEntry& entry) {
  auto resource = discovery_.find(entry.api_version, entry.kind);
  if (!resource.ok() && resource.error().code != ErrorCode::kNotFound) return resource.status();
  RemoveOutcome outcome{RemoveOutcome::Kind::kAbsent, ""};
  if (resource.ok()) {
    HADAL_ASSIGN(outcome, remove_object(client_, *resource, entry.namespace_name, entry.name, owner_, false));
  }
  const bool gone = outcome.kind == RemoveOutcome::Kind::kRemoved;
  print_(entry.title() + " " + (gone ? "pruned" : outcome.text()));
  num_stuck_ += outcome.kind == RemoveOutcome::Kind::kForbidden;
  if (outcome.kind == RemoveOutcome::Kind::kForbidden || outcome.kind == RemoveOutcome::Kind::kUnseen)
    return {};  // stays in `left`
  std::erase_if(inventory_.left, [&](const InventoryEntry& e) { return e.same_object(entry); });
  return {};
}

Status ApplyRun::prune(const std::function<bool(const InventoryEntry&)>& is_wanted) {
  std::vector<InventoryEntry> later;
  for (const InventoryEntry& entry : prune_.remove) {
    if (!is_wanted(entry)) {
      later.push_back(entry);
      continue;
    }
    HADAL_RETURN_IF_ERROR(prune_one(entry));
  }
  prune_.remove = std::move(later);
  return {};
}

// An autoscaler that is no more would scale what the file sets the replicas of again.
Status ApplyRun::prune_after(int wave) {
  if (wave != kWorkloadWave) return {};
  return prune([&](const InventoryEntry& entry) {
    return is_scaler_kind(entry.kind) || (options_.prune_first && entry.wave >= kWorkloadWave);
  });
}

Status ApplyRun::finish() {
  inventory_.in_progress = false;
  inventory_.num_applied = num_applied_;
  inventory_.history.back().ended = true;
  HADAL_RETURN_IF_ERROR(forget_revisions());
  return store_.save(inventory_);
}

Status ApplyRun::forget_revisions() {
  for (const int revision : revisions_to_forget(inventory_)) {
    HADAL_RETURN_IF_ERROR(store_.remove_revision(inventory_, revision));
    std::erase_if(inventory_.history, [&](const RevisionEntry& r) { return r.revision == revision; });
  }
  return {};
}

Status ApplyRun::check_one(const ApplyObject& object, const std::vector<std::string>& coming,
                           ServerCheck& check) {
  if (discovery_.is_expected(text_at(object.object, "apiVersion"), kind_of(object.object))) {
    check.add_unchecked(object, "its CRD is not in the cluster yet");
    return {};
  }
  HADAL_ASSIGN(const ApplyOutcome outcome, apply_object(client_, object, object_options()));
  const std::string missing = missing_namespace(outcome);
  if (!missing.empty() && std::find(coming.begin(), coming.end(), missing) != coming.end())
    return check.add_by_schema(object);
  check.add(object, outcome);
  return {};
}

// What would stay although it was announced as pruned.
Status ApplyRun::check_prune() {
  for (const InventoryEntry& entry : prune_.remove) {
    const auto resource = discovery_.find(entry.api_version, entry.kind);
    if (!resource.ok()) continue;
    HADAL_ASSIGN(const RemoveOutcome outcome,
                 remove_object(client_, *resource, entry.namespace_name, entry.name, owner_, true));
    if (outcome.kind != RemoveOutcome::Kind::kRemoved)
      print_(entry.title() + " " + outcome.text() + " (dry run)");
    num_stuck_ += outcome.kind == RemoveOutcome::Kind::kForbidden;
  }
  return {};
}

Result<int> ApplyRun::dry_run(const ApplyInput& input) {
  HADAL_ASSIGN(const std::vector<ApplyObject> all_made, namespaces_to_make(input));
  ServerCheck check(client_, print_, options_.skip_validation);
  std::vector<std::string> coming;
  for (const ApplyObject& made : all_made) {
    coming.emplace_back(name_of(made.object));
    if (!is_in(entries_, entry_of(made.object, 0))) HADAL_RETURN_IF_ERROR(check_one(made, coming, check));
  }
  for (const ApplyObject& object : input.objects) {
    if (kind_of(object.object) == "Namespace") coming.emplace_back(name_of(object.object));
    HADAL_RETURN_IF_ERROR(check_one(object, coming, check));
  }
  HADAL_RETURN_IF_ERROR(check_prune());
  const int code = check.finish(input.name);
  return num_stuck_ > 0 ? 1 : code;
}

Result<int> ApplyRun::run(ApplyInput input) {
  HADAL_RETURN_IF_ERROR(prepare(input));
  if (options_.dry_run) return dry_run(input);
  HADAL_RETURN_IF_ERROR(ensure_namespaces(input));
  num_applied_ = num_changed_ = 0;
  if (const Status recorded = record(input); !recorded.ok()) return interrupted(recorded.error());
  for (int wave = 0; wave < kNumWaves; ++wave) {
    const Result<bool> applied = apply_wave(input, wave);
    if (!applied.ok()) return interrupted(applied.error());
    if (!*applied) {
      print_("stopped: " + std::to_string(num_applied_) + " of " + count_text(entries_.size(), "object") +
             " are applied; what was refused is above, later waves were not tried");
      return 1;
    }
    if (const Status pruned = prune_after(wave); !pruned.ok()) return interrupted(pruned.error());
    if (const int code = options_.wait ? wait_wave(wave) : 0; code != 0) return code;
  }
  const auto everything = [](const InventoryEntry&) { return true; };
  if (const Status pruned = prune(everything); !pruned.ok()) return interrupted(pruned.error());
  if (const Status finished = finish(); !finished.ok()) return interrupted(finished.error());
  print_(inventory_.name + " is at revision " + std::to_string(inventory_.revision) + ": " +
         count_text(entries_.size(), "object") + ", " + std::to_string(num_changed_) + " changed" +
         (num_stuck_ > 0 ? ", " + std::to_string(num_stuck_) + " not pruned (see above)" : ""));
  return num_stuck_ > 0 ? 1 : 0;
}

Result<ApplyInput> read_revision_input(KubeClient& client, const std::string& name, int revision) {
  InventoryStore store(client);
  HADAL_ASSIGN(const Inventory inventory, store.load(client.target().namespace_name, name));
  if (inventory.history.empty())
    return make_error(ErrorCode::kNotFound, "hadal has applied nothing under the name ", name,
                      " in namespace ", client.target().namespace_name);
  if (revision == 0) revision = revision_to_go_back_to(inventory);
  HADAL_RETURN_IF_ERROR(check_revision(inventory, revision));
  HADAL_ASSIGN(const std::vector<Json> objects, store.load_revision(inventory, revision));
  ApplyInput out;
  out.name = name;
  out.source = "rollback to revision " + std::to_string(revision);
  for (const Json& object : objects) {
    ApplyObject& added = out.objects.emplace_back();
    added.object = object;
    added.wave = wave_of(object);
    for (const auto* list : {&inventory.objects, &inventory.left}) {
      for (const InventoryEntry& entry : *list) {
        if (entry.same_object(entry_of(object, 0))) added.wave = entry.wave;
      }
    }
  }
  std::stable_sort(out.objects.begin(), out.objects.end(),
                   [](const ApplyObject& a, const ApplyObject& b) { return a.wave < b.wave; });
  return out;
}

}  // namespace hadal::cluster
