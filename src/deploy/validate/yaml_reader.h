// Reads a file's documents for validation: reports what is wrong with the YAML itself, and goes on after an
// error where that can be: with the line repaired, or at the next "---". Pure; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml_tree.h"
#include "deploy/manifest.h"
#include "deploy/validate/reporter.h"

namespace hadal {

struct ReadDocument {
  YamlNodePtr root;
  YamlMark begin;
  // Read from a text that was changed before: places of its line's rest are off, edits must not be made.
  bool repaired = false;
  // A line with a tab may stand deeper or less deep than it was read: what rules find is not told.
  bool guessed = false;
};

struct ReadFile {
  std::vector<ReadDocument> documents;
  bool is_template = false;  // of Helm: not YAML before it is rendered
};

ReadFile read_documents(const ManifestFile& file, Reporter& reporter);
// Double keys, keys such as "-name", anchors.
void check_yaml_nodes(const YamlNode& root, Reporter& reporter);

}  // namespace hadal
