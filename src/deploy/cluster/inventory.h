// Inventory: what hadal has applied under a deployment's name, kept in the cluster: a ConfigMap
// "hadal-NAME" with the list of objects and the history, and one Secret "hadal-NAME-rN" a revision with the
// objects as they were applied (they may hold secrets). From it comes what to prune, what to delete and what
// to go back to. Values and pure functions; any thread.
//
// An object is in the inventory before it is in the cluster, and leaves it after: whatever cuts an apply
// short, nothing that it made is forgotten. One whose wave has not come, or that the server refused to make,
// is marked as planned, and is never pruned: it is not hadal's to remove.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hadal::cluster {

inline constexpr char kDeploymentLabel[] = "hadal.dev/deployment";
// "NAMESPACE/NAME" of the inventory that an object belongs to.
inline constexpr char kOwnerAnnotation[] = "hadal.dev/inventory";
// Of a namespace that --create-namespace made: it belongs to no deployment.
inline constexpr char kMadeWithAnnotation[] = "hadal.dev/made-with";
inline constexpr char kRevisionSecretType[] = "hadal.dev/revision";
inline constexpr int kMaxHistory = 10;

struct InventoryEntry {
  std::string api_version, kind, namespace_name, name;
  int wave = 3;
  bool planned = false;  // surely not in the cluster: its turn has not come yet, or it was refused
  std::string title() const;
  // The same object, whatever version of its group names it.
  bool same_object(const InventoryEntry& other) const;
};

struct RevisionEntry {
  int revision = 0;
  std::string time;    // RFC 3339
  std::string source;  // "deepseek.yaml", "rollback to revision 2"
  std::string digest;  // of the objects
  int num_objects = 0;
  bool stored = true;  // false: too large to keep
  bool ended = true;   // false: its apply was refused, interrupted, or not ready in time
};

struct Inventory {
  std::string name, namespace_name;
  int revision = 0;                     // 0: nothing was ever applied
  bool in_progress = false;             // an apply began and has not said that it ended
  int num_applied = 0;                  // by the apply in progress
  std::vector<InventoryEntry> objects;  // of the revision
  std::vector<InventoryEntry> left;     // of earlier ones, still there
  std::vector<RevisionEntry> history;   // oldest first
  std::string resource_version;         // of the ConfigMap; "": it does not exist
};

InventoryEntry entry_of(const Json& object, int wave);
std::string inventory_object_name(std::string_view name);
std::string revision_object_name(std::string_view name, int revision);
// The deployment whose inventory or revision the object in the cluster is; "": it is neither.
std::string deployment_recorded_by(const Json& live);
// A deployment's name: a DNS label of at most 40 characters. Errors say so.
Status check_deployment_name(std::string_view name);

Json to_config_map(const Inventory& inventory);
// Errors: kDataLoss where the ConfigMap is not one that hadal wrote.
Result<Inventory> read_inventory(const Json& config_map);
Json to_revision_secret(const Inventory& inventory, int revision, std::span<const Json> objects);
Result<std::vector<Json>> read_revision_secret(const Json& secret);
// Whether one can go back to it. Errors: kNotFound, with the revisions that there are.
Status check_revision(const Inventory& inventory, int revision);
// Of the objects' content: equal exactly for the same objects.
std::string objects_digest(std::span<const Json> objects);

struct PruneOptions {
  bool prune = true;
  bool prune_storage = false;  // volumes, namespaces, secrets and CRDs too
};
struct PrunePlan {
  std::vector<InventoryEntry> remove;  // in the order of removal: last wave first
  struct Kept {
    InventoryEntry entry;
    std::string why;
  };
  std::vector<Kept> kept;
};
// What the inventory has and the new objects have not.
PrunePlan plan_prune(const Inventory& before, std::span<const InventoryEntry> now,
                     const PruneOptions& options);
// Kinds whose removal loses data: kept unless asked for.
bool is_storage_kind(std::string_view kind);

// The inventory to write before the first object of a new revision is applied: the new objects, and those of
// before that are not among them. planned objects of before are forgotten unless they are among the new.
Inventory begin_revision(Inventory before, std::vector<InventoryEntry> now, RevisionEntry revision);

// The revisions to forget, oldest first, so that kMaxHistory are left: never the newest, nor the newest that
// ended.
std::vector<int> revisions_to_forget(const Inventory& inventory);
// What one goes back to: the newest revision before the current one that ended; where none did, the one
// before. 0: there is none.
int revision_to_go_back_to(const Inventory& inventory);

// Marks every object that `before` does not hold in the cluster as planned.
void mark_planned(Inventory& inventory, const Inventory& before);
// Its turn has come: the objects of the wave may be in the cluster from now on.
void open_wave(Inventory& inventory, int wave);

}  // namespace hadal::cluster
