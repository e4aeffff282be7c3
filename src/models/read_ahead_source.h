// ReadAheadSource: tells a source what will be read next. Layers of a model have the same tensors under other
// numbers, so what one layer read names what the following ones will: storage then works while weights are
// packed. Wraps another source for the time of one load; worker thread only.
#pragma once

#include <string>
#include <vector>

#include "weights/weight_source.h"

namespace hadal {

class ReadAheadSource final : public WeightSource {
 public:
  // enabled: false passes everything through (one rank of a host reads ahead for all).
  ReadAheadSource(WeightSource& inner, int num_layers, bool enabled)
      : inner_(inner), num_layers_(num_layers), enabled_(enabled) {}

  // Reads from here on belong to "model.layers.<layer>."; layers come in order.
  void begin_layer(int layer);

  bool has(const std::string& name) const override { return inner_.has(name); }
  std::string describe(const std::string& name) const override { return inner_.describe(name); }
  Result<WeightTensor> read(const std::string& name, std::span<const int64_t> shape) override;
  Result<WeightMatrix> read_matrix(const std::string& name, int64_t n, int64_t k) override;
  void prefetch(std::span<const std::string> names) override { inner_.prefetch(names); }
  int64_t total_bytes() const override { return inner_.total_bytes(); }
  int64_t read_bytes() const override { return inner_.read_bytes(); }
  std::vector<std::string> unread() const override { return inner_.unread(); }

 private:
  void prefetch_layer(int layer);
  WeightSource& inner_;
  const int num_layers_;
  const bool enabled_;
  int layer_ = -1;
  int next_to_prefetch_ = 1;
  std::vector<std::string> current_;   // names without the layer's prefix, in reading order
  std::vector<std::string> previous_;  // of the layer before
};

}  // namespace hadal
