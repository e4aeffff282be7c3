#include "text/tokenizer_steps.h"

#include "text/tokenizer_json.h"

namespace hadal {
namespace {

constexpr int kMaxSteps = 64;
constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

Error unsupported(std::string_view section, std::string_view type) {
  return make_error(ErrorCode::kUnsupported, "tokenizer.json: ", section, " type \"", type,
                    "\" is not supported");
}

std::string_view type_of(const Json& value) {
  return json_string(value, "type").value_or("");
}

// Calls `one` for the members of Sequences, depth first, and for every other value.
template <typename F>
Status for_each_step(const Json* section, std::string_view name, std::string_view list, int depth, F&& one) {
  if (section == nullptr || section->is_null()) return {};
  if (!section->is_object()) return invalid_argument("tokenizer.json: ", name, " must be an object");
  if (type_of(*section) != "Sequence") return one(*section);
  const Json* items = section->find(list);
  if (items == nullptr || !items->is_array() || items->as_array().size() > kMaxSteps || depth > 4) {
    return invalid_argument("tokenizer.json: ", name, " Sequence needs the list \"", list, "\" of at most ",
                            kMaxSteps, " steps, nested at most 4 times");
  }
  for (const Json& item : items->as_array()) {
    HADAL_RETURN_IF_ERROR(for_each_step(&item, name, list, depth + 1, one));
  }
  return {};
}

// {"Regex": "..."} or {"String": "..."}.
struct Pattern {
  std::string_view text;
  bool is_regex = false;
};
Result<Pattern> parse_pattern(const Json& step, std::string_view section) {
  const Json* pattern = step.find("pattern");
  if (pattern != nullptr && pattern->is_string()) return Pattern{pattern->as_string(), false};
  if (pattern != nullptr) {
    if (const auto regex = json_string(*pattern, "Regex")) return Pattern{*regex, true};
    if (const auto text = json_string(*pattern, "String")) return Pattern{*text, false};
  }
  return invalid_argument("tokenizer.json: ", section, " ", type_of(step),
                          " needs a pattern {\"Regex\"} or {\"String\"}");
}

Result<SplitBehavior> parse_behavior(const Json& step) {
  const std::string_view name = json_string(step, "behavior").value_or("Isolated");
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return invalid_argument("tokenizer.json: pre_tokenizer Split has the unknown behavior \"", name, "\"");
}

Result<SplitStep> parse_split(const Json& json) {
  HADAL_ASSIGN(const Pattern pattern, parse_pattern(json, "pre_tokenizer"));
  SplitStep step;
  if (pattern.is_regex) {
    HADAL_ASSIGN(step, make_regex_split(pattern.text));
  } else {
    step.pattern = std::string(pattern.text);
  }
  HADAL_ASSIGN(step.behavior, parse_behavior(json));
  step.invert = json_bool(json, "invert", false);
  return step;
}

// Older files have add_prefix_space instead of prepend_scheme.
MetaspaceStep parse_metaspace(const Json& json) {
  MetaspaceStep step;
  step.replacement = json_string(json, "replacement").value_or(kSpaceMark);
  step.split = json_bool(json, "split", true);
  const std::string_view scheme =
      json_string(json, "prepend_scheme")
          .value_or(json_bool(json, "add_prefix_space", true) ? "always" : "never");
  step.prepend = scheme == "first"   ? MetaspaceStep::Prepend::kFirst
                 : scheme == "never" ? MetaspaceStep::Prepend::kNever
                                     : MetaspaceStep::Prepend::kAlways;
  return step;
}

Result<NormalizerStep> parse_normalizer_step(const Json& json) {
  const std::string_view type = type_of(json);
  if (type == "NFC") return NormalizerStep(NfcStep{});
  if (type == "Prepend")
    return NormalizerStep(PrependStep{std::string(json_string(json, "prepend").value_or(""))});
  if (type == "Strip") {
    return NormalizerStep(
        StripStep{json_bool(json, "strip_left", true), json_bool(json, "strip_right", true)});
  }
  if (type != "Replace") return unsupported("normalizer", type);
  HADAL_ASSIGN(const Pattern pattern, parse_pattern(json, "normalizer"));
  ReplaceStep step{.pattern = std::string(pattern.text),
                   .content = std::string(json_string(json, "content").value_or(""))};
  if (pattern.is_regex) {
    HADAL_ASSIGN(step.pattern, Regex::compile(pattern.text));
  }
  return NormalizerStep(std::move(step));
}

Result<PreTokenizerStep> parse_pre_tokenizer_step(const Json& json) {
  const std::string_view type = type_of(json);
  if (type == "ByteLevel") {
    return PreTokenizerStep(
        ByteLevelStep{json_bool(json, "add_prefix_space", true), json_bool(json, "use_regex", true)});
  }
  if (type == "Digits") return PreTokenizerStep(DigitsStep{json_bool(json, "individual_digits", false)});
  if (type == "Whitespace") return PreTokenizerStep(WhitespaceStep{true});
  if (type == "WhitespaceSplit") return PreTokenizerStep(WhitespaceStep{false});
  if (type == "Metaspace") return PreTokenizerStep(parse_metaspace(json));
  if (type != "Split") return unsupported("pre_tokenizer", type);
  HADAL_ASSIGN(SplitStep split, parse_split(json));
  return PreTokenizerStep(std::move(split));
}

Status add_decoder_step(const Json& json, DecoderSpec& spec) {
  const std::string_view type = type_of(json);
  // The steps are applied in one fixed order, which is theirs in every known file.
  const bool stripped = spec.strip_start > 0;
  if (type == "Replace") {
    HADAL_ASSIGN(const Pattern pattern, parse_pattern(json, "decoder"));
    if (pattern.is_regex || spec.byte_fallback || stripped || spec.fused)
      return unsupported("decoder", "Replace (here)");
    spec.replaces.emplace_back(pattern.text, json_string(json, "content").value_or(""));
  } else if (type == "Metaspace") {
    if (!spec.metaspace.empty() || stripped || spec.fused) return unsupported("decoder", "Metaspace (here)");
    const MetaspaceStep step = parse_metaspace(json);
    spec.metaspace = step.replacement;
    spec.metaspace_drop_first = step.prepend != MetaspaceStep::Prepend::kNever;
  } else if (type == "ByteFallback") {
    if (stripped || spec.fused) return unsupported("decoder", "ByteFallback (here)");
    spec.byte_fallback = true;
  } else if (type == "Fuse") {
    if (stripped) return unsupported("decoder", "Fuse after Strip");
    spec.fused = true;
  } else if (type == "Strip") {
    const int64_t start = json_int(json, "start").value_or(0);
    const int64_t stop = json_int(json, "stop").value_or(0);
    if (start < 0 || start > 1 || stop != 0 || stripped) {
      return make_error(ErrorCode::kUnsupported,
                        "tokenizer.json: decoder Strip is supported with start 0 or 1 and stop 0");
    }
    spec.strip_content = json_string(json, "content").value_or("");
    spec.strip_start = static_cast<int>(start);
  } else {
    return unsupported("decoder", type);
  }
  return {};
}

Result<std::vector<int32_t>> template_ids(const Json& special_tokens, std::string_view name) {
  const Json* entry = special_tokens.find(name);
  const Json* ids = entry == nullptr ? nullptr : entry->find("ids");
  std::vector<int32_t> out;
  for (const Json& id : ids != nullptr && ids->is_array() ? ids->as_array() : JsonArray()) {
    if (!id.is_int() || id.as_int() < 0 || id.as_int() > MergeTable::kMaxIds) {
      return invalid_argument("tokenizer.json: post_processor has a wrong id for \"", name, "\"");
    }
    out.push_back(static_cast<int32_t>(id.as_int()));
  }
  if (out.empty()) return invalid_argument("tokenizer.json: post_processor has no ids for \"", name, "\"");
  return out;
}

// {"single": [{"SpecialToken": {"id": NAME}}, {"Sequence": {"id": "A"}}], "special_tokens": {NAME: {"ids":
// [..]}}}
Status add_template(const Json& json, PostProcessorIds& out) {
  const Json* single = json.find("single");
  const Json* special = json.find("special_tokens");
  if (single == nullptr || !single->is_array() || special == nullptr) {
    return invalid_argument(
        "tokenizer.json: post_processor TemplateProcessing needs \"single\" and \"special_tokens\"");
  }
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
  bool text_seen = false;
  for (const Json& piece : single->as_array()) {
    if (piece.find("Sequence") != nullptr) {
      if (text_seen)
        return make_error(ErrorCode::kUnsupported, "tokenizer.json: post_processor repeats the text");
      text_seen = true;
      continue;
    }
    const Json* token = piece.find("SpecialToken");
    const auto name = token == nullptr ? std::nullopt : json_string(*token, "id");
    if (!name)
      return invalid_argument("tokenizer.json: post_processor has a piece that is no token and no sequence");
    HADAL_ASSIGN(const std::vector<int32_t> ids, template_ids(*special, *name));
    auto& side = text_seen ? suffix : prefix;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  out.has_template = true;
  out.prefix.insert(out.prefix.begin(), prefix.begin(), prefix.end());
  out.suffix.insert(out.suffix.end(), suffix.begin(), suffix.end());
  return {};
}

// RobertaProcessing and BertProcessing: "cls": [token, id], "sep": [token, id].
Status add_cls_sep(const Json& json, PostProcessorIds& out) {
  const auto id_of = [&](std::string_view key) -> std::optional<int32_t> {
    const Json* pair = json.find(key);
    if (pair == nullptr || !pair->is_array() || pair->as_array().size() != 2) return std::nullopt;
    const Json& id = pair->as_array()[1];
    if (!id.is_int() || id.as_int() < 0 || id.as_int() > MergeTable::kMaxIds) return std::nullopt;
    return static_cast<int32_t>(id.as_int());
  };
  const auto cls = id_of("cls");
  const auto sep = id_of("sep");
  if (!cls || !sep)
    return invalid_argument("tokenizer.json: post_processor needs \"cls\" and \"sep\" as [token, id]");
  out.has_template = true;
  out.prefix.insert(out.prefix.begin(), *cls);
  out.suffix.push_back(*sep);
  return {};
}

}  // namespace

Result<SplitStep> make_regex_split(std::string_view regex) {
  SplitStep step;
  if (const auto known = recognize_pattern(regex)) {
    step.pattern = *known;
  } else {
    HADAL_ASSIGN(step.pattern, Regex::compile(regex));
  }
  return step;
}

Result<std::vector<NormalizerStep>> parse_normalizer(const Json* section) {
  std::vector<NormalizerStep> steps;
  HADAL_RETURN_IF_ERROR(
      for_each_step(section, "normalizer", "normalizers", 0, [&](const Json& json) -> Status {
        HADAL_ASSIGN(NormalizerStep step, parse_normalizer_step(json));
        steps.push_back(std::move(step));
        return {};
      }));
  return steps;
}

Result<std::vector<PreTokenizerStep>> parse_pre_tokenizer(const Json* section) {
  std::vector<PreTokenizerStep> steps;
  HADAL_RETURN_IF_ERROR(
      for_each_step(section, "pre_tokenizer", "pretokenizers", 0, [&](const Json& json) -> Status {
        if (!steps.empty() && std::holds_alternative<ByteLevelStep>(steps.back())) {
          return make_error(ErrorCode::kUnsupported,
                            "tokenizer.json: pre_tokenizer has steps after ByteLevel");
        }
        HADAL_ASSIGN(PreTokenizerStep step, parse_pre_tokenizer_step(json));
        steps.push_back(std::move(step));
        return {};
      }));
  return steps;
}

Result<DecoderSpec> parse_decoder(const Json* section) {
  DecoderSpec spec;
  if (section == nullptr || section->is_null()) return spec;
  spec.kind = DecoderSpec::Kind::kSteps;
  int steps = 0;
  bool byte_level = false;
  HADAL_RETURN_IF_ERROR(for_each_step(section, "decoder", "decoders", 0, [&](const Json& json) -> Status {
    ++steps;
    if (type_of(json) != "ByteLevel") return add_decoder_step(json, spec);
    byte_level = true;
    return {};
  }));
  if (!byte_level) return spec;
  if (steps > 1)
    return make_error(ErrorCode::kUnsupported, "tokenizer.json: decoder has steps beside ByteLevel");
  spec.kind = DecoderSpec::Kind::kByteLevel;
  return spec;
}

Result<PostProcessorIds> parse_post_processor(const Json* section) {
  PostProcessorIds out;
  HADAL_RETURN_IF_ERROR(
      for_each_step(section, "post_processor", "processors", 0, [&](const Json& json) -> Status {
        const std::string_view type = type_of(json);
        if (type == "ByteLevel") return {};
        if (type == "TemplateProcessing") return add_template(json, out);
        if (type == "RobertaProcessing" || type == "BertProcessing") return add_cls_sep(json, out);
        return unsupported("post_processor", type);
      }));
  return out;
}

}  // namespace hadal
