// DeployConfig: what the commands of hadal deploy is asked to do. A value; any thread.
#pragma once

#include <string>
#include <vector>

namespace hadal {

struct DeployConfig {
  std::vector<std::string> arguments;  // those that are no flags

  // render, schema
  std::string format;  // render: yaml, kustomize, helm; schema: json, markdown; "" the first
  std::string output;  // file or directory; "": standard output

  // validate, rules
  std::string report_format;      // validate: text, json, sarif; rules: text, markdown, json; "" the first
  std::string severity = "info";  // the least that is shown
  std::vector<std::string> disabled_rules;
  std::vector<std::string> schemas;  // files and directories of CRDs and OpenAPI documents
  bool schemas_from_cluster = false;
  std::string kubernetes_version;  // "": ValidateOptions' own
  std::string lws_version;
  std::string kserve_version;
  std::string volcano_version;
  bool fix = false;
  bool strict_kinds = false;
  bool fail_on_unchecked = false;
};

}  // namespace hadal
