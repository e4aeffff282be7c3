#include <cstdio>

#include "app/commands.h"
#include "app/deploy_cluster.h"
#include "deploy/cluster/apply_run.h"

namespace hadal {

using namespace cluster;

namespace {

ApplyRunOptions run_options(const Settings& settings, const KubeTarget& target) {
  const DeployClusterConfig& c = settings.cluster;
  ApplyRunOptions out;
  out.namespace_name = target.namespace_name;
  out.strict_namespace = !c.namespace_name.empty();
  out.dry_run = c.dry_run == "server";
  out.wait = c.wait;
  out.timeout = c.timeout;
  out.force_conflicts = c.force_conflicts;
  out.prune = c.prune;
  out.prune_storage = c.prune_storage;
  out.prune_first = c.prune_first;
  out.skip_validation = c.skip_validation;
  out.create_namespace = c.create_namespace;
  return out;
}

// False: an error was found.
bool say_findings(const std::vector<Finding>& findings) {
  int num_errors = 0;
  for (const Finding& f : findings) {
    if (f.severity == Severity::kInfo) continue;
    const bool is_error = f.severity == Severity::kError;
    num_errors += is_error;
    std::string line = f.file;
    if (f.line > 0) line += ":" + std::to_string(f.line) + ":" + std::to_string(f.column);
    line += std::string(line.empty() ? "" : ": ") + (is_error ? "error" : "warning") + " [" + f.rule + "] " +
            f.message;
    if (!f.fix.empty()) line += "; " + f.fix;
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  if (num_errors > 0)
    std::fprintf(stderr,
                 "hadal deploy: nothing was applied: correct these, or apply with --skip-validation\n");
  return num_errors == 0;
}

int client_dry_run(const ApplyInput& input) {
  for (const ApplyObject& object : input.objects)
    print_line("wave " + std::to_string(object.wave) + ": " + object.title() +
               " would be applied (dry run, the cluster was not asked)");
  return 0;
}

}  // namespace

int run_deploy_apply(Settings settings) {
  const auto files = read_manifest_files(settings.deploy.arguments);
  if (!files.ok()) return deploy_failed(files.error());
  const ApplyHooks hooks = make_apply_hooks();
  auto input = read_apply_input(*files, hooks, settings.cluster.namespace_name);
  if (!input.ok()) return deploy_failed(input.error());
  if (!say_findings(input->findings)) return 1;
  if (!settings.cluster.skip_validation && !input->from_spec && hooks.validate &&
      !say_findings(hooks.validate(*files)))
    return 1;
  input->name =
      settings.cluster.name.empty() ? default_deployment_name(*input, *files) : settings.cluster.name;
  if (settings.cluster.dry_run == "client") return client_dry_run(*input);
  const StopOnSignal stop;
  auto client = make_kube_client(settings, stop.token());
  if (!client.ok()) return deploy_failed(client.error());
  const auto code =
      ApplyRun(*client, run_options(settings, client->target()), print_line).run(std::move(*input));
  return code.ok() ? *code : deploy_failed(code.error());
}

int run_deploy_rollback(Settings) {
  return 2;
}
int run_deploy_delete(Settings) {
  return 2;
}
int run_deploy_diff(Settings) {
  return 2;
}
int run_deploy_status(Settings) {
  return 2;
}
int run_deploy_logs(Settings) {
  return 2;
}
int run_deploy_doctor(Settings) {
  return 2;
}

}  // namespace hadal
