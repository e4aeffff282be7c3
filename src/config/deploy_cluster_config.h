// DeployClusterConfig: what those commands of hadal deploy that talk to a cluster are asked to do. A value;
// any thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace hadal {

struct DeployClusterConfig {
  // Which cluster, and where in it.
  std::string kubeconfig, context, namespace_name;
  std::string name;  // of the deployment
  // diff, apply, rollback, delete
  std::string dry_run = "none";  // none, client, server
  bool wait = true;
  std::chrono::milliseconds timeout{std::chrono::hours(1)};
  bool force_conflicts = false;
  bool prune = true;
  bool prune_storage = false;
  bool prune_first = false;
  bool skip_validation = false;
  bool create_namespace = false;
  bool delete_storage = false;
  bool assume_yes = false;
  int to_revision = 0;  // 0: the one before
  // status, logs, doctor
  bool watch = false;
  std::string format = "text";     // text, json
  std::vector<std::string> ranks;  // "1", "0/1": group and rank
  std::vector<std::string> containers;
  bool follow = false, previous = false, timestamps = false;
  std::chrono::milliseconds since{0};
  int tail = -1;  // -1: all
  std::string from_dir, save_dir;
};

}  // namespace hadal
