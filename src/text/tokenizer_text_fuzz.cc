// libFuzzer: hostile texts through small tokenizers of both kinds; decoding must stream as it decodes whole,
// and byte-level ids must give back the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "text/bpe_tokenizer.h"
#include "text/incremental_decoder.h"
#include "text/stop_matcher.h"
#include "text/tokenizer_gguf.h"

namespace {

// Every byte, and some merges, split as each `pre` name says.
std::shared_ptr<const hadal::Tokenizer> byte_level(std::string_view pre) {
  std::vector<std::string> tokens;
  char32_t other = 0x100;
  for (char32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    tokens.emplace_back();
    hadal::utf8_append(tokens.back(), printable ? b : other++);
  }
  std::vector<std::string> merges;
  for (const char* pair :
       {"a a", "aa aa", "t h", "th e", "\u0120 t", "\u0120 \u0120", "\u00e4 \u00bd", "\u010a \u010a"}) {
    merges.emplace_back(pair);
    std::string joined(pair);
    joined.erase(joined.find(' '), 1);
    tokens.push_back(joined);
  }
  hadal::GgufTokenizerFields fields;
  fields.model = "gpt2";
  fields.pre = pre;
  fields.tokens = &tokens;
  fields.merges = &merges;
  auto parts = hadal::tokenizer_parts_from_gguf(fields);
  if (!parts.ok()) std::abort();
  return *hadal::BpeTokenizer::build(*std::move(parts));
}

void check(const std::shared_ptr<const hadal::Tokenizer>& tokenizer, std::string_view text, bool keeps_text) {
  const auto ids = tokenizer->encode(text);
  const std::string whole = tokenizer->decode(ids, false);
  if (keeps_text && whole != hadal::utf8_sanitize(text)) std::abort();
  hadal::IncrementalDecoder decoder(tokenizer, false);
  hadal::StopMatcher stops({"the", "aab", std::string(text.substr(0, 3))});
  std::string streamed;
  std::string stopped;
  for (const int32_t id : ids) {
    const size_t before = streamed.size();
    decoder.push(id, streamed);
    stops.push(std::string_view(streamed).substr(before), stopped);
  }
  decoder.finish(streamed);
  if (streamed != whole) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const kTokenizers = new std::vector<std::shared_ptr<const hadal::Tokenizer>>{
      byte_level("llama-bpe"),    byte_level("gpt-2"),  byte_level("deepseek-v3"),
      byte_level("deepseek-llm"), byte_level("tekken"), byte_level("qwen2")};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& tokenizer : *kTokenizers) check(tokenizer, text, tokenizer != kTokenizers->back());
  return 0;
}
