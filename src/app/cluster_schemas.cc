#include "app/cluster_schemas.h"

#include "app/deploy_cluster.h"

namespace hadal {
namespace {

constexpr char kDefinitions[] = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

// "1" and "36+": 1.36.
std::string version_of(const Json& answer) {
  const Json* major = answer.find("major");
  const Json* minor = answer.find("minor");
  if (major == nullptr || minor == nullptr || !major->is_string() || !minor->is_string()) return "";
  const std::string digits = minor->as_string().substr(0, minor->as_string().find_first_not_of("0123456789"));
  return major->as_string().empty() || digits.empty() ? "" : major->as_string() + "." + digits;
}

}  // namespace

Result<ClusterSchemas> add_cluster_schemas(SchemaSet& set, const Settings& settings, std::stop_token stop) {
  HADAL_ASSIGN(cluster::KubeClient client, make_kube_client(settings, std::move(stop)));
  ClusterSchemas out;
  HADAL_ASSIGN(const Json version, client.get("/version"));
  out.kubernetes_version = version_of(version);
  HADAL_ASSIGN(const std::vector<Json> definitions, client.list(kDefinitions));
  for (const Json& definition : definitions) HADAL_RETURN_IF_ERROR(add_crd(set, definition));
  HADAL_ASSIGN(const Json document, client.get("/openapi/v2"));
  // It describes custom kinds too, without their rules: what the definitions gave stays.
  HADAL_RETURN_IF_ERROR(add_openapi(set, document, OpenApiKinds::kThoseNotRead));
  return out;
}

}  // namespace hadal
