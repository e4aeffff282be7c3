#include "base/metrics.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(Metrics, TextHasEveryMetric) {
  MetricsRegistry registry;
  auto counter = registry.counter("hadal_requests_total", "Requests.", {{"outcome", "stop"}});
  counter.add();
  counter.add(2);
  registry.gauge("hadal_running", "Running.").set(7);
  registry.histogram("hadal_step_seconds", "Steps.", latency_buckets(60)).observe(0.0035);
  const std::string text = registry.to_text();
  EXPECT_NE(text.find("hadal_requests_total{outcome=\"stop\"} 3"), std::string::npos) << text;
  EXPECT_NE(text.find("hadal_running 7"), std::string::npos);
  EXPECT_NE(text.find("hadal_step_seconds_bucket{le=\"0.004\"} 1"), std::string::npos) << text;
  EXPECT_EQ(registry.counter("hadal_requests_total", "Requests.", {{"outcome", "stop"}}).value(), 3);
}

TEST(Metrics, LatencyBucketsAscendAndResolveOneMillisecond) {
  for (const double longest : {60.0, 600.0, 3600.0}) {
    const auto b = latency_buckets(longest);
    for (size_t i = 1; i < b.size(); ++i) EXPECT_LT(b[i - 1], b[i]);
    EXPECT_EQ(b.back(), longest);
  }
}

TEST(Metrics, BoundsAreWrittenAsPeopleWriteThem) {
  MetricsRegistry registry;
  registry.histogram("h", "A \\ and\na line.", latency_buckets(60), {{"route", "a\"\\\n"}}).observe(0.0085);
  const std::string text = registry.to_text();
  EXPECT_NE(text.find("# HELP h A \\\\ and\\na line.\n# TYPE h histogram\n"), std::string::npos) << text;
  const std::string label = "h_bucket{route=\"a\\\"\\\\\\n\",le=";
  for (const char* bound :
       {"0.00025\"} 0", "0.0005\"} 0", "0.008\"} 0", "0.009\"} 1", "0.0313\"} 1", "60\"} 1", "+Inf\"} 1"}) {
    EXPECT_NE(text.find(label + "\"" + bound + "\n"), std::string::npos) << bound << "\n" << text;
  }
  EXPECT_EQ(text.find("000000"), std::string::npos) << text;
  EXPECT_EQ(text.find("99999"), std::string::npos) << text;
  EXPECT_NE(text.find("_sum{route=\"a\\\"\\\\\\n\"} 0.0085\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace hadal
