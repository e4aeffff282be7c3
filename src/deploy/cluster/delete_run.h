// run_delete: what apply made goes, last wave first; storage stays unless asked for. Can be run again after
// it was cut short. One thread.
#pragma once

#include <functional>

#include "base/result.h"
#include "deploy/cluster/apply_run.h"

namespace hadal::cluster {

struct DeleteOptions {
  std::string namespace_name, name;
  bool storage = false;
  bool dry_run = false;
  bool wait = true;
  std::chrono::milliseconds timeout{std::chrono::minutes(10)};
  // Asked once, after the list of what goes was printed; empty: yes.
  std::function<bool(const std::string& question)> confirm;
};

// The exit code. Errors: the connection, no such deployment.
Result<int> run_delete(KubeClient& client, const DeleteOptions& options, const PrintLine& print);

}  // namespace hadal::cluster
