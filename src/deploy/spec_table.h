// The one table of the deployment spec: every field's path, type, limits, meaning, default and place in
// DeploySpec. The parser, the JSON Schema and docs/deploy-spec.md are all made from it. A constant table; any
// thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "deploy/spec.h"

namespace hadal {

// Longest name of a deployment: NAME-open-webui and NAME-download-0 are within the 63 of a label.
inline constexpr size_t kMaxDeploymentName = 52;

enum class SpecType {
  kString,
  kBool,
  kInteger,
  kNumber,
  kQuantity,    // Kubernetes quantity: 700Gi, 96, 500m
  kStringList,  // strings
  kStringMap,   // string to string
  kSecretEnv,   // string to string: names of environment variables
};

// What the text of a string (or of each item of a list, or each value of a map) must be.
enum class TextRule {
  kAny,         // one line, no control characters
  kName,        // DNS-1035 label, at most 63: a name that becomes a Service's
  kDeployment,  // DNS-1035 label, at most 52: names of Jobs and Services begin with it
  kObjectName,  // DNS-1123 subdomain, at most 253
  kNamespace,   // DNS-1123 label
  kHost,        // DNS name, "*." allowed in front
  kImage,       // image reference
  kTag,         // tag of an image
  kRegistry,    // host[:port][/path] of a registry
  kPath,        // absolute path
  kVersion,     // 1.30, 0.9.0
  kLabelKey,    // [prefix/]name of a label
  kClass,       // ingressClassName or loadBalancerClass: [prefix/]name
  kSecretKey,   // key of a Secret
  kResource,    // extended resource: vendor.com/thing
  kCidr,        // 10.0.0.0/8
  kUrl,         // http(s)://host...
  kModelName,   // name that clients send
  kLabelValue,  // value of a label
  kArgument,    // one word of a command line, may hold spaces
  kInterface,   // network interface: eth0
  kDevice,      // RDMA device: mlx5_0
  kTaint,       // KEY, KEY=VALUE
  kServedFile,  // relative path inside the volume
  kCores,       // quantity of CPU: 64, 500m
  kBytes,       // quantity of memory or storage: 700Gi
};

struct SpecField {
  std::string_view path;  // "storage.download.source"
  SpecType type;
  std::string_view help;
  std::string_view choices;  // "pvc|s3"; "" for any
  TextRule rule = TextRule::kAny;
  double min = 0, max = 0;  // of numbers; both 0: none
  void (*set)(DeploySpec& spec, const Json& value) = nullptr;
  Json (*get)(const DeploySpec& spec) = nullptr;
  bool required = false;
};

struct SpecSection {
  std::string_view path;       // "storage.download"
  std::string_view shorthand;  // field that a plain value stands for: "type"; "" none
  std::string_view help;
};

std::span<const SpecField> spec_fields();
std::span<const SpecSection> spec_sections();
const SpecField* find_spec_field(std::string_view path);
const SpecSection* find_spec_section(std::string_view path);
// The last part of a path: "source".
std::string_view spec_key(std::string_view path);
// What stands before it: "storage.download", "" for a field of the top.
std::string_view spec_parent(std::string_view path);
// The names of the fields and sections right under `parent`, in the table's order.
std::vector<std::string_view> spec_children(std::string_view parent);

// Ok, or what the text must be ("must be a DNS label: ...").
Status check_spec_text(TextRule rule, std::string_view text);
// The regular expression of a rule for the JSON Schema; "" where it has none.
std::string_view spec_pattern(TextRule rule);

// A quantity's value in its base unit (bytes, cores); false where the text is none.
bool parse_quantity(std::string_view text, double& value);

// JSON Schema (draft 2020-12) and the field reference.
Json deploy_spec_schema();
std::string deploy_spec_markdown();

}  // namespace hadal
