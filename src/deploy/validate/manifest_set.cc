#include "deploy/validate/manifest_set.h"

#include <algorithm>
#include <set>

namespace hadal {
namespace {

// Kinds whose Pod spec stands at a fixed place.
struct TemplatePlace {
  std::string_view group, kind, path, role;
};
constexpr TemplatePlace kPlaces[] = {
    {"apps", "Deployment", "spec.template", "pod"},
    {"apps", "StatefulSet", "spec.template", "pod"},
    {"apps", "DaemonSet", "spec.template", "pod"},
    {"apps", "ReplicaSet", "spec.template", "pod"},
    {"", "ReplicationController", "spec.template", "pod"},
    {"", "PodTemplate", "template", "pod"},
    {"batch", "Job", "spec.template", "pod"},
    {"batch", "CronJob", "spec.jobTemplate.spec.template", "pod"},
    {"leaderworkerset.x-k8s.io", "LeaderWorkerSet", "spec.leaderWorkerTemplate.leaderTemplate", "leader"},
    {"leaderworkerset.x-k8s.io", "LeaderWorkerSet", "spec.leaderWorkerTemplate.workerTemplate", "worker"},
};

bool is_pod_spec(const Value& value) {
  const Value* containers = value.find("containers");
  if (containers == nullptr || !containers->is_list() || containers->items.empty()) return false;
  return std::all_of(containers->items.begin(), containers->items.end(), [](const Value& c) {
    return c.is_map() &&
           (c.find("name") != nullptr || c.find("image") != nullptr || c.find("args") != nullptr ||
            c.find("resources") != nullptr || c.find("env") != nullptr);
  });
}

// An operator that is not known here fills in the rest.
bool lacks_images(const Value& spec) {
  const auto containers = View(spec)["containers"].items();
  return std::any_of(containers.begin(), containers.end(),
                     [](const Value& c) { return !View(c)["image"].exists(); });
}

bool holds_partial_templates(const ManifestDocument& d) {
  return d.group == "serving.kserve.io" || d.group == "nvidia.com" || d.group == "ray.io" ||
         d.group == "serving.knative.dev" || d.group == "ome.io" || d.group == "orchestration.aibrix.ai";
}

class Collector {
 public:
  Collector(const ManifestDocument& document, std::vector<PodTemplate>& out)
      : document_(document), out_(out) {}

  void walk(const Value& value, const std::string& role) {
    if (value.is_map() && is_pod_spec(value)) {
      PodTemplate pod = base();
      pod.spec = &value;
      pod.role = role;
      pod.partial = pod.partial || (document_.schema == nullptr && lacks_images(value));
      if (value.parent != nullptr && value.key_text != nullptr && *value.key_text == "spec")
        pod.metadata = value.parent->find("metadata");
      out_.push_back(std::move(pod));
      return;
    }
    for (const Value& item : value.items) {
      const std::string_view name = View(item)["name"].text();
      walk(item, name.empty() ? role : std::string(name));
    }
    for (const ValueMember& member : value.members) {
      if (member.key == "status" || member.key == "openAPIV3Schema") continue;
      walk(member.value, member.key == "spec" || member.key == "template" ? role : member.key);
    }
  }

  PodTemplate base() const {
    PodTemplate pod;
    pod.document = &document_;
    pod.partial = holds_partial_templates(document_);
    pod.inside_crd = document_.schema == nullptr || !document_.schema->native;
    return pod;
  }

 private:
  const ManifestDocument& document_;
  std::vector<PodTemplate>& out_;
};

int64_t replicas_of(View spec) {
  return spec["replicas"].integer_or(1);
}

// Sides of a group, also of one inside another object (a DisaggregatedSet's roles), have one name for all
// rules.
void set_side(PodTemplate& pod) {
  if (pod.role == "leaderTemplate") pod.role = "leader";
  if (pod.role == "workerTemplate") pod.role = "worker";
  if (pod.role != "worker") return;
  const Value* side = pod.spec->parent;
  const View group(side == nullptr ? nullptr : side->parent);
  pod.serves = group["workerTemplate"].get() == side && side != nullptr && !group["leaderTemplate"].exists();
}

}  // namespace

std::string ManifestDocument::title() const {
  std::string out = kind + " ";
  if (!namespace_name.empty()) out += namespace_name + "/";
  return out + name;
}

std::string_view ManifestSet::namespace_of(const ManifestDocument& document) {
  return document.namespace_name.empty() ? std::string_view("default") : document.namespace_name;
}

const ManifestDocument* ManifestSet::find(std::string_view kind, std::string_view name,
                                          std::string_view near_namespace) const {
  const ManifestDocument* other = nullptr;
  const auto found = by_name_.find(std::pair(std::string(kind), std::string(name)));
  if (found == by_name_.end()) return nullptr;
  for (const ManifestDocument* d : found->second) {
    if (d->namespace_name == near_namespace) return d;
    // One of both names no namespace: where they are applied decides.
    if (d->namespace_name.empty() || near_namespace.empty()) other = d;
  }
  return other;
}

void ManifestSet::index() {
  by_name_.clear();
  by_document_.clear();
  by_label_.clear();
  for (const ManifestDocument& d : documents) by_name_[{d.kind, d.name}].push_back(&d);
  for (const PodTemplate& pod : templates) {
    by_document_[pod.document].push_back(&pod);
    std::set<std::string> entries;
    for (const auto& [key, value] : pod_labels(pod))
      entries.insert(key + "=" + (value == "*" || value == "!0" ? "" : value));
    for (const std::string& entry : entries) by_label_[entry].push_back(&pod);
  }
}

std::vector<const PodTemplate*> ManifestSet::templates_of(const ManifestDocument& document) const {
  const auto found = by_document_.find(&document);
  return found == by_document_.end() ? std::vector<const PodTemplate*>() : found->second;
}

std::vector<const PodTemplate*> ManifestSet::with_label(const std::string& key,
                                                        const std::string& value) const {
  std::vector<const PodTemplate*> out;
  // The second: of Pods whose label has any value.
  for (const std::string& entry : {key + "=" + value, key + "="}) {
    if (const auto found = by_label_.find(entry); found != by_label_.end())
      out.insert(out.end(), found->second.begin(), found->second.end());
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<const PodTemplate*> ManifestSet::selected(View match_labels,
                                                      std::string_view namespace_name) const {
  std::vector<const PodTemplate*> out;
  if (match_labels.members().empty()) return out;
  const ValueMember& first = match_labels.members()[0];
  for (const PodTemplate* pod : with_label(first.key, View(first.value).any_text())) {
    const std::string& ns = pod->document->namespace_name;
    if (!ns.empty() && !namespace_name.empty() && ns != namespace_name) continue;
    const auto labels = pod_labels(*pod);
    const bool all = std::all_of(
        match_labels.members().begin(), match_labels.members().end(), [&](const ValueMember& wanted) {
          return std::any_of(labels.begin(), labels.end(), [&](const auto& label) {
            return label.first == wanted.key &&
                   (label.second == "*" || label.second == View(wanted.value).any_text() ||
                    (label.second == "!0" && View(wanted.value).any_text() != "0"));
          });
        });
    if (all) out.push_back(pod);
  }
  return out;
}

void collect_templates(const ManifestDocument& document, std::vector<PodTemplate>& out) {
  const View root = document.view();
  Collector collector(document, out);
  const size_t first = out.size();
  if (document.is("", "Pod")) {
    PodTemplate pod = collector.base();
    pod.spec = root["spec"].get();
    pod.metadata = root["metadata"].get();
    pod.role = "pod";
    if (pod.spec != nullptr && pod.spec->is_map()) out.push_back(pod);
    return;
  }
  bool known = false;
  for (const TemplatePlace& place : kPlaces) {
    if (!document.is(place.group, place.kind)) continue;
    known = true;
    const View at = root.at(place.path);
    if (!at["spec"].is_map()) continue;
    PodTemplate pod = collector.base();
    pod.spec = at["spec"].get();
    pod.metadata = at["metadata"].get();
    pod.role = place.role;
    out.push_back(std::move(pod));
  }
  if (!known && document.kind != "CustomResourceDefinition" && document.kind != "ConfigMap")
    collector.walk(*document.root, "pod");
  for (size_t i = first; i < out.size(); ++i) {
    PodTemplate& pod = out[i];
    set_side(pod);
    pod.num_pods = replicas_of(root["spec"]);
    if (document.kind == "LeaderWorkerSet") {
      const int64_t size = root.at("spec.leaderWorkerTemplate.size").integer_or(1);
      pod.num_pods *=
          pod.role == "leader" ? 1 : std::max<int64_t>(size - (out.size() - first > 1 ? 1 : 0), 1);
    }
    if (document.kind == "DaemonSet") pod.num_pods = 2;
    if (document.kind == "Job") pod.num_pods = root.at("spec.parallelism").integer_or(1);
  }
}

std::vector<std::pair<std::string, std::string>> pod_labels(const PodTemplate& pod) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const ValueMember& label : View(pod.metadata)["labels"].members())
    out.emplace_back(label.key, View(label.value).any_text());
  const ManifestDocument& d = *pod.document;
  if (d.kind == "LeaderWorkerSet") {
    out.emplace_back("leaderworkerset.sigs.k8s.io/name", d.name);
    out.emplace_back("leaderworkerset.sigs.k8s.io/group-index", "*");
    out.emplace_back("leaderworkerset.sigs.k8s.io/group-key", "*");
    if (pod.serves) out.emplace_back("leaderworkerset.sigs.k8s.io/worker-index", "0");
    if (pod.role == "worker" && !pod.serves)
      out.emplace_back("leaderworkerset.sigs.k8s.io/worker-index", "!0");
    if (pod.role == "worker" && pod.serves) out.emplace_back("leaderworkerset.sigs.k8s.io/worker-index", "*");
  } else if (d.kind == "StatefulSet") {
    out.emplace_back("statefulset.kubernetes.io/pod-name", "*");
    out.emplace_back("apps.kubernetes.io/pod-index", "*");
  } else if (d.kind == "Job") {
    out.emplace_back("job-name", d.name);
    out.emplace_back("batch.kubernetes.io/job-name", d.name);
  } else if (pod.inside_crd) {
    // Other controllers add labels that are not known here: those of the object's own labels, and names.
    for (const ValueMember& label : d.view().at("metadata.labels").members())
      out.emplace_back(label.key, View(label.value).any_text());
  }
  return out;
}

std::vector<View> all_containers(View pod_spec) {
  std::vector<View> out;
  for (const std::string_view list : {"initContainers", "containers"}) {
    for (const Value& container : pod_spec[list].items()) out.push_back(View(container));
  }
  return out;
}

void for_each_value(const Value& root, const std::function<void(const Value&)>& visit) {
  visit(root);
  for (const Value& item : root.items) for_each_value(item, visit);
  for (const ValueMember& member : root.members) for_each_value(member.value, visit);
}

}  // namespace hadal
