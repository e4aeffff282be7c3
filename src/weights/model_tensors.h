// ModelTensors: every tensor that a model of a configuration reads, by Hugging Face name: what random weights
// need to know their size before they are made. Pure function; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/model_config.h"

namespace hadal {

struct ModelTensor {
  std::string name;            // of a matrix without ".weight"
  std::vector<int64_t> shape;  // [n, k] of a matrix, [n] of a vector
  bool is_matrix() const { return shape.size() == 2; }
};

// The latent up-projections of DeepSeek models are one kv_b_proj, as Hugging Face files have them.
std::vector<ModelTensor> model_tensors(const ModelConfig& config);

}  // namespace hadal
