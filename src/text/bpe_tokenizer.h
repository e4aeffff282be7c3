// BpeTokenizer: the one implementation of Tokenizer, from parts that the loaders (tokenizer.json, GGUF) fill
// in. Internal to text/. Const after building: any thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe_model.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/string_table.h"
#include "text/token_decoder.h"
#include "text/tokenizer.h"

namespace hadal {

// What a file says, before it is made into a tokenizer. Views point into the file's parsed form.
struct TokenizerParts {
  std::vector<std::string_view> tokens;  // by id, as spelled; "" where the file has no such id
  // BPE's own vocabulary, without added tokens that are not part of it: by id; "" elsewhere. Valid UTF-8.
  std::vector<std::string_view> model_tokens;
  std::vector<Merge> merges;
  BpeSpec bpe;
  std::vector<AddedToken> added;
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  DecoderSpec decoder;
  std::vector<int32_t> prefix;  // ids that add_special_tokens puts before
  std::vector<int32_t> suffix;  // and after the text's
  std::optional<int32_t> bos_id;
  std::optional<int32_t> eos_id;
  std::vector<int32_t> end_ids;
  std::vector<int32_t> silent;  // ids that decode to nothing (unused entries)
  std::map<std::string, std::string, std::less<>> chat_templates;
  Json template_tokens{JsonObject{}};
};

class BpeTokenizer : public Tokenizer {
 public:
  // Errors: kInvalidArgument, kTooLarge naming the part.
  static Result<std::shared_ptr<const Tokenizer>> build(TokenizerParts parts);

  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const override;
  std::string_view token_bytes(int32_t id) const override { return decoder_.middle(id); }
  std::string_view first_token_bytes(int32_t id) const override { return decoder_.first(id); }
  size_t min_ids(std::string_view text) const override;
  bool is_special(int32_t id) const override;
  std::optional<int32_t> token_to_id(std::string_view token) const override;
  std::string_view id_to_token(int32_t id) const override { return tokens_.at(id); }
  int32_t vocab_size() const override { return static_cast<int32_t>(tokens_.size()); }
  std::optional<int32_t> bos_id() const override { return bos_id_; }
  std::optional<int32_t> eos_id() const override { return eos_id_; }
  std::vector<int32_t> end_ids() const override { return end_ids_; }
  std::string_view bos_token() const override { return bos_id_ ? tokens_.at(*bos_id_) : std::string_view(); }
  std::string_view eos_token() const override { return eos_id_ ? tokens_.at(*eos_id_) : std::string_view(); }
  std::string chat_template(std::string_view name) const override;
  std::vector<std::string> chat_template_names() const override;
  Json template_tokens() const override { return template_tokens_; }

 private:
  class Encoder;
  BpeTokenizer(TokenizerParts parts, std::shared_ptr<const UnicodeTables> tables);
  static BpeModel make_model(const TokenizerParts& parts);
  void add_finders(const TokenizerParts& parts);

  std::shared_ptr<const UnicodeTables> tables_;
  std::array<bool, 256> counts_{};  // bytes that cannot vanish
  size_t max_bytes_per_id_;         // of these; 0: not known
  StringTable tokens_;
  BpeModel model_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  AddedTokenFinder raw_added_;         // looked for before normalizing
  AddedTokenFinder normalized_added_;  // and after
  std::vector<std::pair<int32_t, std::string>>
      normalized_spellings_;  // by id, where normalizing changed a token
  TokenDecoder decoder_;
  std::vector<bool> special_;  // by id
  std::vector<int32_t> prefix_;
  std::vector<int32_t> suffix_;
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  std::vector<int32_t> end_ids_;
  std::map<std::string, std::string, std::less<>> chat_templates_;
  Json template_tokens_;
};

}  // namespace hadal
