#include "deploy/cluster/target_namespace.h"

#include <algorithm>

#include "deploy/cluster/inventory.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {

std::vector<std::pair<std::string, std::string>> namespaces_of(const ApplyInput& input,
                                                               const std::string& own) {
  std::vector<std::pair<std::string, std::string>> out = {{own, ""}};
  for (const ApplyObject& object : input.objects) {
    const std::string name(namespace_of(object.object));
    const bool known =
        std::any_of(out.begin(), out.end(), [&](const auto& entry) { return entry.first == name; });
    if (!name.empty() && !known) out.emplace_back(name, object.title());
  }
  return out;
}

const ApplyObject* namespace_in(const ApplyInput& input, const std::string& name) {
  const auto at = std::find_if(input.objects.begin(), input.objects.end(), [&](const ApplyObject& object) {
    return kind_of(object.object) == "Namespace" && name_of(object.object) == name;
  });
  return at == input.objects.end() ? nullptr : &*at;
}

Result<bool> is_namespace_missing(KubeClient& client, const std::string& name) {
  KubeCall request;
  request.path = object_path(*well_known_resource("Namespace"), "", name);
  HADAL_ASSIGN(const KubeReply reply, client.call(request));
  return reply.status == 404;
}

ApplyObject made_namespace(const std::string& name) {
  ApplyObject out;
  out.object = JsonObject{
      {"apiVersion", "v1"},
      {"kind", "Namespace"},
      {"metadata",
       JsonObject{{"name", name}, {"annotations", JsonObject{{kMadeWithAnnotation, "--create-namespace"}}}}}};
  out.wave = 0;
  out.resource = *well_known_resource("Namespace");
  return out;
}

std::string missing_namespace_advice(const std::string& name, const std::string& user) {
  if (user.empty())
    return "there is no namespace " + name +
           ": make it with --create-namespace, or choose another with --namespace";
  return "there is no namespace " + name + ", where " + user +
         " goes: make it with --create-namespace, or correct metadata.namespace";
}

}  // namespace hadal::cluster
