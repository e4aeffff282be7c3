#include "preflight/model_files.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "hub/digest.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxIndexBytes = size_t{256} << 20;
constexpr size_t kMaxConfigBytes = size_t{16} << 20;

bool is_weight(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".safetensors" || extension == ".gguf" || extension == ".bin";
}

}  // namespace

Result<std::vector<std::string>> index_files(std::string_view json) {
  HADAL_ASSIGN(const Json index, parse_json(json));
  const Json* map = index.find("weight_map");
  if (map == nullptr || !map->is_object()) return invalid_argument("it has no \"weight_map\"");
  std::set<std::string> names;
  for (const JsonMember& member : map->as_object()) {
    if (!member.second.is_string())
      return invalid_argument("\"weight_map\" has a value that is no file name");
    const std::string& name = member.second.as_string();
    // A name from a file must not lead out of the model's directory.
    if (name.empty() || name.find("..") != std::string::npos || name.front() == '/')
      return invalid_argument("\"weight_map\" names \"", name, "\"");
    names.insert(name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<ModelFiles> look_at_model(const std::string& model) {
  std::error_code error;
  const fs::file_status status = fs::status(model, error);
  if (error || !fs::exists(status))
    return make_error(ErrorCode::kNotFound, model, " does not exist, or may not be read");
  ModelFiles out;
  std::vector<std::pair<uint64_t, std::string>> found;
  if (fs::is_directory(status)) {
    for (fs::directory_iterator it(model, error), end; !error && it != end; it.increment(error)) {
      if (!is_weight(it->path())) continue;
      const uint64_t size = it->file_size(error);
      if (!error) found.emplace_back(size, it->path().string());
    }
    if (error) return make_error(ErrorCode::kIo, "cannot list ", model, ": ", error.message());
  } else {
    found.emplace_back(fs::file_size(model, error), model);
    if (error) return make_error(ErrorCode::kIo, "cannot look at ", model, ": ", error.message());
  }
  std::string identity;
  if (const auto config = read_file(model + "/config.json", kMaxConfigBytes); config.ok()) {
    out.has_config = true;
    identity += to_hex(digest_of(DigestKind::kSha256, *config)) + "\n";
  }
  if (path_exists(model + "/model.safetensors.index.json")) {
    HADAL_ASSIGN(const std::string text, read_file(model + "/model.safetensors.index.json", kMaxIndexBytes));
    auto names = index_files(text);
    if (!names.ok())
      return make_error(names.error().code, "model.safetensors.index.json: ", names.error().message);
    for (const std::string& name : *names) {
      if (!path_exists(model + "/" + name)) out.missing.push_back(name);
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<std::string> lines;
  for (const auto& [size, path] : found) {
    out.weights.push_back(path);
    out.weight_bytes += size;
    lines.push_back(fs::path(path).filename().string() + " " + std::to_string(size));
  }
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) identity += line + "\n";
  out.fingerprint = to_hex(digest_of(DigestKind::kSha256, identity));
  return out;
}

}  // namespace hadal
