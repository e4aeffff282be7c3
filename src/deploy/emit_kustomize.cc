#include "deploy/emit.h"
#include "deploy/emit_files.h"

namespace hadal {
namespace {

constexpr std::string_view kBaseFiles[] = {"0-foundation.yaml", "1-storage.yaml",  "2-download.yaml",
                                           "3-workload.yaml",   "4-services.yaml", "5-operations.yaml"};

}  // namespace

std::vector<RenderedFile> kustomize_files(const DeploySpec& spec, const RenderResult& rendered) {
  std::vector<RenderedFile> out;
  JsonArray resources;
  for (size_t wave = 0; wave < std::size(kBaseFiles); ++wave) {
    std::vector<RenderedObject> objects;
    for (const RenderedObject& object : rendered.objects) {
      if (static_cast<size_t>(object.wave) == wave) objects.push_back(object);
    }
    if (objects.empty()) continue;
    out.push_back({"base/" + std::string(kBaseFiles[wave]), to_manifest_yaml(objects)});
    resources.emplace_back(kBaseFiles[wave]);
  }
  Json base;
  base.set("apiVersion", "kustomize.config.k8s.io/v1beta1");
  base.set("kind", "Kustomization");
  base.set("resources", std::move(resources));
  out.push_back({"base/kustomization.yaml", "# Rendered by hadal from the spec of " + spec.name +
                                                ": render again rather than edit; changes go to overlays.\n" +
                                                to_yaml(base)});
  Json overlay;
  overlay.set("apiVersion", "kustomize.config.k8s.io/v1beta1");
  overlay.set("kind", "Kustomization");
  overlay.set("resources", JsonArray{"../../base"});
  out.push_back(
      {"overlays/default/kustomization.yaml", "# Patches of one cluster go here.\n" + to_yaml(overlay)});
  return out;
}

}  // namespace hadal
