// Volumes that several nodes want, or that are too small for the model.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "config/model_catalog.h"
#include "deploy/validate/command_text.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/named_model.h"
#include "deploy/validate/pod_facts.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

struct ClaimUse {
  const PodTemplate* pod = nullptr;
  const Value* claim_name = nullptr;
};

bool is_one_node_only(View claim) {
  const auto modes = claim.at("spec.accessModes").items();
  return !modes.empty() && std::all_of(modes.begin(), modes.end(), [](const Value& m) {
    return View(m).text().starts_with("ReadWriteOnce");
  });
}

// A Job's Pod ends and lets go of the volume, so it does not count.
bool holds_volume(const ClaimUse& use) {
  return use.pod->document->group != "batch";
}

// The same object may stand in two files (a spec and what was rendered from it): it is one object.
using ObjectPlace = std::tuple<std::string, std::string, std::string, std::string>;
ObjectPlace place_of(const ClaimUse& use) {
  const ManifestDocument& d = *use.pod->document;
  return {d.kind, d.namespace_name, d.name, use.pod->role};
}

void check_nodes(const ManifestDocument& claim, const std::vector<ClaimUse>& uses) {
  if (!is_one_node_only(claim.view())) return;
  int64_t pods = 0;
  bool whole_nodes = false;
  bool every_node = false;
  std::set<ObjectPlace> counted;
  for (const ClaimUse& use : uses) {
    if (!holds_volume(use) || !counted.insert(place_of(use)).second) continue;
    pods += use.pod->num_pods;
    whole_nodes =
        whole_nodes || gpus_of_pod(use.pod->view()) >= 8 || use.pod->document->kind == "LeaderWorkerSet";
    every_node = every_node || use.pod->document->kind == "DaemonSet";
  }
  if (pods < 2) return;
  for (const ClaimUse& use : uses) {
    if (!holds_volume(use)) continue;
    Finding& finding =
        use.pod->reporter().add("storage/read-write-once-on-nodes", *use.claim_name,
                                "the claim " + claim.name + " is ReadWriteOnce, for one node, and " +
                                    std::to_string(pods) + " Pods mount it",
                                "use a ReadWriteMany claim, or one claim per Pod (volumeClaimTemplates)");
    if (!whole_nodes && !every_node) finding.severity = Severity::kWarning;
  }
}

// What the Pods say that they load, or download.
const CatalogModel* model_in(View spec) {
  for (const View container : all_containers(spec)) {
    const EngineProgram engine = engine_command(container);
    if (is_quantised(engine)) continue;
    // An engine's other words are names that anybody chose: --served-model-name deepseek-r1.
    if (const std::string loaded = engine.model(); !loaded.empty()) {
      if (const CatalogModel* model = named_model(loaded)) return model;
      continue;
    }
    for (const CommandWord& word : command_words(container)) {
      const size_t equals = word.text.find('=');
      if (const CatalogModel* model =
              named_model(equals == std::string::npos ? word.text : word.text.substr(equals + 1)))
        return model;
    }
  }
  return nullptr;
}

void check_size(const ManifestDocument& claim, const std::vector<ClaimUse>& uses) {
  const View size = claim.view().at("spec.resources.requests.storage");
  const auto bytes = parse_quantity(size.any_text());
  if (!bytes) return;
  for (const ClaimUse& use : uses) {
    const CatalogModel* model = model_in(use.pod->view());
    if (model == nullptr || bytes->value >= static_cast<long double>(model->weight_bytes)) continue;
    claim.reporter->add("storage/claim-too-small", *size,
                        std::string(model->name) + " has " +
                            std::to_string(model->weight_bytes / 1'000'000'000) +
                            " GB of weights, the claim has " + size.any_text(),
                        "ask for 15% more than the weights");
    return;
  }
}

void check_placeholder(const ManifestDocument& claim) {
  const View name = claim.view().at("spec.storageClassName");
  for (const std::string_view mark : {"<", "your-", "YOUR", "my-storage-class", "placeholder"}) {
    if (name.text().find(mark) == std::string_view::npos) continue;
    claim.reporter->add("storage/placeholder", *name, shown_text(name) + " is a placeholder, no StorageClass",
                        "write a class of `kubectl get storageclass`, or leave the line out for the default");
    return;
  }
}

// A class without a provisioner binds to volumes that somebody made.
void check_static_class(const ManifestDocument& d, const RuleContext& context) {
  const View provisioner = d.view()["provisioner"];
  if (provisioner.text() != "kubernetes.io/no-provisioner") return;
  for (const ManifestDocument& other : context.set.documents) {
    if (other.is("", "PersistentVolume") && other.view().at("spec.storageClassName").text() == d.name) return;
  }
  d.reporter->add(
      "storage/no-volumes", *provisioner,
      "nothing makes volumes of the class " + d.name + ", and no PersistentVolume of it is among the files");
}

// "--local_dir=/data/model/X": where a download puts a model.
void check_downloads(const RuleContext& context) {
  std::map<std::string, std::string> places;  // repository: directory
  for (const PodTemplate& pod : context.set.templates) {
    for (const View container : all_containers(pod.view())) {
      const std::vector<CommandWord> words = command_words(container);
      std::string directory;
      std::string repository;
      bool download = false;
      for (size_t i = 0; i < words.size(); ++i) {
        download = download || words[i].text == "download" || words[i].text == "snapshot_download";
        const size_t equals = words[i].text.find('=');
        const std::string name = words[i].text.substr(0, equals);
        if (name == "--local-dir" || name == "--local_dir")
          directory = equals != std::string::npos ? words[i].text.substr(equals + 1)
                                                  : (i + 1 < words.size() ? words[i + 1].text : "");
        const std::string text =
            equals == std::string::npos ? words[i].text : words[i].text.substr(equals + 1);
        if (find_catalog_model(text) != nullptr && text.find('/') != std::string::npos) repository = text;
      }
      if (download && !directory.empty() && !repository.empty()) places[repository] = directory;
    }
  }
  for (const PodTemplate& pod : context.set.templates) {
    for (const Value& item : pod.view()["containers"].items()) {
      const EngineProgram engine = engine_command(View(item));
      const std::string model = engine.model();
      const auto found = places.find(model);
      if (found == places.end()) continue;
      const CommandWord* word = nullptr;
      for (const CommandWord& w : engine.words) {
        if (w.text.find(model) != std::string::npos) word = &w;
      }
      if (word == nullptr) continue;
      pod.reporter().add_at_mark(
          "storage/download-not-used", mark_inside(pod.reporter().source(), *word->value, model),
          "the engine fetches " + model + " again: the download put it into " + found->second,
          "start the engine with the path " + found->second + " and --served-model-name " + model);
    }
  }
}

}  // namespace

void check_claims(const RuleContext& context) {
  std::map<const ManifestDocument*, std::vector<ClaimUse>> uses;
  for (const PodTemplate& pod : context.set.templates) {
    for (const Value& volume : pod.view()["volumes"].items()) {
      const View name = View(volume).at("persistentVolumeClaim.claimName");
      if (name.text().empty()) continue;
      const ManifestDocument* claim =
          context.set.find("PersistentVolumeClaim", name.text(), pod.document->namespace_name);
      if (claim != nullptr) uses[claim].push_back({&pod, name.get()});
    }
  }
  for (const auto& [claim, list] : uses) {
    check_nodes(*claim, list);
    check_size(*claim, list);
  }
  for (const ManifestDocument& d : context.set.documents) {
    if (d.is("", "PersistentVolumeClaim")) check_placeholder(d);
    if (d.is("storage.k8s.io", "StorageClass")) check_static_class(d, context);
  }
  check_downloads(context);
}

}  // namespace hadal
