// The flags and commands of hadal deploy that talk to a cluster.
#include "config/deploy_cluster_flags.h"

#include "config/flag_fields.h"

namespace hadal {
namespace {

template <auto Field>
using Clu = FlagField<&Settings::cluster, Field>;
using CC = DeployClusterConfig;

constexpr unsigned kForChange = kForApply | kForRollback;
constexpr unsigned kForNamed = kForDiff | kForApply;

const FlagSpec kFlags[] = {
    // clang-format off
    {"--kubeconfig", kForCluster, "Cluster", "FILE", "kubeconfig to use alone; default: the files of KUBECONFIG, else ~/.kube/config, else the pod's service account", kOnce, HADAL_FIELD(Clu, &CC::kubeconfig)},
    {"--context", kForCluster, "Cluster", "NAME", "Context of the kubeconfig; default: its current one", kOnce, HADAL_FIELD(Clu, &CC::context)},
    {"--namespace,-n", kForCluster, "Cluster", "NAME", "Namespace; default: the context's", kOnce, HADAL_FIELD(Clu, &CC::namespace_name)},

    {"--name", kForNamed, "Apply", "NAME", "Name that the objects are kept under in the cluster; default: the spec's, the objects' label app.kubernetes.io/part-of, or the file's", kOnce, HADAL_FIELD(Clu, &CC::name)},
    {"--dry-run", kForChange | kForDelete, "Apply", "HOW", "none; client (say what would be sent, ask no cluster); server (the cluster checks everything and changes nothing)", kOnce, HADAL_FIELD(Clu, &CC::dry_run)},
    {"--wait", kForChange | kForDelete, "Apply", "", "Wait until everything is ready, or gone (on by default; =false turns it off)", kOnce, HADAL_FIELD(Clu, &CC::wait)},
    {"--timeout", kForChange | kForDelete, "Apply", "DURATION", "How long to wait in all", kOnce, HADAL_FIELD(Clu, &CC::timeout)},
    {"--force-conflicts", kForChange, "Apply", "", "Take over fields and objects that somebody else set", kOnce, HADAL_FIELD(Clu, &CC::force_conflicts)},
    {"--prune", kForChange | kForDiff, "Apply", "", "Remove what the last revision had and this one has not (on by default; =false turns it off)", kOnce, HADAL_FIELD(Clu, &CC::prune)},
    {"--prune-storage", kForChange | kForDiff, "Apply", "", "Prune volumes, secrets, namespaces and CRDs too: their data is lost", kOnce, HADAL_FIELD(Clu, &CC::prune_storage)},
    {"--prune-first", kForChange, "Apply", "", "Prune old workloads before waiting for new ones: where there are no spare GPUs", kOnce, HADAL_FIELD(Clu, &CC::prune_first)},
    {"--skip-validation", kForApply, "Apply", "", "Do not run `hadal deploy validate` first, and let the cluster only warn of unknown fields", kOnce, HADAL_FIELD(Clu, &CC::skip_validation)},
    {"--create-namespace", kForChange, "Apply", "", "Make the namespace where it is missing; it is never pruned or deleted", kOnce, HADAL_FIELD(Clu, &CC::create_namespace)},
    {"--to", kForRollback, "Apply", "REVISION", "Revision to go back to; 0: the one before the newest", kOnce, HADAL_FIELD(Clu, &CC::to_revision)},
    {"--storage", kForDelete, "Apply", "", "Delete volumes, secrets, namespaces and CRDs too: their data is lost", kOnce, HADAL_FIELD(Clu, &CC::delete_storage)},
    {"--yes,-y", kForDelete, "Apply", "", "Do not ask", kOnce, HADAL_FIELD(Clu, &CC::assume_yes)},

    {"--watch,-w", kForStatus, "View", "", "Stay, and show every change", kOnce, HADAL_FIELD(Clu, &CC::watch)},
    {"--format", kForStatus | kForDoctor | kForHistory, "View", "FORMAT", "text or json", kOnce, HADAL_FIELD(Clu, &CC::format)},
    {"--rank", kForLogs, "View", "RANK", "Only this rank (1), or this rank of one group (0/1: rank 1 of group 0); repeat for more", kMany, HADAL_FIELD(Clu, &CC::ranks)},
    {"--container,-c", kForLogs, "View", "NAME", "Only this container, init containers too; repeat for more", kMany, HADAL_FIELD(Clu, &CC::containers)},
    {"--follow,-f", kForLogs, "View", "", "Stay, and show what is written", kOnce, HADAL_FIELD(Clu, &CC::follow)},
    {"--previous,-p", kForLogs, "View", "", "Of the container before its last restart", kOnce, HADAL_FIELD(Clu, &CC::previous)},
    {"--since", kForLogs, "View", "DURATION", "Only lines newer than this; 0: all", kOnce, HADAL_FIELD(Clu, &CC::since)},
    {"--tail", kForLogs, "View", "LINES", "Only the last lines of each container; -1: all", kOnce, HADAL_FIELD(Clu, &CC::tail)},
    {"--timestamps", kForLogs, "View", "", "Put the time before each line", kOnce, HADAL_FIELD(Clu, &CC::timestamps)},
    {"--from", kForDoctor, "View", "DIR", "Look at what --save wrote instead of a cluster", kOnce, HADAL_FIELD(Clu, &CC::from_dir)},
    {"--save", kForDoctor, "View", "DIR", "Write what was looked at into DIR: objects, logs, metrics, without secrets", kOnce, HADAL_FIELD(Clu, &CC::save_dir)},
    // clang-format on
};

Status take_files(const std::vector<std::string>& arguments, const FlagValueMap&, Settings& settings) {
  settings.deploy.arguments = arguments;
  if (arguments.empty())
    return invalid_argument(
        "which files? a spec of hadal's, manifests, directories of them, or - for standard input");
  return {};
}

Status take_name(const std::vector<std::string>& arguments, const FlagValueMap&, Settings& settings) {
  settings.deploy.arguments = arguments;
  if (arguments.empty()) return invalid_argument("which deployment? give its name, or its spec");
  return {};
}

Status take_optional_name(const std::vector<std::string>& arguments, const FlagValueMap&,
                          Settings& settings) {
  settings.deploy.arguments = arguments;
  return {};
}

// "1", or "0/1".
bool is_rank(std::string_view text) {
  constexpr size_t kMaxDigits = 9;
  const auto is_number = [](std::string_view digits) {
    return !digits.empty() && digits.size() <= kMaxDigits &&
           digits.find_first_not_of("0123456789") == std::string_view::npos;
  };
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_number(text);
  return is_number(text.substr(0, slash)) && is_number(text.substr(slash + 1));
}

Status validate_cluster(const Settings& settings) {
  const DeployClusterConfig& c = settings.cluster;
  if (c.dry_run != "none" && c.dry_run != "client" && c.dry_run != "server")
    return invalid_argument("--dry-run is \"", c.dry_run, "\": it takes none, client or server");
  if (c.format != "text" && c.format != "json")
    return invalid_argument("--format is \"", c.format, "\": it takes text or json");
  if (c.to_revision < 0) return invalid_argument("--to is ", c.to_revision, ": it takes a revision's number");
  if (c.tail < -1) return invalid_argument("--tail is ", c.tail, ": it takes a count of lines, or -1");
  for (const std::string& rank : c.ranks) {
    if (!is_rank(rank))
      return invalid_argument("--rank is \"", rank, "\": it takes a rank (1), or group/rank (0/1)");
  }
  if (c.timeout.count() < 0)
    return invalid_argument("--timeout is negative: it takes a time, as 90s, 15m or 24h");
  if (!c.from_dir.empty() && !c.save_dir.empty())
    return invalid_argument("--from and --save were given together: keep one");
  return {};
}

constexpr size_t kMaxFiles = 10'000;
constexpr CommandSpec kCommands[] = {
    {"deploy diff", Command::kDeployDiff, kForDiff, "FILE...",
     "A spec of hadal's, or manifests and directories of them", "Show what apply would change in the cluster",
     kMaxFiles, &take_files, &validate_cluster},
    {"deploy apply", Command::kDeployApply, kForApply, "FILE...",
     "A spec of hadal's, or manifests and directories of them; - for standard input",
     "Bring objects into the cluster, wait until they are ready, prune what is no more", kMaxFiles,
     &take_files, &validate_cluster},
    {"deploy status", Command::kDeployStatus, kForStatus, "[NAME]",
     "Deployment; default: all of the namespace", "Show groups and ranks, and why one is not ready", 1,
     &take_optional_name, &validate_cluster},
    {"deploy logs", Command::kDeployLogs, kForLogs, "NAME|SPEC", "Deployment, by its name or its spec",
     "Show the logs of all ranks", 1, &take_name, &validate_cluster},
    {"deploy doctor", Command::kDeployDoctor, kForDoctor, "[NAME]",
     "Deployment; default: all of the namespace", "Find out what is wrong and what to do about it", 1,
     &take_optional_name, &validate_cluster},
    {"deploy delete", Command::kDeployDelete, kForDelete, "NAME|SPEC", "Deployment, by its name or its spec",
     "Remove what apply made; storage stays", 1, &take_name, &validate_cluster},
    {"deploy history", Command::kDeployHistory, kForHistory, "NAME|SPEC",
     "Deployment, by its name or its spec", "List the revisions that rollback can go back to", 1, &take_name,
     &validate_cluster},
    {"deploy rollback", Command::kDeployRollback, kForRollback, "NAME|SPEC",
     "Deployment, by its name or its spec", "Apply an earlier revision again", 1, &take_name,
     &validate_cluster},
};

}  // namespace

std::span<const FlagSpec> deploy_cluster_flags() {
  return kFlags;
}
std::span<const CommandSpec> deploy_cluster_commands() {
  return kCommands;
}

}  // namespace hadal
