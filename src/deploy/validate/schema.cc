#include "deploy/validate/schema.h"

#include <algorithm>

#include "base/file.h"
#include "deploy/manifest.h"

namespace hadal {
namespace {

std::string index_key(std::string_view group, std::string_view version, std::string_view kind) {
  std::string out(group);
  out.append("/").append(version).append("/").append(kind);
  return out;
}

}  // namespace

Schema::Id Schema::property(std::string_view name) const {
  const auto found =
      std::lower_bound(properties.begin(), properties.end(), name,
                       [](const auto& entry, std::string_view key) { return entry.first < key; });
  return found != properties.end() && found->first == name ? found->second : kNone;
}

SchemaSet::SchemaSet() = default;

std::shared_ptr<const SchemaSet> SchemaSet::builtin() {
  auto set = std::make_shared<SchemaSet>();
  const Status status = add_builtin_schemas(*set);
  HADAL_CHECK(status.ok()) << status.to_string();
  return set;
}

Result<std::shared_ptr<const SchemaSet>> SchemaSet::load(const std::vector<std::string>& paths) {
  auto set = std::make_shared<SchemaSet>();
  HADAL_RETURN_IF_ERROR(add_builtin_schemas(*set));
  HADAL_RETURN_IF_ERROR(read_files(*set, paths));
  return std::shared_ptr<const SchemaSet>(std::move(set));
}

Status SchemaSet::read_files(SchemaSet& set, const std::vector<std::string>& paths) {
  HADAL_ASSIGN(const std::vector<ManifestFile> files, read_manifest_files(paths));
  for (const ManifestFile& file : files) HADAL_RETURN_IF_ERROR(add_schema_file(set, file.path, file.text));
  return {};
}

const KindSchema* SchemaSet::find(std::string_view group, std::string_view version,
                                  std::string_view kind) const {
  const auto found = index_.find(index_key(group, version, kind));
  return found == index_.end() ? nullptr : &kinds_[found->second];
}

std::vector<const KindSchema*> SchemaSet::of_kind(std::string_view kind) const {
  std::vector<const KindSchema*> out;
  for (const KindSchema& k : kinds_) {
    if (k.kind == kind) out.push_back(&k);
  }
  return out;
}

Schema::Id SchemaSet::pod_spec() const {
  const KindSchema* pod = find("", "v1", "Pod");
  return pod == nullptr ? Schema::kNone : at(pod->root).property("spec");
}

Schema::Id SchemaSet::add(Schema schema) {
  nodes_.push_back(std::move(schema));
  return static_cast<Schema::Id>(nodes_.size()) - 1;
}

void SchemaSet::add_kind(KindSchema kind) {
  const auto [place, fresh] =
      index_.try_emplace(index_key(kind.group, kind.version, kind.kind), kinds_.size());
  if (fresh) {
    kinds_.push_back(std::move(kind));
  } else {
    kinds_[place->second] = std::move(kind);
  }
}

}  // namespace hadal
