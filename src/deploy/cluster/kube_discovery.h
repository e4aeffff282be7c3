// KubeDiscovery: which kinds the cluster serves and where. Asks for a group's version when it is first
// needed, and remembers. One thread at a time.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/kube_client.h"
#include "deploy/cluster/kube_path.h"

namespace hadal::cluster {

// The kinds of an APIResourceList, without subresources.
std::vector<KubeResource> read_resource_list(const Json& list, std::string_view api_version);
// The kinds that a CustomResourceDefinition will bring, one a served version.
std::vector<KubeResource> resources_of_crd(const Json& crd);

class KubeDiscovery {
 public:
  explicit KubeDiscovery(KubeClient& client) : client_(client) {}
  // Errors: kNotFound where the cluster does not serve the kind, saying what it serves that is near.
  Result<KubeResource> find(std::string_view api_version, std::string_view kind);
  // Kinds that an apply is about to create: find() knows them before the cluster does.
  void expect(const Json& crd);
  // Whether the kind is only expected, not served yet.
  bool is_expected(std::string_view api_version, std::string_view kind) const;
  // What is remembered is asked for again: a CRD has come.
  void forget();

 private:
  Result<std::vector<KubeResource>> load(const std::string& api_version);
  std::string group_hint(std::string_view api_version);

  KubeClient& client_;
  std::map<std::string, std::vector<KubeResource>, std::less<>> known_;
  std::vector<KubeResource> expected_;
};

}  // namespace hadal::cluster
