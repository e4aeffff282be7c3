#include <algorithm>

#include "config/nearest_name.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/pod_check.h"

namespace hadal {
namespace {

constexpr std::string_view kSources[] = {"emptyDir",
                                         "hostPath",
                                         "configMap",
                                         "secret",
                                         "persistentVolumeClaim",
                                         "projected",
                                         "downwardAPI",
                                         "nfs",
                                         "csi",
                                         "ephemeral",
                                         "image",
                                         "iscsi",
                                         "rbd",
                                         "cephfs",
                                         "glusterfs",
                                         "gcePersistentDisk",
                                         "awsElasticBlockStore",
                                         "azureDisk",
                                         "azureFile",
                                         "cinder",
                                         "fc",
                                         "flexVolume",
                                         "flocker",
                                         "gitRepo",
                                         "photonPersistentDisk",
                                         "portworxVolume",
                                         "quobyte",
                                         "scaleIO",
                                         "storageos",
                                         "vsphereVolume"};

bool has_dot_dot(std::string_view path) {
  return path == ".." || path.starts_with("../") || path.ends_with("/..") ||
         path.find("/../") != std::string_view::npos;
}

}  // namespace

void PodCheck::check_volumes() {
  for (const Value& item : spec_["volumes"].items()) {
    const View volume(item);
    if (!volume.is_map()) continue;
    const View name = volume["name"];
    if (check_present(reporter_, volume, "name")) {
      if (name.is_string() && !is_dns1123_label(name.text()))
        reporter_.add("object/name", *name, shown_text(name) + " is no name of a volume (a DNS label)");
      if (!volume_names_.emplace(name.text()).second)
        reporter_.add("object/duplicate-name", *name, "two volumes are called " + shown_text(name));
    }
    std::string_view source;
    for (const std::string_view kind : kSources) {
      if (!volume[kind].exists()) continue;
      if (!source.empty())
        reporter_.add_at_key("object/combination", *volume[kind],
                             "a volume has one source: this one has " + std::string(source) + " already");
      if (source.empty()) source = kind;
    }
    if (source.empty()) {
      reporter_.add("pod/volume-source", item, "the volume has no source",
                    "add one of emptyDir, persistentVolumeClaim, hostPath, configMap, secret");
    } else {
      check_volume_source(volume, source);
    }
  }
}

void PodCheck::check_volume_source(View volume, std::string_view source) {
  const View s = volume[source];
  if (source == "hostPath" && check_present(reporter_, s, "path")) {
    check_choice(reporter_, s["type"],
                 {"", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice",
                  "BlockDevice"});
    if (has_dot_dot(s["path"].text()))
      reporter_.add("object/format", *s["path"], "the path must not go up (\"..\")");
  }
  if (source == "persistentVolumeClaim") check_present(reporter_, s, "claimName");
  if (source == "configMap") check_present(reporter_, s, "name");
  if (source == "secret") {
    if (!check_present(reporter_, s, "secretName") && s["name"].exists()) return;
  }
  if (source == "nfs") {
    check_present(reporter_, s, "server");
    if (check_present(reporter_, s, "path") && !s["path"].text().starts_with("/"))
      reporter_.add("object/format", *s["path"], "the path must begin with \"/\"");
  }
  if (source == "csi") check_present(reporter_, s, "driver");
  if (source == "projected") check_projected(s);
  if (source == "emptyDir") {
    const View limit = s["sizeLimit"];
    const auto size = parse_quantity(limit.any_text());
    if (size && size->value < 0) reporter_.add("object/range", *limit, "the size must not be negative");
    const std::string_view medium = s["medium"].text();
    if (s["medium"].is_string() && medium != "" && medium != "Memory" && !medium.starts_with("HugePages")) {
      Finding& finding = reporter_.add("pod/empty-dir-medium", *s["medium"],
                                       shown_text(s["medium"]) + " is no medium of an emptyDir",
                                       "write Memory, or leave it out for the node's disk");
      if (medium == "RAM" || medium == "memory" || medium == "tmpfs")
        Reporter::fix_with(finding, replace_scalar(*s["medium"], "Memory", false));
    }
  }
  check_range(reporter_, s["defaultMode"], 0, 0777);
  for (const Value& item : s["items"].items()) {
    if (source != "downwardAPI") check_present(reporter_, View(item), "key");
    check_range(reporter_, View(item)["mode"], 0, 0777);
    if (!check_present(reporter_, View(item), "path")) continue;
    const std::string_view path = View(item)["path"].text();
    if (path.starts_with("/") || has_dot_dot(path))
      reporter_.add("object/format", *View(item)["path"], "the path must be relative and not go up");
  }
}

void PodCheck::check_projected(View projected) {
  for (const Value& item : projected["sources"].items()) {
    const std::string_view kind = check_one_of(
        reporter_, View(item),
        {"secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"},
        "object/combination", true);
    if (kind == "secret" || kind == "configMap") check_present(reporter_, View(item)[kind], "name");
    if (kind == "serviceAccountToken") check_present(reporter_, View(item)[kind], "path");
  }
}

void PodCheck::add_claim_templates() {
  // Claims that a StatefulSet or a group makes for each Pod are its volumes too.
  for (const Value* v = pod_.spec; v != nullptr; v = v->parent) {
    for (const Value& claim : View(v)["volumeClaimTemplates"].items())
      volume_names_.emplace(View(claim).at("metadata.name").text());
  }
}

void PodCheck::check_volume_mounts(View container) {
  std::set<std::string, std::less<>> paths;
  for (const Value& item : container["volumeMounts"].items()) {
    const View mount(item);
    const View name = mount["name"];
    if (check_present(reporter_, mount, "name") && volume_names_.count(name.text()) == 0 && !pod_.partial) {
      std::vector<std::string_view> names(volume_names_.begin(), volume_names_.end());
      const std::string nearest = nearest_name(name.text(), names);
      Finding& finding =
          reporter_.add("pod/unknown-volume", *name, "no volume of this Pod is called " + shown_text(name),
                        nearest.empty() ? "add the volume under spec.volumes" : "write " + nearest);
      if (!nearest.empty()) Reporter::fix_with(finding, replace_scalar(*name, nearest, false));
    }
    if (!check_present(reporter_, mount, "mountPath")) continue;
    const View path = mount["mountPath"];
    if (!paths.emplace(path.text()).second)
      reporter_.add("object/duplicate-name", *path, "two volumes are mounted at " + shown_text(path));
    check_choice(reporter_, mount["mountPropagation"], {"None", "HostToContainer", "Bidirectional"});
    check_choice(reporter_, mount["recursiveReadOnly"], {"Disabled", "IfPossible", "Enabled"});
    const std::string_view sub = mount["subPath"].text();
    if (sub.starts_with("/") || has_dot_dot(sub))
      reporter_.add("object/format", *mount["subPath"], "subPath must be relative and not go up");
    if (mount["subPath"].exists() && mount["subPathExpr"].exists())
      reporter_.add_at_key("object/combination", *mount["subPathExpr"],
                           "subPath and subPathExpr exclude each other");
  }
  for (const Value& item : container["volumeDevices"].items()) {
    check_present(reporter_, View(item), "name");
    check_present(reporter_, View(item), "devicePath");
  }
}

}  // namespace hadal
