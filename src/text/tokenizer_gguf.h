// A tokenizer from GGUF metadata (keys tokenizer.*, see ggml's docs/gguf.md). Internal to text/. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe_tokenizer.h"

namespace hadal {

// The metadata as plain values, so that tests need no file. Vectors stay the caller's.
struct GgufTokenizerFields {
  std::string_view model;  // tokenizer.ggml.model: "gpt2" or "llama"
  std::string_view pre;    // tokenizer.ggml.pre: names a regular expression, see pre_names()
  const std::vector<std::string>* tokens = nullptr;
  const std::vector<double>* scores = nullptr;  // "llama" only
  const std::vector<int64_t>* token_types =
      nullptr;  // 1 normal, 2 unknown, 3 control, 4 user, 5 unused, 6 byte
  const std::vector<std::string>* merges = nullptr;  // "gpt2" only
  std::optional<int64_t> bos_id;
  std::optional<int64_t> eos_id;
  std::optional<int64_t> eot_id;
  std::optional<int64_t> eom_id;
  std::optional<int64_t> unknown_id;
  std::optional<int64_t> separator_id;
  std::optional<int64_t> padding_id;
  std::optional<int64_t> cls_id;
  std::optional<int64_t> mask_id;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  std::optional<bool> add_space_prefix;
  std::map<std::string, std::string, std::less<>> chat_templates;
};

// Errors: kInvalidArgument naming the key, kUnsupported for another model or an unknown `pre`.
Result<TokenizerParts> tokenizer_parts_from_gguf(const GgufTokenizerFields& fields);

// How texts of a `pre` name are normalized and split. Errors: kUnsupported listing the known names.
struct GgufPre {
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  bool ignore_merges = false;
  bool add_bos = false;  // where the file does not say
};
Result<GgufPre> gguf_pre(std::string_view name);

}  // namespace hadal
