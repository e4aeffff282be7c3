// The files of a model on a volume: what is there, what its index says is missing, and a fingerprint by which
// hosts compare what they have without reading the weights. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace hadal {

struct ModelFiles {
  std::vector<std::string> weights;  // paths: safetensors, .gguf, .bin; the largest first
  uint64_t weight_bytes = 0;
  bool has_config = false;
  std::vector<std::string> missing;  // named by model.safetensors.index.json and not there
  std::string fingerprint;           // SHA-256 of config.json and of the names and sizes of all weights
};

// `model`: a directory, or a .gguf file. Errors: kNotFound, kIo, kInvalidArgument (a broken index).
Result<ModelFiles> look_at_model(const std::string& model);

// The file names in the "weight_map" of an index. Errors: kInvalidArgument.
Result<std::vector<std::string>> index_files(std::string_view json);

}  // namespace hadal
