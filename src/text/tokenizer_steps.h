// Parsers of tokenizer.json's small sections (normalizer, pre_tokenizer, decoder, post_processor) into a
// tokenizer's parts. Internal to text/. Errors: kInvalidArgument or kUnsupported, naming the section and the
// type. Any thread.
#pragma once

#include <vector>

#include "base/json.h"
#include "text/bpe_tokenizer.h"

namespace hadal {

// Each takes the section's value; null and absent (nullptr) mean none.
Result<std::vector<NormalizerStep>> parse_normalizer(const Json* section);
Result<std::vector<PreTokenizerStep>> parse_pre_tokenizer(const Json* section);
Result<DecoderSpec> parse_decoder(const Json* section);

struct PostProcessorIds {
  bool has_template = false;  // a TemplateProcessing or the like is present
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
};
Result<PostProcessorIds> parse_post_processor(const Json* section);

// The step for one pattern, by a hand-written matcher where one is known.
Result<SplitStep> make_regex_split(std::string_view regex);

}  // namespace hadal
