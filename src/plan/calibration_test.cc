#include "plan/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

#include "config/model_catalog.h"
#include "plan/memory_terms.h"

namespace hadal {
namespace {

TEST(CalibrationFile, HadalsOwn) {
  const auto points = parse_calibration(
      R"({"gpu": "H200", "replicas": 2, "layout": {"tp": 8, "ep": 8}, "results": [
        {"isl": 1024, "osl": 512, "concurrency": 64, "ttft_ms": {"p50": 360, "p99": 900}, "tpot_ms": 29.8, "output_tokens_per_s": 2078},
        {"isl": 1, "osl": 2, "concurrency": 3, "tpot_ms": {"p50": 4}, "layout": {"tp": 4}}]})",
      "a.json", {});
  ASSERT_TRUE(points.ok()) << points.error().message;
  ASSERT_EQ(points->size(), 2u);
  EXPECT_EQ((*points)[0].layout.tp, 8);
  EXPECT_EQ((*points)[0].layout.ep, 8);
  EXPECT_EQ((*points)[0].load.concurrency, 32);
  EXPECT_EQ((*points)[0].ttft_ms, 360);
  EXPECT_EQ((*points)[0].output_tokens_s, 1039);
  EXPECT_EQ((*points)[1].layout.tp, 4);
  EXPECT_FALSE((*points)[1].ttft_ms.has_value());
  EXPECT_EQ((*points)[1].origin, "a.json, result 2");
}

TEST(CalibrationFile, BenchServingAndAiperf) {
  const auto lines = parse_calibration(
      "{\"random_input_len\": 1024, \"random_output_len\": 512, \"max_concurrency\": 8, \"median_ttft_ms\": "
      "50, \"median_tpot_ms\": 9, "
      "\"output_throughput\": 800}\n\n"
      "{\"total_input_tokens\": 5000, \"total_output_tokens\": 1000, \"completed\": 10, \"max_concurrency\": "
      "4, \"median_tpot_ms\": 8}\n",
      "b.jsonl", {.tp = 2});
  ASSERT_TRUE(lines.ok()) << lines.error().message;
  ASSERT_EQ(lines->size(), 2u);
  EXPECT_EQ((*lines)[0].layout.tp, 2);
  EXPECT_EQ((*lines)[1].load.isl, 500);
  EXPECT_EQ((*lines)[1].load.osl, 100);
  const auto aiperf = parse_calibration(
      R"({"input_sequence_length": {"avg": 256}, "output_sequence_length": {"avg": 64.0},
          "time_to_first_token": {"unit": "ms", "avg": 195.8, "p50": 175}, "inter_token_latency": {"avg": 35.2, "p50": 34.7},
          "output_token_throughput": {"avg": 52.7}, "input_config": {"loadgen": {"concurrency": 2}}})",
      "c.json", {});
  ASSERT_TRUE(aiperf.ok()) << aiperf.error().message;
  EXPECT_EQ((*aiperf)[0].ttft_ms, 175);
  EXPECT_EQ((*aiperf)[0].tpot_ms, 34.7);
  EXPECT_EQ((*aiperf)[0].load.concurrency, 2);
}

TEST(CalibrationFile, SaysWhatIsWrong) {
  const auto error_of = [](std::string_view text) {
    const auto points = parse_calibration(text, "f.json", {});
    return points.ok() ? std::string() : points.error().message;
  };
  EXPECT_NE(error_of("").find("no results"), std::string::npos);
  EXPECT_NE(error_of("{").find("neither JSON"), std::string::npos);
  EXPECT_NE(error_of("[]").find("no results"), std::string::npos);
  EXPECT_NE(error_of(R"({"results": []})").find("no results"), std::string::npos);
  EXPECT_NE(error_of(R"({"results": 3})").find("array"), std::string::npos);
  EXPECT_NE(error_of(R"({"results": [3]})").find("must be an object"), std::string::npos);
  EXPECT_NE(error_of(R"({"isl": 1, "concurrency": 1, "tpot_ms": 1})").find("osl"), std::string::npos);
  EXPECT_NE(error_of(R"({"isl": 1, "osl": 1, "tpot_ms": 1})").find("concurrency"), std::string::npos);
  EXPECT_NE(error_of(R"({"isl": 1, "osl": 1, "concurrency": 1})").find("nothing to compare"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"isl": 1, "osl": 1, "concurrency": 1, "tpot_ms": -4})").find("nothing to compare"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"layout": {"tp": 0}, "isl": 1})").find("layout.tp"), std::string::npos);
  EXPECT_NE(error_of(R"({"layout": 3, "isl": 1})").find("layout"), std::string::npos);
}

struct Fixture {
  WeightMap map{catalog_config(*find_catalog_model("llama-3.1-8b")).value(), std::nullopt};
  PlanRequest request;
  Fixture() {
    request.weights = &map;
    request.gpus = parse_gpus("8xH100").value();
    request.network = find_network("rdma-400");
  }
};

// Results made with other constants: the fit finds predictions as good, if not the constants themselves.
TEST(Calibration, FindsConstantsThatExplainTheResults) {
  const Fixture f;
  Efficiency truth = default_efficiency(*find_gpu("H100"));
  truth.memory = 0.55;
  truth.kernel_us = 7;
  truth.compute = 0.4;
  std::vector<CalibrationPoint> points;
  for (const double concurrency : {1.0, 4.0, 16.0, 64.0}) {
    const Roofline roofline(f.map, *find_gpu("H100"), *f.request.network, {.tp = 2}, 8, truth, 2);
    CalibrationPoint point;
    point.layout = {.tp = 2};
    point.load = {1024, 512, concurrency};
    const Prediction p = predict_aggregated(roofline, point.load, 1000);
    point.ttft_ms = p.ttft_ms;
    point.tpot_ms = p.tpot_ms;
    point.output_tokens_s = p.output_tokens_s;
    points.push_back(point);
  }
  const auto calibration = calibrate(f.request, points);
  ASSERT_TRUE(calibration.ok()) << calibration.error().message;
  EXPECT_GT(calibration->median_error_before, 0.2);
  EXPECT_LT(calibration->median_error_after, 0.05);
  EXPECT_EQ(calibration->rows.size(), 12u);
  EXPECT_NE(calibration_text(*calibration).find("median error"), std::string::npos);
}

TEST(Calibration, RefusesOtherGpusAndLayoutsThatCannotBe) {
  const Fixture f;
  CalibrationPoint point;
  point.load = {100, 100, 1};
  point.tpot_ms = 5;
  point.origin = "x.json";
  EXPECT_FALSE(calibrate(f.request, {}).ok());
  point.gpu = "H200";
  const auto other = calibrate(f.request, {point});
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message.find("H200"), std::string::npos);
  point.gpu = "NVIDIA-H100-80GB-HBM3";
  EXPECT_TRUE(calibrate(f.request, {point}).ok());
  point.layout.tp = 5;
  EXPECT_FALSE(calibrate(f.request, {point}).ok());
  point.layout.tp = 1;
  point.load.isl = 9e7;
  EXPECT_FALSE(calibrate(f.request, {point}).ok());
}

}  // namespace
}  // namespace hadal
