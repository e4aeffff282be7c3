#include "text/tokenizer.h"

#include <filesystem>

#include "base/file.h"
#include "text/tokenizer_json.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxTokenizerJson = size_t{256} << 20;
constexpr size_t kMaxConfig = size_t{16} << 20;
constexpr size_t kMaxTemplates = 64;

// chat_template.jinja, and additional_chat_templates/NAME.jinja, as transformers saves them.
Result<ChatTemplates> read_template_files(const std::string& path) {
  ChatTemplates out;
  const std::string single = path + "/chat_template.jinja";
  if (path_exists(single)) {
    HADAL_ASSIGN(out["default"], read_file(single, kMaxConfig));
  }
  std::error_code error;
  for (fs::directory_iterator it(path + "/additional_chat_templates", error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() != ".jinja" || out.size() >= kMaxTemplates) continue;
    HADAL_ASSIGN(out[it->path().stem().string()], read_file(it->path().string(), kMaxConfig));
  }
  return out;
}

}  // namespace

Json Tokenizer::template_tokens() const {
  Json tokens{JsonObject{}};
  if (!bos_token().empty()) tokens.set("bos_token", Json(bos_token()));
  if (!eos_token().empty()) tokens.set("eos_token", Json(eos_token()));
  return tokens;
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::from_directory(const std::string& path) {
  const std::string tokenizer_path = path + "/tokenizer.json";
  if (!path_exists(tokenizer_path)) {
    return make_error(
        ErrorCode::kNotFound, tokenizer_path,
        " does not exist; hadal needs the fast tokenizer's file (transformers: save_pretrained writes it)");
  }
  HADAL_ASSIGN(const std::string json, read_file(tokenizer_path, kMaxTokenizerJson));
  std::string config;
  if (const std::string config_path = path + "/tokenizer_config.json"; path_exists(config_path)) {
    HADAL_ASSIGN(config, read_file(config_path, kMaxConfig));
  }
  HADAL_ASSIGN(const ChatTemplates templates, read_template_files(path));
  auto tokenizer = tokenizer_from_json(json, config, templates);
  if (!tokenizer.ok()) return make_error(tokenizer.error().code, path, ": ", tokenizer.error().message);
  return tokenizer;
}

}  // namespace hadal
