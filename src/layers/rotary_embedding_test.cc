#include "layers/rotary_embedding.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hadal {
namespace {

RopeConfig plain(int dim) {
  RopeConfig config;
  config.rotary_dim = dim;
  return config;
}

TEST(RotaryFrequenciesTest, PlainAndLinear) {
  RopeConfig config = plain(8);
  const auto frequencies = rotary_frequencies(config);
  ASSERT_EQ(frequencies.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(frequencies[i], std::pow(10000.0, -2.0 * static_cast<double>(i) / 8.0), 1e-7);
  }
  config.scaling = RopeConfig::Scaling::kLinear;
  config.factor = 4.0;
  EXPECT_FLOAT_EQ(rotary_frequencies(config)[1], frequencies[1] / 4.0f);
  config.freq_factors = {1.0f, 2.0f, 1.0f, 1.0f};
  EXPECT_FLOAT_EQ(rotary_frequencies(config)[1], frequencies[1] / 8.0f);
}

TEST(RotaryFrequenciesTest, Llama3KeepsShortWavesAndStretchesLongOnes) {
  RopeConfig config = plain(128);
  config.theta = 500000.0;
  const auto before = rotary_frequencies(config);
  config.scaling = RopeConfig::Scaling::kLlama3;
  config.factor = 8.0;
  config.original_max_position_embeddings = 8192;
  const auto after = rotary_frequencies(config);
  EXPECT_EQ(after.front(), before.front());
  EXPECT_FLOAT_EQ(after.back(), before.back() / 8.0f);
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_LE(after[i], before[i]);
    EXPECT_GE(after[i], before[i] / 8.0f * 0.999f);
    if (i > 0) {
      EXPECT_LT(after[i], after[i - 1]);
    }
  }
}

TEST(RotaryFrequenciesTest, YarnKeepsFastPairsAndInterpolatesSlowOnes) {
  RopeConfig config = plain(64);
  const auto before = rotary_frequencies(config);
  config.scaling = RopeConfig::Scaling::kYarn;
  config.factor = 40.0;
  config.original_max_position_embeddings = 4096;
  const auto after = rotary_frequencies(config);
  EXPECT_EQ(after.front(), before.front());
  EXPECT_FLOAT_EQ(after.back(), before.back() / 40.0f);
}

TEST(RotaryFactorsTest, YarnsAttentionFactorFollowsWhatTheConfigNames) {
  RopeConfig config = plain(64);
  config.factor = 40.0;
  config.mscale = 0.707;
  config.mscale_all_dim = 0.707;
  EXPECT_EQ(rotary_attention_factor(config), 1.0);
  EXPECT_EQ(rotary_softmax_factor(config), 1.0);
  config.scaling = RopeConfig::Scaling::kYarn;
  EXPECT_DOUBLE_EQ(rotary_attention_factor(config), 1.0);
  const double mscale = 0.1 * 0.707 * std::log(40.0) + 1.0;
  EXPECT_DOUBLE_EQ(rotary_softmax_factor(config), mscale * mscale);
  config.mscale = 0.0;
  config.mscale_all_dim = 0.0;
  EXPECT_DOUBLE_EQ(rotary_attention_factor(config), 0.1 * std::log(40.0) + 1.0);
  EXPECT_EQ(rotary_softmax_factor(config), 1.0);
  config.attention_factor = 1.25;
  EXPECT_EQ(rotary_attention_factor(config), 1.25);
}

TEST(RotaryEmbeddingTest, TablesHoldEveryPosition) {
  const auto rotary = RotaryEmbedding::make(plain(4), 100);
  ASSERT_TRUE(rotary.ok());
  EXPECT_EQ(rotary->cos().dim(0), 100);
  EXPECT_EQ(rotary->cos().dim(1), 2);
  EXPECT_FLOAT_EQ(rotary->cos().ptr<float>()[2 * 99], std::cos(99.0f));
  EXPECT_FLOAT_EQ(rotary->sin().ptr<float>()[2 * 99 + 1], std::sin(0.99f));
}

}  // namespace
}  // namespace hadal
