// What the commands that talk to a cluster share: the client made from the settings, lines on standard
// output, and SIGINT as a stop. Main thread.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "app/signals.h"
#include "base/result.h"
#include "config/settings.h"
#include "deploy/cluster/apply_input.h"
#include "deploy/cluster/kube_client.h"

namespace hadal {

// SIGINT and SIGTERM request a stop while this lives.
class StopOnSignal {
 public:
  StopOnSignal();
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  std::stop_token token() const { return stop_.get_token(); }
  // That of work which ended with `code`: 128 and the signal's number where it failed and a signal came.
  int exit_code(int code) const;

 private:
  SignalWatcher watcher_;
  std::stop_source stop_;
  std::jthread thread_;
};

// Runs a command that a signal may stop; the exit code.
int run_stoppable(const std::function<int(std::stop_token)>& work);

Result<cluster::KubeClient> make_kube_client(const Settings& settings, std::stop_token stop);
cluster::ApplyHooks make_apply_hooks();
// That what manifests say of their namespace is not another than `wanted`, of --namespace; "": none was
// given. A spec's is checked as it is read.
Status check_namespaces(const cluster::ApplyInput& input, const std::string& wanted);
// Where a deployment is given by its spec (or manifests) instead of its name: puts the name, and the spec's
// namespace where none was given, into the settings. Errors: the file; check_namespaces()'s.
Status name_from_spec(Settings& settings);
void print_line(const std::string& line);
// Says it on standard error; the exit code.
int deploy_failed(const Error& error, int code = 1);
// The same of files and specs that were given: what cannot be meant is wrong usage, as for render.
int input_failed(const Error& error);

}  // namespace hadal
