// ApplyInput: the objects that an apply, a diff or a delete is about, in waves, each with the place it has in
// the cluster. Values; the functions are pure but for what they ask the cluster. One thread at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/kube_discovery.h"
#include "deploy/finding.h"
#include "deploy/manifest.h"

namespace hadal::cluster {

struct ApplyObject {
  Json object;
  int wave = 3;
  std::string origin;     // "file.yaml:12"; "" where it was rendered
  KubeResource resource;  // once resolved
  std::string path() const;
  std::string title() const;
};

struct ApplyInput {
  std::string name;            // of the deployment; "": the input does not say
  std::string namespace_name;  // a spec's own; "": the input does not say
  std::string source;          // for the history: "deepseek.yaml"
  std::vector<ApplyObject> objects;
  bool from_spec = false;
  std::vector<Finding> findings;
};

// What lies in deploy's other parts, given by the program: a spec of hadal's to objects, and the validator.
struct ApplyHooks {
  std::function<bool(std::string_view text)> is_spec;
  std::function<Result<ApplyInput>(const ManifestFile& file, const std::string& namespace_name)> render;
  std::function<std::vector<Finding>(const std::vector<ManifestFile>& files)> validate;
};

// The files, or the one spec, as objects by wave. Errors: kInvalidArgument with the place.
Result<ApplyInput> read_apply_input(const std::vector<ManifestFile>& files, const ApplyHooks& hooks,
                                    const std::string& namespace_name);
// The wave of a manifest's object (deploy/render.h has the list).
int wave_of(const Json& object);
// The name where the input has none: the objects' label app.kubernetes.io/part-of, or that of the file.
std::string default_deployment_name(const ApplyInput& input, const std::vector<ManifestFile>& files);

// "FILE:3: the namespace of WHAT is "a", and --namespace is "b": ...".
Error namespace_mismatch(const std::string& place, const std::string& what, const std::string& own,
                         const std::string& given);

// Finds each object's place; one that stands twice alike is kept once. namespace_name: of those that name
// none. strict_namespace: another namespace in an object is an error (--namespace was given). Errors name the
// object and where it stands.
Status resolve_objects(ApplyInput& input, KubeDiscovery& discovery, const std::string& namespace_name,
                       bool strict_namespace);

}  // namespace hadal::cluster
