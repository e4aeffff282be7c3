// What deploy's parts hand to one another: files of YAML in, Kubernetes objects, findings out. Values; any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

struct ManifestFile {
  std::string path;  // for messages; "-": standard input
  std::string text;
};

// One Kubernetes object and where it came from.
struct KubeObject {
  Json object;
  std::string origin;  // "file.yaml:12", "" for one that was rendered
  std::string_view api_version() const { return text_of("apiVersion"); }
  std::string_view kind() const { return text_of("kind"); }
  std::string_view name() const { return meta_of("name"); }
  std::string_view namespace_name() const { return meta_of("namespace"); }
  // "LeaderWorkerSet llm/deepseek-r1".
  std::string title() const;

 private:
  std::string_view text_of(std::string_view key) const;
  std::string_view meta_of(std::string_view key) const;
};

// Every object of the files, "kind: List" taken apart. Errors: kInvalidArgument with file:line:column.
Result<std::vector<KubeObject>> read_objects(const std::vector<ManifestFile>& files);
// The files that the arguments name: files, directories (their *.yaml, *.yml and *.json, sorted, recursively)
// and
// "-" for standard input. Errors name the argument.
Result<std::vector<ManifestFile>> read_manifest_files(const std::vector<std::string>& arguments);

}  // namespace hadal
