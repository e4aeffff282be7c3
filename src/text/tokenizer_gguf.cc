#include "text/tokenizer_gguf.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/utf8.h"

namespace hadal {
namespace {

constexpr int64_t kUnknown = 2;
constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;
constexpr int64_t kUnused = 5;
constexpr int64_t kByte = 6;
constexpr std::string_view kGgufSpaceMark = "\xE2\x96\x81";

int64_t gguf_token_type(const GgufTokenizerFields& fields, size_t id) {
  return fields.token_types == nullptr ? 1 : (*fields.token_types)[id];
}

Status check_sizes(const GgufTokenizerFields& fields) {
  if (fields.tokens == nullptr || fields.tokens->empty()) {
    return invalid_argument("GGUF: tokenizer.ggml.tokens is missing; this file has no tokenizer");
  }
  if (fields.tokens->size() > static_cast<size_t>(MergeTable::kMaxIds)) {
    return make_error(ErrorCode::kTooLarge, "GGUF: tokenizer.ggml.tokens has ", fields.tokens->size(),
                      " entries, over the limit of ", MergeTable::kMaxIds);
  }
  const auto check = [&](std::string_view key, size_t size) -> Status {
    if (size == fields.tokens->size()) return {};
    return invalid_argument("GGUF: tokenizer.ggml.", key, " has ", size, " entries for ",
                            fields.tokens->size(), " tokens");
  };
  if (fields.token_types != nullptr) HADAL_RETURN_IF_ERROR(check("token_type", fields.token_types->size()));
  if (fields.scores != nullptr) HADAL_RETURN_IF_ERROR(check("scores", fields.scores->size()));
  return {};
}

void read_tokens(const GgufTokenizerFields& fields, TokenizerParts& parts) {
  const size_t count = fields.tokens->size();
  parts.tokens.resize(count);
  parts.model_tokens.resize(count);
  for (size_t id = 0; id < count; ++id) {
    const std::string_view token = (*fields.tokens)[id];
    const int64_t type = gguf_token_type(fields, id);
    if (token.empty() || !utf8_is_valid(token)) continue;
    parts.tokens[id] = token;
    if (type == kUnused) parts.silent.push_back(static_cast<int32_t>(id));
    const bool added = type == kUnknown || type == kControl || type == kUserDefined;
    // What is added, unused or a single byte is not spelled by plain text.
    if (!added && type != kUnused && type != kByte) parts.model_tokens[id] = token;
    if (added && token.size() <= AddedTokenFinder::kMaxContent) {
      parts.added.push_back(
          {.id = static_cast<int32_t>(id), .content = std::string(token), .special = type != kUserDefined});
    }
  }
}

std::optional<int32_t> valid_id(std::optional<int64_t> id, const TokenizerParts& parts) {
  if (!id || *id < 0 || static_cast<size_t>(*id) >= parts.tokens.size()) return std::nullopt;
  return static_cast<int32_t>(*id);
}

// Files made before eot_token_id existed name the end of a turn only by its spelling.
constexpr std::string_view kTurnEnds[] = {"<|eot_id|>",
                                          "<|eom_id|>",
                                          "<|im_end|>",
                                          "<|end|>",
                                          "<end_of_turn>",
                                          "<|endoftext|>",
                                          "<\xEF\xBD\x9C"
                                          "end\xE2\x96\x81"
                                          "of\xE2\x96\x81sentence\xEF\xBD\x9C>"};

void read_ends(const GgufTokenizerFields& fields, TokenizerParts& parts) {
  parts.bos_id = valid_id(fields.bos_id, parts);
  parts.eos_id = valid_id(fields.eos_id, parts);
  const auto add = [&](std::optional<int32_t> id) {
    if (id && std::find(parts.end_ids.begin(), parts.end_ids.end(), *id) == parts.end_ids.end()) {
      parts.end_ids.push_back(*id);
    }
  };
  add(parts.eos_id);
  add(valid_id(fields.eot_id, parts));
  add(valid_id(fields.eom_id, parts));
  for (const AddedToken& token : parts.added) {
    if (!token.special) continue;
    if (std::find(std::begin(kTurnEnds), std::end(kTurnEnds), token.content) != std::end(kTurnEnds))
      add(token.id);
  }
}

void read_prefix(const GgufTokenizerFields& fields, bool add_bos, TokenizerParts& parts) {
  if (fields.add_bos.value_or(add_bos) && parts.bos_id) parts.prefix.push_back(*parts.bos_id);
  if (fields.add_eos.value_or(false) && parts.eos_id) parts.suffix.push_back(*parts.eos_id);
}

Status read_gguf_merges(const GgufTokenizerFields& fields, TokenizerParts& parts) {
  if (fields.merges == nullptr) return invalid_argument("GGUF: tokenizer.ggml.merges is missing");
  if (fields.merges->size() >= MergeTable::kMaxRanks) {
    return make_error(ErrorCode::kTooLarge, "GGUF: tokenizer.ggml.merges has ", fields.merges->size(),
                      " entries");
  }
  StringTable vocab(parts.tokens);
  vocab.build_index();
  std::string joined;
  for (size_t i = 0; i < fields.merges->size(); ++i) {
    const std::string_view text = (*fields.merges)[i];
    const size_t space = text.find(' ', 1);  // a token of spaces alone begins with its first
    if (space == std::string_view::npos) {
      return invalid_argument("GGUF: tokenizer.ggml.merges[", i, "] is not \"a b\"");
    }
    joined.assign(text.substr(0, space));
    joined += text.substr(space + 1);
    const Merge merge{vocab.find(text.substr(0, space)), vocab.find(text.substr(space + 1)),
                      vocab.find(joined), static_cast<uint32_t>(i)};
    // A merge of tokens that the file lacks can never happen.
    if (merge.left >= 0 && merge.right >= 0 && merge.result >= 0) parts.merges.push_back(merge);
  }
  return {};
}

// SentencePiece merges whatever two pieces make a token, the best score first: every way to split a token is
// a merge, ranked by the token's score; equal scores have equal ranks.
void merges_from_scores(const std::vector<double>& scores, TokenizerParts& parts) {
  StringTable vocab(parts.model_tokens);
  vocab.build_index();
  std::vector<int32_t> order;
  for (size_t id = 0; id < parts.model_tokens.size(); ++id) {
    if (!parts.model_tokens[id].empty()) order.push_back(static_cast<int32_t>(id));
  }
  const auto score = [&](int32_t id) {
    const double value = scores[static_cast<size_t>(id)];
    return std::isnan(value) ? -INFINITY : value;
  };
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return score(a) > score(b); });
  uint32_t rank = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && score(order[i]) != score(order[i - 1])) ++rank;
    const std::string_view token = parts.model_tokens[static_cast<size_t>(order[i])];
    if (token.size() > 256) continue;  // longer than any trained piece; the splits are quadratic in work
    for (size_t cut = 1; cut < token.size(); ++cut) {
      if ((static_cast<unsigned char>(token[cut]) & 0xC0) == 0x80) continue;
      const int32_t left = vocab.find(token.substr(0, cut));
      const int32_t right = left < 0 ? -1 : vocab.find(token.substr(cut));
      if (right >= 0) parts.merges.push_back({left, right, order[i], rank});
    }
  }
}

Status read_spm(const GgufTokenizerFields& fields, TokenizerParts& parts) {
  if (fields.scores == nullptr) return invalid_argument("GGUF: tokenizer.ggml.scores is missing");
  merges_from_scores(*fields.scores, parts);
  parts.bpe.byte_level = false;
  parts.bpe.byte_fallback = true;
  parts.bpe.byte_ids.fill(-1);
  for (size_t id = 0; id < parts.tokens.size(); ++id) {
    if (gguf_token_type(fields, id) != kByte && fields.token_types != nullptr) continue;
    if (const auto byte = byte_token(parts.tokens[id])) {
      parts.bpe.byte_ids[static_cast<unsigned char>(*byte)] = static_cast<int32_t>(id);
    }
  }
  parts.bpe.unk_id = valid_id(fields.unknown_id.value_or(0), parts).value_or(-1);
  const bool space_prefix = fields.add_space_prefix.value_or(true);
  if (space_prefix) parts.normalizer.push_back(PrependStep{std::string(kGgufSpaceMark)});
  parts.normalizer.push_back(
      ReplaceStep{.pattern = std::string(" "), .content = std::string(kGgufSpaceMark)});
  parts.decoder.kind = DecoderSpec::Kind::kSteps;
  parts.decoder.replaces.emplace_back(kGgufSpaceMark, " ");
  parts.decoder.byte_fallback = true;
  parts.decoder.fused = true;
  parts.decoder.strip_content = " ";
  parts.decoder.strip_start = space_prefix ? 1 : 0;
  return {};
}

void read_gguf_template_tokens(const GgufTokenizerFields& fields, TokenizerParts& parts) {
  const auto set = [&](const char* name, const std::optional<int64_t>& id) {
    if (id && *id >= 0 && static_cast<size_t>(*id) < parts.tokens.size())
      parts.template_tokens.set(name, Json(parts.tokens[static_cast<size_t>(*id)]));
  };
  set("bos_token", fields.bos_id);
  set("eos_token", fields.eos_id);
  set("unk_token", fields.unknown_id);
  set("sep_token", fields.separator_id);
  set("pad_token", fields.padding_id);
  set("cls_token", fields.cls_id);
  set("mask_token", fields.mask_id);
}

}  // namespace

Result<TokenizerParts> tokenizer_parts_from_gguf(const GgufTokenizerFields& fields) {
  HADAL_RETURN_IF_ERROR(check_sizes(fields));
  TokenizerParts parts;
  read_tokens(fields, parts);
  parts.chat_templates = fields.chat_templates;
  if (fields.model == "gpt2") {
    HADAL_ASSIGN(GgufPre pre, gguf_pre(fields.pre));
    parts.normalizer = std::move(pre.normalizer);
    parts.pre_tokenizer = std::move(pre.pre_tokenizer);
    parts.bpe.ignore_merges = pre.ignore_merges;
    parts.decoder.kind = DecoderSpec::Kind::kByteLevel;
    HADAL_RETURN_IF_ERROR(read_gguf_merges(fields, parts));
    read_ends(fields, parts);
    read_prefix(fields, pre.add_bos, parts);
    read_gguf_template_tokens(fields, parts);
    return parts;
  }
  if (fields.model != "llama") {
    return make_error(ErrorCode::kUnsupported, "GGUF: tokenizer.ggml.model \"", fields.model,
                      "\" is not supported; \"gpt2\" and \"llama\" are");
  }
  HADAL_RETURN_IF_ERROR(read_spm(fields, parts));
  GgufTokenizerFields with_defaults = fields;
  if (!fields.bos_id) with_defaults.bos_id = 1;
  if (!fields.eos_id) with_defaults.eos_id = 2;
  read_ends(with_defaults, parts);
  read_prefix(with_defaults, true, parts);
  read_gguf_template_tokens(with_defaults, parts);
  return parts;
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::from_gguf(const GgufFile& file) {
  const auto text = [&](std::string_view key) {
    const std::string* value = file.get_string(key);
    return value == nullptr ? std::string_view() : std::string_view(*value);
  };
  GgufTokenizerFields fields;
  fields.model = text("tokenizer.ggml.model");
  fields.pre = text("tokenizer.ggml.pre");
  fields.tokens = file.get_strings("tokenizer.ggml.tokens");
  fields.scores = file.get_doubles("tokenizer.ggml.scores");
  fields.token_types = file.get_ints("tokenizer.ggml.token_type");
  fields.merges = file.get_strings("tokenizer.ggml.merges");
  fields.bos_id = file.get_int("tokenizer.ggml.bos_token_id");
  fields.eos_id = file.get_int("tokenizer.ggml.eos_token_id");
  fields.eot_id = file.get_int("tokenizer.ggml.eot_token_id");
  fields.eom_id = file.get_int("tokenizer.ggml.eom_token_id");
  fields.unknown_id = file.get_int("tokenizer.ggml.unknown_token_id");
  fields.separator_id = file.get_int("tokenizer.ggml.seperator_token_id");  // the format's spelling
  fields.padding_id = file.get_int("tokenizer.ggml.padding_token_id");
  fields.cls_id = file.get_int("tokenizer.ggml.cls_token_id");
  fields.mask_id = file.get_int("tokenizer.ggml.mask_token_id");
  fields.add_bos = file.get_bool("tokenizer.ggml.add_bos_token");
  fields.add_eos = file.get_bool("tokenizer.ggml.add_eos_token");
  fields.add_space_prefix = file.get_bool("tokenizer.ggml.add_space_prefix");
  constexpr std::string_view kTemplate = "tokenizer.chat_template";
  for (const auto& [key, value] : file.metadata()) {
    const auto* source = std::get_if<std::string>(&value);
    if (source == nullptr || !key.starts_with(kTemplate)) continue;
    if (key == kTemplate) fields.chat_templates["default"] = *source;
    const std::string_view name = std::string_view(key).substr(kTemplate.size());
    if (name.starts_with('.')) fields.chat_templates[std::string(name.substr(1))] = *source;
  }
  HADAL_ASSIGN(TokenizerParts parts, tokenizer_parts_from_gguf(fields));
  return BpeTokenizer::build(std::move(parts));
}

}  // namespace hadal
