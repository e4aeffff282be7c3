// A tiny Llama in each GGUF block type against Hugging Face's fp32 over the weights that the `gguf` package
// dequantises (tools/golden/make_quant_twins.py, which makes the same bytes).
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "base/gguf_writer.h"
#include "base/temp_dir.h"
#include "models/model_test_util.h"
#include "weights/checkpoint_source.h"

namespace hadal {
namespace {

constexpr int64_t kHidden = 256;
constexpr int64_t kVocab = 64;
constexpr int64_t kTwinPromptLen = 24;

struct Matrix {
  const char* name;
  int64_t rows;
  int64_t columns;
};
constexpr Matrix kMatrices[] = {{"token_embd.weight", 64, 256},      {"output.weight", 64, 256},
                                {"blk.0.attn_q.weight", 256, 256},   {"blk.0.attn_k.weight", 64, 256},
                                {"blk.0.attn_v.weight", 64, 256},    {"blk.0.attn_output.weight", 256, 256},
                                {"blk.0.ffn_gate.weight", 256, 256}, {"blk.0.ffn_up.weight", 256, 256},
                                {"blk.0.ffn_down.weight", 256, 256}};
constexpr const char* kNorms[] = {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"};

// The block scale d is 2^exponent or twice that; the second scale, where a type has one, 7.5 or 15.5 times d.
struct TwinType {
  DType dtype;
  GgmlType ggml;
  int exponent;
  size_t at;                     // of d in the block
  uint16_t second_mantissa = 0;  // 0: none
  uint16_t second_exponent = 0;
  uint16_t second_sign = 0;
};
constexpr TwinType kTypes[] = {{DType::kQ8_0, GgmlType::kQ8_0, -10, 0},
                               {DType::kQ4_0, GgmlType::kQ4_0, -6, 0},
                               {DType::kQ4_1, GgmlType::kQ4_1, -6, 0, 0x380, 2, 0x8000},
                               {DType::kQ5_0, GgmlType::kQ5_0, -7, 0},
                               {DType::kQ5_1, GgmlType::kQ5_1, -7, 0, 0x3c0, 3, 0x8000},
                               {DType::kQ4_K, GgmlType::kQ4_K, -13, 0, 0x380, 2, 0},
                               {DType::kQ5_K, GgmlType::kQ5_K, -14, 0, 0x3c0, 3, 0},
                               {DType::kQ6_K, GgmlType::kQ6_K, -14, 208}};

// SplitMix64 of stream * 2^32 + index.
uint64_t word(uint64_t stream, uint64_t index) {
  uint64_t z = ((stream << 32) + index) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

std::string tensor_bytes(const TwinType& type, uint64_t stream, int64_t rows, int64_t columns) {
  std::string data(static_cast<size_t>(dtype_bytes(type.dtype, rows * columns)), '\0');
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<char>(word(stream, i / 8) >> (i % 8 * 8));
  }
  const auto put = [&data](size_t at, int bits) {
    const auto value = static_cast<uint16_t>(bits);
    std::memcpy(data.data() + at, &value, sizeof value);
  };
  const auto size = static_cast<size_t>(dtype_block_bytes(type.dtype));
  for (size_t block = 0; block < data.size(); block += size) {
    const int exponent = type.exponent + 15 + (data[block + type.at] & 1);
    put(block + type.at, exponent << 10);
    if (type.second_mantissa == 0) continue;
    put(block + type.at + 2,
        type.second_sign | ((exponent + type.second_exponent) << 10) | type.second_mantissa);
  }
  return data;
}

std::string norm_bytes(uint64_t stream) {
  std::string data;
  for (uint64_t i = 0; i < kHidden; ++i) {
    const float value = 0.75f + static_cast<float>(word(stream, i) & 0xff) / 512.0f;
    data.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return data;
}

std::string model_bytes(const TwinType& type) {
  GgufWriter writer;
  writer.add_string("general.architecture", "llama")
      .add_u32("llama.block_count", 1)
      .add_u32("llama.context_length", 64)
      .add_u32("llama.embedding_length", kHidden)
      .add_u32("llama.feed_forward_length", 256)
      .add_u32("llama.attention.head_count", 4)
      .add_u32("llama.attention.head_count_kv", 1)
      .add_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f)
      .add_f32("llama.rope.freq_base", 10000.0f)
      .add_u32("llama.rope.dimension_count", 64);
  uint64_t stream = 0;
  for (const Matrix& m : kMatrices) {
    writer.add_tensor(m.name, type.ggml, {m.rows, m.columns},
                      tensor_bytes(type, stream++, m.rows, m.columns));
  }
  for (const char* name : kNorms) writer.add_tensor(name, GgmlType::kF32, {kHidden}, norm_bytes(stream++));
  return writer.bytes();
}

class QuantTwinTest : public ::testing::TestWithParam<TwinType> {
 protected:
  void SetUp() override {
    auto source = CheckpointSource::open_safetensors(testdata("quant_twins.safetensors"));
    ASSERT_TRUE(source.ok()) << source.error().message;
    const std::string name(dtype_name(GetParam().dtype));
    const std::array<int64_t, 2> shape = {kTwinPromptLen, kVocab};
    auto logits = (*source)->read(name + ".logits", shape);
    ASSERT_TRUE(logits.ok()) << logits.error().message;
    const float* data = logits->tensor.ptr<float>();
    for (int64_t r = 0; r < kTwinPromptLen; ++r)
      golden_.emplace_back(data + r * kVocab, data + (r + 1) * kVocab);
    const std::array<int64_t, 1> two = {2};
    auto noise = (*source)->read(name + ".noise", two);
    ASSERT_TRUE(noise.ok()) << noise.error().message;
    noise_ = {noise->tensor.ptr<float>()[0], noise->tensor.ptr<float>()[1]};
    for (int32_t i = 0; i < kTwinPromptLen; ++i) prompt_.push_back((i * 37 + 11) % kVocab);
    path_ = dir_.write("m.gguf", model_bytes(GetParam()));
  }
  Difference run(const TestOptions& options) {
    auto opened = open_model(path_, {});
    HADAL_CHECK(opened.ok()) << opened.error().message;
    TestModel model(std::move(*opened), options);
    return compare(model.run({{0, prompt_}}), golden_);
  }
  TempDir dir_;
  std::string path_;
  Logits golden_;
  Difference noise_;
  std::vector<int32_t> prompt_;
};

// The dequantised values in f32 arithmetic: only the order of additions differs.
TEST_P(QuantTwinTest, DequantisedWeightsEqualTheReference) {
  EXPECT_LT(run({}).max, 2e-4);
}

// As served. The reference's own logits move by noise_ when its linear layers' inputs are rounded to int8:
// the same rounding on slightly other sums gives about as much, and half of it again bounds both.
TEST_P(QuantTwinTest, ServedArithmeticStaysWithinInt8Noise) {
  for (int tier = 0; tier <= static_cast<int>(detect_cpu().tier); ++tier) {
    TestOptions options;
    options.tier = static_cast<CpuTier>(tier);
    options.widen = false;
    options.num_threads = 2;
    const Difference d = run(options);
    EXPECT_LT(d.mean, 1.5 * noise_.mean) << cpu_tier_name(options.tier);
    EXPECT_LT(d.max, 1.5 * noise_.max) << cpu_tier_name(options.tier);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, QuantTwinTest, ::testing::ValuesIn(kTypes),
                         [](const auto& type) { return std::string(dtype_name(type.param.dtype)); });

}  // namespace
}  // namespace hadal
