// The shapes against the counts that the models' publishers state, and what ranks hold against the whole.
#include "plan/weight_map.h"

#include <gtest/gtest.h>

#include <random>

#include "config/model_catalog.h"
#include "plan/layout_rules.h"
#include "plan/plan_test_util.h"

namespace hadal {
namespace {

TEST(WeightMap, CountsEveryModelOfTheCatalogExactly) {
  for (const CatalogModel& model : model_catalog()) {
    SCOPED_TRACE(model.name);
    const auto config = catalog_config(model);
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_EQ(WeightMap(*config, {}).num_parameters(), model.num_parameters);
  }
}

// huggingface.co shows these beside the checkpoints (safetensors' parameter counts).
TEST(WeightMap, PublishedCounts) {
  EXPECT_EQ(WeightMap(config_of("llama-3.1-8b"), {}).num_parameters(), 8'030'261'248);
  EXPECT_EQ(WeightMap(config_of("llama-3.1-70b"), {}).num_parameters(), 70'553'706'496);
  EXPECT_EQ(WeightMap(config_of("llama-3.2-1b"), {}).num_parameters(), 1'235'814'400);
  EXPECT_EQ(WeightMap(config_of("qwen2.5-7b"), {}).num_parameters(), 7'615'616'512);
  EXPECT_EQ(WeightMap(config_of("qwen2.5-32b"), {}).num_parameters(), 32'763'876'352);
  EXPECT_EQ(WeightMap(config_of("qwen3-8b"), {}).num_parameters(), 8'190'735'360);
  EXPECT_EQ(WeightMap(config_of("mistral-7b"), {}).num_parameters(), 7'248'023'552);
  EXPECT_EQ(WeightMap(config_of("smollm2-135m"), {}).num_parameters(), 134'515'008);
  EXPECT_EQ(WeightMap(config_of("deepseek-v2-lite"), {}).num_parameters(), 15'706'484'224);
  EXPECT_EQ(WeightMap(config_of("deepseek-v2"), {}).num_parameters(), 235'741'434'880);
}

// The 163 files of DeepSeek-R1 have 688,586,727,753 bytes. Beyond the model that is served they hold the
// multi-token-prediction layer: one more layer with experts, eh_proj (bf16), three norms, and the embedding
// and head once more; and the files' headers, some 130 bytes for each of 91,991 tensors.
TEST(WeightMap, R1sFilesToTheirHeaders) {
  const ModelConfig r1 = config_of("deepseek-r1");
  const int64_t main = WeightMap(r1, {}).whole().total();
  EXPECT_EQ(main, 673'150'611'808);
  ModelConfig more = r1;
  more.num_hidden_layers = 62;
  const int64_t layer = WeightMap(more, {}).whole().total() - main;
  const int64_t h = 7168;
  const int64_t extra = 2 * 2 * int64_t{129280} * h + 2 * h * (2 * h) + 3 * h * 2;
  const int64_t headers = 688'586'727'753 - (main + layer + extra);
  EXPECT_GT(headers, 91'991 * 100);
  EXPECT_LT(headers, 91'991 * 160);
}

// DeepSeek-V3 README_WEIGHTS.md: 671B in all; 36.7B active with embedding and head counted as there.
TEST(WeightMap, R1sPublishedTotals) {
  const WeightMap r1(config_of("deepseek-r1"), {});
  EXPECT_NEAR(static_cast<double>(r1.num_parameters()), 671.0e9, 0.1e9);
  EXPECT_NEAR(static_cast<double>(r1.active_parameters()) + 129280.0 * 7168, 36.7e9 + 0.9e9, 0.3e9);
}

TEST(WeightMap, R1sPartsByHand) {
  const PartBytes whole = WeightMap(config_of("deepseek-r1"), {}).whole();
  EXPECT_EQ(whole.of(WeightPart::kEmbedding), int64_t{129280} * 7168 * 2);
  EXPECT_EQ(whole.of(WeightPart::kHead), int64_t{129280} * 7168 * 2);
  EXPECT_EQ(whole.of(WeightPart::kRoutedExperts), int64_t{58} * 256 * 3 * 7168 * 2048);
  EXPECT_EQ(whole.of(WeightPart::kSharedExperts), int64_t{58} * 3 * 7168 * 2048);
  EXPECT_EQ(whole.of(WeightPart::kDenseMlp), int64_t{3} * 3 * 7168 * 18432);
  // 187.1M of latent attention a layer.
  EXPECT_EQ(whole.of(WeightPart::kAttention) / 61, int64_t{7168} * 1536 + 1536 * 128 * 192 + 7168 * 576 +
                                                       512 * 128 * 256 + int64_t{128} * 128 * 7168);
  EXPECT_EQ(whole.of(WeightPart::kRouter), int64_t{58} * (256 * 7168 * 2 + 256 * 4));
}

struct Case {
  std::string_view model;
  Layout layout;
};

TEST(WeightMap, RanksOfDivisibleShapesSumToTheWhole) {
  const Case kCases[] = {
      {"llama-3.1-8b", {.tp = 8}},
      {"llama-3.1-70b", {.tp = 4, .pp = 2}},
      {"qwen2.5-7b", {.tp = 4}},
      {"deepseek-r1", {.tp = 16}},
      {"deepseek-r1", {.tp = 16, .ep = 16}},
      {"deepseek-r1", {.tp = 8, .ep = 4}},
      {"deepseek-r1", {.tp = 8, .pp = 3}},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.model) + " " + layout_name(c.layout));
    const WeightMap map(config_of(c.model), {});
    ASSERT_TRUE(check_layout(map.model(), c.layout, projection_format(map.model(), {})).ok());
    PartBytes sum;
    for (int stage = 0; stage < c.layout.pp; ++stage) {
      for (int rank = 0; rank < c.layout.tp; ++rank) {
        const PartBytes piece = map.of_rank(c.layout, stage, rank);
        for (size_t i = 0; i < kNumWeightParts; ++i) sum.bytes[i] += piece.bytes[i];
      }
    }
    // What every rank has whole counts tp times.
    PartBytes whole = map.whole();
    for (const PlannedTensor& t : map.tensors()) {
      if (t.split != WeightSplit::kWhole) continue;
      const PieceBytes bytes = piece_bytes(t, t.rows, t.columns);
      whole.of(t.part) += (c.layout.tp - 1) * bytes.values;
      whole.of(WeightPart::kScales) += (c.layout.tp - 1) * bytes.scales;
    }
    for (size_t i = 0; i < kNumWeightParts; ++i) {
      EXPECT_EQ(sum.bytes[i], whole.bytes[i]) << weight_part_name(static_cast<WeightPart>(i));
    }
  }
}

TEST(WeightMap, KvHeadsAreRepeatedBeyondTheirNumber) {
  const WeightMap map(config_of("qwen2.5-7b"), {});  // 28 heads, 4 KV heads of 128
  const int64_t h = 3584;
  const auto attention = [&](int tp) {
    return map.of_rank({.tp = tp}, 0, 0).of(WeightPart::kAttention) / 28;
  };
  const auto expected = [&](int64_t heads, int64_t kv) {
    return 2 * (2 * heads * 128 * h + 2 * kv * 128 * h + heads * 128 + 2 * kv * 128);
  };
  EXPECT_EQ(attention(4), expected(7, 1));
  EXPECT_EQ(attention(28), expected(1, 1));
}

TEST(WeightMap, TiedHeadIsOnBothEndsOfThePipeline) {
  const WeightMap map(config_of("qwen2.5-1.5b"), {});
  const int64_t embedding = int64_t{151936} * 1536 * 2;
  EXPECT_EQ(map.of_rank({.pp = 4}, 0, 0).of(WeightPart::kEmbedding), embedding);
  EXPECT_EQ(map.of_rank({.pp = 4}, 1, 0).of(WeightPart::kEmbedding), 0);
  EXPECT_EQ(map.of_rank({.pp = 4}, 3, 0).of(WeightPart::kEmbedding), embedding);
}

TEST(WeightMap, StagesCoverTheLayersOnce) {
  std::mt19937 random(20260101);
  for (int i = 0; i < 200; ++i) {
    const int layers = 1 + static_cast<int>(random() % 126);
    const int pp = 1 + static_cast<int>(random() % static_cast<unsigned>(layers));
    int next = 0;
    for (int stage = 0; stage < pp; ++stage) {
      const LayerRange range = stage_layers(layers, pp, stage);
      EXPECT_EQ(range.begin, next);
      EXPECT_GE(range.size(), layers / pp);
      EXPECT_LE(range.size(), layers / pp + 1);
      next = range.end;
    }
    EXPECT_EQ(next, layers);
  }
}

TEST(WeightMap, FormatsByHand) {
  PlannedTensor t;
  t.rows = 256;
  t.columns = 384;
  t.format = WeightFormat::kFp8Blocks;
  EXPECT_EQ(piece_bytes(t, 256, 384).values, 256 * 384);
  EXPECT_EQ(piece_bytes(t, 256, 384).scales, 4 * 2 * 3);
  EXPECT_EQ(piece_bytes(t, 1, 129).scales, 4 * 1 * 2);
  t.format = WeightFormat::kInt8;
  EXPECT_EQ(piece_bytes(t, 256, 384).scales, 256 * 4);
  t.format = WeightFormat::kInt4;
  EXPECT_EQ(piece_bytes(t, 256, 384).values, 256 * 384 / 2);
  t.format = WeightFormat::kGgml;
  t.ggml_type = GgmlType::kQ8_0;
  EXPECT_EQ(piece_bytes(t, 256, 384).values, 256 * 384 / 32 * 34);
}

}  // namespace
}  // namespace hadal
