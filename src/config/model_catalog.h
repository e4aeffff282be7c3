// The models that have short names: where they are published and their shape, so that `hadal pull
// deepseek-r1` and `hadal plan deepseek-r1` need nothing more. Facts of the published config.json and file
// lists. A constant table; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/model_config.h"

namespace hadal {

struct CatalogModel {
  std::string_view name;         // "deepseek-r1", "r1-distill-qwen-7b"
  std::string_view aliases;      // further short names, separated by spaces; may be empty
  std::string_view huggingface;  // "deepseek-ai/DeepSeek-R1"
  std::string_view modelscope;   // "" where it is not there
  int64_t num_parameters = 0;    // as published, without multi-token-prediction layers
  int64_t weight_bytes = 0;      // of the published .safetensors files
  std::string_view config_json;  // the fields of config.json that ModelConfig is made of
};

std::span<const CatalogModel> model_catalog();

// By short name, alias or repository ("deepseek-ai/DeepSeek-R1", "hf:..." and "ms:..." too); letters' case
// does not count. Null: unknown.
const CatalogModel* find_catalog_model(std::string_view name);
// Errors: kInternal (the table is wrong; a test reads every row).
Result<ModelConfig> catalog_config(const CatalogModel& model);

}  // namespace hadal
