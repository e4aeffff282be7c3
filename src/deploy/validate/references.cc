// Objects that others name: there or not, and with the keys that are asked for.
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

class ReferenceCheck {
 public:
  ReferenceCheck(const PodTemplate& pod, const ManifestSet& set) : pod_(pod), set_(set) {}

  void run() {
    const View spec = pod_.view();
    for (const Value& item : spec["volumes"].items()) {
      const View volume(item);
      need("PersistentVolumeClaim", volume.at("persistentVolumeClaim.claimName"));
      if (!volume.at("configMap.optional").is_true()) need("ConfigMap", volume.at("configMap.name"));
      if (!volume.at("secret.optional").is_true()) need("Secret", volume.at("secret.secretName"));
    }
    const View account = spec["serviceAccountName"];
    if (account.text() != "default") need("ServiceAccount", account);
    for (const View container : all_containers(spec)) {
      for (const Value& item : container["env"].items()) {
        const View from = View(item)["valueFrom"];
        need_key("ConfigMap", from["configMapKeyRef"]);
        need_key("Secret", from["secretKeyRef"]);
      }
      for (const Value& item : container["envFrom"].items()) {
        for (const auto& [kind, field] : {std::pair{"ConfigMap", "configMapRef"}, {"Secret", "secretRef"}}) {
          if (!View(item)[field]["optional"].is_true()) need(kind, View(item)[field]["name"]);
        }
      }
    }
  }

 private:
  const ManifestDocument* need(std::string_view kind, View name) {
    if (name.text().empty()) return nullptr;
    const ManifestDocument* found = set_.find(kind, name.text(), pod_.document->namespace_name);
    if (found == nullptr)
      pod_.reporter().add("reference/not-here", *name,
                          "the " + std::string(kind) + " " + std::string(name.text()) +
                              " is not among these files: it must be in the cluster");
    return found;
  }

  void need_key(std::string_view kind, View reference) {
    if (!reference.is_map() || reference["optional"].is_true()) return;
    const ManifestDocument* found = need(kind, reference["name"]);
    const View key = reference["key"];
    if (found == nullptr || key.text().empty()) return;
    const View object = found->view();
    for (const std::string_view part : {"data", "stringData", "binaryData"}) {
      if (object[part][key.text()].get() != nullptr) return;
    }
    // An empty one is filled by someone else.
    if (object["data"].members().empty() && object["stringData"].members().empty()) return;
    pod_.reporter().add(
        "reference/missing-key", *key,
        "the " + std::string(kind) + " " + found->name + " has no key " + std::string(key.text()),
        "write one of its keys, or add the key");
  }

  const PodTemplate& pod_;
  const ManifestSet& set_;
};

}  // namespace

void check_references(const RuleContext& context) {
  for (const PodTemplate& pod : context.set.templates) ReferenceCheck(pod, context.set).run();
}

}  // namespace hadal
