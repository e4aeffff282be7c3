#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/gguf_writer.h"
#include "base/temp_dir.h"
#include "weights/safetensors_writer.h"
#include "weights/weight_source.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Shape = std::vector<int64_t>;

const std::string kTestData = HADAL_SOURCE_DIR "/src/models/testdata";

// Every tensor that a model of this configuration reads: name and shape.
class Expected {
 public:
  explicit Expected(const ModelConfig& config, const WeightSource& source) : c_(config), source_(source) {
    const int64_t h = c_.hidden_size;
    add("model.embed_tokens.weight", {c_.vocab_size, h});
    add("model.norm.weight", {h});
    if (!c_.tie_word_embeddings) add("lm_head.weight", {c_.vocab_size, h});
    for (int i = 0; i < c_.num_hidden_layers; ++i) add_layer(i);
  }
  std::vector<std::pair<std::string, Shape>> tensors() const { return tensors_; }

 private:
  void add(const std::string& name, Shape shape) { tensors_.emplace_back(name, std::move(shape)); }
  void add_linear(const std::string& name, int64_t n, int64_t k, bool bias = false) {
    add(name + ".weight", {n, k});
    if (source_.has(name + ".weight_scale_inv"))
      add(name + ".weight_scale_inv", {(n + 127) / 128, (k + 127) / 128});
    if (bias) add(name + ".bias", {n});
  }
  void add_mlp(const std::string& prefix, int64_t width) {
    add_linear(prefix + ".gate_proj", width, c_.hidden_size, c_.mlp_bias);
    add_linear(prefix + ".up_proj", width, c_.hidden_size, c_.mlp_bias);
    add_linear(prefix + ".down_proj", c_.hidden_size, width, c_.mlp_bias);
  }
  void add_mla(const std::string& p) {
    const MlaConfig& m = *c_.mla;
    const int64_t heads = c_.num_attention_heads;
    if (m.q_lora_rank > 0) {
      add_linear(p + "q_a_proj", m.q_lora_rank, c_.hidden_size);
      add(p + "q_a_layernorm.weight", {m.q_lora_rank});
      add_linear(p + "q_b_proj", heads * c_.head_dim, m.q_lora_rank);
    } else {
      add_linear(p + "q_proj", heads * c_.head_dim, c_.hidden_size);
    }
    add_linear(p + "kv_a_proj_with_mqa", m.kv_lora_rank + m.qk_rope_head_dim, c_.hidden_size);
    add(p + "kv_a_layernorm.weight", {m.kv_lora_rank});
    if (source_.has(p + "kv_b_proj.weight")) {
      add_linear(p + "kv_b_proj", heads * (m.qk_nope_head_dim + m.v_head_dim), m.kv_lora_rank);
    } else {
      add(p + "k_b_proj.weight", {heads, m.kv_lora_rank, m.qk_nope_head_dim});
      add(p + "v_b_proj.weight", {heads, m.v_head_dim, m.kv_lora_rank});
    }
    add_linear(p + "o_proj", c_.hidden_size, heads * m.v_head_dim);
  }
  void add_layer(int layer) {
    const std::string p = "model.layers." + std::to_string(layer) + ".";
    add(p + "input_layernorm.weight", {c_.hidden_size});
    add(p + "post_attention_layernorm.weight", {c_.hidden_size});
    if (c_.mla) {
      add_mla(p + "self_attn.");
    } else {
      const int64_t q = int64_t{c_.num_attention_heads} * c_.head_dim;
      const int64_t kv = int64_t{c_.num_key_value_heads} * c_.head_dim;
      add_linear(p + "self_attn.q_proj", q, c_.hidden_size, c_.qkv_bias);
      add_linear(p + "self_attn.k_proj", kv, c_.hidden_size, c_.qkv_bias);
      add_linear(p + "self_attn.v_proj", kv, c_.hidden_size, c_.qkv_bias);
      add_linear(p + "self_attn.o_proj", c_.hidden_size, q, c_.o_bias);
      if (c_.qk_norm) add(p + "self_attn.q_norm.weight", {c_.head_dim});
      if (c_.qk_norm) add(p + "self_attn.k_norm.weight", {c_.head_dim});
    }
    if (!c_.is_moe_layer(layer)) return add_mlp(p + "mlp", c_.intermediate_size);
    add_linear(p + "mlp.gate", c_.moe->n_routed_experts, c_.hidden_size);
    if (c_.moe->topk_method == MoeConfig::TopkMethod::kNoauxTc) {
      add(p + "mlp.gate.e_score_correction_bias", {c_.moe->n_routed_experts});
    }
    add_mlp(p + "mlp.shared_experts", int64_t{c_.moe->n_shared_experts} * c_.moe->moe_intermediate_size);
    for (int e = 0; e < c_.moe->n_routed_experts; ++e) {
      add_mlp(p + "mlp.experts." + std::to_string(e), c_.moe->moe_intermediate_size);
    }
  }

  const ModelConfig& c_;
  const WeightSource& source_;
  std::vector<std::pair<std::string, Shape>> tensors_;
};

void read_everything(OpenedModel& model) {
  const auto expected = Expected(model.config, *model.source).tensors();
  std::vector<std::string> names;
  for (const auto& [name, shape] : expected) names.push_back(name);
  model.source->prefetch(names);
  for (const auto& [name, shape] : expected) {
    auto tensor = model.source->read(name, shape);
    ASSERT_TRUE(tensor.ok()) << tensor.error().message;
  }
  EXPECT_THAT(model.source->unread(), IsEmpty());
  EXPECT_EQ(model.source->read_bytes(), model.source->total_bytes());
}

class TinyModel : public ::testing::TestWithParam<const char*> {};

TEST_P(TinyModel, EveryTensorIsFoundWithItsShapeAndNoneIsLeft) {
  auto model = open_model(kTestData + "/" + GetParam(), {});
  ASSERT_TRUE(model.ok()) << model.error().message;
  read_everything(*model);
}
INSTANTIATE_TEST_SUITE_P(All, TinyModel,
                         ::testing::Values("llama", "llama_tied", "mistral", "qwen2", "qwen2_window", "qwen3",
                                           "deepseek_v2_lite", "deepseek_v2", "deepseek_v2_full",
                                           "deepseek_v3", "deepseek_eps", "deepseek_v3_fp8",
                                           "llama/model.gguf", "qwen2/model.gguf", "qwen3/model.gguf",
                                           "deepseek_v2_full/model.gguf", "deepseek_v2_lite/model.gguf",
                                           "deepseek_v3/model.gguf"));

TEST_P(TinyModel, DummyWeightsHaveTheSameShapes) {
  OpenModelOptions options;
  options.format = LoadFormat::kDummy;
  auto dummy = open_model(kTestData + "/" + GetParam(), options);
  ASSERT_TRUE(dummy.ok()) << dummy.error().message;
  for (const auto& [name, shape] : Expected(dummy->config, *dummy->source).tensors()) {
    auto tensor = dummy->source->read(name, shape);
    ASSERT_TRUE(tensor.ok()) << tensor.error().message;
  }
  EXPECT_THAT(dummy->source->unread(), IsEmpty());
}

// The GGUF form of a checkpoint, written by ggml's own library, against the safetensors form.
class GgufTwin : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    OpenModelOptions options;
    options.format = LoadFormat::kGguf;
    auto gguf = open_model(kTestData + "/" + GetParam(), options);
    auto hf = open_model(kTestData + "/" + GetParam(), {});
    ASSERT_TRUE(gguf.ok()) << gguf.error().message;
    ASSERT_TRUE(hf.ok()) << hf.error().message;
    gguf_ = std::move(*gguf);
    hf_ = std::move(*hf);
  }
  OpenedModel gguf_;
  OpenedModel hf_;
};

TEST_P(GgufTwin, HasTheSameConfiguration) {
  const ModelConfig& a = gguf_.config;
  const ModelConfig& b = hf_.config;
  EXPECT_EQ(a.architecture, b.architecture);
  EXPECT_EQ(a.hidden_size, b.hidden_size);
  EXPECT_EQ(a.intermediate_size, b.intermediate_size);
  EXPECT_EQ(a.num_hidden_layers, b.num_hidden_layers);
  EXPECT_EQ(a.num_attention_heads, b.num_attention_heads);
  EXPECT_EQ(a.num_key_value_heads, b.num_key_value_heads);
  EXPECT_EQ(a.head_dim, b.head_dim);
  EXPECT_EQ(a.vocab_size, b.vocab_size);
  EXPECT_EQ(a.max_position_embeddings, b.max_position_embeddings);
  EXPECT_FLOAT_EQ(static_cast<float>(a.rms_norm_eps), static_cast<float>(b.rms_norm_eps));
  EXPECT_EQ(a.tie_word_embeddings, b.tie_word_embeddings);
  EXPECT_EQ(a.qkv_bias, b.qkv_bias);
  EXPECT_EQ(a.rope.theta, b.rope.theta);
  EXPECT_EQ(a.rope.rotary_dim, b.rope.rotary_dim);
  ASSERT_EQ(a.mla.has_value(), b.mla.has_value());
  if (!a.mla) return;
  EXPECT_EQ(a.rope.scaling, b.rope.scaling);
  EXPECT_EQ(a.rope.factor, b.rope.factor);
  EXPECT_EQ(a.rope.mscale_all_dim, b.rope.mscale_all_dim);
  EXPECT_EQ(a.rope.interleaved, b.rope.interleaved);
  EXPECT_EQ(a.mla->q_lora_rank, b.mla->q_lora_rank);
  EXPECT_EQ(a.mla->kv_lora_rank, b.mla->kv_lora_rank);
  EXPECT_EQ(a.mla->qk_nope_head_dim, b.mla->qk_nope_head_dim);
  EXPECT_EQ(a.mla->v_head_dim, b.mla->v_head_dim);
  EXPECT_EQ(a.moe->n_group, b.moe->n_group);
  EXPECT_EQ(a.moe->topk_group, b.moe->topk_group);
  EXPECT_EQ(a.moe->score, b.moe->score);
  EXPECT_EQ(a.moe->topk_method, b.moe->topk_method);
  EXPECT_EQ(a.moe->norm_topk_prob, b.moe->norm_topk_prob);
  EXPECT_EQ(a.moe->routed_scaling_factor, b.moe->routed_scaling_factor);
  EXPECT_EQ(a.moe->first_k_dense_replace, b.moe->first_k_dense_replace);
}

TEST_P(GgufTwin, HasTheSameTensors) {
  const bool llama = gguf_.config.architecture == Architecture::kLlama;
  int compared = 0;
  for (const auto& [name, shape] : Expected(hf_.config, *hf_.source).tensors()) {
    if (!gguf_.source->has(name)) {
      EXPECT_THAT(name, HasSubstr("kv_b_proj"));
      continue;
    }
    auto a = gguf_.source->read(name, shape);
    auto b = hf_.source->read(name, shape);
    ASSERT_TRUE(a.ok()) << a.error().message;
    ASSERT_TRUE(b.ok()) << b.error().message;
    const bool permuted =
        llama && (name.find("q_proj") != std::string::npos || name.find("k_proj") != std::string::npos);
    if (a->tensor.dtype() == b->tensor.dtype()) {
      const auto size = static_cast<size_t>(a->tensor.num_bytes());
      EXPECT_EQ(std::memcmp(a->tensor.data(), b->tensor.data(), size) == 0, !permuted) << name;
    } else if (shape.size() == 1) {
      EXPECT_EQ(*gguf_.source->read_f32(name, shape[0]), *hf_.source->read_f32(name, shape[0])) << name;
    }
    ++compared;
  }
  EXPECT_GT(compared, 20);
}
INSTANTIATE_TEST_SUITE_P(All, GgufTwin,
                         ::testing::Values("llama", "qwen2", "qwen3", "deepseek_v2_lite", "deepseek_v2_full",
                                           "deepseek_v3"));

// Row r of head h: GGUF has (pair, half), Hugging Face (half, pair).
TEST(OpenModel, LlamaGgufKeepsItsPermutedRowsAndFreqFactors) {
  OpenModelOptions options;
  options.format = LoadFormat::kGguf;
  auto gguf = open_model(kTestData + "/llama", options);
  auto hf = open_model(kTestData + "/llama", {});
  ASSERT_TRUE(gguf.ok() && hf.ok());
  EXPECT_TRUE(gguf->config.rope.interleaved);
  EXPECT_FALSE(hf->config.rope.interleaved);
  const int dim = hf->config.head_dim;
  const int64_t k = hf->config.hidden_size;
  const int64_t n = int64_t{hf->config.num_attention_heads} * dim;
  auto a = gguf->source->read_matrix("model.layers.1.self_attn.q_proj", n, k);
  auto b = hf->source->read_matrix("model.layers.1.self_attn.q_proj", n, k);
  ASSERT_TRUE(a.ok() && b.ok());
  for (int64_t row = 0; row < n; ++row) {
    const int64_t in_head = row % dim;
    const int64_t twin = row - in_head + (in_head % 2) * (dim / 2) + in_head / 2;
    EXPECT_EQ(std::memcmp(a->weight.tensor.rows(row, 1).data(), b->weight.tensor.rows(twin, 1).data(),
                          static_cast<size_t>(k) * 2),
              0);
  }
  // llama3 scaling with factor 8: the highest frequency is kept, the lowest divided by it.
  ASSERT_EQ(gguf->config.rope.freq_factors.size(), static_cast<size_t>(dim / 2));
  EXPECT_EQ(gguf->config.rope.freq_factors.front(), 1.0f);
  EXPECT_EQ(gguf->config.rope.freq_factors.back(), 8.0f);
  EXPECT_EQ(gguf->config.rope.scaling, RopeConfig::Scaling::kNone);
}

TEST(OpenModel, NewDeepseekGgufHasTheTwoPartsOfKvB) {
  OpenModelOptions options;
  options.format = LoadFormat::kGguf;
  auto gguf = open_model(kTestData + "/deepseek_v3", options);
  auto hf = open_model(kTestData + "/deepseek_v3", {});
  ASSERT_TRUE(gguf.ok() && hf.ok());
  const MlaConfig& m = *hf->config.mla;
  const int64_t heads = hf->config.num_attention_heads;
  const int64_t nope = m.qk_nope_head_dim;
  const int64_t v = m.v_head_dim;
  const int64_t rank = m.kv_lora_rank;
  auto whole = hf->source->read_matrix("model.layers.2.self_attn.kv_b_proj", heads * (nope + v), rank);
  auto k_b = gguf->source->read("model.layers.2.self_attn.k_b_proj.weight", Shape{heads, rank, nope});
  auto v_b = gguf->source->read("model.layers.2.self_attn.v_b_proj.weight", Shape{heads, v, rank});
  ASSERT_TRUE(whole.ok() && k_b.ok() && v_b.ok());
  const auto* w = whole->weight.tensor.ptr<uint16_t>();
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t r = 0; r < rank; ++r) {
      for (int64_t i = 0; i < nope; ++i) {
        EXPECT_EQ(k_b->tensor.ptr<uint16_t>()[(h * rank + r) * nope + i], w[(h * (nope + v) + i) * rank + r]);
      }
      for (int64_t i = 0; i < v; ++i) {
        EXPECT_EQ(v_b->tensor.ptr<uint16_t>()[(h * v + i) * rank + r],
                  w[(h * (nope + v) + nope + i) * rank + r]);
      }
    }
  }
}

// A GGUF model in `parts` files as llama.cpp's gguf-split names them, its tensors dealt out in turn.
void write_split(const GgufFile& whole, int parts, const TempDir& dir) {
  for (int part = 0; part < parts; ++part) {
    GgufWriter writer;
    const auto add = [&](const std::string& key, const GgufValue& value) {
      if (const auto* v = std::get_if<int64_t>(&value)) writer.add_u32(key, static_cast<uint32_t>(*v));
      if (const auto* v = std::get_if<double>(&value)) writer.add_f32(key, static_cast<float>(*v));
      if (const auto* v = std::get_if<bool>(&value)) writer.add_bool(key, *v);
      if (const auto* v = std::get_if<std::string>(&value)) writer.add_string(key, *v);
    };
    // The first part alone describes the model.
    for (const auto& [key, value] : whole.metadata()) {
      if (part == 0) add(key, value);
    }
    writer.add_u16("split.no", static_cast<uint16_t>(part))
        .add_u16("split.count", static_cast<uint16_t>(parts));
    writer.add_i32("split.tensors.count", static_cast<int32_t>(whole.tensors().size()));
    for (size_t i = 0; i < whole.tensors().size(); ++i) {
      const GgufTensorInfo& info = whole.tensors()[i];
      const auto bytes = whole.tensor_bytes(info);
      if (static_cast<int>(i) % parts != part) continue;
      writer.add_tensor(info.name, info.type, info.shape,
                        std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    }
    char name[64];
    std::snprintf(name, sizeof name, "tiny-%05d-of-%05d.gguf", part + 1, parts);
    dir.write(name, writer.bytes());
  }
}

TEST(OpenModel, ASplitGgufIsTheWholeModel) {
  for (const char* name : {"llama", "deepseek_v3"}) {
    const std::string path = kTestData + "/" + name + "/model.gguf";
    auto file = GgufFile::open(path);
    ASSERT_TRUE(file.ok()) << file.error().message;
    TempDir dir;
    write_split(**file, 3, dir);
    auto whole = open_model(path, {});
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    const auto expected = Expected(whole->config, *whole->source).tensors();
    // By the first part's path, and by the directory, which holds one model.
    for (const std::string& given : {dir.file("tiny-00001-of-00003.gguf"), dir.path()}) {
      auto split = open_model(given, {});
      ASSERT_TRUE(split.ok()) << split.error().message;
      EXPECT_EQ(split->source->total_bytes(), whole->source->total_bytes());
      for (const auto& [tensor, shape] : expected) {
        auto a = split->source->read(tensor, shape);
        auto b = whole->source->read(tensor, shape);
        ASSERT_TRUE(a.ok()) << a.error().message;
        ASSERT_TRUE(b.ok()) << b.error().message;
        EXPECT_EQ(std::memcmp(a->tensor.data(), b->tensor.data(), static_cast<size_t>(a->tensor.num_bytes())),
                  0)
            << tensor;
      }
      EXPECT_THAT(split->source->unread(), IsEmpty());
    }
    std::filesystem::remove(dir.file("tiny-00002-of-00003.gguf"));
    auto cut = open_model(dir.path(), {});
    ASSERT_FALSE(cut.ok());
    EXPECT_THAT(cut.error().message, HasSubstr("tiny-00002-of-00003.gguf"));
    EXPECT_FALSE(open_model(dir.file("tiny-00003-of-00003.gguf"), {}).ok());
  }
}

class OpenModelErrors : public ::testing::Test {
 protected:
  std::string error(const std::string& path, LoadFormat format = LoadFormat::kAuto) {
    OpenModelOptions options;
    options.format = format;
    auto model = open_model(path, options);
    EXPECT_FALSE(model.ok());
    return model.ok() ? "" : model.error().message;
  }
  void copy_tiny(const std::string& name) {
    std::filesystem::copy(kTestData + "/" + name, dir_.path(), std::filesystem::copy_options::recursive);
  }
  TempDir dir_;
};

TEST_F(OpenModelErrors, NameWhatWasLookedFor) {
  EXPECT_THAT(error(dir_.file("none")), HasSubstr("does not exist"));
  EXPECT_THAT(error(dir_.path()), HasSubstr("looked for config.json"));
  EXPECT_THAT(error(dir_.path(), LoadFormat::kGguf), HasSubstr("no .gguf file"));
  EXPECT_THAT(error(dir_.path(), LoadFormat::kSafetensors), HasSubstr("no config.json"));
  dir_.write("a.gguf", "GGUF");
  EXPECT_THAT(error(dir_.path()), HasSubstr("truncated"));
  dir_.write("b.gguf", "GGUF");
  EXPECT_THAT(error(dir_.path()), HasSubstr("a.gguf, b.gguf"));
  EXPECT_THAT(error(dir_.write("x.safetensors", "")), HasSubstr("give the directory"));
  EXPECT_THAT(error(dir_.file("a.gguf"), LoadFormat::kSafetensors), HasSubstr("no directory"));
  EXPECT_THAT(error(dir_.write("config.json", "{}")), HasSubstr("--load-format dummy"));
  EXPECT_THAT(error(dir_.file("config.json"), LoadFormat::kDummy), HasSubstr("architectures"));
  dir_.write("config.json", "{");
  EXPECT_THAT(error(dir_.file("config.json"), LoadFormat::kDummy), HasSubstr("config.json"));
}

TEST_F(OpenModelErrors, PickleFilesAreRefusedWithTheReason) {
  copy_tiny("llama");
  std::filesystem::remove(dir_.file("model.safetensors"));
  std::filesystem::remove(dir_.file("model.gguf"));
  std::filesystem::remove(dir_.file("golden.safetensors"));
  dir_.write("pytorch_model.bin", "PK");
  EXPECT_THAT(error(dir_.path()), HasSubstr("pickle"));
}

// The file that was given is named, wherever it lies and whatever its name.
TEST_F(OpenModelErrors, AConfigFileIsNamedByItsPath) {
  EXPECT_THAT(error(dir_.write("foo.json", "{}"), LoadFormat::kDummy),
              ::testing::StartsWith(dir_.file("foo.json") + ": \"architectures\""));
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(dir_.path());
  const std::string message = error("foo.json", LoadFormat::kDummy);
  std::filesystem::current_path(here);
  EXPECT_THAT(message, ::testing::StartsWith("foo.json: \"architectures\""));
  copy_tiny("llama");
  dir_.write("generation_config.json", R"({"eos_token_id":"x"})");
  EXPECT_THAT(error(dir_.path()), ::testing::StartsWith(dir_.file("generation_config.json") + ": "));
}

TEST_F(OpenModelErrors, BadGenerationConfigIsNamed) {
  copy_tiny("llama");
  dir_.write("generation_config.json", "[");
  EXPECT_THAT(error(dir_.path()), HasSubstr("generation_config.json"));
}

TEST_F(OpenModelErrors, AMissingShardIsNamed) {
  copy_tiny("qwen2");
  std::filesystem::remove(dir_.file("model-00002-of-00002.safetensors"));
  EXPECT_THAT(error(dir_.path()), HasSubstr("model-00002-of-00002.safetensors is missing"));
}

TEST_F(OpenModelErrors, BadRopeFreqsAreNamed) {
  auto gguf = read_file(kTestData + "/llama/model.gguf");
  ASSERT_TRUE(gguf.ok());
  auto file = GgufFile::open(kTestData + "/llama/model.gguf");
  const uint64_t at = (*file)->find_tensor("rope_freqs.weight")->offset;
  std::string bytes = *gguf;
  std::memset(bytes.data() + at, 0, 4);
  EXPECT_THAT(error(dir_.write("m.gguf", bytes)), HasSubstr("frequency factor is 0"));
}

TEST_F(OpenModelErrors, GgufBesideConfigIsUsedWhenThereAreNoSafetensors) {
  copy_tiny("llama");
  std::filesystem::remove(dir_.file("model.safetensors"));
  std::filesystem::remove(dir_.file("golden.safetensors"));
  auto model = open_model(dir_.path(), {});
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_NE(model->gguf, nullptr);
}

// A GGUF model cut anywhere, and with bytes changed in its header: an error or a model, never a crash.
TEST_F(OpenModelErrors, DamagedGgufModelsNeverCrash) {
  auto whole = read_file(kTestData + "/deepseek_v3/model.gguf");
  ASSERT_TRUE(whole.ok());
  uint64_t state = 1;
  for (int i = 0; i < 400; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::string bytes = *whole;
    const size_t at = (state >> 33) % 4500;
    if (i % 2 == 0) {
      bytes[at] = static_cast<char>(state >> 20);
    } else {
      bytes.resize((state >> 33) % bytes.size());
    }
    auto model = open_model(dir_.write("m.gguf", bytes), {});
    if (!model.ok()) continue;
    for (const auto& [name, shape] : Expected(model->config, *model->source).tensors()) {
      (void)model->source->read(name, shape);
    }
  }
}

}  // namespace
}  // namespace hadal
