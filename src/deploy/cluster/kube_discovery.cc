#include "deploy/cluster/kube_discovery.h"

#include "deploy/cluster/json_path.h"

namespace hadal::cluster {

std::vector<KubeResource> read_resource_list(const Json& list, std::string_view api_version) {
  std::vector<KubeResource> out;
  for (const Json& item : array_at(list, "resources")) {
    const std::string_view plural = text_at(item, "name"), kind = kind_of(item);
    if (!is_path_segment(plural) || kind.empty()) continue;
    out.push_back(
        {std::string(api_version), std::string(kind), std::string(plural), bool_at(item, "namespaced")});
  }
  return out;
}

std::vector<KubeResource> resources_of_crd(const Json& crd) {
  std::vector<KubeResource> out;
  const std::string_view plural = text_at(crd, "spec.names.plural");
  if (!is_path_segment(plural)) return out;
  for (const Json& version : array_at(crd, "spec.versions")) {
    if (!bool_at(version, "served", true)) continue;
    out.push_back({std::string(text_at(crd, "spec.group")) + "/" + std::string(text_at(version, "name")),
                   std::string(text_at(crd, "spec.names.kind")), std::string(plural),
                   text_at(crd, "spec.scope") == "Namespaced"});
  }
  return out;
}

Result<std::vector<KubeResource>> KubeDiscovery::load(const std::string& api_version) {
  KubeCall request;
  request.path = group_version_path(api_version);
  HADAL_ASSIGN(const KubeReply reply, client_.call(request));
  if (reply.status == 404) return std::vector<KubeResource>();
  if (!reply.ok()) return kube_error(reply, "cannot read the kinds of " + api_version);
  return read_resource_list(reply.body, api_version);
}

// "the cluster has apps/v1", where the group is there under other versions.
std::string KubeDiscovery::group_hint(std::string_view api_version) {
  const std::string group(group_of(api_version));
  if (group.empty()) return "";
  const auto found = client_.get("/apis/" + group);
  if (!found.ok())
    return ": install the CRDs and the controller of " + group + " first, or leave these objects out";
  std::string versions;
  for (const Json& version : array_at(*found, "versions"))
    versions += (versions.empty() ? "" : ", ") + std::string(text_at(version, "groupVersion"));
  return ": the cluster has " + versions;
}

Result<KubeResource> KubeDiscovery::find(std::string_view api_version, std::string_view kind) {
  auto known = known_.find(api_version);
  if (known == known_.end()) {
    HADAL_ASSIGN(std::vector<KubeResource> loaded, load(std::string(api_version)));
    known = known_.emplace(api_version, std::move(loaded)).first;
  }
  for (const auto* list : {&known->second, &expected_}) {
    for (const KubeResource& resource : *list) {
      if (resource.kind == kind && resource.api_version == api_version) return resource;
    }
  }
  return make_error(ErrorCode::kNotFound, "the cluster does not serve ", kind, " of ", api_version,
                    known->second.empty() ? group_hint(api_version) : ": this version has no such kind");
}

void KubeDiscovery::expect(const Json& crd) {
  for (KubeResource& resource : resources_of_crd(crd)) expected_.push_back(std::move(resource));
}

bool KubeDiscovery::is_expected(std::string_view api_version, std::string_view kind) const {
  const auto known = known_.find(api_version);
  if (known != known_.end()) {
    for (const KubeResource& resource : known->second) {
      if (resource.kind == kind) return false;
    }
  }
  for (const KubeResource& resource : expected_) {
    if (resource.kind == kind && resource.api_version == api_version) return true;
  }
  return false;
}

void KubeDiscovery::forget() {
  known_.clear();
}

}  // namespace hadal::cluster
