// libFuzzer: the tokenizer fields of a GGUF file. First byte: which model and which options; then lines, each
// a token; a line that begins with a tab is a merge, and a token's first byte also gives its type and score.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe_tokenizer.h"
#include "text/tokenizer_gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::vector<std::string> tokens, merges;
  std::vector<int64_t> types;
  std::vector<double> scores;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (line.starts_with('\t')) {
      merges.emplace_back(line.substr(1));
    } else {
      const int first = line.empty() ? 0 : static_cast<unsigned char>(line[0]);
      types.push_back(first % 8);
      scores.push_back(-first);
      tokens.emplace_back(line.substr(line.empty() ? 0 : 1));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  hadal::GgufTokenizerFields fields;
  fields.model = (data[0] & 1) != 0 ? "gpt2" : "llama";
  fields.pre = (data[0] & 2) != 0 ? "llama-bpe" : "deepseek-v3";
  fields.tokens = &tokens;
  if ((data[0] & 4) != 0) fields.token_types = &types;
  fields.scores = &scores;
  fields.merges = &merges;
  fields.bos_id = data[0] >> 5;
  fields.eos_id = static_cast<int64_t>(tokens.size()) - 1;
  fields.unknown_id = data[0] >> 6;
  fields.add_space_prefix = (data[0] & 8) != 0;
  auto parts = hadal::tokenizer_parts_from_gguf(fields);
  if (!parts.ok()) return 0;
  const auto tokenizer = hadal::BpeTokenizer::build(*std::move(parts));
  if (!tokenizer.ok()) return 0;
  const auto ids = (*tokenizer)->encode(text.substr(0, 256));
  for (const int32_t id : ids) {
    if (id < 0 || id >= (*tokenizer)->vocab_size()) std::abort();
  }
  (void)(*tokenizer)->decode(ids, false);
  return 0;
}
