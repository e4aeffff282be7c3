// libFuzzer: tokenizer.json files, then texts through what loads.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\x01');  // never inside JSON
  const std::string_view text = cut == std::string_view::npos ? "It's 12 x" : input.substr(cut + 1);
  auto tokenizer =
      hadal::Tokenizer::from_json(input.substr(0, cut), R"({"bos_token":"a","add_bos_token":true})");
  if (!tokenizer.ok()) return 0;
  const auto ids = (*tokenizer)->encode(text);
  for (const int32_t id : ids) {
    if (id < 0) std::abort();
  }
  (*tokenizer)->decode(ids, false);
  return 0;
}
