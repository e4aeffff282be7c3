#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "app/commands.h"
#include "app/deploy_cluster.h"
#include "app/signals.h"
#include "deploy/cluster/apply_run.h"
#include "deploy/cluster/delete_run.h"
#include "deploy/cluster/diff_run.h"

namespace hadal {

using namespace cluster;

namespace {

constexpr int kDiffFailed = 2;
constexpr int kAskInterval = 100;  // milliseconds

// input: null for a revision, which has its own namespaces.
ApplyRunOptions run_options(const Settings& settings, const KubeTarget& target, const ApplyInput* input) {
  const DeployClusterConfig& c = settings.cluster;
  ApplyRunOptions out;
  out.namespace_name = target.namespace_name;
  // A spec's other namespaces (for dashboards, say) are meant; another one in a manifest is a mistake.
  if (input != nullptr && !input->namespace_name.empty()) out.namespace_name = input->namespace_name;
  out.strict_namespace = input != nullptr && !input->from_spec && !c.namespace_name.empty();
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

// A signal is no answer: it does not end a read by itself.
bool ask_on_terminal(const std::string& question, const std::stop_token& stop) {
  std::fprintf(stderr, "%s [y/N] ", question.c_str());
  char answer[16] = {};
  pollfd terminal{STDIN_FILENO, POLLIN, 0};
  while (::poll(&terminal, 1, kAskInterval) <= 0) {
    if (stop.stop_requested()) return false;
  }
  const ssize_t n = ::read(STDIN_FILENO, answer, sizeof answer - 1);
  return n > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}

int client_dry_run(const ApplyInput& input) {
  for (const ApplyObject& object : input.objects)
    print_line("wave " + std::to_string(object.wave) + ": " + object.title() +
               " would be applied (dry run, the cluster was not asked)");
  return 0;
}

// Before anything has begun that a signal should wait for: standard input may never end.
Result<std::vector<ManifestFile>> read_unless_interrupted(const Settings& settings) {
  let_signals_end_process();
  auto files = read_manifest_files(settings.deploy.arguments);
  block_signals();
  return files;
}

int apply_files(Settings& settings, const std::vector<ManifestFile>& files, std::stop_token stop) {
  const ApplyHooks hooks = make_apply_hooks();
  auto input = read_apply_input(files, hooks, settings.cluster.namespace_name);
  if (!input.ok()) return input_failed(input.error());
  const Status named = check_namespaces(*input, settings.cluster.namespace_name);
  if (!named.ok()) return input_failed(named.error());
  if (!say_findings(input->findings)) return 1;
  if (!settings.cluster.skip_validation && !input->from_spec && hooks.validate &&
      !say_findings(hooks.validate(files)))
    return 1;
  input->name =
      settings.cluster.name.empty() ? default_deployment_name(*input, files) : settings.cluster.name;
  if (settings.cluster.dry_run == "client") return client_dry_run(*input);
  auto client = make_kube_client(settings, stop);
  if (!client.ok()) return deploy_failed(client.error());
  const auto code =
      ApplyRun(*client, run_options(settings, client->target(), &*input), print_line).run(*input);
  return code.ok() ? *code : deploy_failed(code.error());
}

int roll_back(Settings& settings, std::stop_token stop) {
  if (const Status named = name_from_spec(settings); !named.ok()) return input_failed(named.error());
  auto client = make_kube_client(settings, stop);
  if (!client.ok()) return deploy_failed(client.error());
  auto input = read_revision_input(*client, settings.deploy.arguments[0], settings.cluster.to_revision);
  if (!input.ok()) return deploy_failed(input.error());
  print_line("going back: " + input->source);
  if (settings.cluster.dry_run == "client") return client_dry_run(*input);
  const ApplyRunOptions options = run_options(settings, client->target(), nullptr);
  const auto code = ApplyRun(*client, options, print_line).run(std::move(*input));
  return code.ok() ? *code : deploy_failed(code.error());
}

int delete_named(Settings& settings, std::stop_token stop) {
  if (const Status named = name_from_spec(settings); !named.ok()) return input_failed(named.error());
  auto client = make_kube_client(settings, stop);
  if (!client.ok()) return deploy_failed(client.error());
  if (settings.cluster.dry_run == "client")
    return deploy_failed(
        invalid_argument("what there is to delete is known to the cluster alone: use --dry-run=server"), 2);
  DeleteOptions options;
  options.namespace_name = client->target().namespace_name;
  options.name = settings.deploy.arguments[0];
  options.storage = settings.cluster.delete_storage;
  options.dry_run = settings.cluster.dry_run == "server";
  options.wait = settings.cluster.wait;
  options.timeout = settings.cluster.timeout;
  if (!settings.cluster.assume_yes && !options.dry_run) {
    if (::isatty(STDIN_FILENO) != 1)
      return deploy_failed(
          invalid_argument("delete asks before it deletes, and there is no terminal: add --yes"), 2);
    options.confirm = [stop](const std::string& question) { return ask_on_terminal(question, stop); };
  }
  const auto code = run_delete(*client, options, print_line);
  return code.ok() ? *code : deploy_failed(code.error());
}

int diff_files(Settings& settings, const std::vector<ManifestFile>& files, std::stop_token stop) {
  const ApplyHooks hooks = make_apply_hooks();
  auto input = read_apply_input(files, hooks, settings.cluster.namespace_name);
  if (!input.ok()) return deploy_failed(input.error(), kDiffFailed);
  input->name =
      settings.cluster.name.empty() ? default_deployment_name(*input, files) : settings.cluster.name;
  auto client = make_kube_client(settings, stop);
  if (!client.ok()) return deploy_failed(client.error(), kDiffFailed);
  const auto code = run_diff(*client, run_options(settings, client->target(), &*input), *input, print_line);
  return code.ok() ? *code : deploy_failed(code.error(), kDiffFailed);
}

}  // namespace

int run_deploy_apply(Settings settings) {
  const auto files = read_unless_interrupted(settings);
  if (!files.ok()) return deploy_failed(files.error());
  return run_stoppable([&](std::stop_token stop) { return apply_files(settings, *files, std::move(stop)); });
}

int run_deploy_rollback(Settings settings) {
  return run_stoppable([&](std::stop_token stop) { return roll_back(settings, std::move(stop)); });
}

int run_deploy_delete(Settings settings) {
  return run_stoppable([&](std::stop_token stop) { return delete_named(settings, std::move(stop)); });
}

int run_deploy_diff(Settings settings) {
  const auto files = read_unless_interrupted(settings);
  if (!files.ok()) return deploy_failed(files.error(), kDiffFailed);
  return run_stoppable([&](std::stop_token stop) { return diff_files(settings, *files, std::move(stop)); });
}

}  // namespace hadal
