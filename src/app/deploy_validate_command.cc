// hadal deploy validate and hadal deploy rules: what is wrong with Kubernetes YAML, and why.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>

#include "app/cluster_schemas.h"
#include "app/commands.h"
#include "app/signals.h"
#include "base/file.h"
#include "deploy/manifest.h"
#include "deploy/render.h"
#include "deploy/spec.h"
#include "deploy/validate.h"
#include "deploy/validate/fix.h"
#include "deploy/validate/report_format.h"
#include "deploy/validate/rule_table.h"
#include "deploy/validate/schema.h"

namespace hadal {
namespace {

int fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 2;
}

bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

Severity severity_of(const std::string& name) {
  if (name == "error") return Severity::kError;
  return name == "warning" ? Severity::kWarning : Severity::kInfo;
}

ValidateOptions options_of(const DeployConfig& config, const SchemaSet* schemas) {
  ValidateOptions out;
  out.schemas = schemas;
  if (!config.kubernetes_version.empty()) out.kubernetes_version = config.kubernetes_version;
  if (!config.lws_version.empty()) out.lws_version = config.lws_version;
  if (!config.kserve_version.empty()) out.kserve_version = config.kserve_version;
  if (!config.volcano_version.empty()) out.volcano_version = config.volcano_version;
  out.disabled_rules = config.disabled_rules;
  out.unknown_kinds_are_errors = config.strict_kinds;
  return out;
}

// What rendering says of a spec that it refuses: "FILE:LINE:COLUMN: ..." where it knows the place.
Finding spec_finding(const std::string& path, const Error& error) {
  const RuleInfo& rule = *find_rule("object/spec");
  Finding out;
  out.rule = rule.id;
  out.severity = rule.severity;
  out.file = path;
  out.message = error.message;
  out.why = rule.why;
  out.fix = rule.fix;
  const std::string_view text = error.message;
  if (text.starts_with(path + ":")) {
    const char* at = text.data() + path.size() + 1;
    const char* end = text.data() + text.size();
    const auto line = std::from_chars(at, end, out.line);
    if (line.ec == std::errc() && line.ptr != end && *line.ptr == ':')
      std::from_chars(line.ptr + 1, end, out.column);
  }
  return out;
}

// Specs of hadal's become what they render to; other files stay as they are. Findings: of specs that do not
// render, and what rendering warns of.
std::vector<ManifestFile> render_specs(std::vector<ManifestFile> files, std::vector<Finding>& findings) {
  std::vector<ManifestFile> out;
  for (ManifestFile& file : files) {
    if (!is_deploy_spec(file.text)) {
      out.push_back(std::move(file));
      continue;
    }
    const Result<DeploySpec> spec = parse_deploy_spec(file.text, file.path);
    const Result<RenderResult> rendered = spec.ok() ? render_spec(*spec) : Result<RenderResult>(spec.error());
    if (!rendered.ok()) {
      findings.push_back(spec_finding(file.path, rendered.error()));
      continue;
    }
    findings.insert(findings.end(), rendered->findings.begin(), rendered->findings.end());
    out.push_back({file.path + " (rendered)", to_manifest_yaml(rendered->objects)});
  }
  return out;
}

// Writes the files that safe fixes change.
Result<FixResult> fix_files(std::vector<ManifestFile>& files, const ValidateOptions& options) {
  std::vector<std::string> keep;
  for (const ManifestFile& file : files) {
    if (file.path.ends_with(" (rendered)")) keep.push_back(file.path);
  }
  FixResult fixed = apply_safe_fixes(files, options, keep);
  for (const ManifestFile& file : files) {
    if (std::find(fixed.changed.begin(), fixed.changed.end(), file.path) == fixed.changed.end()) continue;
    HADAL_RETURN_IF_ERROR(write_file(file.path, file.text));
  }
  return fixed;
}

// What was fixed, and what was not after all: those findings offer no --fix any more.
void tell_fixes(const FixResult& fixed, ValidationReport& report) {
  if (fixed.num_fixed > 0) std::fprintf(stderr, "fixed: %d\n", fixed.num_fixed);
  for (const RefusedFix& refused : fixed.refused) {
    const Finding& f = refused.finding;
    std::fprintf(stderr, "not fixed: %s:%d:%d: [%s] %s\n", f.file.c_str(), f.line, f.column, f.rule.c_str(),
                 refused.reason.c_str());
    for (Finding& shown : report.findings) {
      if (shown.file == f.file && shown.line == f.line && shown.column == f.column && shown.rule == f.rule)
        shown.safe_fix = false;
    }
  }
}

// Those built in, of the cluster where it is asked for, and of files: each replaces what was before. The
// cluster's version is put into the settings where none is given.
Result<std::shared_ptr<const SchemaSet>> load_schemas(Settings& settings) {
  DeployConfig& config = settings.deploy;
  if (!config.schemas_from_cluster)
    return config.schemas.empty() ? SchemaSet::builtin() : SchemaSet::load(config.schemas);
  auto set = std::make_shared<SchemaSet>();
  HADAL_RETURN_IF_ERROR(add_builtin_schemas(*set));
  HADAL_ASSIGN(const ClusterSchemas cluster, add_cluster_schemas(*set, settings, {}));
  if (config.kubernetes_version.empty()) config.kubernetes_version = cluster.kubernetes_version;
  HADAL_RETURN_IF_ERROR(SchemaSet::read_files(*set, config.schemas));
  return std::shared_ptr<const SchemaSet>(std::move(set));
}

bool names_rules(const std::string& disabled) {
  if (!disabled.ends_with("/*")) return find_rule(disabled) != nullptr;
  const std::string_view family = std::string_view(disabled).substr(0, disabled.size() - 1);
  const std::vector<RuleInfo> rules = all_rules();
  return std::any_of(rules.begin(), rules.end(),
                     [&](const RuleInfo& rule) { return rule.id.starts_with(family); });
}

// "1.32", "v0.9.0-rc1".
bool is_version(std::string_view text) {
  if (text.starts_with("v")) text.remove_prefix(1);
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

Status check_settings(const DeployConfig& config) {
  for (const std::string& rule : config.disabled_rules) {
    if (!names_rules(rule))
      return invalid_argument("--disable names no rule: ", rule, " (hadal deploy rules lists them)");
  }
  const std::pair<std::string_view, const std::string&> versions[] = {
      {"--kubernetes-version", config.kubernetes_version},
      {"--lws-version", config.lws_version},
      {"--kserve-version", config.kserve_version},
      {"--volcano-version", config.volcano_version}};
  for (const auto& [flag, text] : versions) {
    if (!text.empty() && !is_version(text))
      return invalid_argument(flag, ": ", text, " is no version: write it as 1.32 or v0.9.0");
  }
  return {};
}

// `helm template ... | hadal deploy validate -` where helm failed: the pipe is green, and nothing was looked
// at.
bool is_empty_input(const DeployConfig& config, const ValidationReport& report) {
  return config.arguments.size() == 1 && config.arguments[0] == "-" && report.num_objects == 0 &&
         report.num_unchecked == 0 && report.findings.empty();
}

}  // namespace

int run_deploy_validate(Settings settings) {
  let_signals_end_process();
  DeployConfig& config = settings.deploy;
  if (const Status read = check_settings(config); !read.ok()) return fail(read.error());
  auto files = read_manifest_files(config.arguments);
  if (!files.ok()) return fail(files.error());
  std::vector<Finding> of_specs;
  files = render_specs(*std::move(files), of_specs);
  const Result<std::shared_ptr<const SchemaSet>> schemas = load_schemas(settings);
  if (!schemas.ok()) return fail(schemas.error());
  const ValidateOptions options = options_of(config, schemas->get());
  FixResult fixed;
  if (config.fix) {
    Result<FixResult> done = fix_files(*files, options);
    if (!done.ok()) return fail(done.error());
    fixed = *std::move(done);
  }
  ValidationReport report = validate_manifests(*files, options);
  if (is_empty_input(config, report) && of_specs.empty())
    return fail(
        invalid_argument("standard input held no object: what was to write it failed, or wrote nothing"));
  tell_fixes(fixed, report);
  report.findings.insert(report.findings.begin(), of_specs.begin(), of_specs.end());
  const std::vector<Finding> findings = findings_from(report, severity_of(config.severity));
  std::string text;
  if (config.report_format == "json") {
    text = report_json(report, findings);
  } else if (config.report_format == "sarif") {
    text = report_sarif(findings, HADAL_VERSION);
  } else {
    text = report_text(report, findings,
                       ::isatty(STDOUT_FILENO) == 1 && settings.environment.count("NO_COLOR") == 0);
  }
  if (!print(text)) return fail(make_error(ErrorCode::kIo, "cannot write to standard output"));
  return report.has_errors() || (config.fail_on_unchecked && report.num_unchecked > 0) ? 1 : 0;
}

int run_deploy_rules(Settings settings) {
  const std::string& format = settings.deploy.report_format;
  if (format == "markdown") return print(rules_markdown()) ? 0 : 1;
  return print(format == "json" ? rules_json() : rules_text()) ? 0 : 1;
}

}  // namespace hadal
