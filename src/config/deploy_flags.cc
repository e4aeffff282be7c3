// The flags and commands of the commands of hadal deploy.
#include <algorithm>

#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {
namespace {

template <auto Field>
using Dep = FlagField<&Settings::deploy, Field>;
using DC = DeployConfig;

// More than a shell passes on.
constexpr size_t kMaxFiles = 1'000'000;

const FlagSpec kFlags[] = {
    // clang-format off
    // render, schema
    {"--render-format,--format", kForRender, "Render", "FORMAT", "yaml: one stream of documents; kustomize: a base and an overlay; helm: a chart", kOnce, HADAL_FIELD(Dep, &DC::format)},
    {"--schema-format,--format", kForSchema, "Render", "FORMAT", "json: JSON Schema, for editors; markdown: the reference of the fields", kOnce, HADAL_FIELD(Dep, &DC::format)},
    {"--render-output,--output,-o", kForRender, "Render", "PATH", "File (yaml) or directory (kustomize, helm) to write; default: standard output", kOnce, HADAL_FIELD(Dep, &DC::output)},

    // validate, rules
    {"--validate-format,--format", kForValidate, "Validate", "FORMAT", "text; json; sarif: SARIF 2.1.0, for code hosts", kOnce, HADAL_FIELD(Dep, &DC::report_format)},
    {"--rules-format,--format", kForRules, "Rules", "FORMAT", "text, markdown or json", kOnce, HADAL_FIELD(Dep, &DC::report_format)},
    {"--severity", kForValidate, "Validate", "LEVEL", "The least that is shown: error, warning or info", kOnce, HADAL_FIELD(Dep, &DC::severity)},
    {"--disable", kForValidate, "Validate", "RULE", "Leave this rule out; FAMILY/* leaves out a family (hadal deploy rules lists them)", kMany, HADAL_FIELD(Dep, &DC::disabled_rules)},
    {"--schemas", kForValidate, "Validate", "PATH", "CustomResourceDefinitions and OpenAPI documents, files or directories: their kinds are checked too", kMany, HADAL_FIELD(Dep, &DC::schemas)},
    {"--schemas-from-cluster", kForValidate, "Validate", "", "Take the schemas and the Kubernetes version of the cluster that --kubeconfig and --context name; only reads", kOnce, HADAL_FIELD(Dep, &DC::schemas_from_cluster)},
    {"--fix", kForValidate, "Validate", "", "Write the fixes that are safe into the files; comments and layout stay", kOnce, HADAL_FIELD(Dep, &DC::fix)},
    {"--strict-kinds", kForValidate, "Validate", "", "A kind that is not known is an error", kOnce, HADAL_FIELD(Dep, &DC::strict_kinds)},
    {"--fail-on-unchecked", kForValidate, "Validate", "", "Exit with 1 where a file was not checked: a template that must be rendered first", kOnce, HADAL_FIELD(Dep, &DC::fail_on_unchecked)},
    {"--kubernetes-version", kForValidate, "Validate", "VERSION", "Of the cluster: tells which API versions are gone (default 1.32)", kOnce, HADAL_FIELD(Dep, &DC::kubernetes_version)},
    {"--lws-version", kForValidate, "Validate", "VERSION", "Of the LeaderWorkerSet controller (default 0.9.0)", kOnce, HADAL_FIELD(Dep, &DC::lws_version)},
    {"--kserve-version", kForValidate, "Validate", "VERSION", "Of KServe (default 0.20.0)", kOnce, HADAL_FIELD(Dep, &DC::kserve_version)},
    {"--volcano-version", kForValidate, "Validate", "VERSION", "Of Volcano (default 1.11.0)", kOnce, HADAL_FIELD(Dep, &DC::volcano_version)},
    // clang-format on
};

// validate, rules

Status take_validate(const std::vector<std::string>& arguments, const FlagValueMap&, Settings& settings) {
  settings.deploy.arguments = arguments;
  if (arguments.empty())
    return invalid_argument(
        "which files? hadal deploy validate FILES...; a directory's *.yaml, *.yml and *.json; \"-\" reads "
        "standard input");
  return {};
}

Status validate_validate(const Settings& settings) {
  const DeployConfig& deploy = settings.deploy;
  const std::string& format = deploy.report_format;
  if (!format.empty() && format != "text" && format != "json" && format != "sarif")
    return invalid_argument("--format is \"", format, "\": it takes text, json or sarif");
  if (deploy.severity != "error" && deploy.severity != "warning" && deploy.severity != "info")
    return invalid_argument("--severity is \"", deploy.severity, "\": it takes error, warning or info");
  for (const std::string& argument : deploy.arguments) {
    if (deploy.fix && argument == "-")
      return invalid_argument("--fix writes into files: standard input (\"-\") is none");
  }
  return {};
}

Status validate_rules(const Settings& settings) {
  const std::string& format = settings.deploy.report_format;
  if (!format.empty() && format != "text" && format != "markdown" && format != "json")
    return invalid_argument("--format is \"", format, "\": it takes text, markdown or json");
  return {};
}

// render, schema

Status take_render(const std::vector<std::string>& arguments, const FlagValueMap&, Settings& settings) {
  settings.deploy.arguments = arguments;
  if (arguments.empty())
    return invalid_argument("which spec? hadal deploy render SPEC.yaml; \"-\" reads standard input");
  return {};
}

Status validate_render(const Settings& settings) {
  const DeployConfig& deploy = settings.deploy;
  if (!deploy.format.empty() && deploy.format != "yaml" && deploy.format != "kustomize" &&
      deploy.format != "helm")
    return invalid_argument("--format is \"", deploy.format, "\": it takes yaml, kustomize or helm");
  if ((deploy.format == "kustomize" || deploy.format == "helm") && deploy.output.empty())
    return invalid_argument("--format ", deploy.format, " writes a directory: name it with --output");
  return {};
}

Status validate_schema(const Settings& settings) {
  const std::string& format = settings.deploy.format;
  if (!format.empty() && format != "json" && format != "markdown")
    return invalid_argument("--format is \"", format, "\": it takes json or markdown");
  return {};
}

constexpr CommandSpec kCommands[] = {
    {"deploy render", Command::kDeployRender, kForRender, "SPEC",
     "The deployment's spec (docs/deploy-spec.md); \"-\": standard input",
     "Make every Kubernetes object of a deployment from one small spec", 1, &take_render, &validate_render},
    {"deploy schema", Command::kDeploySchema, kForSchema, "", "",
     "Print the JSON Schema or the reference of specs", 0, nullptr, &validate_schema},
    {"deploy validate", Command::kDeployValidate, kForValidate, "FILES",
     "Kubernetes YAML or JSON, specs of hadal, and directories of them; \"-\": standard input",
     "Find what is wrong with Kubernetes YAML, without a cluster", kMaxFiles, &take_validate,
     &validate_validate},
    {"deploy rules", Command::kDeployRules, kForRules, "", "", "Explain every rule of deploy validate", 0,
     nullptr, &validate_rules},
};

}  // namespace

std::span<const FlagSpec> deploy_flags() {
  return kFlags;
}
std::span<const CommandSpec> deploy_commands() {
  return kCommands;
}

}  // namespace hadal
