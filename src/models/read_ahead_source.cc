#include "models/read_ahead_source.h"

#include <algorithm>

namespace hadal {
namespace {

// Layers asked for beyond the one that is being read; the source itself bounds the bytes.
constexpr int kLayersAhead = 2;

std::string layer_prefix(int layer) {
  return "model.layers." + std::to_string(layer) + ".";
}

}  // namespace

void ReadAheadSource::begin_layer(int layer) {
  if (!enabled_) return;
  layer_ = layer;
  previous_ = std::move(current_);
  current_.clear();
  if (previous_.empty()) return;
  next_to_prefetch_ = std::max(next_to_prefetch_, layer);
  const int last = std::min(layer + kLayersAhead, num_layers_ - 1);
  for (; next_to_prefetch_ <= last; ++next_to_prefetch_) prefetch_layer(next_to_prefetch_);
}

void ReadAheadSource::prefetch_layer(int layer) {
  std::vector<std::string> names;
  for (const std::string& rest : previous_) {
    std::string name = layer_prefix(layer) + rest;
    if (inner_.has(name)) names.push_back(std::move(name));
  }
  inner_.prefetch(names);
}

Result<WeightTensor> ReadAheadSource::read(const std::string& name, std::span<const int64_t> shape) {
  const std::string prefix = layer_prefix(layer_);
  if (enabled_ && name.starts_with(prefix)) current_.push_back(name.substr(prefix.size()));
  return inner_.read(name, shape);
}

Result<WeightMatrix> ReadAheadSource::read_matrix(const std::string& name, int64_t n, int64_t k) {
  auto matrix = inner_.read_matrix(name, n, k);
  const std::string prefix = layer_prefix(layer_);
  if (enabled_ && matrix.ok() && name.starts_with(prefix)) {
    const std::string weight = name.substr(prefix.size()) + ".weight";
    // A matrix may be looked at for its dtype before it is read.
    if (std::find(current_.begin(), current_.end(), weight) == current_.end()) {
      current_.push_back(weight);
      if (matrix->scale.tensor.defined()) current_.push_back(weight + "_scale_inv");
    }
  }
  return matrix;
}

}  // namespace hadal
