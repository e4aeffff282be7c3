// TestModel: a tiny checkpoint loaded and run directly, for the models' tests: logits of every token of mixed
// batches.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/model.h"

namespace hadal {

inline std::string testdata(const std::string& name) {
  return std::string(HADAL_SOURCE_DIR) + "/src/models/testdata/" + name;
}

using Logits = std::vector<std::vector<float>>;  // one row per token

// Hugging Face's answers (tools/golden/make_tiny_models.py).
struct Golden {
  std::vector<int32_t> prompt;
  std::vector<int32_t> decoded;  // decoded[0] follows the prompt
  Logits logits;                 // of the prompt's tokens, then of each decoded one
  float max_noise = 0;           // of Hugging Face's bf16 against its fp32
  float mean_noise = 0;
};

Golden load_golden(const std::string& name, int vocab_size);

// How close a mixture-of-experts checkpoint's choices were (tools/golden/make_gate_margins.py). By token,
// only those where rounding may turn a choice over: Hugging Face's fp32 logits with the closest choice turned
// over.
std::map<size_t, std::vector<float>> load_flipped(const std::string& name, int vocab_size);

struct TestOptions {
  CpuTier tier = CpuTier::kScalar;
  DType kv_dtype = DType::kF32;
  bool widen = true;  // weights as f32 instead of the checkpoint's dtype
  bool mla_absorb = true;
  int block_size = 8;
  int num_threads = 1;
  int64_t max_tokens = 64;
  int64_t context_length = 64;
};

// Tokens of one sequence that a step runs, from where the sequence stands.
struct Chunk {
  int sequence = 0;
  std::vector<int32_t> tokens;
};

class TestModel {
 public:
  // path: a name under testdata, with "/model.gguf" for GGUF.
  TestModel(const std::string& path, const TestOptions& options);
  TestModel(OpenedModel opened, const TestOptions& options);
  const ModelConfig& config() const { return config_; }
  Model& model() { return *model_; }
  int64_t arena_capacity() const { return static_cast<int64_t>(arena_->capacity()); }
  int64_t arena_high_water() const { return static_cast<int64_t>(arena_->high_water()); }
  const TestOptions& options() const { return options_; }

  // Forgets all sequences.
  void restart() { std::fill(lengths_.begin(), lengths_.end(), 0); }
  // One step; logits of all its tokens in order.
  Logits run(const std::vector<Chunk>& chunks);
  // Prefill in chunks of at most `chunk` tokens, then each decoded token alone.
  Logits run_all(int sequence, const std::vector<int32_t>& prompt, const std::vector<int32_t>& decoded,
                 size_t chunk);

 private:
  void setup(OpenedModel opened);
  TestOptions options_;
  ModelConfig config_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Communicator> comm_;
  std::unique_ptr<KvStorage> kv_;
  std::unique_ptr<Arena> arena_;
  std::vector<int32_t> lengths_;
};

struct Difference {
  double max = 0;
  double mean = 0;
};
Difference compare(const Logits& a, const Logits& b);

}  // namespace hadal
