#include "deploy/emit.h"
#include "deploy/emit_files.h"

namespace hadal {
std::vector<RenderedFile> helm_files(const DeploySpec&, const RenderResult&) { return {}; }
}  // namespace hadal
