// run_diff: what an apply would change, object by object, as the server itself works it out in a dry run.
// One thread.
#pragma once

#include "base/result.h"
#include "deploy/cluster/apply_run.h"

namespace hadal::cluster {

inline constexpr int kDiffRefused = 2;
// Exit code: 0 nothing would change, 1 something would, 2 the cluster would refuse an object (the others are
// still shown). Errors: the connection.
Result<int> run_diff(KubeClient& client, const ApplyRunOptions& options, ApplyInput input,
                     const PrintLine& print);

}  // namespace hadal::cluster
