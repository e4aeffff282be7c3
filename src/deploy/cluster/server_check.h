// ServerCheck: what `--dry-run=server` finds: each object checked by the cluster as it would be applied;
// those whose namespace is only made by the same apply are checked by their schema, in the namespace
// "default"; what could not be checked is counted and said. Nothing is changed. One thread.
#pragma once

#include <string>

#include "base/result.h"
#include "deploy/cluster/apply_object.h"
#include "deploy/cluster/wait_run.h"

namespace hadal::cluster {

inline constexpr int kNotAllChecked = 3;  // exit code

class ServerCheck {
 public:
  // lenient: unknown fields are let pass, as apply would with --skip-validation.
  ServerCheck(KubeClient& client, const PrintLine& print, bool lenient)
      : client_(client), print_(print), lenient_(lenient) {}
  // The object as apply_object found it, or a refusal of it.
  void add(const ApplyObject& object, const ApplyOutcome& outcome);
  // Of an object whose namespace is not there yet, but will be. Errors: the connection.
  Status add_by_schema(const ApplyObject& object);
  void add_unchecked(const ApplyObject& object, const std::string& why);
  // Prints the counts. The exit code: 1 something was refused, else 3 something was not checked, else 0.
  int finish(const std::string& name);

 private:
  KubeClient& client_;
  const PrintLine& print_;
  const bool lenient_;
  int num_checked_ = 0, num_by_schema_ = 0, num_unchecked_ = 0, num_refused_ = 0;
};

// The namespace of a refusal because it does not exist; "": another refusal.
std::string missing_namespace(const ApplyOutcome& outcome);

}  // namespace hadal::cluster
