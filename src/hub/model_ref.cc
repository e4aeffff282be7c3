#include "hub/model_ref.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "config/model_catalog.h"
#include "config/nearest_name.h"
#include "hub/web_address.h"
#include "net/http_message.h"

namespace hadal {
namespace {

constexpr char kForms[] =
    "hf:org/name[@revision], ms:org/name[@revision], s3://bucket/prefix, https://host/file, a directory, or "
    "a short name as deepseek-r1";

bool is_word(std::string_view text) {
  if (text.empty() || text.size() > 200 || text == "." || text == "..") return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

bool is_repository(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != std::string_view::npos && is_word(text.substr(0, slash)) && is_word(text.substr(slash + 1));
}

bool is_revision(std::string_view text) {
  if (text.empty() || text.size() > 200 || text.front() == '/' || text.find("..") != std::string_view::npos)
    return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./+").find(c) != std::string_view::npos;
  });
}

std::string last_part(std::string text) {
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text.substr(text.rfind('/') + 1);
}

Result<ModelRef> parse_hub(ModelRef ref, std::string text, const std::string& whole) {
  const size_t at = text.find('@');
  if (at != std::string::npos) {
    ref.revision = text.substr(at + 1);
    text.resize(at);
    if (!is_revision(ref.revision))
      return invalid_argument("\"", whole, "\": what follows @ is no branch, tag or commit");
  }
  if (const CatalogModel* model = find_catalog_model(text)) {
    const std::string_view there =
        ref.kind == ModelRef::Kind::kModelScope ? model->modelscope : model->huggingface;
    // A whole repository's name is the user's word: the catalog need not know every place.
    if (there.empty() && text.find('/') == std::string::npos)
      return invalid_argument("\"", whole, "\" is not on ModelScope: use hf:", model->huggingface);
    if (!there.empty()) text = there;
  }
  if (!is_repository(text)) {
    std::vector<std::string_view> names;
    for (const CatalogModel& model : model_catalog()) names.push_back(model.name);
    const std::string nearest = nearest_name(text, names);
    return invalid_argument("\"", whole,
                            "\" is no model: ", nearest.empty() ? "" : "did you mean " + nearest + "? ",
                            "hadal takes ", kForms);
  }
  ref.repository = text;
  ref.name = last_part(text);
  return ref;
}

Result<ModelRef> parse_http(const std::vector<std::string>& arguments) {
  ModelRef ref;
  ref.kind = ModelRef::Kind::kHttp;
  for (const std::string& url : arguments) {
    if (!url.starts_with("http://") && !url.starts_with("https://"))
      return invalid_argument("several references can only be http addresses, and \"", shown_url(url),
                              "\" is none");
    const std::string name = percent_decode(last_part(shown_url(url)));
    if (name.empty() || name == web_host(url))
      return invalid_argument(shown_url(url), " names no file: the address must end in a file's name");
    ref.urls.push_back(url);
    if (ref.name.empty()) ref.name = name;
  }
  // "model.gguf" goes into ./model
  const size_t dot = ref.name.rfind('.');
  if (dot != std::string::npos && dot > 0) ref.name.resize(dot);
  return ref;
}

}  // namespace

Status parse_s3_address(const std::string& text, std::string& bucket, std::string& prefix) {
  const std::string rest = text.substr(std::min<size_t>(5, text.size()));
  const size_t slash = std::min(rest.find('/'), rest.size());
  bucket = rest.substr(0, slash);
  prefix = rest.substr(std::min(slash + 1, rest.size()));
  while (prefix.ends_with('/')) prefix.pop_back();
  while (prefix.starts_with('/')) prefix.erase(0, 1);
  if (!text.starts_with("s3://") || !is_word(bucket))
    return invalid_argument("\"", text, "\" is no s3://bucket/prefix");
  if (bucket.size() < 3 || bucket.size() > 63)
    return invalid_argument("\"", text, "\": buckets of S3 have names of 3 to 63 characters, and \"", bucket,
                            "\" has ", bucket.size());
  if (prefix.size() > 900) return invalid_argument("\"", text, "\": the prefix is too long");
  return {};
}

Result<ModelRef> parse_model_ref(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return invalid_argument("which model? hadal pull takes ", kForms);
  const std::string& text = arguments[0];
  const bool http = text.starts_with("http://") || text.starts_with("https://");
  if (http || arguments.size() > 1) return parse_http(arguments);
  ModelRef ref;
  if (text.starts_with("hf:")) return parse_hub(ref, text.substr(3), text);
  if (text.starts_with("ms:")) {
    ref.kind = ModelRef::Kind::kModelScope;
    return parse_hub(ref, text.substr(3), text);
  }
  if (text.starts_with("s3://")) {
    ref.kind = ModelRef::Kind::kS3;
    HADAL_RETURN_IF_ERROR(parse_s3_address(text, ref.bucket, ref.prefix));
    ref.name = ref.prefix.empty() ? ref.bucket : last_part(ref.prefix);
    return ref;
  }
  const bool path = text.starts_with("/") || text.starts_with("./") || text.starts_with("../") || text == ".";
  if (path || is_directory(text)) {
    if (!is_directory(text)) return make_error(ErrorCode::kNotFound, text, " is no directory");
    ref.kind = ModelRef::Kind::kDirectory;
    ref.path = text;
    while (ref.path.size() > 1 && ref.path.ends_with('/')) ref.path.pop_back();
    std::error_code ignored;
    ref.name = last_part(std::filesystem::weakly_canonical(text, ignored).string());
    return ref;
  }
  return parse_hub(ref, text, text);
}

std::string shown_ref(const ModelRef& ref) {
  switch (ref.kind) {
    case ModelRef::Kind::kHuggingFace:
      return "hf:" + ref.repository;
    case ModelRef::Kind::kModelScope:
      return "ms:" + ref.repository;
    case ModelRef::Kind::kS3:
      return "s3://" + ref.bucket + (ref.prefix.empty() ? "" : "/" + ref.prefix);
    case ModelRef::Kind::kHttp: {
      std::string out;
      for (const std::string& url : ref.urls) out += (out.empty() ? "" : " ") + shown_url(url);
      return out;
    }
    case ModelRef::Kind::kDirectory:
      break;
  }
  return ref.path;
}

}  // namespace hadal
