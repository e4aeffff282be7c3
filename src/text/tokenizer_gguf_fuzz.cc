// libFuzzer: tokenizers from GGUF metadata, then texts through what loads. The first byte chooses: a GGUF
// file as it is, or metadata whose lists are made from the input, so that broken vocabularies come often and
// not only broken containers.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/gguf_writer.h"
#include "base/unique_fd.h"
#include "text/tokenizer.h"

namespace {

void use(const hadal::Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {true, false}) {
    const auto ids = tokenizer.encode(text, {.add_special_tokens = special, .parse_special = special});
    for (const int32_t id : ids) {
      if (id < 0 || id >= tokenizer.vocab_size()) std::abort();
    }
    tokenizer.decode(ids, special);
  }
  tokenizer.template_tokens();
  for (const std::string& name : tokenizer.chat_template_names()) tokenizer.chat_template(name);
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t cut = text.find(at);
    out.emplace_back(text.substr(0, cut));
    text.remove_prefix(cut == std::string_view::npos ? text.size() : cut + 1);
  }
  return out;
}

// Parts are divided by '\x01', list entries by '\x02': tokens, merges, types and scores (a byte each), text.
std::string from_parts(uint8_t kind, const std::vector<std::string>& parts) {
  const auto part = [&](size_t i) { return i < parts.size() ? parts[i] : std::string(); };
  constexpr const char* kPre[] = {"gpt-2",        "smollm",      "llama-bpe", "qwen2",
                                  "deepseek-llm", "deepseek-v3", "tekken"};
  std::vector<int32_t> types;
  std::vector<float> scores;
  for (const char c : part(2)) {
    types.push_back(c & 7);
    scores.push_back(static_cast<float>(c));
  }
  hadal::GgufWriter writer;
  writer.add_string("tokenizer.ggml.model", (kind & 1) != 0 ? "gpt2" : "llama")
      .add_string("tokenizer.ggml.pre", kPre[(kind >> 1) % std::size(kPre)])
      .add_strings("tokenizer.ggml.tokens", split(part(0), '\x02'))
      .add_strings("tokenizer.ggml.merges", split(part(1), '\x02'))
      .add_i32s("tokenizer.ggml.token_type", types)
      .add_string("tokenizer.chat_template.tool_use", part(3));
  if ((kind & 16) != 0) writer.add_f32s("tokenizer.ggml.scores", scores);
  if ((kind & 32) != 0) writer.add_u32("tokenizer.ggml.bos_token_id", kind);
  if ((kind & 64) != 0) writer.add_bool("tokenizer.ggml.add_bos_token", true);
  if ((kind & 128) != 0) writer.add_i32("tokenizer.ggml.padding_token_id", static_cast<int8_t>(kind));
  return writer.bytes();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const bool whole = input.starts_with("GGUF");
  const std::vector<std::string> parts = whole ? std::vector<std::string>() : split(input.substr(1), '\x01');
  const std::string bytes = whole ? std::string(input) : from_parts(data[0], parts);
  const hadal::UniqueFd fd(::memfd_create("gguf", MFD_CLOEXEC));
  if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return 0;
  auto file = hadal::GgufFile::open("/proc/self/fd/" + std::to_string(fd.get()));
  if (!file.ok()) return 0;
  auto tokenizer = hadal::Tokenizer::from_gguf(**file);
  if (tokenizer.ok()) use(**tokenizer, parts.empty() ? "It's 12 x" : std::string_view(parts.back()));
  return 0;
}
