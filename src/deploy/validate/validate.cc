#include "deploy/validate.h"

#include <algorithm>
#include <deque>

#include "deploy/validate/cel/cel_rules.h"
#include "deploy/validate/pod_check.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/schema_check.h"
#include "deploy/validate/yaml_reader.h"

namespace hadal {
namespace {

// A file with what was read of it; keeps everything that the documents point into.
struct OpenFile {
  std::unique_ptr<Reporter> reporter;
  ReadFile content;
  std::deque<Value> roots;
  std::deque<std::unique_ptr<Reporter>> object_reporters;
  // Findings about documents whose text was repaired before: their edits would be at wrong places.
  std::deque<std::vector<Finding>> repaired_findings;
  std::deque<std::vector<Finding>> untold_findings;
};

// Files that a kustomization of the same folder names as patches: parts of objects, not objects.
class KustomizePatches {
 public:
  void add(const ManifestFile& file, View root) {
    for (const std::string_view list : {"patchesStrategicMerge", "patchesJson6902", "patches",
                                        "configurations", "transformers", "replacements", "components"}) {
      for (const Value& item : root[list].items()) {
        const std::string_view path = item.is_string() ? View(item).text() : View(item)["path"].text();
        if (!path.empty()) paths_.insert(folder_of(file.path) + std::string(path));
      }
    }
    for (const Value& item : root["resources"].items())
      resources_.insert(folder_of(file.path) + std::string(View(item).text()));
  }
  // Named by a kustomization, or by the custom of calling such files so.
  bool has(const ManifestFile& file) const {
    const std::string name = file.path.substr(file.path.rfind('/') + 1);
    return paths_.count(file.path) > 0 || name.find("_patch.") != std::string::npos ||
           name.find("-patch.") != std::string::npos || name.starts_with("patch.") ||
           name.starts_with("patch_") || name.starts_with("patch-") ||
           file.path.find("/patches/") != std::string::npos;
  }
  bool is_resource(const ManifestFile& file) const { return resources_.count(file.path) > 0; }

 private:
  static std::string folder_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash + 1);
  }
  std::set<std::string> paths_;
  std::set<std::string> resources_;
};

class Validation {
 public:
  Validation(std::span<const ManifestFile> files, const ValidateOptions& options)
      : files_(files), options_(options) {
    if (options.schemas == nullptr) builtin_ = SchemaSet::builtin();
    schemas_ = options.schemas == nullptr ? builtin_.get() : options.schemas;
  }

  ValidationReport run() {
    for (const ManifestFile& file : files_) read(file);
    for (ManifestDocument& d : set_.documents) check_document(d);
    for (const ManifestDocument& d : set_.documents) {
      if (!d.kind.empty()) collect_templates(d, set_.templates);
    }
    set_.index();
    check_rules();
    gather();
    return std::move(report_);
  }

 private:
  void read(const ManifestFile& file) {
    OpenFile& open = open_.emplace_back();
    open.reporter = std::make_unique<Reporter>(file, options_.disabled_rules, report_.findings);
    open.content = read_documents(file, *open.reporter);
    report_.num_unchecked += open.content.is_template ? 1 : 0;
    for (const ReadDocument& document : open.content.documents) {
      std::vector<Finding>& findings = document.guessed    ? open.untold_findings.emplace_back()
                                       : document.repaired ? open.repaired_findings.emplace_back()
                                                           : report_.findings;
      Reporter& reporter = *open.object_reporters.emplace_back(
          std::make_unique<Reporter>(file, options_.disabled_rules, findings));
      const size_t num_before = findings.size();
      check_yaml_nodes(*document.root, reporter);
      Value& root = open.roots.emplace_back(to_value(*document.root));
      link_parents(root);
      if (root.is_null()) continue;
      add_document(file, root, reporter, findings, open);
      if (View(root)["kind"].text() == "Kustomization" ||
          file.path.find("kustomization.y") != std::string::npos) {
        patches_.add(file, View(root));
        // No server reads it, and kustomize takes the last of double keys.
        for (size_t i = num_before; i < findings.size(); ++i) {
          if (findings[i].rule == "yaml/duplicate-key") findings[i].severity = Severity::kWarning;
        }
      }
    }
  }

  void add_document(const ManifestFile& file, const Value& root, Reporter& reporter,
                    std::vector<Finding>& findings, OpenFile& open) {
    const View view(root);
    const bool is_list = view["kind"].text().ends_with("List") && view["items"].is_list();
    if (is_list) {
      for (const Value& item : view["items"].items()) {
        Reporter& own = *open.object_reporters.emplace_back(
            std::make_unique<Reporter>(file, options_.disabled_rules, findings));
        add_document(file, item, own, findings, open);
      }
      return;
    }
    ManifestDocument& d = set_.documents.emplace_back();
    d.file = &file;
    d.root = &root;
    d.reporter = &reporter;
  }

  void check_document(ManifestDocument& d) {
    d.in_kustomization = patches_.is_resource(*d.file);
    if (patches_.has(*d.file)) {
      d.reporter->add("object/kustomize-patch", *d.root,
                      "a kustomization uses this file as a patch: it is no whole object");
      d.kind.clear();
      return;
    }
    if (!check_kind(d, options_, *schemas_)) {
      d.kind.clear();
      return;
    }
    ++report_.num_objects;
    check_metadata(d, options_);
    if (d.schema == nullptr) {
      ++report_.num_unknown_kinds;
      return;
    }
    SchemaCheck check(*schemas_, *d.reporter);
    if (d.in_kustomization) check.allow_missing("spec.selector");
    if (d.schema->native) {
      d.sound = check.check_object(*d.root, *d.schema);
      return;
    }
    // Custom resources are checked as they are after defaulting.
    Value& whole = defaulted_.emplace_back(with_defaults(*d.root, *schemas_, d.schema->root));
    link_parents(whole);
    d.sound = check.check_object(whole, *d.schema);
    check_cel_rules(whole, d.schema->root, *schemas_, *d.reporter, check.broken_names());
  }

  void check_rules() {
    const RuleContext context{set_, options_, *schemas_};
    for (const ManifestDocument& d : set_.documents) {
      if (d.kind.empty()) continue;
      check_workload_object(d);
      check_service_object(d);
      check_storage_object(d);
      check_scaling_object(d);
      check_custom_object(d, context);
      check_kserve_object(d, context);
      check_group_practice(d, context);
      check_engine_parity(d, context);
    }
    for (const PodTemplate& pod : set_.templates) {
      PodCheck(pod).run();
      check_pod_practice(pod, context);
      check_pod_memory(pod, context);
      check_probe_practice(pod, context);
      check_network_env(pod, context);
      check_engine(pod, context);
      check_engine_ports(pod);
    }
    check_references(context);
    check_services(context);
    check_service_urls(context);
    check_quotas(context);
    check_monitoring(context);
    check_autoscaling(context);
    check_claims(context);
    check_model_names(context);
    check_client_commands(context);
  }

  void gather() {
    for (OpenFile& open : open_) {
      for (std::vector<Finding>& findings : open.repaired_findings) {
        for (Finding& finding : findings) {
          finding.safe_fix = false;
          finding.edits.clear();
          report_.findings.push_back(std::move(finding));
        }
      }
    }
    std::vector<std::string_view> order;
    for (const ManifestFile& file : files_) order.push_back(file.path);
    const auto place = [&](const Finding& f) {
      return std::find(order.begin(), order.end(), f.file) - order.begin();
    };
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [&](const Finding& a, const Finding& b) {
                       if (a.file != b.file) return place(a) < place(b);
                       return a.line != b.line ? a.line < b.line : a.column < b.column;
                     });
  }

  std::span<const ManifestFile> files_;
  const ValidateOptions& options_;
  std::shared_ptr<const SchemaSet> builtin_;
  const SchemaSet* schemas_ = nullptr;
  ValidationReport report_;
  std::deque<OpenFile> open_;
  std::deque<Value> defaulted_;
  KustomizePatches patches_;
  ManifestSet set_;
};

}  // namespace

bool ValidationReport::has_errors() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& f) { return f.severity == Severity::kError; });
}

ValidationReport validate_manifests(std::span<const ManifestFile> files, const ValidateOptions& options) {
  return Validation(files, options).run();
}

}  // namespace hadal
