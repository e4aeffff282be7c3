// The flags and commands of the commands of hadal deploy.
#include <algorithm>

#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {
namespace {

template <auto Field>
using Dep = FlagField<&Settings::deploy, Field>;
using DC = DeployConfig;

const FlagSpec kFlags[] = {
    // clang-format off
    // render, schema
    {"--render-format,--format", kForRender, "Render", "FORMAT", "yaml: one stream of documents; kustomize: a base and an overlay; helm: a chart", kOnce, HADAL_FIELD(Dep, &DC::format)},
    {"--schema-format,--format", kForSchema, "Render", "FORMAT", "json: JSON Schema, for editors; markdown: the reference of the fields", kOnce, HADAL_FIELD(Dep, &DC::format)},
    {"--render-output,--output,-o", kForRender, "Render", "PATH", "File (yaml) or directory (kustomize, helm) to write; default: standard output", kOnce, HADAL_FIELD(Dep, &DC::output)},
    // clang-format on
};

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
};

}  // namespace

std::span<const FlagSpec> deploy_flags() {
  return kFlags;
}
std::span<const CommandSpec> deploy_commands() {
  return kCommands;
}

}  // namespace hadal
