// load_plan_model: from what a user calls a model to its weights' shapes: a short name or repository of the
// catalog, a directory with config.json, a config.json, or a .gguf file. Reads files; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "plan/weight_map.h"

namespace hadal {

struct PlanModel {
  std::string name;        // "DeepSeek-R1", or the file's
  int64_t file_bytes = 0;  // of the published or local files, where known; else the weights' own
  WeightMap weights;
};

// weight_dtype as of parse_weight_format. Errors: kNotFound naming the nearest names of the catalog;
// kInvalidArgument naming what is wrong in the file; kUnsupported.
Result<PlanModel> load_plan_model(const std::string& model, std::string_view weight_dtype);

}  // namespace hadal
