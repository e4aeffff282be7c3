#include "text/bpe_tokenizer.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "text/byte_alphabet.h"

namespace hadal {

// One encode call: text parts to ids.
class BpeTokenizer::Encoder : public PieceSink {
 public:
  Encoder(const BpeTokenizer& owner, bool parse_added, std::vector<int32_t>& out)
      : owner_(owner), parse_added_(parse_added), out_(out) {}

  void on_piece(std::string_view piece) override { owner_.model_.encode(piece, scratch_, out_); }

  void encode(std::string_view text) {
    regex_.grant(text.size());
    if (!parse_added_ || owner_.raw_added_.empty()) {
      if (!text.empty()) encode_part(text, true);
      return;
    }
    owner_.raw_added_.split(
        *owner_.tables_, text,
        [&](size_t begin, size_t end) { encode_part(text.substr(begin, end - begin), begin == 0); },
        [&](int32_t id) { out_.push_back(id); });
  }

 private:
  void encode_part(std::string_view part, bool at_start) {
    const std::string_view text = owner_.normalizer_.apply(part, regex_, buffer_);
    if (!parse_added_ || owner_.normalized_added_.empty()) {
      owner_.pre_tokenizer_.split(text, at_start, regex_, *this);
      return;
    }
    owner_.normalized_added_.split(
        *owner_.tables_, text,
        [&](size_t begin, size_t end) {
          owner_.pre_tokenizer_.split(text.substr(begin, end - begin), at_start && begin == 0, regex_, *this);
        },
        [&](int32_t id) { out_.push_back(id); });
  }

  const BpeTokenizer& owner_;
  bool parse_added_;
  std::vector<int32_t>& out_;
  BpeModel::Scratch scratch_;
  Regex::Scratch regex_;
  std::string buffer_;
};

Result<std::shared_ptr<const Tokenizer>> BpeTokenizer::build(TokenizerParts parts) {
  if (parts.tokens.size() > static_cast<size_t>(MergeTable::kMaxIds)) {
    return make_error(ErrorCode::kTooLarge, "tokenizer: ", parts.tokens.size(), " ids are over the limit of ",
                      MergeTable::kMaxIds);
  }
  size_t bytes = 0;
  for (const std::string_view token : parts.tokens) bytes += token.size();
  if (bytes > (size_t{1} << 30)) {
    return make_error(ErrorCode::kTooLarge, "tokenizer: the vocabulary has ", bytes,
                      " bytes, over the limit of 1 GiB");
  }
  for (const AddedToken& token : parts.added) {
    if (token.content.empty() || token.content.size() > AddedTokenFinder::kMaxContent) {
      return invalid_argument("tokenizer: added token ", token.id, " has ", token.content.size(),
                              " bytes; it must have 1 to ", AddedTokenFinder::kMaxContent);
    }
  }
  auto tables = std::make_shared<const UnicodeTables>();
  return std::shared_ptr<const Tokenizer>(new BpeTokenizer(std::move(parts), std::move(tables)));
}

namespace {

// Bytes that normalizing turns into one, at most; 0 where text can vanish.
size_t max_shrink(const std::vector<NormalizerStep>& steps) {
  size_t shrink = 1;
  for (const NormalizerStep& step : steps) {
    if (std::holds_alternative<NfcStep>(step)) {
      shrink *=
          4;  // three Hangul jamo of 3 bytes, or a letter and three marks, become one of 3: at most a third
    } else if (const auto* replace = std::get_if<ReplaceStep>(&step)) {
      const auto* text = std::get_if<std::string>(&replace->pattern);
      if (!text || replace->content.empty()) return 0;
      shrink *= (text->size() + replace->content.size() - 1) / replace->content.size();
    } else if (std::holds_alternative<StripStep>(step)) {
      return 0;
    }
  }
  return shrink;
}

bool keeps_all_text(const PreTokenizerStep& step) {
  if (std::holds_alternative<WhitespaceStep>(step)) return false;
  const auto* split = std::get_if<SplitStep>(&step);
  return !split || split->behavior != SplitBehavior::kRemoved;
}

// The bytes of text that become part of some id: unknown units vanish or melt into one.
std::array<bool, 256> find_lasting_bytes(const TokenizerParts& parts) {
  std::array<bool, 256> lasting{};
  if (parts.bpe.byte_level) {
    for (const std::string_view token : parts.model_tokens) {
      const auto bytes = kByteAlphabet.decode(token);
      if (bytes && bytes->size() == 1) lasting[static_cast<unsigned char>((*bytes)[0])] = true;
    }
  } else if (parts.bpe.byte_fallback && std::all_of(parts.bpe.byte_ids.begin(), parts.bpe.byte_ids.end(),
                                                    [](int32_t id) { return id >= 0; })) {
    lasting.fill(true);
  }
  // Normalizing makes other bytes of those that came.
  if (!parts.normalizer.empty()) {
    for (int byte = 0; byte < 0xF5; ++byte) {
      if (!lasting[static_cast<size_t>(byte)] && byte != 0xC0 && byte != 0xC1) return {};
    }
  }
  return lasting;
}

size_t find_max_bytes_per_id(const TokenizerParts& parts) {
  const size_t shrink = max_shrink(parts.normalizer);
  const bool strips = std::any_of(parts.added.begin(), parts.added.end(),
                                  [](const AddedToken& token) { return token.lstrip || token.rstrip; });
  if (shrink == 0 || strips ||
      !std::all_of(parts.pre_tokenizer.begin(), parts.pre_tokenizer.end(), keeps_all_text)) {
    return 0;
  }
  size_t longest = 1;
  for (const std::string_view token : parts.model_tokens) {
    const auto bytes = parts.bpe.byte_level ? kByteAlphabet.decode(token) : std::nullopt;
    longest = std::max(longest, bytes ? bytes->size() : token.size());
  }
  for (const AddedToken& token : parts.added) longest = std::max(longest, token.content.size());
  return longest * shrink;
}

}  // namespace

BpeTokenizer::BpeTokenizer(TokenizerParts parts, std::shared_ptr<const UnicodeTables> tables)
    : tables_(std::move(tables)),
      counts_(find_lasting_bytes(parts)),
      max_bytes_per_id_(find_max_bytes_per_id(parts)),
      tokens_(parts.tokens),
      model_(make_model(parts)),
      normalizer_(std::move(parts.normalizer), tables_),
      pre_tokenizer_(std::move(parts.pre_tokenizer), tables_),
      special_(parts.tokens.size(), false),
      prefix_(std::move(parts.prefix)),
      suffix_(std::move(parts.suffix)),
      bos_id_(parts.bos_id),
      eos_id_(parts.eos_id),
      end_ids_(std::move(parts.end_ids)),
      chat_templates_(std::move(parts.chat_templates)),
      template_tokens_(std::move(parts.template_tokens)) {
  tokens_.build_index();
  add_finders(parts);
  // Decoding an added token inverts what normalizing did to it, so it starts from the normalized spelling.
  std::vector<std::string_view> decoded = std::move(parts.tokens);
  for (const auto& [id, text] : normalized_spellings_) decoded[static_cast<size_t>(id)] = text;
  for (const int32_t id : parts.silent) decoded[static_cast<size_t>(id)] = {};
  decoder_ = TokenDecoder(decoded, parts.decoder);
  normalized_spellings_.clear();
  normalized_spellings_.shrink_to_fit();
}

size_t BpeTokenizer::min_ids(std::string_view text) const {
  if (max_bytes_per_id_ == 0) return 0;
  const auto bytes = static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [&](char c) { return counts_[static_cast<unsigned char>(c)]; }));
  return (bytes + max_bytes_per_id_ - 1) / max_bytes_per_id_;
}

BpeModel BpeTokenizer::make_model(const TokenizerParts& parts) {
  if (!parts.bpe.byte_level) return BpeModel(parts.model_tokens, parts.merges, parts.bpe);
  std::string arena;
  std::vector<size_t> ends;
  ends.reserve(parts.model_tokens.size());
  for (const std::string_view token : parts.model_tokens) {
    if (const auto bytes = kByteAlphabet.decode(token)) arena += *bytes;
    ends.push_back(arena.size());
  }
  std::vector<std::string_view> keys;
  keys.reserve(ends.size());
  for (size_t id = 0; id < ends.size(); ++id) {
    const size_t begin = id == 0 ? 0 : ends[id - 1];
    keys.push_back(std::string_view(arena).substr(begin, ends[id] - begin));
  }
  return BpeModel(keys, parts.merges, parts.bpe);
}

void BpeTokenizer::add_finders(const TokenizerParts& parts) {
  Regex::Scratch scratch;
  std::string buffer;
  for (const AddedToken& token : parts.added) {
    if (token.special) special_[static_cast<size_t>(token.id)] = true;
    if (!token.normalized) {
      raw_added_.add(token.content, token);
      continue;
    }
    const std::string_view content = normalizer_.apply(token.content, scratch, buffer);
    if (content.empty() || content.size() > AddedTokenFinder::kMaxContent) continue;
    normalized_added_.add(content, token);
    if (content != token.content) normalized_spellings_.emplace_back(token.id, content);
  }
}

std::vector<int32_t> BpeTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::string valid;
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    valid = utf8_sanitize(text);
    text = valid;
  }
  std::vector<int32_t> out;
  out.reserve(text.size() / 3 + 16);
  if (options.add_special_tokens) out = prefix_;
  Encoder(*this, options.parse_special, out).encode(text);
  if (options.add_special_tokens) out.insert(out.end(), suffix_.begin(), suffix_.end());
  return out;
}

std::string BpeTokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::string out;
  bool first = true;
  for (const int32_t id : ids) {
    if (skip_special_tokens && is_special(id)) continue;
    out += first ? decoder_.first(id) : decoder_.middle(id);
    if (!decoder_.middle(id).empty()) first = false;
  }
  if (simdjson::validate_utf8(out)) return out;
  return utf8_sanitize(out);
}

bool BpeTokenizer::is_special(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < special_.size() && special_[static_cast<size_t>(id)];
}

std::optional<int32_t> BpeTokenizer::token_to_id(std::string_view token) const {
  const int32_t id = tokens_.find(token);
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

std::vector<std::string> BpeTokenizer::chat_template_names() const {
  std::vector<std::string> names;
  for (const auto& [name, source] : chat_templates_) names.push_back(name);
  return names;
}

std::string BpeTokenizer::chat_template(std::string_view name) const {
  const auto it = chat_templates_.find(name);
  return it == chat_templates_.end() ? "" : it->second;
}

}  // namespace hadal
