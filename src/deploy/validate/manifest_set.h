// ManifestSet: every object of the files that are validated together, as the rules look at them: which kind,
// which Pod templates are inside, what refers to what. Built once, const while the rules run; one caller at a
// time.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "deploy/validate.h"
#include "deploy/validate/reporter.h"
#include "deploy/validate/schema.h"
#include "deploy/validate/value.h"

namespace hadal {

struct ManifestDocument {
  const ManifestFile* file = nullptr;
  const Value* root = nullptr;  // the object
  Reporter* reporter = nullptr;
  const KindSchema* schema = nullptr;  // null: the kind is unknown
  std::string group, version, kind, name, namespace_name;
  bool in_kustomization = false;  // a kustomization adds to it what may be missing
  bool sound = true;              // the schema found nothing: the rules may trust types

  View view() const { return View(root); }
  bool is(std::string_view g, std::string_view k) const { return group == g && kind == k; }
  std::string title() const;
};

// A Pod's spec somewhere in an object.
struct PodTemplate {
  const ManifestDocument* document = nullptr;
  const Value* spec = nullptr;
  const Value* metadata = nullptr;  // null: none stands there
  // The rest of it comes from elsewhere (a runtime, an operator's defaults): what is missing may be there.
  bool partial = false;
  // Created by a controller that the API server does not check it for.
  bool inside_crd = false;
  std::string role;  // "leader", "worker", or the field's name
  // Requests go to Pods of it: false of workers beside a leader's own template. A group without one makes its
  // leader, too, of the workers' template.
  bool serves = true;
  int64_t num_pods = 1;  // that share its volumes
  Reporter& reporter() const { return *document->reporter; }
  View view() const { return View(spec); }
};

class ManifestSet {
 public:
  std::deque<ManifestDocument> documents;
  std::vector<PodTemplate> templates;

  // Once, when all documents and templates are there: before anything below is asked.
  void index();
  // "default" where the object names none.
  static std::string_view namespace_of(const ManifestDocument& document);
  const ManifestDocument* find(std::string_view kind, std::string_view name,
                               std::string_view near_namespace) const;
  std::vector<const PodTemplate*> templates_of(const ManifestDocument& document) const;
  // Templates whose Pods carry these labels. Labels that a controller adds (LWS, KServe, ...) count.
  std::vector<const PodTemplate*> selected(View match_labels, std::string_view namespace_name) const;

 private:
  // Candidates: Pods whose label has this value, or one that is not known here.
  std::vector<const PodTemplate*> with_label(const std::string& key, const std::string& value) const;

  std::map<std::pair<std::string, std::string>, std::vector<const ManifestDocument*>> by_name_;  // kind, name
  std::map<const ManifestDocument*, std::vector<const PodTemplate*>> by_document_;
  std::map<std::string, std::vector<const PodTemplate*>> by_label_;  // "key=value"
};

// Finds the Pod templates of an object: known places of known kinds, elsewhere what looks like one.
void collect_templates(const ManifestDocument& document, std::vector<PodTemplate>& out);

// The labels of a template's Pods: its own and those that its controller adds.
std::vector<std::pair<std::string, std::string>> pod_labels(const PodTemplate& pod);

// Every container, init containers too.
std::vector<View> all_containers(View pod_spec);
// Calls with each value of the tree.
void for_each_value(const Value& root, const std::function<void(const Value&)>& visit);

struct RuleContext {
  const ManifestSet& set;
  const ValidateOptions& options;
  const SchemaSet& schemas;
};

}  // namespace hadal
