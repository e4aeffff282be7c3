// SchemaCheck: one document against its kind's schema, as strictly as the API server with
// fieldValidation=Strict: unknown fields, types, what is required, bounds, formats, lists that are sets or
// maps, combinations, and the CEL rules. One caller at a time.
#pragma once

#include <set>
#include <string>

#include "deploy/validate/reporter.h"
#include "deploy/validate/schema.h"
#include "deploy/validate/value.h"

namespace hadal {

class SchemaCheck {
 public:
  SchemaCheck(const SchemaSet& schemas, Reporter& reporter) : schemas_(schemas), reporter_(reporter) {}

  // root: the whole object. Returns whether it is sound so far, so that rules may be asked.
  bool check_object(const Value& root, const KindSchema& kind);
  // The field's absence at the end of `path` is passed over: something adds it before a server sees the
  // object.
  void allow_missing(std::string_view path) { may_be_missing_ = path; }
  // A part that has a schema of its own: a Pod's spec inside a kind that is unknown.
  bool check_part(const Value& value, Schema::Id schema, bool native);

  // Of fields with a finding, and those above them that miss one.
  const std::set<std::string>& broken_names() const { return broken_names_; }

 private:
  void note_broken(const Value& at);
  bool check(const Value& value, Schema::Id id, bool is_root);
  bool check_type(const Value& value, const Schema& s);
  bool check_scalar_type(const Value& value, const Schema& s);
  bool fits_as_text(const Value& value, const std::string& text, const Schema& s);
  bool check_map(const Value& value, const Schema& s, bool is_root);
  bool is_optional_after_all(const Value& value, const std::string& name) const;
  bool check_required(const Value& value, const Schema& s);
  bool check_list(const Value& value, const Schema& s);
  bool check_list_keys(const Value& value, const Schema& s);
  bool check_text(const Value& value, const Schema& s);
  bool check_number(const Value& value, const Schema& s);
  bool check_enum(const Value& value, const Schema& s);
  bool check_combinations(const Value& value, const Schema& s);
  bool matches_quietly(const Value& value, Schema::Id id);
  static bool is_newer_field(const KindSchema& kind, std::string_view name);
  void report_unknown(const Value& member, const std::string& name, const Schema& s);
  bool fail(std::string_view rule, const Value& at, std::string message, std::string fix = {});

  const SchemaSet& schemas_;
  Reporter& reporter_;
  std::string_view may_be_missing_;
  const KindSchema* kind_ = nullptr;  // null: a part alone
  bool native_ = false;
  int quiet_ = 0;  // > 0: nothing is reported
  int64_t num_checks_ = 0;
  std::set<std::string> broken_names_;
};

// The object as the API server has it after defaulting: a copy with every default of the schema filled in and
// nulls that count for nothing left out.
Value with_defaults(const Value& root, const SchemaSet& schemas, Schema::Id schema);

}  // namespace hadal
