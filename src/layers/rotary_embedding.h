// RotaryEmbedding: cosine and sine tables of RoPE (2104.09864) for every position up to the context length,
// with the scalings that checkpoints name: linear, llama3, YaRN (2309.00071), and GGUF's per-frequency
// factors. Owned by the model, shared by its layers; worker thread only.
#pragma once

#include <vector>

#include "config/model_config.h"
#include "kernels/ops.h"
#include "layers/parameter.h"

namespace hadal {

// Radians per position of each pair [rotary_dim / 2], in f32 as Hugging Face computes them.
std::vector<float> rotary_frequencies(const RopeConfig& config);
// What cosines and sines are multiplied by: 1, or YaRN's attention factor (from mscale and mscale_all_dim in
// DeepSeek).
double rotary_attention_factor(const RopeConfig& config);
// What DeepSeek multiplies the softmax scale by: mscale(factor, mscale_all_dim)^2 under YaRN, else 1.
double rotary_softmax_factor(const RopeConfig& config);

class RotaryEmbedding {
 public:
  RotaryEmbedding() = default;
  static Result<RotaryEmbedding> make(const RopeConfig& config, int64_t num_positions);
  // x: f32 [T, heads, D] in place, rows may be strided; the first rotary_dim elements of each head turn.
  // positions: i32 [T], each below num_positions.
  void forward(OpContext& ctx, const Tensor& x, const Tensor& positions) const;
  const Tensor& cos() const { return cos_.tensor(); }  // f32 [num_positions, rotary_dim / 2]
  const Tensor& sin() const { return sin_.tensor(); }
  int64_t num_bytes() const { return cos_.num_bytes() + sin_.num_bytes(); }

 private:
  Parameter cos_;
  Parameter sin_;
  bool interleaved_ = false;
};

}  // namespace hadal
