// The model's text side: tokenizer, chat template, end tokens, sampling defaults, reasoning. Main thread, at
// start.
#pragma once

#include <memory>
#include <string>

#include "config/settings.h"
#include "server/served_model.h"
#include "text/chat_template_set.h"
#include "text/tokenizer.h"
#include "weights/weight_source.h"

namespace hadal {

struct ModelText {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplateSet> chat_templates;  // null: the model has none
  ReasoningKind reasoning = ReasoningKind::kNone;
  std::vector<int32_t> end_ids;     // of the tokenizer and of the configuration
  SamplingParams default_sampling;  // generation_config.json's, else OpenAI's defaults
};

// Whether --chat-template's file parses: known in a moment, where weights take minutes.
Status check_chat_template(const Settings& settings);
// Errors name the file that is missing or wrong, and the flag that helps.
Result<ModelText> load_model_text(const Settings& settings, const OpenedModel& model);

}  // namespace hadal
