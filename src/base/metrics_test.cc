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
  const auto b = latency_buckets(60);
  for (size_t i = 1; i < b.size(); ++i) EXPECT_LT(b[i - 1], b[i]);
  EXPECT_EQ(b.back(), 60);
}

}  // namespace
}  // namespace hadal
