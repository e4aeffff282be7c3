#include <array>
#include <string>

#include "text/tokenizer_gguf.h"
#include "text/tokenizer_steps.h"

namespace hadal {
namespace {

// The families of `pre` names. The expressions are those of the models' own tokenizer.json files.
enum class PreFamily {
  kDefault,
  kGpt2,
  kLlama3,
  kQwen2,
  kQwen35,
  kSmolLm,
  kDeepseekV3,
  kDeepseekLlm,
  kDeepseekCoder,
  kTekken,
  kGpt4o,
};

struct PreName {
  std::string_view name;
  PreFamily family;
};
constexpr PreName kPreNames[] = {
    {"", PreFamily::kDefault},
    {"default", PreFamily::kDefault},
    {"gpt-2", PreFamily::kGpt2},
    {"phi-2", PreFamily::kGpt2},
    {"mpt", PreFamily::kGpt2},
    {"olmo", PreFamily::kGpt2},
    {"llama3", PreFamily::kLlama3},
    {"llama-v3", PreFamily::kLlama3},
    {"llama-bpe", PreFamily::kLlama3},
    {"falcon3", PreFamily::kLlama3},
    {"dbrx", PreFamily::kLlama3},
    {"smaug-bpe", PreFamily::kLlama3},
    {"qwen2", PreFamily::kQwen2},
    {"deepseek-r1-qwen", PreFamily::kQwen2},
    {"stablelm2", PreFamily::kQwen2},
    {"megrez", PreFamily::kQwen2},
    {"qwen35", PreFamily::kQwen35},
    {"smollm", PreFamily::kSmolLm},
    {"starcoder", PreFamily::kSmolLm},
    {"refact", PreFamily::kSmolLm},
    {"command-r", PreFamily::kSmolLm},
    {"codeshell", PreFamily::kSmolLm},
    {"deepseek-v3", PreFamily::kDeepseekV3},
    {"deepseek-llm", PreFamily::kDeepseekLlm},
    {"deepseek-coder", PreFamily::kDeepseekCoder},
    {"tekken", PreFamily::kTekken},
    {"gpt-4o", PreFamily::kGpt4o},
    {"llama4", PreFamily::kGpt4o},
};

// Cased letters as DeepSeek-LLM lists them.
constexpr std::string_view kDeepseekLetters =
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
    "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5"
    "\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-"
    "\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d"
    "\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-"
    "\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113"
    "\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149"
    "\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
    "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-"
    "\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0"
    "-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+";
constexpr std::string_view kDeepseekPunctuation =
    "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+";
constexpr std::string_view kDeepseekWide = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::vector<std::string_view> expressions(PreFamily family) {
  const auto known = [](KnownPattern pattern) { return pattern_text(pattern); };
  switch (family) {
    case PreFamily::kDefault:
      return {R"([\p{P}\$\+<=>\^~\|]+)", known(KnownPattern::kGpt2), R"(\p{N}+)", "[0-9][0-9][0-9]"};
    case PreFamily::kGpt2:
      return {known(KnownPattern::kGpt2)};
    case PreFamily::kLlama3:
      return {known(KnownPattern::kLlama3)};
    case PreFamily::kQwen2:
      return {known(KnownPattern::kQwen2)};
    case PreFamily::kQwen35:
      return {known(KnownPattern::kQwen35)};
    case PreFamily::kSmolLm:
      return {known(KnownPattern::kSingleNumber), known(KnownPattern::kGpt2)};
    case PreFamily::kDeepseekV3:
      return {known(KnownPattern::kDeepseekNumbers), known(KnownPattern::kDeepseekHan),
              known(KnownPattern::kDeepseekWords)};
    case PreFamily::kDeepseekLlm:
      return {"[\r\n]", kDeepseekLetters, kDeepseekPunctuation, R"(\s+$)", kDeepseekWide, R"(\p{N}+)"};
    case PreFamily::kDeepseekCoder:
      return {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepseekWide, R"(\p{N})"};
    case PreFamily::kTekken:
      return {kTekken};
    case PreFamily::kGpt4o:
      return {kGpt4o};
  }
  return {};
}

}  // namespace

Result<GgufPre> gguf_pre(std::string_view name) {
  const PreName* found = nullptr;
  std::string names;
  for (const PreName& entry : kPreNames) {
    if (entry.name == name) found = &entry;
    if (!entry.name.empty()) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  if (found == nullptr) {
    return make_error(ErrorCode::kUnsupported, "GGUF: tokenizer.ggml.pre \"", name,
                      "\" is not known; known are ", names);
  }
  GgufPre pre;
  for (const std::string_view expression : expressions(found->family)) {
    HADAL_ASSIGN(SplitStep split, make_regex_split(expression));
    pre.pre_tokenizer.push_back(std::move(split));
  }
  pre.pre_tokenizer.emplace_back(ByteLevelStep{.add_prefix_space = false, .use_regex = false});
  // GGUF does not carry the normalizer; Qwen's own files have NFC.
  if (found->family == PreFamily::kQwen2 || found->family == PreFamily::kQwen35)
    pre.normalizer.emplace_back(NfcStep{});
  pre.ignore_merges = found->family == PreFamily::kTekken ||
                      (found->family == PreFamily::kLlama3 && name != "dbrx" && name != "smaug-bpe");
  pre.add_bos = pre.ignore_merges;
  return pre;
}

}  // namespace hadal
