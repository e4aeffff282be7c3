#include "weights/checkpoint_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/gguf_writer.h"
#include "base/temp_dir.h"
#include "weights/safetensors_writer.h"

namespace hadal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Writer = SafetensorsWriter;

using Shape = std::vector<int64_t>;

class CheckpointSourceTest : public ::testing::Test {
 protected:
  std::unique_ptr<CheckpointSource> open(const std::string& bytes, const ModelConfig& config) {
    auto table = read_safetensors_file(dir_.write("m.safetensors", bytes));
    EXPECT_TRUE(table.ok()) << table.error().message;
    auto source = CheckpointSource::create(std::move(*table), dir_.path(), config, {});
    EXPECT_TRUE(source.ok()) << source.error().message;
    return std::move(*source);
  }
  static ModelConfig config(int layers, bool tied = false) {
    ModelConfig c;
    c.num_hidden_layers = layers;
    c.tie_word_embeddings = tied;
    return c;
  }
  TempDir dir_;
};

TEST_F(CheckpointSourceTest, ReadsTensorsAsTheyAreAndAccounts) {
  auto source =
      open(Writer()
               .add("model.norm.weight", "F32", {3}, Writer::count_up<float>(3))
               .add("model.layers.0.mlp.up_proj.weight", "BF16", {2, 3}, Writer::count_up<uint16_t>(6))
               .bytes(),
           config(1));
  EXPECT_TRUE(source->has("model.norm.weight"));
  EXPECT_FALSE(source->has("model.norm"));
  EXPECT_EQ(source->total_bytes(), 24);
  EXPECT_THAT(source->unread(),
              UnorderedElementsAre("model.norm.weight", "model.layers.0.mlp.up_proj.weight"));
  auto matrix = source->read_matrix("model.layers.0.mlp.up_proj", 2, 3);
  ASSERT_TRUE(matrix.ok()) << matrix.error().message;
  EXPECT_EQ(matrix->weight.tensor.dtype(), DType::kBF16);
  EXPECT_EQ(matrix->weight.tensor.shape_string(), "[2, 3]");
  EXPECT_EQ(matrix->weight.tensor.ptr<uint16_t>()[5], 5);
  EXPECT_FALSE(matrix->scale.tensor.defined());
  EXPECT_EQ(source->read_bytes(), 12);
  EXPECT_THAT(source->unread(), ElementsAre("model.norm.weight"));
  auto norm = source->read_f32("model.norm.weight", 3);
  ASSERT_TRUE(norm.ok()) << norm.error().message;
  EXPECT_THAT(*norm, ElementsAre(0.0f, 1.0f, 2.0f));
  ASSERT_TRUE(source->read_f32("model.norm.weight", 3).ok());
  EXPECT_EQ(source->read_bytes(), 24) << "bytes count once";
  EXPECT_THAT(source->unread(), IsEmpty());
}

TEST_F(CheckpointSourceTest, ErrorsOfTypesAndValuesNameTensorAndFile) {
  auto source = open(Writer()
                         .add("up.weight", "I8", {2, 4}, std::string(8, 1))
                         .add("norm.weight", "I8", {4}, std::string(4, 1))
                         .add("nan.weight", "F32", {2}, Writer::raw(1.0f) + Writer::raw(NAN))
                         .add("inf.bias", "BF16", {2}, std::string("\x80\x7f\x80\x7f", 4))
                         .bytes(),
                     config(1));
  const auto named = [&](const std::string& name) {
    return AllOf(HasSubstr("tensor \"" + name + "\""), HasSubstr(dir_.file("m.safetensors")));
  };
  EXPECT_THAT(source->read_matrix("up", 2, 4).error().message, AllOf(named("up.weight"), HasSubstr("is i8")));
  EXPECT_THAT(source->read_f32("norm.weight", 4).error().message,
              AllOf(named("norm.weight"), HasSubstr("is i8")));
  EXPECT_THAT(source->read_f32("nan.weight", 2).error().message,
              AllOf(named("nan.weight"), HasSubstr("holds nan at 1")));
  EXPECT_THAT(source->read_f32("inf.bias", 2).error().message,
              AllOf(named("inf.bias"), HasSubstr("inf at 0")));
}

TEST_F(CheckpointSourceTest, ErrorsNameTensorFileAndShapes) {
  auto source = open(
      Writer().add("t.weight", "F32", {2, 3}, std::string(24, 0)).add("d", "F64", {1}, "12345678").bytes(),
      config(1));
  const auto message = [&](const std::string& name, const Shape& shape) {
    auto tensor = source->read(name, shape);
    EXPECT_FALSE(tensor.ok());
    return tensor.ok() ? "" : tensor.error().message;
  };
  EXPECT_THAT(message("x", {4}), HasSubstr("has no tensor \"x\" [4]"));
  EXPECT_THAT(message("t.weight", {3, 2}), HasSubstr("has shape [2, 3]; the configuration needs [3, 2]"));
  EXPECT_THAT(message("t.weight", {6}), HasSubstr("m.safetensors"));
  EXPECT_THAT(message("t.weight", {}), HasSubstr("[]"));
  EXPECT_THAT(message("d", {1}), HasSubstr("F64"));
  EXPECT_EQ(source->read("x", Shape{4}).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(source->read_matrix("t", 2, 4).ok());
}

TEST_F(CheckpointSourceTest, MergesLeadingDimensionsOnRequest) {
  auto source =
      open(Writer().add("w.weight", "F32", {2, 3, 4}, Writer::count_up<float>(24)).bytes(), config(1));
  EXPECT_TRUE(source->read("w.weight", Shape{2, 3, 4}).ok());
  auto merged = source->read_matrix("w", 6, 4);
  ASSERT_TRUE(merged.ok()) << merged.error().message;
  EXPECT_EQ(merged->weight.tensor.ptr<float>()[23], 23.0f);
  EXPECT_FALSE(source->read("w.weight", Shape{2, 12}).ok());
  EXPECT_FALSE(source->read("w.weight", Shape{24}).ok());
}

TEST_F(CheckpointSourceTest, SomeTensorsMayStayUnread) {
  Writer w;
  for (const char* name : {"model.layers.0.self_attn.rotary_emb.inv_freq", "model.layers.2.enorm.weight",
                           "model.layers.10.enorm.weight", "lm_head.weight", "model.layers.1.extra"}) {
    w.add(name, "F32", {1}, "1234");
  }
  EXPECT_THAT(open(w.bytes(), config(2, true))->unread(), ElementsAre("model.layers.1.extra"));
  EXPECT_EQ(open(w.bytes(), config(2, true))->total_bytes(), 4);
  EXPECT_THAT(open(w.bytes(), config(2))->unread(),
              UnorderedElementsAre("model.layers.1.extra", "lm_head.weight"));
}

TEST_F(CheckpointSourceTest, Fp8MatricesBringTheirScales) {
  Writer w;
  w.add("a.weight", "F8_E4M3", {130, 2}, std::string(260, '8'));
  w.add("a.weight_scale_inv", "F32", {2, 1}, Writer::count_up<float>(2));
  w.add("b.weight", "F8_E4M3", {2, 2}, "1234");
  w.add("b.weight_scale_inv", "BF16", {1, 1}, std::string("\x80\x3f", 2));
  w.add("c.weight", "F8_E4M3", {2, 2}, "1234");
  w.add("d.weight", "F8_E4M3", {2, 2}, "1234").add("d.weight_scale_inv", "F32", {2, 2}, std::string(16, 0));
  auto source = open(w.bytes(), config(1));
  auto a = source->read_matrix("a", 130, 2);
  ASSERT_TRUE(a.ok()) << a.error().message;
  EXPECT_EQ(a->weight.tensor.dtype(), DType::kF8E4M3);
  EXPECT_EQ(a->scale.tensor.shape_string(), "[2, 1]");
  EXPECT_EQ(a->scale.tensor.ptr<float>()[1], 1.0f);
  auto b = source->read_matrix("b", 2, 2);
  ASSERT_TRUE(b.ok()) << b.error().message;
  EXPECT_EQ(b->scale.tensor.dtype(), DType::kF32);
  EXPECT_EQ(b->scale.tensor.ptr<float>()[0], 1.0f);
  EXPECT_THAT(source->read_matrix("c", 2, 2).error().message, HasSubstr("c.weight_scale_inv"));
  EXPECT_THAT(source->read_matrix("d", 2, 2).error().message, HasSubstr("needs [1, 1]"));
  EXPECT_THAT(source->unread(), ElementsAre("d.weight_scale_inv"));
}

TEST_F(CheckpointSourceTest, WidensVectorsExactly) {
  // 1.0, -2.0, smallest normal, smallest subnormal and largest finite of f16.
  const std::string half("\x00\x3c\x00\xc0\x00\x04\x01\x00\xff\x7b", 10);
  auto source = open(Writer()
                         .add("h", "F16", {5}, half)
                         .add("b", "BF16", {2}, std::string("\x80\x3f\x00\xc0", 4))
                         .add("i", "I32", {1}, "1234")
                         .bytes(),
                     config(1));
  EXPECT_THAT(*source->read_f32("h", 5), ElementsAre(1.0f, -2.0f, 0x1p-14f, 0x1p-24f, 65504.0f));
  EXPECT_THAT(*source->read_f32("b", 2), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(source->read_f32("i", 1).error().message, HasSubstr("must be f32, f16 or bf16"));
}

TEST_F(CheckpointSourceTest, OddlyPlacedDataIsAligned) {
  Writer w;
  w.add("byte", "U8", {1}, "x").add("f", "F32", {3}, Writer::count_up<float>(3));
  auto source = open(w.bytes(false), config(1));
  auto tensor = source->read("f", Shape{3});
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->tensor.data()) % 4, 0u);
  EXPECT_EQ(tensor->tensor.ptr<float>()[2], 2.0f);
}

TEST_F(CheckpointSourceTest, PrefetchIgnoresUnknownNames) {
  auto source = open(Writer().add("a", "F32", {1}, "1234").bytes(), config(1));
  const std::vector<std::string> names = {"nothing", "a"};
  source->prefetch(names);
  EXPECT_TRUE(source->read("a", Shape{1}).ok());
}

TEST_F(CheckpointSourceTest, ASingleFileIsStrict) {
  auto source = CheckpointSource::open_safetensors(
      dir_.write("g.safetensors", Writer().add("model.layers.0.x", "I32", {1}, "1234").bytes()));
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ((*source)->total_bytes(), 4);
  EXPECT_THAT((*source)->unread(), ElementsAre("model.layers.0.x"));
  EXPECT_TRUE((*source)->read("model.layers.0.x", Shape{1}).ok());
  EXPECT_EQ((*source)->read_bytes(), 4);
}

class GgufTableTest : public ::testing::Test {
 protected:
  Result<TensorTable> table_of(const GgufWriter& writer, const ModelConfig& config) {
    auto file = GgufFile::open(dir_.write("m.gguf", writer.bytes()));
    EXPECT_TRUE(file.ok()) << file.error().message;
    return gguf_tensor_table(**file, config);
  }
  TempDir dir_;
};

TEST_F(GgufTableTest, TranslatesNames) {
  GgufWriter w;
  for (const char* name : {"token_embd.weight", "output_norm.weight", "output.weight", "rope_freqs.weight",
                           "blk.0.attn_q.weight", "blk.12.attn_k_norm.weight", "blk.3.ffn_down.bias",
                           "blk.x.attn_q.weight", "blk.0.ssm_in.weight", "blk.1.exp_probs_b.bias"}) {
    w.add_tensor(name, GgmlType::kF32, {1}, "1234");
  }
  auto table = table_of(w, ModelConfig{});
  ASSERT_TRUE(table.ok()) << table.error().message;
  std::vector<std::string> names;
  for (const TensorEntry& entry : table->entries) names.push_back(entry.name);
  EXPECT_THAT(names,
              ElementsAre("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight",
                          "model.layers.0.self_attn.q_proj.weight", "model.layers.12.self_attn.k_norm.weight",
                          "model.layers.3.mlp.down_proj.bias", "blk.x.attn_q.weight", "blk.0.ssm_in.weight",
                          "model.layers.1.mlp.gate.e_score_correction_bias"));
  EXPECT_EQ(table->find("lm_head.weight")->source_name, "output.weight");
}

TEST_F(GgufTableTest, CutsMergedExperts) {
  ModelConfig config;
  config.moe.emplace();
  config.moe->n_routed_experts = 3;
  const std::string data = Writer::count_up<float>(3 * 2 * 4);
  auto table =
      table_of(GgufWriter().add_tensor("blk.1.ffn_up_exps.weight", GgmlType::kF32, {3, 2, 4}, data), config);
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->entries.size(), 3u);
  auto source = CheckpointSource::create(std::move(*table), "m.gguf", config, {});
  ASSERT_TRUE(source.ok());
  auto expert = (*source)->read_matrix("model.layers.1.mlp.experts.2.up_proj", 2, 4);
  ASSERT_TRUE(expert.ok()) << expert.error().message;
  EXPECT_EQ(expert->weight.tensor.ptr<float>()[0], 16.0f);
  config.moe->n_routed_experts = 4;
  EXPECT_THAT(
      table_of(GgufWriter().add_tensor("blk.1.ffn_up_exps.weight", GgmlType::kF32, {3, 2, 4}, data), config)
          .error()
          .message,
      HasSubstr("number of experts, 4"));
}

TEST_F(GgufTableTest, AWholeKvBStandsForItsParts) {
  GgufWriter w;
  w.add_tensor("blk.0.attn_k_b.weight", GgmlType::kF32, {1}, "1234");
  w.add_tensor("blk.1.attn_k_b.weight", GgmlType::kF32, {1}, "1234");
  w.add_tensor("blk.1.attn_kv_b.weight", GgmlType::kF32, {1}, "1234");
  auto table = table_of(w, ModelConfig{});
  ASSERT_TRUE(table.ok());
  EXPECT_NE(table->find("model.layers.0.self_attn.k_b_proj.weight"), nullptr);
  EXPECT_EQ(table->find("model.layers.1.self_attn.k_b_proj.weight"), nullptr);
  EXPECT_NE(table->find("model.layers.1.self_attn.kv_b_proj.weight"), nullptr);
}

TEST_F(GgufTableTest, TwoNamesForOneTensorAreRefused) {
  GgufWriter w;
  w.add_tensor("blk.0.attn_q.weight", GgmlType::kF32, {1}, "1234");
  w.add_tensor("blk.00.attn_q.weight", GgmlType::kF32, {1}, "1234");
  EXPECT_THAT(table_of(w, ModelConfig{}).error().message, HasSubstr("blk.00.attn_q.weight"));
}

}  // namespace
}  // namespace hadal
