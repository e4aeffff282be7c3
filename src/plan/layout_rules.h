// check_layout: which layouts a model's shape can take, and which the nearest one is where it cannot.
// Pure functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/model_config.h"
#include "plan/fit.h"
#include "plan/weight_map.h"

namespace hadal {

// Errors: kInvalidArgument naming the size of the model that does not divide, and the nearest number of ranks
// that it allows.
Status check_layout(const ModelConfig& model, const Layout& layout, WeightFormat format);
// The format that check_layout asks about: `format`, or the checkpoint's own.
WeightFormat projection_format(const ModelConfig& model, std::optional<WeightFormat> format);
// Every tp of 1..max_tp that check_layout allows with the rest of a plain layout.
std::vector<int> possible_tp(const ModelConfig& model, WeightFormat format, int max_tp);
// "TP16", "TP16 with EP16 and DP attention 16", "TP8 x PP2".
std::string layout_name(const Layout& layout);

}  // namespace hadal
