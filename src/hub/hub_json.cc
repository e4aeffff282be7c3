#include "hub/hub_json.h"

#include "base/json.h"
#include "hub/field_text.h"

namespace hadal {
namespace {

constexpr int kMaxDepth = 16;
constexpr size_t kMaxFiles = 200'000;
constexpr size_t kMaxErrorText = 200;

bool is_hex(std::string_view text, size_t length) {
  return text.size() == length && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c + 32);
  }
  return text;
}

int64_t size_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_int() && value->as_int() >= 0 ? value->as_int() : -1;
}

Status add_file(std::vector<RemoteFile>& files, RemoteFile file) {
  if (file.path.empty() || file.size < 0) return invalid_argument("the list has a file without path or size");
  if (files.size() >= kMaxFiles)
    return make_error(ErrorCode::kTooLarge, "the list has over ", kMaxFiles, " files");
  files.push_back(std::move(file));
  return {};
}

}  // namespace

Result<std::string> parse_hf_commit(std::string_view text) {
  HADAL_ASSIGN(const Json json, parse_json(text, kMaxDepth));
  const std::string sha = text_of(json, "sha");
  if (!is_hex(sha, 40)) return invalid_argument("the answer names no commit");
  return lower_case(sha);
}

Status parse_hf_tree(std::string_view text, std::vector<RemoteFile>& files) {
  HADAL_ASSIGN(const Json json, parse_json(text, kMaxDepth));
  if (!json.is_array()) return invalid_argument("the list of files is no list");
  for (const Json& entry : json.as_array()) {
    if (text_of(entry, "type") != "file") continue;
    RemoteFile file;
    file.path = text_of(entry, "path");
    file.size = size_of(entry, "size");
    const Json* lfs = entry.find("lfs");
    const std::string oid = text_of(entry, "oid");
    if (lfs != nullptr && lfs->is_object()) {
      const std::string sha256 = text_of(*lfs, "oid");
      if (is_hex(sha256, 64)) file.checksum = {Checksum::Kind::kSha256, lower_case(sha256)};
      if (size_of(*lfs, "size") >= 0) file.size = size_of(*lfs, "size");
    } else if (is_hex(oid, 40)) {
      file.checksum = {Checksum::Kind::kGitSha1, lower_case(oid)};
    }
    HADAL_RETURN_IF_ERROR(add_file(files, std::move(file)));
  }
  return {};
}

Status parse_modelscope_files(std::string_view text, std::vector<RemoteFile>& files) {
  HADAL_ASSIGN(const Json json, parse_json(text, kMaxDepth));
  const Json* data = json.find("Data");
  const Json* list = data == nullptr ? nullptr : data->find("Files");
  if (list == nullptr || !list->is_array()) {
    const std::string reason = hub_error_text(text);
    return invalid_argument("the answer lists no files", reason.empty() ? "" : ": ", reason);
  }
  for (const Json& entry : list->as_array()) {
    if (text_of(entry, "Type") == "tree") continue;
    RemoteFile file;
    file.path = text_of(entry, "Path");
    file.size = size_of(entry, "Size");
    const std::string sha256 = text_of(entry, "Sha256");
    if (is_hex(sha256, 64)) file.checksum = {Checksum::Kind::kSha256, lower_case(sha256)};
    HADAL_RETURN_IF_ERROR(add_file(files, std::move(file)));
  }
  return {};
}

std::string hub_error_text(std::string_view body) {
  if (body.size() > (size_t{64} << 10)) return "";
  const auto json = parse_json(body, kMaxDepth);
  if (!json.ok()) return "";
  std::string found = text_of(*json, "error");
  if (found.empty()) found = text_of(*json, "Message");
  std::string out;
  for (char c : found.substr(0, kMaxErrorText)) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out;
}

}  // namespace hadal
