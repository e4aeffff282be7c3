#include "deploy/validate/fix.h"

#include <algorithm>

#include "deploy/validate/edits.h"

namespace hadal {
namespace {

constexpr int kMaxPasses = 8;

}  // namespace

FixResult apply_safe_fixes(std::vector<ManifestFile>& files, const ValidateOptions& options,
                           const std::vector<std::string>& keep) {
  FixResult out;
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    const ValidationReport report = validate_manifests(files, options);
    int in_pass = 0;
    for (ManifestFile& file : files) {
      if (std::find(keep.begin(), keep.end(), file.path) != keep.end()) continue;
      std::vector<TextEdit> edits;
      for (const Finding& f : report.findings) {
        if (f.file == file.path && f.safe_fix) edits.insert(edits.end(), f.edits.begin(), f.edits.end());
      }
      int count = 0;
      std::string text = apply_edits(file.text, std::move(edits), &count);
      if (text == file.text) continue;
      file.text = std::move(text);
      in_pass += count;
      if (std::find(out.changed.begin(), out.changed.end(), file.path) == out.changed.end())
        out.changed.push_back(file.path);
    }
    if (in_pass == 0) break;
    out.num_fixed += in_pass;
  }
  return out;
}

}  // namespace hadal
