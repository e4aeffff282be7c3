// Tokenizer: text to token ids and back: byte-level BPE (tokenizer.json, GGUF "gpt2") and SentencePiece-style
// BPE (GGUF "llama"). Ids equal Hugging Face `tokenizers`. Immutable after loading: any thread, no locks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/gguf.h"
#include "base/json.h"
#include "base/result.h"

namespace hadal {

struct EncodeOptions {
  bool add_special_tokens = true;  // BOS/EOS as the post-processor (or add_bos_token) says
  // false: text that spells an added token is encoded as plain text (user-supplied spans).
  bool parse_special = true;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // tokenizer.json's text and tokenizer_config.json's (may be empty).
  // Errors: kInvalidArgument / kUnsupported naming the part of the file.
  static Result<std::shared_ptr<const Tokenizer>> from_json(std::string_view tokenizer_json,
                                                            std::string_view tokenizer_config_json);
  static Result<std::shared_ptr<const Tokenizer>> from_gguf(const GgufFile& file);
  // A directory (tokenizer.json, tokenizer_config.json, chat_template.jinja).
  static Result<std::shared_ptr<const Tokenizer>> from_directory(const std::string& path);

  // Invalid UTF-8 in `text` is encoded as the bytes of U+FFFD would be.
  virtual std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  // Whole-sequence decode with invalid UTF-8 replaced by U+FFFD. Unknown ids give nothing.
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const = 0;
  // So many ids, at least, are in encode(text), found out without encoding; 0 where no such bound is known.
  virtual size_t min_ids(std::string_view) const { return 0; }
  // The raw bytes that this id adds in the middle of a sequence (may be part of a code point). Empty for
  // unknown ids.
  virtual std::string_view token_bytes(int32_t id) const = 0;
  // The same at the start of the output: SentencePiece models drop the first space of the first token.
  virtual std::string_view first_token_bytes(int32_t id) const = 0;
  virtual bool is_special(int32_t id) const = 0;  // dropped by skip_special_tokens
  virtual std::optional<int32_t> token_to_id(std::string_view token) const = 0;
  virtual std::string_view id_to_token(int32_t id) const = 0;  // as the vocabulary spells it

  virtual int32_t vocab_size() const = 0;  // largest id + 1, added tokens included
  virtual std::optional<int32_t> bos_id() const = 0;
  virtual std::optional<int32_t> eos_id() const = 0;
  // Every id that ends an answer: eos and GGUF's eot/eom; config.json may add more.
  virtual std::vector<int32_t> end_ids() const = 0;
  virtual std::string_view bos_token() const = 0;  // "" when there is none
  virtual std::string_view eos_token() const = 0;
  // Jinja source of the model's chat template; "" when there is none. `name`: where the config holds several.
  virtual std::string chat_template(std::string_view name = "default") const = 0;
  // Sorted; empty when there is none.
  virtual std::vector<std::string> chat_template_names() const { return {}; }
  // An object: what templates get of the special tokens, as transformers passes them: bos_token, eos_token,
  // unk_token, sep_token, pad_token, cls_token, mask_token as text where the model has them, and
  // additional_special_tokens as a list.
  virtual Json template_tokens() const;
};

}  // namespace hadal
