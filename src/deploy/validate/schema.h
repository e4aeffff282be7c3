// Schema: one node of a kind's schema, as CRDs (structural schemas) and OpenAPI documents give them; and
// SchemaSet: the kinds and their schemas, those built in and those read from files. Const once loaded; any
// thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/yaml_tree.h"

namespace hadal {

// A rule of x-kubernetes-validations.
struct CelRule {
  std::string expression;
  std::string message;             // "": the built-in kinds have none
  std::string message_expression;  // CEL that makes the message
  std::string field_path;          // ".name": whom the message is about
  bool optional_old_self = false;
};

struct Schema {
  enum class Type { kAny, kObject, kArray, kString, kInteger, kNumber, kBoolean, kIntOrString };
  enum class ListType { kAtomic, kSet, kMap };
  using Id = int;
  static constexpr Id kNone = -1;

  Type type = Type::kAny;
  bool nullable = false;
  bool preserve_unknown = false;  // fields it does not name may be there
  bool embedded_resource = false;
  bool unique_items = false;
  bool exclusive_minimum = false;
  bool exclusive_maximum = false;
  bool has_default = false;
  ListType list_type = ListType::kAtomic;
  std::string format;
  std::string pattern;
  std::vector<std::string> required;
  std::vector<Json> enums;
  std::vector<std::string> map_keys;
  Json default_value;
  Json minimum, maximum, multiple_of;  // null: none
  int64_t min_length = -1, max_length = -1;
  int64_t min_items = -1, max_items = -1;
  int64_t min_properties = -1, max_properties = -1;
  std::vector<std::pair<std::string, Id>> properties;  // sorted by name
  Id items = kNone;
  Id additional = kNone;  // of a map's values
  std::vector<Id> all_of, any_of, one_of;
  Id not_of = kNone;
  std::vector<CelRule> rules;

  Id property(std::string_view name) const;
  bool is_map() const { return additional != kNone; }
};

// One version of a kind.
struct KindSchema {
  std::string group;  // "" : core
  std::string version;
  std::string kind;
  Schema::Id root = Schema::kNone;  // apiVersion, kind and metadata are checked apart
  bool namespaced = false;
  bool native = false;  // the API server's own type: decoded, never pruned or defaulted by a schema
  bool deprecated = false;
  bool from_file = false;  // not built in
};

class SchemaSet {
 public:
  // What hadal knows without files.
  static std::shared_ptr<const SchemaSet> builtin();
  // Those and the kinds of files: CustomResourceDefinitions (YAML or JSON, several a file) and OpenAPI v2 or
  // v3 documents (JSON; "definitions" or "components.schemas"). A kind that is read replaces the built-in
  // one. Errors: kInvalidArgument with the file, the place and what is wrong.
  static Result<std::shared_ptr<const SchemaSet>> load(const std::vector<std::string>& paths);
  // The kinds of files, into a set that may have some.
  static Status read_files(SchemaSet& set, const std::vector<std::string>& paths);

  SchemaSet();
  const Schema& at(Schema::Id id) const { return nodes_[static_cast<size_t>(id)]; }
  const KindSchema* find(std::string_view group, std::string_view version, std::string_view kind) const;
  // Of any group and version: to tell what a misspelt one was meant to be.
  std::vector<const KindSchema*> of_kind(std::string_view kind) const;
  const std::vector<KindSchema>& kinds() const { return kinds_; }
  Schema::Id metadata() const { return metadata_; }
  // The schema of a core Pod's spec.
  Schema::Id pod_spec() const;

  Schema::Id add(Schema schema);
  // Replaces a kind that is there already.
  void add_kind(KindSchema kind);
  void set_metadata(Schema::Id id) { metadata_ = id; }

 private:
  std::vector<Schema> nodes_;
  std::vector<KindSchema> kinds_;
  std::map<std::string, size_t, std::less<>> index_;  // "group/version/kind"
  Schema::Id metadata_ = Schema::kNone;
};

// Fills a set from one file's text. Errors: kInvalidArgument.
Status add_builtin_schemas(SchemaSet& set);
Status add_schema_file(SchemaSet& set, const std::string& path, std::string_view text);
// The kinds of one CustomResourceDefinition; nothing where the value is none.
Status add_crd(SchemaSet& set, const Json& crd);
// kThoseNotRead: kinds that a file or a cluster gave before stay as they are.
enum class OpenApiKinds { kAll, kThoseNotRead };
Status add_openapi(SchemaSet& set, const Json& document, OpenApiKinds kinds = OpenApiKinds::kAll);

// "KServe 0.20.0": where the built-in kinds of the group are from; "" for Kubernetes' own and for none.
std::string_view builtin_release(std::string_view group);

}  // namespace hadal
