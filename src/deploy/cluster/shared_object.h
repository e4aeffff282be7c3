// Objects that several deployments may share: namespaces, queues, classes, gateways. The one that finds it
// missing makes it and is in charge of it until it goes and hands it on; the others add what is missing, and
// never change, take or remove what is there. Each deployment applies them under a field manager of its own,
// so that one that leaves a field out does not take it from another. Pure but for is_used_by_others; one
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/kube_client.h"

namespace hadal::cluster {

bool is_shared_kind(std::string_view kind);
// "hadal:llm/dsr1" for owner "llm/dsr1".
std::string shared_manager(const std::string& owner);
// Whether a field manager is one of hadal's, of any deployment.
bool is_hadal_manager(std::string_view manager);
// Whether `manager` has applied something of the object.
bool is_applied_by(const Json& live, std::string_view manager);
// The same, or was handed it on.
bool is_set_by(const Json& live, std::string_view manager);
// "hadal:llm/dsr1" as "deployment llm/dsr1"; other managers as they are.
std::string manager_title(std::string_view manager);

struct FieldDifference {
  std::string path;          // ".spec.weight"
  std::string wanted, live;  // as short JSON; "": none
};
// The fields of `wanted` that `live` has not, or has another value for; of the metadata labels and
// annotations alone. Values of Secrets are not shown.
std::vector<FieldDifference> different_fields(const Json& wanted, const Json& live);
// The same, the paths alone.
std::vector<std::string> missing_fields(const Json& wanted, const Json& live);
// As JSON, cut where it is long; "" for null.
std::string short_json(const Json* value);

// The deployments beside `owner` that have the object in their inventories, or live in it.
struct OtherUsers {
  std::vector<std::string> names;      // "llm/dsr1"; who lives in a namespace uses it
  std::vector<std::string> listed_by;  // those of them that apply it themselves
  bool known = true;                   // false: the inventories may not be read
};
// Errors: the connection.
Result<OtherUsers> find_other_users(KubeClient& client, const Json& live, const std::string& owner);

}  // namespace hadal::cluster
