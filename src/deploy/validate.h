// validate_manifests: everything that can be known to be wrong with Kubernetes YAML without a cluster: YAML
// itself, the kinds' schemas, core Pod rules in every template, and how objects fit together. Pure; any
// thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/cluster_versions.h"
#include "deploy/finding.h"
#include "deploy/manifest.h"

namespace hadal {

// The kinds and their schemas: those built in, and those read from CRDs and OpenAPI documents. Const once
// loaded.
class SchemaSet;

struct ValidateOptions {
  const SchemaSet* schemas = nullptr;  // null: those built in alone
  std::string kubernetes_version{kUsualKubernetes};
  std::string lws_version{kUsualLws};  // of the controller; fields it does not have are reported
  std::string kserve_version{kUsualKserve};
  std::string volcano_version{kUsualVolcano};
  std::vector<std::string> disabled_rules;  // ids, or "family/*"
  bool unknown_kinds_are_errors = false;
};

struct ValidationReport {
  std::vector<Finding> findings;  // in the order of files and lines
  int num_objects = 0;
  int num_unknown_kinds = 0;  // only their YAML and metadata were checked
  int num_unchecked = 0;      // files: templates that must be rendered first
  bool has_errors() const;
};

ValidationReport validate_manifests(std::span<const ManifestFile> files, const ValidateOptions& options = {});

}  // namespace hadal
