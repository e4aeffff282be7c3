#include "plan/report.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/gguf_writer.h"
#include "base/json.h"
#include "base/temp_dir.h"
#include "plan/layout_rules.h"

namespace hadal {
namespace {

struct Planned {
  PlanModel model;
  PlanRequest request;
  PlanReport report;
};

std::unique_ptr<Planned> plan_of(const std::string& model, std::string_view gpus,
                                 Workload load = {1024, 1024, 16}) {
  auto out = std::make_unique<Planned>(Planned{load_plan_model(model, "").value(), {}, {}});
  out->request.model_name = out->model.name;
  out->request.weights = &out->model.weights;
  out->request.gpus = parse_gpus(gpus).value();
  out->request.network = find_network("rdma-400");
  out->request.load = load;
  out->report.model = &out->model;
  out->report.request = &out->request;
  out->report.answer = plan_system(out->request).value();
  out->report.time = time_budget({.weight_bytes = out->model.file_bytes});
  return out;
}

TEST(Report, TextIsNarrowAndBeginsWithTheVerdict) {
  for (const char* gpus : {"16xH200", "4xH100", "16xA800"}) {
    const auto planned = plan_of("deepseek-r1", gpus);
    const std::string text = plan_text(planned->report);
    const bool fits = planned->report.answer.fits;
    EXPECT_NE(text.find(fits ? "\nYES: " : "\nNO: "), std::string::npos) << text;
    EXPECT_LT(text.find(fits ? "YES: " : "NO: "), 120u);
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = text.find('\n', begin);
      ASSERT_NE(end, std::string::npos);
      EXPECT_LE(end - begin, 100u) << text.substr(begin, end - begin);
      begin = end + 1;
    }
  }
}

TEST(Report, JsonHasTheDocumentedFields) {
  const auto planned = plan_of("deepseek-r1", "16xH200");
  const Json json = parse_json(plan_json(planned->report)).value();
  for (const char* key : {"version", "model", "gpus", "request", "good", "fits", "meets_slo", "refusals",
                          "advice", "warnings", "layouts", "impossible", "time"})
    EXPECT_NE(json.find(key), nullptr) << key;
  EXPECT_EQ(json.find("model")->find("kv_bytes_per_token")->as_int(), 70'272);
  const Json& best = json.find("layouts")->as_array().at(0);
  for (const char* key :
       {"name", "layout", "instances", "gpus", "ttft_ms", "tpot_ms", "output_tokens_per_s", "bottleneck",
        "max_requests", "max_context_tokens", "rank_bytes", "rank_memory", "decode_step", "why"})
    EXPECT_NE(best.find(key), nullptr) << key;
  // The parts of a rank are the rank.
  int64_t sum = 0;
  for (const Json& part : best.find("rank_memory")->as_array().at(0).find("parts")->as_array())
    sum += part.find("bytes")->as_int();
  EXPECT_EQ(sum, find_gpu("H200")->memory_bytes);
}

TEST(Report, MemoryRowsOfEveryLayoutFillTheGpu) {
  const auto planned = plan_of("deepseek-r1", "16xH200");
  for (const PlannedSystem& s : planned->report.answer.systems) {
    for (int stage = 0; stage < s.layout.pp; ++stage) {
      int64_t sum = 0;
      for (const MemoryRow& row : memory_rows(planned->model.weights, s.layout, s.fit, stage, 0, "bf16")) {
        EXPECT_GE(row.bytes, 0);
        sum += row.bytes;
      }
      EXPECT_EQ(sum, s.fit.rank.capacity) << layout_name(s.layout) << " stage " << stage;
    }
  }
}

// Every opened element is closed and no text breaks the markup.
void expect_well_formed(const std::string& svg) {
  std::vector<std::string> open;
  for (size_t i = svg.find('<'); i != std::string::npos; i = svg.find('<', i + 1)) {
    const size_t end = svg.find('>', i);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = svg.substr(i + 1, end - i - 1);
    if (tag.starts_with("/")) {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    } else if (!tag.ends_with("/")) {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  EXPECT_TRUE(open.empty());
}

TEST(Report, SvgIsWellFormed) {
  for (const char* gpus : {"1xH200", "16xH200", "128xH20"}) {
    const auto planned = plan_of(std::string(gpus) == "1xH200" ? "llama-3.1-8b" : "deepseek-r1", gpus);
    planned->model.name = "a<b>&\"c\"";
    const std::string svg = plan_svg(planned->report);
    EXPECT_TRUE(svg.starts_with("<svg "));
    expect_well_formed(svg);
    EXPECT_NE(svg.find("KV cache"), std::string::npos);
  }
  EXPECT_EQ(plan_svg(plan_of("deepseek-r1", "4xH100")->report), "");
}

TEST(ModelSource, QuantizationsOfOtherEngines) {
  const auto format = [](const std::string& quantization, std::string_view asked = "") -> std::string {
    const TempDir dir;
    const std::string config =
        R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 512, "intermediate_size": 1024,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
    "quantization_config": )" +
        quantization + "}";
    HADAL_CHECK(write_file(dir.path() + "/config.json", config).ok());
    const auto model = load_plan_model(dir.path(), asked);
    return model.ok() ? model->weights.dominant_format() : model.error().message;
  };
  EXPECT_EQ(format(R"({"quant_method": "awq", "bits": 4})"), "int4");
  EXPECT_EQ(format(R"({"quant_method": "gptq", "bits": 8})"), "int8");
  EXPECT_EQ(format(R"({"quant_method": "bitsandbytes", "load_in_4bit": true})"), "int4");
  EXPECT_EQ(format(R"({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights":
      {"num_bits": 8, "type": "float"}}}})"),
            "fp8");
  EXPECT_EQ(format(R"({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights":
      {"num_bits": 4, "type": "int"}}}})"),
            "int4");
  EXPECT_EQ(format(R"({"quant_method": "modelopt", "quant_algo": "NVFP4"})"), "int4");
  EXPECT_EQ(format(R"({"quant_method": "fp8"})"), "fp8");
  EXPECT_EQ(format(R"({"quant_method": "awq", "bits": 4})", "bf16"), "bf16");
  for (const char* bad :
       {R"({"quant_method": "awq", "bits": "four"})", R"({"quant_method": "awq", "bits": 3})",
        R"({"quant_method": "compressed-tensors", "config_groups": {}})", R"({"quant_method": "quark"})"})
    EXPECT_NE(format(bad).find("is not supported"), std::string::npos) << bad;
}

TEST(ModelSource, NamesFilesAndDirectories) {
  EXPECT_EQ(load_plan_model("r1", "")->name, "DeepSeek-R1");
  EXPECT_EQ(load_plan_model("hf:deepseek-ai/DeepSeek-R1", "")->file_bytes, 688'586'727'753);
  const auto unknown = load_plan_model("Qwen/Qwen3-8BB", "");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message.find("did you mean qwen3-8b"), std::string::npos)
      << unknown.error().message;
  EXPECT_FALSE(load_plan_model("r1", "fp3").ok());
  const TempDir dir;
  const std::string config =
      R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100})";
  ASSERT_TRUE(write_file(dir.path() + "/config.json", config).ok());
  const auto model = load_plan_model(dir.path(), "");
  ASSERT_TRUE(model.ok()) << model.error().message;
  // By hand: embedding and head, two layers of 4 x 16 heads, norms.
  EXPECT_EQ(model->weights.num_parameters(),
            2 * 6400 + 2 * (64 * 64 + 2 * 64 * 32 + 64 * 64 + 3 * 64 * 128 + 128) + 64);
  EXPECT_TRUE(load_plan_model(dir.path() + "/config.json", "int4").ok());
  ASSERT_TRUE(write_file(dir.path() + "/config.json", "{").ok());
  EXPECT_FALSE(load_plan_model(dir.path(), "").ok());
}

}  // namespace
}  // namespace hadal
