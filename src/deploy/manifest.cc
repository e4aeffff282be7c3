#include "deploy/manifest.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/yaml_tree.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr size_t kMaxFiles = 10'000;

bool is_manifest_name(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

Result<ManifestFile> read_standard_input() {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0) return errno_error("cannot read standard input", errno);
    if (n == 0) return ManifestFile{"-", std::move(text)};
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMaxFileBytes)
      return make_error(ErrorCode::kTooLarge, "standard input is longer than ", kMaxFileBytes, " bytes");
  }
}

Status add_directory(const std::string& path, std::vector<std::string>& out) {
  std::error_code error;
  fs::recursive_directory_iterator entry(path, error), end;
  std::vector<std::string> found;
  for (; !error && entry != end; entry.increment(error)) {
    if (entry->is_regular_file(error) && is_manifest_name(entry->path()))
      found.push_back(entry->path().string());
    if (found.size() > kMaxFiles)
      return make_error(ErrorCode::kTooLarge, path, " holds more than ", kMaxFiles, " manifests: name fewer");
  }
  if (error) return make_error(ErrorCode::kIo, "cannot list ", path, ": ", error.message());
  if (found.empty()) return make_error(ErrorCode::kNotFound, path, " holds no .yaml, .yml or .json file");
  std::sort(found.begin(), found.end());
  out.insert(out.end(), found.begin(), found.end());
  return {};
}

void add_object(Json object, const std::string& origin, std::vector<KubeObject>& out) {
  const Json* items = object.find("items");
  const Json* kind = object.find("kind");
  const bool is_list = kind != nullptr && kind->is_string() && kind->as_string().ends_with("List");
  if (!is_list || items == nullptr || !items->is_array()) {
    out.push_back({std::move(object), origin});
    return;
  }
  for (const Json& item : items->as_array()) out.push_back({item, origin});
}

}  // namespace

std::string_view KubeObject::text_of(std::string_view key) const {
  const Json* value = object.find(key);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : std::string_view();
}

std::string_view KubeObject::meta_of(std::string_view key) const {
  const Json* metadata = object.find("metadata");
  const Json* value = metadata == nullptr ? nullptr : metadata->find(key);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : std::string_view();
}

std::string KubeObject::title() const {
  std::string out(kind());
  out += " ";
  if (!namespace_name().empty()) out += std::string(namespace_name()) + "/";
  return out + std::string(name());
}

Result<std::vector<KubeObject>> read_objects(const std::vector<ManifestFile>& files) {
  std::vector<KubeObject> out;
  for (const ManifestFile& file : files) {
    const YamlStream stream = parse_yaml_stream(file.text);
    if (!stream.errors.empty()) {
      const YamlParseError& error = stream.errors[0];
      return invalid_argument(file.path, ":", error.mark.line, ":", error.mark.column, ": ", error.message);
    }
    for (const YamlDocument& document : stream.documents) {
      if (document.root == nullptr) continue;
      Json value = yaml_to_json(*document.root, YamlSchema::kKubernetes);
      if (value.is_null()) continue;
      const std::string origin = file.path + ":" + std::to_string(document.root->begin.line);
      if (!value.is_object())
        return invalid_argument(origin, ": a Kubernetes object is a mapping, this is a ", value.kind_name());
      add_object(std::move(value), origin, out);
    }
  }
  return out;
}

namespace {

// Some editors begin UTF-8 with a byte order mark, and kubectl takes it.
void drop_byte_order_mark(std::string& text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
}

}  // namespace

Result<std::vector<ManifestFile>> read_manifest_files(const std::vector<std::string>& arguments) {
  std::vector<std::string> paths;
  for (const std::string& argument : arguments) {
    if (argument != "-" && is_directory(argument)) {
      HADAL_RETURN_IF_ERROR(add_directory(argument, paths));
    } else {
      paths.push_back(argument);
    }
  }
  std::vector<ManifestFile> out;
  for (const std::string& path : paths) {
    if (path == "-") {
      HADAL_ASSIGN(ManifestFile file, read_standard_input());
      out.push_back(std::move(file));
      continue;
    }
    HADAL_ASSIGN(std::string text, read_file(path, kMaxFileBytes));
    out.push_back({path, std::move(text)});
  }
  for (ManifestFile& file : out) drop_byte_order_mark(file.text);
  return out;
}

}  // namespace hadal
