// apply_safe_fixes: the edits of findings done to the files' texts, again and again until none is left: one
// fix may uncover what another hid. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "deploy/validate.h"

namespace hadal {

struct FixResult {
  int num_fixed = 0;
  std::vector<std::string> changed;  // paths
};

// Files that `keep` names are not changed: what was rendered.
FixResult apply_safe_fixes(std::vector<ManifestFile>& files, const ValidateOptions& options,
                           const std::vector<std::string>& keep = {});

}  // namespace hadal
