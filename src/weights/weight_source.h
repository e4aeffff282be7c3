// WeightSource: where a model's tensors come from: safetensors, GGUF or random numbers, all under Hugging
// Face names. Built by main, used by every rank's worker thread while loading (thread-safe), dropped after.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/model_config.h"
#include "device/tensor.h"

namespace hadal {

// Host bytes of one checkpoint tensor and what keeps them alive (a map or a staging buffer).
struct WeightTensor {
  Tensor tensor;
  std::shared_ptr<const void> owner;
};

// A linear layer's checkpoint tensors: weight [N, K]; scale [ceil(N/128), ceil(K/128)] f32 for FP8 blocks,
// else undefined.
struct WeightMatrix {
  WeightTensor weight;
  WeightTensor scale;
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;

  // Whether the checkpoint has this tensor. For random weights: always false (the config decides what
  // exists).
  virtual bool has(const std::string& name) const = 0;

  // The tensor, its shape checked. Marks it as read. `want` is what random sources make and what others
  // convert to nothing from: any plain dtype of the file is returned as it is. Errors: kNotFound /
  // kInvalidArgument naming the tensor, the file, the shape found and the shape expected.
  virtual Result<WeightTensor> read(const std::string& name, std::span<const int64_t> shape) = 0;

  // `name` + ".weight" [n, k] with its ".weight_scale_inv" where the file has one.
  virtual Result<WeightMatrix> read_matrix(const std::string& name, int64_t n, int64_t k) = 0;

  // The tensor and where it lies, for messages: `tensor "NAME" of FILE`.
  virtual std::string describe(const std::string& name) const { return "tensor \"" + name + "\""; }

  // f32 copy of a small vector (norms, biases), whatever the file's dtype. Errors: also kUnsupported for
  // other types than f32, f16 and bf16, kInvalidArgument for a value that is not finite; both name tensor and
  // file.
  Result<std::vector<float>> read_f32(const std::string& name, int64_t n);

  // The order in which reads will come, so that the source can read ahead within its own memory budget.
  virtual void prefetch(std::span<const std::string> names) = 0;
  // Bytes of all tensors, and bytes given out so far: the progress bar.
  virtual int64_t total_bytes() const = 0;
  virtual int64_t read_bytes() const = 0;
  // Tensors of the checkpoint that nobody read: the loader fails on any, naming them (rotary inv_freq buffers
  // and multi-token-prediction layers past num_hidden_layers do not count).
  virtual std::vector<std::string> unread() const = 0;
};

enum class LoadFormat { kAuto, kSafetensors, kGguf, kDummy };

struct OpenedModel {
  ModelConfig config;
  std::unique_ptr<WeightSource> source;
  std::shared_ptr<const GgufFile> gguf;  // GGUF models: vocabulary and template are in here
  std::string directory;                 // Hugging Face models: where tokenizer.json is
};

struct OpenModelOptions {
  LoadFormat format = LoadFormat::kAuto;
  uint64_t dummy_seed = 0;
  DType dummy_dtype = DType::kBF16;  // of random matrices; FP8 blocks where the config says so
  int num_read_threads = 4;
  int num_ranks = 1;  // of this host: how many readers each tensor has
};

// path: a Hugging Face directory, a config.json (dummy only), a .gguf file (its first part), or a directory
// holding exactly one GGUF model. Errors name what was looked for and what was found.
Result<OpenedModel> open_model(const std::string& path, const OpenModelOptions& options);

}  // namespace hadal
