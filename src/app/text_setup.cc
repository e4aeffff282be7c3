#include "app/text_setup.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "server/dummy_tokenizer.h"

namespace hadal {
namespace {

constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const Settings& settings, const OpenedModel& model) {
  const std::string& path = settings.engine.tokenizer_path;
  if (!path.empty() && !is_directory(path)) {
    HADAL_ASSIGN(const auto file, GgufFile::open(path));
    return Tokenizer::from_gguf(*file);
  }
  if (path.empty() && model.gguf != nullptr) return Tokenizer::from_gguf(*model.gguf);
  const std::string directory = path.empty() ? model.directory : path;
  if (settings.engine.load_format == "dummy" && path.empty() && !path_exists(directory + "/tokenizer.json")) {
    log_info("no tokenizer.json beside the configuration: one token per byte stands in for it");
    return std::shared_ptr<const Tokenizer>(std::make_shared<DummyTokenizer>());
  }
  auto tokenizer = Tokenizer::from_directory(directory);
  if (!tokenizer.ok()) {
    return make_error(tokenizer.error().code, tokenizer.error().message,
                      " (--tokenizer-path names another directory or .gguf file)");
  }
  return tokenizer;
}

Result<ChatTemplateSet::Sources> template_sources(const Settings& settings, const Tokenizer& tokenizer) {
  if (settings.engine.chat_template.empty()) return chat_template_sources(tokenizer);
  ChatTemplateSet::Sources sources;
  HADAL_ASSIGN(sources["default"], read_file(settings.engine.chat_template, kMaxTemplateBytes));
  if (sources["default"].empty()) sources.clear();
  return sources;
}

// A template that knows </think> belongs to a model that reasons.
bool knows_reasoning(const ChatTemplateSet::Sources& sources) {
  for (const char* name : {"default", "tool_use"}) {
    const auto found = sources.find(std::string_view(name));
    if (found != sources.end() && found->second.find("</think>") != std::string::npos) return true;
  }
  return false;
}

void read_number(const Json& object, std::string_view key, float& out) {
  const Json* value = object.find(key);
  if (value != nullptr && value->is_number()) out = static_cast<float>(value->as_double());
}

// What the model's authors recommend, as SGLang and vLLM take it from the same file.
Result<SamplingParams> default_sampling(const OpenedModel& model) {
  SamplingParams params;
  const std::string path = model.directory + "/generation_config.json";
  if (model.directory.empty() || !path_exists(path)) return params;
  HADAL_ASSIGN(const std::string text, read_file(path, kMaxTemplateBytes));
  auto config = parse_json(text);
  if (!config.ok()) return invalid_argument(path, ": ", config.error().message);
  if (const Json* sample = config->find("do_sample");
      sample != nullptr && sample->is_bool() && !sample->as_bool()) {
    return params;
  }
  read_number(*config, "temperature", params.temperature);
  read_number(*config, "top_p", params.top_p);
  read_number(*config, "min_p", params.min_p);
  read_number(*config, "repetition_penalty", params.repetition_penalty);
  if (const Json* top_k = config->find("top_k"); top_k != nullptr && top_k->is_int()) {
    params.top_k = static_cast<int32_t>(std::clamp<int64_t>(top_k->as_int(), 0, INT32_MAX));
  }
  return params;
}

}  // namespace

Status check_chat_template(const Settings& settings) {
  const std::string& path = settings.engine.chat_template;
  if (path.empty()) return {};
  HADAL_ASSIGN(const std::string source, read_file(path, kMaxTemplateBytes));
  auto parsed = ChatTemplate::parse(source);
  if (!parsed.ok()) return invalid_argument("--chat-template ", path, ": ", parsed.error().message);
  return {};
}

Result<ModelText> load_model_text(const Settings& settings, const OpenedModel& model) {
  ModelText text;
  HADAL_ASSIGN(text.tokenizer, load_tokenizer(settings, model));
  HADAL_ASSIGN(const ChatTemplateSet::Sources sources, template_sources(settings, *text.tokenizer));
  if (!sources.empty()) {
    auto parsed = ChatTemplateSet::parse(sources);
    if (!parsed.ok()) {
      return invalid_argument("the chat template does not parse: ", parsed.error().message,
                              " (--chat-template FILE replaces it)");
    }
    text.chat_templates = std::move(parsed).value();
  }
  const std::string& parser = settings.server.reasoning_parser;
  const bool automatic = parser.empty() || parser == "auto";
  HADAL_ASSIGN(text.reasoning, parse_reasoning_kind(automatic ? "" : parser));
  // Reasoning then starts where the prompt or the model's first token opens it.
  if (automatic && knows_reasoning(sources)) {
    text.reasoning = ReasoningKind::kQwen3;
  }
  text.end_ids = text.tokenizer->end_ids();
  for (int64_t id : model.config.eos_token_ids) text.end_ids.push_back(static_cast<int32_t>(id));
  std::sort(text.end_ids.begin(), text.end_ids.end());
  text.end_ids.erase(std::unique(text.end_ids.begin(), text.end_ids.end()), text.end_ids.end());
  HADAL_ASSIGN(text.default_sampling, default_sampling(model));
  return text;
}

}  // namespace hadal
