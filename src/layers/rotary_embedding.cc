#include "layers/rotary_embedding.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/op/elementwise.h"

namespace hadal {
namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

// Llama 3.1: long waves are stretched by `factor`, short ones stay, those between are blended.
void scale_llama3(const RopeConfig& config, std::vector<float>& frequencies) {
  const double original = static_cast<double>(config.original_max_position_embeddings);
  const double low = config.low_freq_factor;
  const double high = config.high_freq_factor;
  for (float& frequency : frequencies) {
    const double wavelength = kTwoPi / frequency;
    if (wavelength < original / high) continue;
    const double stretched = frequency / config.factor;
    if (wavelength > original / low) {
      frequency = static_cast<float>(stretched);
      continue;
    }
    const double blend = (original / wavelength - low) / (high - low);
    frequency = static_cast<float>((1.0 - blend) * stretched + blend * frequency);
  }
}

// YaRN section 3.2: the pair that turns `rotations` times over the original context.
double yarn_pair(const RopeConfig& config, double rotations) {
  const double original = static_cast<double>(config.original_max_position_embeddings);
  return config.rotary_dim * std::log(original / (rotations * kTwoPi)) / (2.0 * std::log(config.theta));
}

// Pairs below `low` keep their frequency, pairs above `high` are interpolated, those between ramp linearly.
void scale_yarn(const RopeConfig& config, std::vector<float>& frequencies) {
  const double low = std::max(std::floor(yarn_pair(config, config.beta_fast)), 0.0);
  double high = std::min(std::ceil(yarn_pair(config, config.beta_slow)), config.rotary_dim - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double frequency = frequencies[i];
    frequencies[i] = static_cast<float>(frequency / config.factor * ramp + frequency * (1.0 - ramp));
  }
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

}  // namespace

std::vector<float> rotary_frequencies(const RopeConfig& config) {
  std::vector<float> frequencies(static_cast<size_t>(config.rotary_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.rotary_dim);
    frequencies[i] = 1.0f / std::pow(static_cast<float>(config.theta), exponent);
  }
  switch (config.scaling) {
    case RopeConfig::Scaling::kNone:
      break;
    case RopeConfig::Scaling::kLinear:
      for (float& frequency : frequencies) frequency /= static_cast<float>(config.factor);
      break;
    case RopeConfig::Scaling::kLlama3:
      scale_llama3(config, frequencies);
      break;
    case RopeConfig::Scaling::kYarn:
      scale_yarn(config, frequencies);
      break;
  }
  const size_t num_factors = std::min(config.freq_factors.size(), frequencies.size());
  for (size_t i = 0; i < num_factors; ++i) frequencies[i] /= config.freq_factors[i];
  return frequencies;
}

double rotary_attention_factor(const RopeConfig& config) {
  if (config.scaling != RopeConfig::Scaling::kYarn) return 1.0;
  if (config.attention_factor) return *config.attention_factor;
  if (config.mscale != 0.0 && config.mscale_all_dim != 0.0) {
    return yarn_mscale(config.factor, config.mscale) / yarn_mscale(config.factor, config.mscale_all_dim);
  }
  return yarn_mscale(config.factor, 1.0);
}

double rotary_softmax_factor(const RopeConfig& config) {
  if (config.scaling != RopeConfig::Scaling::kYarn || config.mscale_all_dim == 0.0) return 1.0;
  const double mscale = yarn_mscale(config.factor, config.mscale_all_dim);
  return mscale * mscale;
}

Result<RotaryEmbedding> RotaryEmbedding::make(const RopeConfig& config, int64_t num_positions) {
  const std::vector<float> frequencies = rotary_frequencies(config);
  const auto half = static_cast<int64_t>(frequencies.size());
  const float factor = static_cast<float>(rotary_attention_factor(config));
  std::vector<float> cosines(static_cast<size_t>(num_positions * half));
  std::vector<float> sines(cosines.size());
  size_t at = 0;
  for (int64_t position = 0; position < num_positions; ++position) {
    for (const float frequency : frequencies) {
      const float angle = static_cast<float>(position) * frequency;
      cosines[at] = std::cos(angle) * factor;
      sines[at++] = std::sin(angle) * factor;
    }
  }
  RotaryEmbedding out;
  out.interleaved_ = config.interleaved;
  HADAL_ASSIGN(out.cos_, Parameter::make(cosines, {num_positions, half}));
  HADAL_ASSIGN(out.sin_, Parameter::make(sines, {num_positions, half}));
  return out;
}

void RotaryEmbedding::forward(OpContext& ctx, const Tensor& x, const Tensor& positions) const {
  rope(ctx, x, positions, cos_.tensor(), sin_.tensor(), interleaved_);
}

}  // namespace hadal
