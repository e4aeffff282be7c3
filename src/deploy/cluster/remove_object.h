// remove_object: takes one object out of the cluster, if it is the deployment's to take. What several
// deployments share stays for the others: the one that made it hands it on, and the last one removes it. A
// namespace goes only where nothing else lives in it. Blocking; one thread at a time.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "deploy/cluster/kube_client.h"
#include "deploy/cluster/kube_path.h"

namespace hadal::cluster {

struct RemoveOutcome {
  enum class Kind {
    kRemoved,
    kAbsent,
    kNotOurs,
    kNotMade,    // a shared object that was there before
    kShared,     // another deployment uses it
    kInhabited,  // a namespace in which something else lives
    kUnknown,    // a shared object, and who else uses it may not be seen
    kKept,       // it asks to be kept
    kUnseen,     // it may not be looked at: it is perhaps not even there
    kForbidden,  // it is there and may not be deleted
  };
  Kind kind = Kind::kRemoved;
  std::string detail;  // who uses it, and what can be done; may be empty
  // "stays: it is not this deployment's any more", with the detail.
  std::string text() const;
};

// Deletes an object that hadal applied for `owner`; one that it did not, or that asks to be kept (annotation
// helm.sh/resource-policy: keep), or that others use, stays. Its dependents go afterwards, in the background.
// A dry run hands nothing on either.
Result<RemoveOutcome> remove_object(KubeClient& client, const KubeResource& resource,
                                    const std::string& namespace_name, const std::string& name,
                                    const std::string& owner, bool dry_run);

// Deletes the object of that uid alone; any status is a success.
Result<KubeReply> delete_uid(KubeClient& client, const std::string& path, std::string_view uid, bool dry_run);

}  // namespace hadal::cluster
