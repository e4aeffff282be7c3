// What the API server asks of claims, volumes, classes, configuration and RBAC beyond their schemas
// (k8s.io/kubernetes/pkg/apis/core, storage and rbac validation).
#include "deploy/validate/formats.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

void check_access_modes(Reporter& reporter, View spec) {
  if (!spec.is_map()) return;
  if (spec["accessModes"].items().empty())
    reporter.add("object/required", *spec, "accessModes is missing",
                 "add accessModes: [ReadWriteOnce] or [ReadWriteMany]");
  for (const Value& mode : spec["accessModes"].items()) {
    if (View(mode).text().empty()) reporter.add("object/enum", mode, "this is no access mode");
    check_choice(reporter, View(mode),
                 {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"});
  }
  check_choice(reporter, spec["volumeMode"], {"Filesystem", "Block"});
}

void check_positive(Reporter& reporter, View size) {
  const auto quantity = parse_quantity(size.any_text());
  if (quantity && quantity->value <= 0) reporter.add("object/range", *size, "the size must be over 0");
}

void check_claim_spec(Reporter& reporter, View spec) {
  check_access_modes(reporter, spec);
  const View storage = spec.at("resources.requests.storage");
  if (spec.is_map() && !storage.exists())
    reporter.add("object/required", *spec, "resources.requests.storage is missing", "add the size");
  check_positive(reporter, storage);
  const View name = spec["storageClassName"];
  if (name.is_string() && !name.text().empty() && !is_dns1123_subdomain(name.text()))
    reporter.add("object/name", *name, shown_text(name) + " is no name of a StorageClass");
}

void check_volume(Reporter& reporter, View spec) {
  check_access_modes(reporter, spec);
  if (!spec.is_map()) return;
  if (!spec.at("capacity.storage").exists())
    reporter.add("object/required", *spec, "capacity.storage is missing");
  check_positive(reporter, spec.at("capacity.storage"));
  check_one_of(reporter, spec,
               {"hostPath",
                "nfs",
                "csi",
                "local",
                "gcePersistentDisk",
                "awsElasticBlockStore",
                "azureDisk",
                "azureFile",
                "cephfs",
                "cinder",
                "fc",
                "flexVolume",
                "flocker",
                "glusterfs",
                "iscsi",
                "photonPersistentDisk",
                "portworxVolume",
                "quobyte",
                "rbd",
                "scaleIO",
                "storageos",
                "vsphereVolume"},
               "object/combination", true);
  check_choice(reporter, spec["persistentVolumeReclaimPolicy"], {"Retain", "Delete", "Recycle"});
}

void check_config_keys(Reporter& reporter, View data) {
  for (const ValueMember& entry : data.members()) {
    if (!is_config_key(entry.key))
      reporter.add_at_key("object/name", entry.value,
                          "\"" + entry.key + "\" is no key: letters, digits, \"-\", \"_\" and \".\"");
  }
}

void check_secret(Reporter& reporter, const ManifestDocument& d) {
  const View root = d.view();
  check_config_keys(reporter, root["data"]);
  check_config_keys(reporter, root["stringData"]);
  const auto needs = [&](std::string_view key) {
    if (!root["data"][key].exists() && !root["stringData"][key].exists())
      reporter.add("object/required", *root["type"],
                   "a Secret of this type needs the key " + std::string(key));
  };
  if (root["type"].text() == "kubernetes.io/tls") {
    needs("tls.crt");
    needs("tls.key");
  }
  if (root["type"].text() == "kubernetes.io/dockerconfigjson") needs(".dockerconfigjson");
}

void check_storage_class(Reporter& reporter, View root) {
  check_present(reporter, root, "provisioner");
  check_choice(reporter, root["reclaimPolicy"], {"Delete", "Retain"});
  check_choice(reporter, root["volumeBindingMode"], {"Immediate", "WaitForFirstConsumer"});
  const View provisioner = root["provisioner"];
  std::string name(provisioner.text());
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (!name.empty() && !is_qualified_name(name))
    reporter.add("object/name", *provisioner, shown_text(provisioner) + " is no name of a provisioner");
  if (provisioner.text() == "k8s.io/no-provisioner") {
    Finding& finding =
        reporter.add("storage/no-provisioner", *provisioner, "no provisioner is called k8s.io/no-provisioner",
                     "write kubernetes.io/no-provisioner, and make the volumes by hand");
    Reporter::fix_with(finding, replace_scalar(*provisioner, "kubernetes.io/no-provisioner", false));
  }
}

void check_binding(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View root = d.view();
  const View role = root["roleRef"];
  if (check_present(reporter, root, "roleRef")) {
    check_present(reporter, role, "name");
    check_present(reporter, role, "kind");
    if (d.kind == "ClusterRoleBinding") {
      check_choice(reporter, role["kind"], {"ClusterRole"});
    } else {
      check_choice(reporter, role["kind"], {"Role", "ClusterRole"});
    }
    check_choice(reporter, role["apiGroup"], {"rbac.authorization.k8s.io"});
  }
  for (const Value& item : root["subjects"].items()) {
    const View subject(item);
    const View name = subject["name"];
    if (check_present(reporter, subject, "name") && subject["kind"].text() == "ServiceAccount" &&
        !is_dns1123_subdomain(name.text()) && name.text().find_first_of("{$") == std::string_view::npos)
      reporter.add("object/name", *name, shown_text(name) + " is no name of a ServiceAccount");
    check_filled_choice(reporter, subject["kind"], {"ServiceAccount", "User", "Group"});
    if (d.kind == "ClusterRoleBinding" && subject["kind"].text() == "ServiceAccount" &&
        subject["namespace"].text().empty() && !d.in_kustomization)
      reporter.add("object/required", item, "a ServiceAccount needs its namespace here", "add namespace:");
    if (subject["kind"].text() == "ServiceAccount" && !subject["apiGroup"].text().empty())
      reporter.add("object/combination", *subject["apiGroup"], "a ServiceAccount has no apiGroup",
                   "remove the line");
  }
}

void check_role(const ManifestDocument& d) {
  for (const Value& item : d.view()["rules"].items()) {
    const View rule(item);
    if (rule["verbs"].items().empty()) d.reporter->add("object/required", item, "a rule needs verbs");
    const bool urls = !rule["nonResourceURLs"].items().empty();
    if (urls && d.kind == "Role")
      d.reporter->add_at_key("object/combination", *rule["nonResourceURLs"],
                             "a Role takes no nonResourceURLs: a ClusterRole does");
    if (!urls && (rule["resources"].items().empty() || rule["apiGroups"].items().empty()))
      d.reporter->add("object/required", item, "a rule needs apiGroups and resources");
  }
}

}  // namespace

void check_storage_object(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  if (d.is("", "PersistentVolumeClaim")) check_claim_spec(reporter, spec);
  if (d.is("", "PersistentVolume")) check_volume(reporter, spec);
  if (d.is("apps", "StatefulSet")) {
    for (const Value& claim : spec["volumeClaimTemplates"].items())
      check_claim_spec(reporter, View(claim)["spec"]);
  }
  if (d.is("storage.k8s.io", "StorageClass")) check_storage_class(reporter, d.view());
  if (d.is("", "Secret")) check_secret(reporter, d);
  if (d.is("", "ConfigMap")) {
    check_config_keys(reporter, d.view()["data"]);
    check_config_keys(reporter, d.view()["binaryData"]);
  }
  if (d.group == "rbac.authorization.k8s.io") {
    if (d.kind.ends_with("Binding")) check_binding(d);
    if (d.kind == "Role" || d.kind == "ClusterRole") check_role(d);
  }
}

}  // namespace hadal
