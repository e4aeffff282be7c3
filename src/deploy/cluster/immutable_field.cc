#include "deploy/cluster/immutable_field.h"

#include <algorithm>
#include <vector>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/shared_object.h"

namespace hadal::cluster {
namespace {

constexpr size_t kMaxOwnWords = 300;
constexpr size_t kMaxFields = 5;

// The ways in which the API server and the CRDs' rules say it.
constexpr std::string_view kWords[] = {
    "immutable",          "updates to ",          "may not change",     "cannot change",
    "can't change",       "cannot be changed",    "can not be changed", "may not be changed",
    "may not be updated", "can not be less than", "cannot be updated",  "must not be changed",
    "not be modified"};

struct KindAdvice {
  std::string_view kind;
  std::string_view why;
  std::string_view cost;  // of deleting it and applying again
};
constexpr KindAdvice kKindAdvice[] = {
    {"PersistentVolumeClaim", "a claim keeps its class, access modes and volume, and can only grow",
     "ITS DATA IS LOST"},
    {"PersistentVolume", "a volume keeps where its data is", "claims that are bound to it lose their volume"},
    {"StorageClass", "a class keeps how it makes volumes", "volumes that it made stay"},
    {"StatefulSet", "a StatefulSet keeps all but replicas, template, update strategy and a few more",
     "its pods are made anew; its claims stay"},
    {"Deployment", "a Deployment keeps its selector", "its pods are made anew"},
    {"DaemonSet", "a DaemonSet keeps its selector", "its pods are made anew"},
    {"LeaderWorkerSet", "the controller's rules keep this field", "its groups are made anew"},
    {"Service", "a Service keeps its cluster address",
     "it gets the new address; who goes by its name is not "
     "concerned"},
    {"ConfigMap", "it is marked as immutable", "pods that use it see the new one after a restart"},
    {"Secret", "it is marked as immutable, or its type was changed",
     "pods that use it see the new one after a restart"},
    {"RoleBinding", "a binding keeps its role", "nothing else is lost"},
    {"ClusterRoleBinding", "a binding keeps its role", "nothing else is lost"},
};

// The lines of our manager's managedFields that `wanted` has no more: ".spec.storageClassName".
void find_left_out(const Json& owned, const Json* wanted, const std::string& path, int depth,
                   std::vector<std::string>& out) {
  if (!owned.is_object() || depth > kMaxObjectDepth) return;
  for (const auto& [key, value] : owned.as_object()) {
    if (!key.starts_with("f:")) continue;
    const std::string name = key.substr(2);
    const Json* there = wanted == nullptr || !wanted->is_object() ? nullptr : wanted->find(name);
    if (there == nullptr) {
      out.push_back(path + "." + name);
    } else {
      find_left_out(value, there, path + "." + name, depth + 1, out);
    }
  }
}

std::vector<FieldDifference> left_out(const Json& wanted, const Json& before) {
  std::vector<std::string> paths;
  for (const Json& entry : array_at(before, "metadata.managedFields")) {
    const Json* fields = is_hadal_manager(text_at(entry, "manager")) ? entry.find("fieldsV1") : nullptr;
    if (fields != nullptr) find_left_out(*fields, &wanted, "", 0, paths);
  }
  std::vector<FieldDifference> out;
  for (const std::string& path : paths) {
    const Json* live = json_at(before, path.substr(1));
    if (live != nullptr && !path.starts_with(".metadata")) out.push_back({path, "", short_json(live)});
  }
  return out;
}

// ".spec.template.x" is below "spec.template" and "spec"; "" is above all.
bool is_below(std::string_view path, std::string_view field) {
  if (field.empty()) return true;
  path.remove_prefix(1);
  return path.starts_with(field) &&
         (path.size() == field.size() || path[field.size()] == '.' || path[field.size()] == '[');
}

// "spec.clusterIPs[0]" is made from spec.clusterIP.
std::string plain_field(std::string_view field) {
  if (field.starts_with("spec.clusterIPs")) return "spec.clusterIP";
  return std::string(field.substr(0, field.find('[')));
}

// Of the fields that the server names those that differ; all that differ where none of them does.
std::vector<FieldDifference> concerned(const KubeReply& reply, const Json& wanted, const Json& before) {
  std::vector<FieldDifference> all = different_fields(wanted, before);
  const std::vector<FieldDifference> gone = left_out(wanted, before);
  all.insert(all.end(), gone.begin(), gone.end());
  std::vector<FieldDifference> out;
  for (const FieldDifference& difference : all) {
    for (const Json& cause : array_at(reply.body, "details.causes")) {
      if (!is_below(difference.path, plain_field(text_at(cause, "field")))) continue;
      out.push_back(difference);
      break;
    }
  }
  return out.empty() ? all : out;
}

// The first line, without the structures that follow.
std::string own_words(const KubeReply& reply) {
  std::string out(text_at(reply.body, "message"));
  out = out.substr(0, out.find('\n'));
  return out.size() <= kMaxOwnWords ? out : out.substr(0, kMaxOwnWords) + "...";
}

// A spec's claim changes its mode with the number of nodes that read it.
std::string access_mode_advice(const Json& before) {
  std::string mode;
  for (const Json& value : array_at(before, "spec.accessModes")) {
    if (mode.empty() && value.is_string()) mode = value.as_string();
  }
  return "\n    in a spec of hadal's: storage.accessMode: " + mode +
         " keeps this claim as it is (ReadWriteOnce: all pods on one node); or storage.claim: another name, "
         "as " +
         std::string(name_of(before)) +
         "-2, makes a new claim that the model is fetched into, and this one stays with its data";
}

}  // namespace

std::string immutable_refusal(const KubeReply& reply, const Json& wanted, const Json& before) {
  const std::string_view message = text_at(reply.body, "message");
  const bool says_so = std::any_of(std::begin(kWords), std::end(kWords), [&](std::string_view words) {
    return message.find(words) != std::string_view::npos;
  });
  if ((reply.status != 422 && reply.status != 403) || before.is_null() || !says_so) return "";
  const std::vector<FieldDifference> fields = concerned(reply, wanted, before);
  if (fields.empty()) return "";
  const auto* advice = std::find_if(std::begin(kKindAdvice), std::end(kKindAdvice),
                                    [&](const KindAdvice& row) { return row.kind == kind_of(before); });
  const bool known = advice != std::end(kKindAdvice);
  std::string out = "what it has cannot be changed" + (known ? ": " + std::string(advice->why) : "");
  for (size_t i = 0; i < std::min(fields.size(), kMaxFields); ++i) {
    const FieldDifference& field = fields[i];
    out += "\n    " + field.path + ": from " + (field.live.empty() ? "none" : field.live) + " to " +
           (field.wanted.empty() ? "none (left out)" : field.wanted);
  }
  if (fields.size() > kMaxFields) out += "\n    and " + std::to_string(fields.size() - kMaxFields) + " more";
  const std::string name_space(namespace_of(before));
  std::string kind(kind_of(before));
  std::transform(kind.begin(), kind.end(), kind.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  out += "\n    keep the old value; or give it another name; or delete it (kubectl delete " + kind + " " +
         std::string(name_of(before)) + (name_space.empty() ? "" : " -n " + name_space) +
         ") and apply again: " + (known ? std::string(advice->cost) : "what only it holds is lost");
  const bool modes = kind_of(before) == "PersistentVolumeClaim" &&
                     std::any_of(fields.begin(), fields.end(), [](const FieldDifference& field) {
                       return field.path.starts_with(".spec.accessModes");
                     });
  if (modes) out += access_mode_advice(before);
  return out + "\n    the cluster says: " + own_words(reply);
}

}  // namespace hadal::cluster
