// apply_safe_fixes: the edits of findings done to the files' texts, again and again until none is left: one
// fix may uncover what another hid. What a fix made of a file is looked at: one that leaves its own finding,
// or brings a new one to its place, is not done. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "deploy/validate.h"

namespace hadal {

struct RefusedFix {
  Finding finding;     // of the text as it is at the end
  std::string reason;  // "it would leave: ...", "it would cause: ..."
};

struct FixResult {
  int num_fixed = 0;
  std::vector<std::string> changed;  // paths
  std::vector<RefusedFix> refused;
};

// Files that `keep` names are not changed: what was rendered.
FixResult apply_safe_fixes(std::vector<ManifestFile>& files, const ValidateOptions& options,
                           const std::vector<std::string>& keep = {});

}  // namespace hadal
