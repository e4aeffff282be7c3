// CheckpointSource: the WeightSource of files: a table of tensors and a loader of their bytes. Thread-safe.
// Tensors are returned with the dtype and bytes of the file. Their data may be aligned to the element only.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "weights/range_loader.h"
#include "weights/tensor_table.h"
#include "weights/weight_source.h"

namespace hadal {

class CheckpointSource final : public WeightSource {
 public:
  // where: the model's path, for messages. config says which tensors of the table a loader may leave unread.
  static Result<std::unique_ptr<CheckpointSource>> create(TensorTable table, std::string where,
                                                          const ModelConfig& config,
                                                          const RangeLoaderOptions& options);
  // One safetensors file, whatever it holds; nothing may be left unread.
  static Result<std::unique_ptr<CheckpointSource>> open_safetensors(const std::string& path);

  bool has(const std::string& name) const override { return table_.find(name) != nullptr; }
  std::string describe(const std::string& name) const override;
  // The shape must be the file's; leading dimensions may be merged ([H, r, n] read as [H * r, n]).
  Result<WeightTensor> read(const std::string& name, std::span<const int64_t> shape) override;
  Result<WeightMatrix> read_matrix(const std::string& name, int64_t n, int64_t k) override;
  void prefetch(std::span<const std::string> names) override;
  int64_t total_bytes() const override { return total_bytes_; }
  int64_t read_bytes() const override { return read_bytes_.load(std::memory_order_relaxed); }
  std::vector<std::string> unread() const override;

 private:
  CheckpointSource(TensorTable table, std::string where)
      : table_(std::move(table)), where_(std::move(where)) {}
  bool may_stay_unread(const std::string& name) const;
  std::string label(const TensorEntry& entry) const;  // `tensor "NAME" ("GGUF NAME") of FILE`
  Result<WeightTensor> read_scale(const std::string& name, int64_t n, int64_t k);

  TensorTable table_;
  std::string where_;
  int num_hidden_layers_ = 0;
  bool tied_embeddings_ = false;
  bool strict_ = false;  // nothing may be left unread
  std::unique_ptr<RangeLoader> loader_;
  std::unique_ptr<std::atomic<bool>[]> was_read_;  // by entry
  int64_t total_bytes_ = 0;
  std::atomic<int64_t> read_bytes_{0};
};

}  // namespace hadal
