#include "text/tokenizer_json.h"

#include <simdjson.h>

#include <algorithm>

#include "text/bpe_tokenizer.h"
#include "text/tokenizer_steps.h"

namespace hadal {

std::optional<std::string_view> json_string(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->as_string();
}

std::optional<int64_t> json_int(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr || !value->is_int()) return std::nullopt;
  return value->as_int();
}

bool json_bool(const Json& object, std::string_view key, bool otherwise) {
  const Json* value = object.find(key);
  return value != nullptr && value->is_bool() ? value->as_bool() : otherwise;
}

namespace {

namespace dom = simdjson::dom;

// A section as a Json value; null when absent. Only for small sections: it is copied twice.
Result<Json> section(const dom::object& root, std::string_view key) {
  dom::element element;
  if (root[key].get(element) != simdjson::SUCCESS) return Json();
  return parse_json(simdjson::to_string(element));
}

Status set_token(std::vector<std::string_view>& tokens, int64_t id, std::string_view token) {
  if (id < 0 || id >= MergeTable::kMaxIds) {
    return invalid_argument("tokenizer.json: id ", id, " of \"", token, "\" is outside 0..",
                            MergeTable::kMaxIds - 1);
  }
  const auto index = static_cast<size_t>(id);
  if (index >= tokens.size()) tokens.resize(index + 1);
  tokens[index] = token;
  return {};
}

Status read_vocab(const dom::object& model, std::vector<std::string_view>& tokens) {
  dom::object vocab;
  if (model["vocab"].get(vocab) != simdjson::SUCCESS) {
    return invalid_argument("tokenizer.json: model.vocab must be an object of token to id");
  }
  for (const auto& [token, value] : vocab) {
    int64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS) {
      return invalid_argument("tokenizer.json: model.vocab \"", token, "\" has no integer id");
    }
    HADAL_RETURN_IF_ERROR(set_token(tokens, id, token));
  }
  while (!tokens.empty() && tokens.back().empty()) tokens.pop_back();
  return {};
}

// "a b", or ["a", "b"] in newer files.
bool split_merge(const dom::element& element, std::string_view& left, std::string_view& right) {
  dom::array pair;
  std::string_view text;
  if (element.get(text) == simdjson::SUCCESS) {
    const size_t space = text.find(' ');
    if (space == std::string_view::npos) return false;
    left = text.substr(0, space);
    right = text.substr(space + 1);
    return true;
  }
  if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2) return false;
  return pair.at(0).get(left) == simdjson::SUCCESS && pair.at(1).get(right) == simdjson::SUCCESS;
}

Status read_merges(const dom::object& model, const StringTable& vocab, std::vector<Merge>& merges) {
  dom::array list;
  if (model["merges"].get(list) != simdjson::SUCCESS) {
    return invalid_argument("tokenizer.json: model.merges must be a list");
  }
  std::string joined;
  uint32_t rank = 0;
  for (const dom::element element : list) {
    std::string_view left;
    std::string_view right;
    if (!split_merge(element, left, right)) {
      return invalid_argument("tokenizer.json: model.merges[", rank,
                              "] is neither \"a b\" nor [\"a\", \"b\"]");
    }
    joined = left;
    joined += right;
    const Merge merge{vocab.find(left), vocab.find(right), vocab.find(joined), rank};
    if (merge.left < 0 || merge.right < 0 || merge.result < 0) {
      return invalid_argument("tokenizer.json: model.merges[", rank, "] (\"", left, "\", \"", right,
                              "\") names a token that is not in model.vocab");
    }
    merges.push_back(merge);
    if (++rank >= MergeTable::kMaxRanks) {
      return make_error(ErrorCode::kTooLarge, "tokenizer.json: model.merges has over ", MergeTable::kMaxRanks,
                        " entries");
    }
  }
  return {};
}

bool flag(const dom::object& object, std::string_view key) {
  bool value = false;
  return object[key].get(value) == simdjson::SUCCESS && value;
}

Status check_model(const dom::object& model) {
  std::string_view text;
  if (model["type"].get(text) == simdjson::SUCCESS && text != "BPE") {
    return make_error(ErrorCode::kUnsupported, "tokenizer.json: model type \"", text,
                      "\" is not supported, only BPE is");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (model[key].get(text) == simdjson::SUCCESS && !text.empty()) {
      return make_error(ErrorCode::kUnsupported, "tokenizer.json: model.", key, " is not supported");
    }
  }
  double dropout = 0;
  if (model["dropout"].get(dropout) == simdjson::SUCCESS && dropout != 0) {
    return make_error(ErrorCode::kUnsupported, "tokenizer.json: model.dropout is not supported");
  }
  return {};
}

Status read_model(const dom::object& root, TokenizerParts& parts) {
  dom::object model;
  if (root["model"].get(model) != simdjson::SUCCESS)
    return invalid_argument("tokenizer.json: \"model\" is missing");
  HADAL_RETURN_IF_ERROR(check_model(model));
  HADAL_RETURN_IF_ERROR(read_vocab(model, parts.model_tokens));
  StringTable vocab(parts.model_tokens);
  vocab.build_index();
  HADAL_RETURN_IF_ERROR(read_merges(model, vocab, parts.merges));
  parts.bpe.ignore_merges = flag(model, "ignore_merges");
  parts.bpe.byte_fallback = flag(model, "byte_fallback");
  parts.bpe.fuse_unk = flag(model, "fuse_unk");
  std::string_view unk;
  if (model["unk_token"].get(unk) == simdjson::SUCCESS) parts.bpe.unk_id = vocab.find(unk);
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (size_t b = 0; b < 256; ++b) {
    const char spelled[] = {'<', '0', 'x', kHex[b >> 4], kHex[b & 15], '>'};
    parts.bpe.byte_ids[b] = vocab.find(std::string_view(spelled, sizeof spelled));
  }
  parts.tokens = parts.model_tokens;
  return {};
}

Status read_added_tokens(const dom::object& root, TokenizerParts& parts) {
  dom::array list;
  if (root["added_tokens"].get(list) != simdjson::SUCCESS) return {};
  for (const dom::element element : list) {
    dom::object object;
    int64_t id = -1;
    std::string_view content;
    if (element.get(object) != simdjson::SUCCESS || object["id"].get(id) != simdjson::SUCCESS ||
        object["content"].get(content) != simdjson::SUCCESS) {
      return invalid_argument("tokenizer.json: an entry of added_tokens has no \"id\" or no \"content\"");
    }
    if (content.empty()) continue;
    HADAL_RETURN_IF_ERROR(set_token(parts.tokens, id, content));
    parts.added.push_back({.id = static_cast<int32_t>(id),
                           .content = std::string(content),
                           .special = flag(object, "special"),
                           .normalized = flag(object, "normalized"),
                           .single_word = flag(object, "single_word"),
                           .lstrip = flag(object, "lstrip"),
                           .rstrip = flag(object, "rstrip")});
  }
  while (!parts.tokens.empty() && parts.tokens.back().empty()) parts.tokens.pop_back();
  return {};
}

Status read_steps(const dom::object& root, TokenizerParts& parts, PostProcessorIds& post) {
  HADAL_ASSIGN(const Json normalizer, section(root, "normalizer"));
  HADAL_ASSIGN(parts.normalizer, parse_normalizer(&normalizer));
  HADAL_ASSIGN(const Json pre_tokenizer, section(root, "pre_tokenizer"));
  HADAL_ASSIGN(parts.pre_tokenizer, parse_pre_tokenizer(&pre_tokenizer));
  HADAL_ASSIGN(const Json decoder, section(root, "decoder"));
  HADAL_ASSIGN(parts.decoder, parse_decoder(&decoder));
  HADAL_ASSIGN(const Json post_processor, section(root, "post_processor"));
  HADAL_ASSIGN(post, parse_post_processor(&post_processor));
  parts.bpe.byte_level =
      !parts.pre_tokenizer.empty() && std::holds_alternative<ByteLevelStep>(parts.pre_tokenizer.back());
  return {};
}

// A special token of tokenizer_config.json is a string or {"content": string}.
std::string_view special_token(const Json& config, std::string_view key) {
  if (const auto text = json_string(config, key)) return *text;
  const Json* value = config.find(key);
  return value == nullptr ? std::string_view() : json_string(*value, "content").value_or("");
}

std::optional<int32_t> find_token(const TokenizerParts& parts, std::string_view token) {
  if (token.empty()) return std::nullopt;
  for (const AddedToken& added : parts.added) {
    if (added.content == token) return added.id;
  }
  const auto it = std::find(parts.tokens.begin(), parts.tokens.end(), token);
  if (it == parts.tokens.end()) return std::nullopt;
  return static_cast<int32_t>(it - parts.tokens.begin());
}

// "chat_template": a string, or a list of {"name", "template"}.
void read_chat_templates(const Json& config, TokenizerParts& parts) {
  const Json* value = config.find("chat_template");
  if (value == nullptr) return;
  if (value->is_string()) parts.chat_templates["default"] = value->as_string();
  if (!value->is_array()) return;
  for (const Json& item : value->as_array()) {
    const auto name = json_string(item, "name");
    const auto text = json_string(item, "template");
    if (name && text) parts.chat_templates[std::string(*name)] = *text;
  }
}

// As transformers: named tokens as their text, the others (a list in files up to version 4) as a list.
void read_template_tokens(const Json& config, TokenizerParts& parts) {
  for (const char* key :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    if (const std::string_view token = special_token(config, key); !token.empty())
      parts.template_tokens.set(key, Json(token));
  }
  const Json* others = config.find("additional_special_tokens");
  if (others == nullptr || !others->is_array()) return;
  JsonArray list;
  for (const Json& token : others->as_array()) {
    if (token.is_string()) list.push_back(token);
    if (const auto content = json_string(token, "content")) list.push_back(Json(*content));
  }
  if (!list.empty()) parts.template_tokens.set("additional_special_tokens", Json(std::move(list)));
}

Status read_config(std::string_view text, const PostProcessorIds& post, TokenizerParts& parts) {
  parts.prefix = post.prefix;
  parts.suffix = post.suffix;
  if (text.empty()) return {};
  auto config = parse_json(text);
  if (!config.ok()) return invalid_argument("tokenizer_config.json: ", config.error().message);
  parts.bos_id = find_token(parts, special_token(*config, "bos_token"));
  parts.eos_id = find_token(parts, special_token(*config, "eos_token"));
  if (parts.eos_id) parts.end_ids.push_back(*parts.eos_id);
  read_chat_templates(*config, parts);
  read_template_tokens(*config, parts);
  // Where the post-processor adds nothing of its own, the flags say what is added (DeepSeek).
  if (!post.has_template) {
    if (parts.bos_id && json_bool(*config, "add_bos_token", false)) parts.prefix.push_back(*parts.bos_id);
    if (parts.eos_id && json_bool(*config, "add_eos_token", false)) parts.suffix.push_back(*parts.eos_id);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> tokenizer_from_json(std::string_view tokenizer_json,
                                                             std::string_view tokenizer_config_json,
                                                             const ChatTemplates& chat_templates) {
  dom::parser parser;
  dom::object root;
  if (tokenizer_json.size() > (size_t{1} << 30)) {
    return make_error(ErrorCode::kTooLarge, "tokenizer.json has ", tokenizer_json.size(),
                      " bytes; the limit is 1 GiB");
  }
  const auto error = parser.parse(tokenizer_json.data(), tokenizer_json.size()).get(root);
  if (error) return invalid_argument("tokenizer.json: ", simdjson::error_message(error));
  TokenizerParts parts;
  PostProcessorIds post;
  HADAL_RETURN_IF_ERROR(read_model(root, parts));
  HADAL_RETURN_IF_ERROR(read_added_tokens(root, parts));
  HADAL_RETURN_IF_ERROR(read_steps(root, parts, post));
  HADAL_RETURN_IF_ERROR(read_config(tokenizer_config_json, post, parts));
  for (const auto& [name, source] : chat_templates) parts.chat_templates[name] = source;
  return BpeTokenizer::build(std::move(parts));
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::from_json(std::string_view tokenizer_json,
                                                              std::string_view tokenizer_config_json) {
  return tokenizer_from_json(tokenizer_json, tokenizer_config_json, {});
}

}  // namespace hadal
