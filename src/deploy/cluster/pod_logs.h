// LogReader: the logs of many containers, one after another, or all at once as they are written. Following
// goes on over connections that break and over pods that come and go. Lines are printed whole, by one thread
// at a time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/kube_client.h"
#include "deploy/cluster/pod_state.h"

namespace hadal::cluster {

struct LogOptions {
  bool follow = false, previous = false, timestamps = false;
  int64_t since_seconds = 0;
  int tail = -1;
  std::vector<std::string> containers;  // none: all but finished init containers
};

// One container whose log is wanted.
struct LogTarget {
  std::string namespace_name, pod, uid, container;
  std::string prefix;   // "[0/1 dsr1-0-1] "
  std::string waiting;  // why there can be no log yet: "pending: ..."; "": there can be
  bool operator==(const LogTarget& other) const {
    return pod == other.pod && uid == other.uid && container == other.container;
  }
};
// ranks: "1", "0/1"; none: all. A rank without a pod, or whose pod has no node, is a target that waits.
// Errors: kInvalidArgument for a rank that is no rank, kNotFound where no pod is left.
Result<std::vector<LogTarget>> select_log_targets(const std::vector<Json>& workloads, const ClusterView& view,
                                                  const std::vector<std::string>& ranks,
                                                  const LogOptions& options);

using PrintLog = std::function<void(const std::string& prefix, std::string_view line)>;

// Prints each whole. A container without a log yet is said to have none, with the reason. False: none has
// one.
Result<bool> read_logs(KubeClient& client, const std::vector<LogTarget>& targets, const LogOptions& options,
                       const PrintLog& print);
// Until stop. find: the targets there are now, asked every two seconds.
Status follow_logs(KubeClient& client, const std::function<Result<std::vector<LogTarget>>()>& find,
                   const LogOptions& options, const PrintLog& print);

}  // namespace hadal::cluster
