// The rendered objects as files of other tools: a kustomize base with an overlay, a Helm chart. Both give the
// same objects back. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "deploy/render.h"
#include "deploy/spec.h"

namespace hadal {

struct RenderedFile {
  std::string path;  // below the output directory
  std::string text;
};

// base/ (a file a wave and kustomization.yaml) and overlays/default/.
std::vector<RenderedFile> kustomize_files(const DeploySpec& spec, const RenderResult& rendered);
// Chart.yaml, values.yaml (namespace, image, replicas, resources) and templates/, a file a wave.
std::vector<RenderedFile> helm_files(const DeploySpec& spec, const RenderResult& rendered);

}  // namespace hadal
