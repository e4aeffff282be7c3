#include "deploy/cluster/inventory.h"

#include <algorithm>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/kube_path.h"

namespace hadal::cluster {
namespace {

constexpr char kPartLabel[] = "hadal.dev/part";
constexpr size_t kMaxNameLength = 52;  // as of a spec
constexpr size_t kMaxEntries = 20'000;
constexpr int kInventoryFormat = 1;

Json to_json_entry(const InventoryEntry& e) {
  Json out(JsonObject{{"apiVersion", e.api_version}, {"kind", e.kind}});
  if (!e.namespace_name.empty()) out.set("namespace", e.namespace_name);
  out.set("name", e.name);
  out.set("wave", e.wave);
  if (e.planned) out.set("planned", true);
  return out;
}

Json to_json_entries(const std::vector<InventoryEntry>& entries) {
  JsonArray out;
  for (const InventoryEntry& entry : entries) out.push_back(to_json_entry(entry));
  return out;
}

Result<std::vector<InventoryEntry>> read_entries(const Json& root, std::string_view key) {
  std::vector<InventoryEntry> out;
  for (const Json& item : array_at(root, key)) {
    InventoryEntry entry;
    entry.api_version = text_at(item, "apiVersion");
    entry.kind = text_at(item, "kind");
    entry.namespace_name = text_at(item, "namespace");
    entry.name = text_at(item, "name");
    entry.wave = static_cast<int>(int_at(item, "wave", 3));
    entry.planned = bool_at(item, "planned");
    if (entry.api_version.empty() || entry.kind.empty() || !is_path_segment(entry.name) ||
        out.size() >= kMaxEntries)
      return make_error(ErrorCode::kDataLoss, "an entry of its \"", key, "\" is not one that hadal wrote");
    out.push_back(std::move(entry));
  }
  return out;
}

Json to_json_revision(const RevisionEntry& r) {
  return JsonObject{{"revision", r.revision}, {"time", r.time},           {"source", r.source},
                    {"digest", r.digest},     {"objects", r.num_objects}, {"stored", r.stored},
                    {"ended", r.ended}};
}

bool contains(std::span<const InventoryEntry> entries, const InventoryEntry& entry) {
  return std::any_of(entries.begin(), entries.end(), [&](const auto& e) { return e.same_object(entry); });
}

Json metadata(const Inventory& inventory, std::string name, std::string_view part) {
  return JsonObject{{"name", std::move(name)},
                    {"namespace", inventory.namespace_name},
                    {"labels", JsonObject{{"app.kubernetes.io/managed-by", "hadal"},
                                          {kDeploymentLabel, inventory.name},
                                          {kPartLabel, part}}}};
}

}  // namespace

std::string InventoryEntry::title() const {
  return kind + " " + (namespace_name.empty() ? "" : namespace_name + "/") + name;
}

bool InventoryEntry::same_object(const InventoryEntry& other) const {
  return kind == other.kind && name == other.name && namespace_name == other.namespace_name &&
         group_of(api_version) == group_of(other.api_version);
}

InventoryEntry entry_of(const Json& object, int wave) {
  return {std::string(text_at(object, "apiVersion")),
          std::string(kind_of(object)),
          std::string(namespace_of(object)),
          std::string(name_of(object)),
          wave,
          false};
}

std::string deployment_recorded_by(const Json& live) {
  return label_of(live, kPartLabel).empty() ? "" : std::string(label_of(live, kDeploymentLabel));
}

std::string inventory_object_name(std::string_view name) {
  return "hadal-" + std::string(name);
}

std::string revision_object_name(std::string_view name, int revision) {
  return inventory_object_name(name) + "-r" + std::to_string(revision);
}

Status check_deployment_name(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kMaxNameLength && name.front() != '-' &&
                    name.back() != '-' &&
                    name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
  if (good) return {};
  if (name.empty())
    return invalid_argument(
        "the deployment has no name: the objects have no label app.kubernetes.io/part-of in common, and the "
        "files no folder; give one with --name");
  return invalid_argument("\"", name,
                          "\" is no name for a deployment: it takes lower-case letters, digits and "
                          "hyphens, at most ",
                          kMaxNameLength, "; give one with --name");
}

Json to_config_map(const Inventory& inventory) {
  JsonArray history;
  for (const RevisionEntry& revision : inventory.history) history.push_back(to_json_revision(revision));
  const Json content(JsonObject{{"format", kInventoryFormat},
                                {"revision", inventory.revision},
                                {"inProgress", inventory.in_progress},
                                {"applied", inventory.num_applied},
                                {"objects", to_json_entries(inventory.objects)},
                                {"left", to_json_entries(inventory.left)},
                                {"history", std::move(history)}});
  Json meta = metadata(inventory, inventory_object_name(inventory.name), "inventory");
  if (!inventory.resource_version.empty()) meta.set("resourceVersion", inventory.resource_version);
  return JsonObject{{"apiVersion", "v1"},
                    {"kind", "ConfigMap"},
                    {"metadata", std::move(meta)},
                    {"data", JsonObject{{"inventory.json", to_json(content)}}}};
}

Result<Inventory> read_inventory(const Json& config_map) {
  Inventory out;
  out.name = label_of(config_map, kDeploymentLabel);
  out.namespace_name = namespace_of(config_map);
  out.resource_version = text_at(config_map, "metadata.resourceVersion");
  const auto bad = [&](std::string_view why) {
    return make_error(ErrorCode::kDataLoss, title_of(config_map), " is no inventory of hadal's: ", why,
                      "; delete it to begin anew (its objects stay)");
  };
  if (out.name.empty()) return bad(std::string("it has no label ") + kDeploymentLabel);
  const Json* data = json_at(config_map, "data");
  const Json* text = data == nullptr ? nullptr : data->find("inventory.json");
  if (text == nullptr || !text->is_string()) return bad("it has no inventory.json");
  const auto content = parse_json(text->as_string());
  if (!content.ok()) return bad("its inventory.json is no JSON");
  if (int_at(*content, "format") != kInventoryFormat) return bad("another version of hadal wrote it");
  out.revision = static_cast<int>(int_at(*content, "revision"));
  out.in_progress = bool_at(*content, "inProgress");
  out.num_applied = static_cast<int>(int_at(*content, "applied"));
  auto objects = read_entries(*content, "objects");
  auto left = read_entries(*content, "left");
  if (!objects.ok() || !left.ok()) return bad((objects.ok() ? left : objects).error().message);
  out.objects = std::move(*objects);
  out.left = std::move(*left);
  for (const Json& item : array_at(*content, "history")) {
    out.history.push_back({static_cast<int>(int_at(item, "revision")), std::string(text_at(item, "time")),
                           std::string(text_at(item, "source")), std::string(text_at(item, "digest")),
                           static_cast<int>(int_at(item, "objects")), bool_at(item, "stored", true),
                           bool_at(item, "ended", true)});
  }
  return out;
}

Json to_revision_secret(const Inventory& inventory, int revision, std::span<const Json> objects) {
  const Json list(JsonArray(objects.begin(), objects.end()));
  return JsonObject{
      {"apiVersion", "v1"},
      {"kind", "Secret"},
      {"metadata", metadata(inventory, revision_object_name(inventory.name, revision), "revision")},
      {"type", kRevisionSecretType},
      {"data", JsonObject{{"objects.json", base64_encode(to_json(list))}}}};
}

Result<std::vector<Json>> read_revision_secret(const Json& secret) {
  const auto bad = [&] {
    return make_error(ErrorCode::kDataLoss, title_of(secret), " holds no revision that hadal wrote");
  };
  const Json* data = json_at(secret, "data");
  const Json* text = data == nullptr ? nullptr : data->find("objects.json");
  if (text == nullptr || !text->is_string()) return bad();
  const auto decoded = base64_decode(text->as_string());
  if (!decoded.ok()) return bad();
  auto list = parse_json(*decoded);
  if (!list.ok() || !list->is_array()) return bad();
  for (const Json& object : list->as_array()) {
    if (kind_of(object).empty() || !is_path_segment(name_of(object))) return bad();
  }
  return std::move(list->as_array());
}

Status check_revision(const Inventory& inventory, int revision) {
  std::string known;
  for (const RevisionEntry& entry : inventory.history) {
    if (entry.revision == revision && entry.stored) return {};
    known += (known.empty() ? "" : ", ") + std::to_string(entry.revision) +
             (entry.revision == inventory.revision ? " (current)" : "") +
             (entry.stored ? "" : " (too large to be kept)");
  }
  const std::string wanted =
      revision == 0 ? " has no revision before the newest" : " has no revision " + std::to_string(revision);
  return make_error(ErrorCode::kNotFound, inventory.name, wanted, " to go back to; there ",
                    inventory.history.size() == 1 ? "is " : "are ", known);
}

std::string objects_digest(std::span<const Json> objects) {
  // FNV-1a, 64 bits, twice with different starts: tells revisions apart, protects nothing.
  uint64_t a = 0xcbf29ce484222325u, b = 0x9ae16a3b2f90404fu;
  for (const Json& object : objects) {
    for (const char c : to_json(object) + "\n") {
      a = (a ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
      b = (b ^ static_cast<unsigned char>(c)) * 0x100000001b3u + 1;
    }
  }
  char out[40];
  std::snprintf(out, sizeof out, "%016llx%016llx", static_cast<unsigned long long>(a),
                static_cast<unsigned long long>(b));
  return out;
}

bool is_storage_kind(std::string_view kind) {
  return kind == "PersistentVolumeClaim" || kind == "PersistentVolume" || kind == "Namespace" ||
         kind == "Secret" || kind == "CustomResourceDefinition" || kind == "StorageClass";
}

PrunePlan plan_prune(const Inventory& before, std::span<const InventoryEntry> now,
                     const PruneOptions& options) {
  PrunePlan out;
  std::vector<InventoryEntry> gone;
  for (const auto* list : {&before.objects, &before.left}) {
    for (const InventoryEntry& entry : *list) {
      if (!entry.planned && !contains(now, entry) && !contains(gone, entry)) gone.push_back(entry);
    }
  }
  std::stable_sort(gone.begin(), gone.end(), [](const auto& a, const auto& b) { return a.wave > b.wave; });
  for (InventoryEntry& entry : gone) {
    if (!options.prune) {
      out.kept.push_back({std::move(entry), "--prune=false"});
    } else if (is_storage_kind(entry.kind) && !options.prune_storage) {
      out.kept.push_back({std::move(entry), "it holds data: --prune-storage removes it"});
    } else {
      out.remove.push_back(std::move(entry));
    }
  }
  return out;
}

Inventory begin_revision(Inventory before, std::vector<InventoryEntry> now, RevisionEntry revision) {
  std::vector<InventoryEntry> left;
  for (const auto* list : {&before.objects, &before.left}) {
    for (const InventoryEntry& entry : *list) {
      if (!entry.planned && !contains(now, entry) && !contains(left, entry)) left.push_back(entry);
    }
  }
  before.objects = std::move(now);
  before.left = std::move(left);
  before.in_progress = true;
  before.num_applied = 0;
  if (before.history.empty() || before.history.back().revision != revision.revision)
    before.history.push_back(revision);
  else
    before.history.back() = revision;
  before.revision = revision.revision;
  return before;
}

std::vector<int> revisions_to_forget(const Inventory& inventory) {
  const auto& history = inventory.history;
  if (history.size() <= kMaxHistory) return {};
  const auto ended =
      std::find_if(history.rbegin(), history.rend(), [](const RevisionEntry& r) { return r.ended; });
  const int good = ended == history.rend() ? 0 : ended->revision;
  std::vector<int> out;
  for (size_t i = 0; i + 1 < history.size() && history.size() - out.size() > kMaxHistory; ++i) {
    if (history[i].revision != good) out.push_back(history[i].revision);
  }
  return out;
}

int revision_to_go_back_to(const Inventory& inventory) {
  const auto& history = inventory.history;
  if (history.size() < 2) return 0;
  for (size_t i = history.size() - 1; i-- > 0;) {
    if (history[i].ended && history[i].stored) return history[i].revision;
  }
  return history[history.size() - 2].revision;
}

void mark_planned(Inventory& inventory, const Inventory& before) {
  std::vector<InventoryEntry> there;
  for (const auto* list : {&before.objects, &before.left}) {
    std::copy_if(list->begin(), list->end(), std::back_inserter(there),
                 [](const InventoryEntry& e) { return !e.planned; });
  }
  for (InventoryEntry& entry : inventory.objects) entry.planned = !contains(there, entry);
}

void open_wave(Inventory& inventory, int wave) {
  for (InventoryEntry& entry : inventory.objects) {
    if (entry.wave == wave) entry.planned = false;
  }
}

}  // namespace hadal::cluster
