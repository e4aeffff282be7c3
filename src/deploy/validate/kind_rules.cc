#include <algorithm>

#include "config/nearest_name.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

// Versions that Kubernetes served once (its deprecation guide): since when no more, and what replaced them.
struct RemovedVersion {
  std::string_view api_version, kinds, since, instead;
  bool same_shape = false;  // the new one takes the same fields
};
constexpr RemovedVersion kRemoved[] = {
    {"extensions/v1beta1", "Deployment DaemonSet ReplicaSet", "1.16", "apps/v1"},
    {"extensions/v1beta1", "Ingress", "1.22", "networking.k8s.io/v1"},
    {"extensions/v1beta1", "NetworkPolicy", "1.16", "networking.k8s.io/v1", true},
    {"extensions/v1beta1", "PodSecurityPolicy", "1.16", ""},
    {"apps/v1beta1", "Deployment StatefulSet", "1.16", "apps/v1"},
    {"apps/v1beta2", "Deployment StatefulSet DaemonSet ReplicaSet", "1.16", "apps/v1", true},
    {"networking.k8s.io/v1beta1", "Ingress IngressClass", "1.22", "networking.k8s.io/v1"},
    {"rbac.authorization.k8s.io/v1beta1", "Role ClusterRole RoleBinding ClusterRoleBinding", "1.22",
     "rbac.authorization.k8s.io/v1", true},
    {"apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", "1.22", "apiextensions.k8s.io/v1"},
    {"admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
     "1.22", "admissionregistration.k8s.io/v1"},
    {"scheduling.k8s.io/v1beta1", "PriorityClass", "1.22", "scheduling.k8s.io/v1", true},
    {"storage.k8s.io/v1beta1", "StorageClass VolumeAttachment CSIDriver CSINode", "1.22", "storage.k8s.io/v1",
     true},
    {"batch/v1beta1", "CronJob", "1.25", "batch/v1", true},
    {"policy/v1beta1", "PodDisruptionBudget", "1.25", "policy/v1", true},
    {"policy/v1beta1", "PodSecurityPolicy", "1.25", ""},
    {"autoscaling/v2beta1", "HorizontalPodAutoscaler", "1.25", "autoscaling/v2"},
    {"autoscaling/v2beta2", "HorizontalPodAutoscaler", "1.26", "autoscaling/v2", true},
    {"discovery.k8s.io/v1beta1", "EndpointSlice", "1.25", "discovery.k8s.io/v1"},
    {"node.k8s.io/v1beta1", "RuntimeClass", "1.25", "node.k8s.io/v1", true},
    {"flowcontrol.apiserver.k8s.io/v1beta2", "FlowSchema PriorityLevelConfiguration", "1.29",
     "flowcontrol.apiserver.k8s.io/v1"},
    {"gateway.networking.k8s.io/v1alpha2", "Gateway GatewayClass HTTPRoute", "Gateway API 1.0",
     "gateway.networking.k8s.io/v1", true},
};

// Kinds that guides name and no project has.
struct InventedKind {
  std::string_view group, kind, instead;
};
constexpr InventedKind kInventedKinds[] = {
    {"nvidia.com", "NvidiaDevicePlugin",
     "ClusterPolicy (nvidia.com/v1) of the GPU operator, or the device plugin's DaemonSet"},
};

bool lists_word(std::string_view words, std::string_view word) {
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = std::min(words.find(' ', begin), words.size());
    if (words.substr(begin, end - begin) == word) return true;
    begin = end + 1;
  }
  return false;
}

bool is_served_by_core(std::string_view group, const SchemaSet& schemas) {
  return std::any_of(schemas.kinds().begin(), schemas.kinds().end(),
                     [&](const KindSchema& k) { return k.native && k.group == group; });
}

const Value& kind_value(const ManifestDocument& d) {
  const View kind = d.view()["kind"];
  return kind.exists() ? *kind : *d.root;
}

// True: reported.
bool report_removed(const ManifestDocument& d, const ValidateOptions& options) {
  const View version = d.view()["apiVersion"];
  for (const RemovedVersion& removed : kRemoved) {
    if (removed.api_version != version.text() || !lists_word(removed.kinds, d.kind)) continue;
    const bool is_gateway = removed.since.starts_with("Gateway");
    if (!is_gateway && compare_versions(options.kubernetes_version, removed.since) < 0) continue;
    const std::string since =
        is_gateway ? std::string(removed.since) : "Kubernetes " + std::string(removed.since);
    Finding& finding =
        d.reporter->add("object/removed-api", *version,
                        d.kind + " is not served as " + std::string(version.text()) + " since " + since,
                        removed.instead.empty() ? "remove it: nothing replaces it"
                                                : "write apiVersion: " + std::string(removed.instead));
    if (removed.same_shape) Reporter::fix_with(finding, replace_scalar(*version, removed.instead, false));
    return true;
  }
  return false;
}

void report_unknown_kind(const ManifestDocument& d, const ValidateOptions& options,
                         const SchemaSet& schemas) {
  const std::string version(d.view()["apiVersion"].text());
  for (const InventedKind& invented : kInventedKinds) {
    if (invented.group != d.group || invented.kind != d.kind) continue;
    d.reporter->add("object/no-such-kind", kind_value(d), "there is no kind " + d.kind + " in " + version,
                    "write " + std::string(invented.instead));
    return;
  }
  std::string others;
  for (const KindSchema* k : schemas.of_kind(d.kind))
    others += (others.empty() ? "" : ", ") + (k->group.empty() ? "" : k->group + "/") + k->version;
  if (is_served_by_core(d.group, schemas)) {
    std::vector<std::string_view> names;
    for (const KindSchema& k : schemas.kinds()) {
      if (k.group == d.group) names.push_back(k.kind);
    }
    const std::string nearest = nearest_name(d.kind, names);
    std::string fix =
        nearest.empty() ? "look at the spelling of apiVersion and kind" : "write kind: " + nearest;
    if (!others.empty()) fix = "write apiVersion: " + others;
    d.reporter->add("object/no-such-kind", kind_value(d), "there is no kind " + d.kind + " in " + version,
                    fix);
    return;
  }
  if (!others.empty() &&
      std::any_of(schemas.kinds().begin(), schemas.kinds().end(),
                  [&](const KindSchema& k) { return k.group == d.group && k.kind == d.kind; })) {
    d.reporter->add("object/unknown-version", *d.view()["apiVersion"],
                    d.kind + " is known as " + others + ", not as " + version,
                    "write one that your controller serves, or give its CRD with --schemas");
    return;
  }
  Finding& finding =
      d.reporter->add("schema/unknown-kind", kind_value(d),
                      d.kind + " of " + version + " is not known here: its fields were not checked");
  if (options.unknown_kinds_are_errors) finding.severity = Severity::kError;
}

void split_api_version(ManifestDocument& d) {
  const std::string text(d.view()["apiVersion"].text());
  const size_t slash = text.find('/');
  d.group = slash == std::string::npos ? "" : text.substr(0, slash);
  d.version = slash == std::string::npos ? text : text.substr(slash + 1);
}

}  // namespace

bool check_kind(ManifestDocument& d, const ValidateOptions& options, const SchemaSet& schemas) {
  const View root = d.view();
  const bool has_version = root["apiVersion"].is_string() && !root["apiVersion"].text().empty();
  const bool has_kind = root["kind"].is_string() && !root["kind"].text().empty();
  if (!d.root->is_map() ||
      (!has_version && !has_kind && !(root["metadata"].is_map() && root["spec"].is_map()))) {
    d.reporter->add("object/not-an-object", *d.root,
                    "this is no Kubernetes object: it has no apiVersion and kind");
    return false;
  }
  // Helm's own: a chart has a version and no kind.
  const bool is_chart = has_version && !has_kind && root["name"].is_string() && root["version"].exists();
  if (is_chart) {
    d.reporter->add("object/not-an-object", *d.root, "this is a chart's description, no Kubernetes object");
    return false;
  }
  if (!has_version || !has_kind) {
    check_present(*d.reporter, root, has_version ? "kind" : "apiVersion");
    return false;
  }
  split_api_version(d);
  d.kind = root["kind"].text();
  d.name = root.at("metadata.name").text();
  d.namespace_name = root.at("metadata.namespace").text();
  d.reporter->set_object(d.title());
  // Tools' own files, which no server sees.
  if ((d.group.empty() && d.version == "builtin") || d.group == "kustomize.config.k8s.io" ||
      d.group == "config.kubernetes.io" || d.group == "kind.x-k8s.io" || d.group == "kubeadm.k8s.io")
    return false;
  d.schema = schemas.find(d.group, d.version, d.kind);
  if (d.schema == nullptr && report_removed(d, options)) return true;
  if (d.schema == nullptr) report_unknown_kind(d, options, schemas);
  return true;
}

namespace {

// How the server asks names of a kind to look.
bool is_good_name(const ManifestDocument& d, std::string_view name, const ValidateOptions& options,
                  std::string& rule) {
  // Filled in by a tool before a server sees it.
  if (name.find("{{") != std::string_view::npos || name.find("$(") != std::string_view::npos) return true;
  if (d.group == "rbac.authorization.k8s.io") {
    rule = "a path's segment";
    return name != "." && name != ".." && name.find_first_of("/%") == std::string_view::npos;
  }
  // Since 1.35 a Service's name may begin with a digit (RelaxedServiceNameValidation).
  if (d.is("", "Service") && compare_versions(options.kubernetes_version, "1.35") < 0) {
    rule = "a DNS label that begins with a letter";
    return is_dns1035_label(name);
  }
  if (d.is("", "Namespace") || d.is("", "Service")) {
    rule = "a DNS label";
    return is_dns1123_label(name);
  }
  rule = "a DNS name: lower-case letters, digits, \"-\" and \".\"";
  return is_dns1123_subdomain(name);
}

void check_labels(const ManifestDocument& d, View metadata) {
  for (const ValueMember& label : metadata["labels"].members()) {
    const View value(label.value);
    if (!is_qualified_name(label.key))
      d.reporter->add_at_key("object/label", label.value, "\"" + label.key + "\" is no label's key");
    if (value.is_string() && value.text().find("{{") == std::string_view::npos &&
        !is_label_value(value.text()))
      d.reporter->add("object/label", *value, shown_text(value) + " is no label's value",
                      "use letters, digits, \"-\", \"_\" and \".\", at most 63 characters");
  }
  size_t size = 0;
  for (const ValueMember& note : metadata["annotations"].members()) {
    std::string key = note.key;
    for (char& c : key) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (!is_qualified_name(key))
      d.reporter->add_at_key("object/label", note.value, "\"" + note.key + "\" is no annotation's key");
    size += note.key.size() + View(note.value).text().size();
  }
  if (size > 262144)
    d.reporter->add("object/range", *metadata["annotations"], "annotations hold over 256 KiB together");
}

}  // namespace

namespace {

// Kinds whose fields all stand in spec, some of them required.
void check_spec_there(const ManifestDocument& d) {
  constexpr std::string_view kKinds[] = {"Pod",
                                         "PersistentVolumeClaim",
                                         "PersistentVolume",
                                         "Deployment",
                                         "StatefulSet",
                                         "DaemonSet",
                                         "ReplicaSet",
                                         "ReplicationController",
                                         "Job",
                                         "CronJob",
                                         "HorizontalPodAutoscaler",
                                         "Ingress",
                                         "Service"};
  const bool needed = d.schema != nullptr && d.schema->native &&
                      std::find(std::begin(kKinds), std::end(kKinds), d.kind) != std::end(kKinds);
  if (needed && !d.view()["spec"].exists()) check_present(*d.reporter, d.view(), "spec");
  const View pod = d.view().at("spec.template");
  const bool has_template = d.group == "apps" || d.kind == "Job" || d.kind == "ReplicationController";
  if (needed && d.kind == "ReplicationController" && d.view()["spec"].is_map())
    check_present(*d.reporter, d.view()["spec"], "template");
  if (needed && has_template && pod.is_map() && !pod["spec"].exists())
    check_present(*d.reporter, pod, "spec");
}

}  // namespace

void check_metadata(const ManifestDocument& d, const ValidateOptions& options) {
  check_spec_there(d);
  const View metadata = d.view()["metadata"];
  const View name = metadata["name"];
  if (name.text().empty() && metadata["generateName"].text().empty()) {
    // Files of tools have a kind and no name.
    if (d.kind.ends_with("List") || (d.schema == nullptr && metadata.get() == nullptr)) return;
    d.reporter->add("object/required",
                    metadata.get() != nullptr && metadata.get()->is_map() ? *metadata : *d.root,
                    "metadata.name is missing", "add a name");
    return;
  }
  std::string rule;
  if (name.is_string() && !is_good_name(d, name.text(), options, rule))
    d.reporter->add("object/name", *name,
                    shown_text(name) + " is no name for a " + d.kind + ": it must be " + rule);
  const View ns = metadata["namespace"];
  if (ns.is_string() && !ns.text().empty()) {
    if (!is_dns1123_label(ns.text()))
      d.reporter->add("object/name", *ns, shown_text(ns) + " is no name of a namespace");
    if (d.schema != nullptr && !d.schema->namespaced)
      d.reporter->add("object/cluster-scoped", *ns, "a " + d.kind + " belongs to no namespace",
                      "remove the line");
  }
  check_labels(d, metadata);
}

}  // namespace hadal
