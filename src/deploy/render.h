// render_spec: from one spec to every Kubernetes object of the deployment. Pure: the same spec gives the same
// bytes. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/finding.h"

namespace hadal {

struct DeploySpec;  // deploy/spec.h

// A comment above a field: why it has this value.
struct FieldComment {
  std::string
      path;  // "spec.template.spec.terminationGracePeriodSeconds"; items by number: "containers.0.env.3"
  std::string text;
};

struct RenderedObject {
  Json object;
  std::vector<FieldComment> comments;
  // Objects of a wave are applied, and waited for, before those of the next: 0 namespace, accounts, policies;
  // 1 storage, secrets' place, configuration; 2 the model's download; 3 workloads; 4 services and routes;
  // 5 monitoring, autoscaling and the rest.
  int wave = 0;
};

struct RenderResult {
  std::vector<RenderedObject> objects;  // by wave
  std::vector<Finding> findings;        // warnings about the spec; errors are the Result's
};

// Reads and checks a spec. Errors: kInvalidArgument, file:line:column, the field and the nearest known name.
Result<DeploySpec> parse_deploy_spec(std::string_view text, const std::string& path);
// Whether a file is a spec of hadal's, not a Kubernetes manifest.
bool is_deploy_spec(std::string_view text);
// Errors: kInvalidArgument, naming the fields that do not go together, or what cannot be fulfilled, and the
// fix.
Result<RenderResult> render_spec(const DeploySpec& spec);

// The whole as YAML: every string quoted, comments above their fields, documents by wave.
std::string to_manifest_yaml(const std::vector<RenderedObject>& objects);

}  // namespace hadal
