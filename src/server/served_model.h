// ServedModel: what the server knows of the model it serves. Built by main once the engine runs, then const;
// shared by all threads. The engine and the tokenizer outlive the server.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/engine_api.h"
#include "server/content_form.h"
#include "text/tokenizer.h"

namespace hadal {

struct ServedModel {
  std::vector<std::string> names;  // the first is the one reported; not empty
  EngineApi* engine = nullptr;
  std::shared_ptr<const Tokenizer> tokenizer;
  ChatRenderer render_chat;  // ChatTemplate::render with now; empty: the model has no chat template
  ContentForm content_form;  // of that template; found out by Server::attach
  int64_t context_length = 0;
  int64_t hidden_size = 0;
  std::vector<int32_t> end_ids;
  SamplingParams default_sampling;  // generation_config.json's recommendations, or OpenAI's defaults
  ReasoningKind reasoning = ReasoningKind::kNone;
  Pooling default_pooling = Pooling::kLast;
  // Requests without a seed draw theirs from here (--random-seed); nothing: from the system.
  std::optional<uint64_t> random_seed;
  std::string fingerprint;  // system_fingerprint: changes with weights and configuration
  int64_t created = 0;      // Unix seconds
};

}  // namespace hadal
