#include "deploy/validate/promql.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

class Good : public testing::TestWithParam<const char*> {};
TEST_P(Good, IsTaken) {
  EXPECT_EQ(check_promql(GetParam()).error, "") << GetParam();
}
INSTANTIATE_TEST_SUITE_P(
    Promql, Good,
    testing::Values(
        "up == 0", "up{job=\"x\"} == bool 1", "sum by (le) (rate(a_bucket[5m]))", "sum(rate(a[5m])) by (le)",
        "1 + 2 * 3 ^ 2",
        "histogram_quantile(0.99, sum by(le)(rate(engine_request_duration_seconds_bucket[5m]))) > 0.5",
        "DCGM_FI_DEV_FB_USED/(DCGM_FI_DEV_FB_USED+DCGM_FI_DEV_FB_FREE)>0.85",
        "increase(kube_pod_container_status_restarts_total[1d])>3", "a and on(x) b",
        "a / ignoring(code) group_left b", "max_over_time(deriv(rate(d[1m])[5m:1m])[10m:])",
        "{__name__=~\"sglang:.*\"}", "topk(3, sglang:num_running_reqs)", "count_values(\"v\", build)",
        "a offset 5m", "a @ 1609746000", "rate(a[5m] offset 1h)", "absent(up)", "time() - a > 60", "-a",
        "label_replace(a, \"x\", \"$1\", \"y\", \"(.*)\")", "quantile_over_time(0.9, a[1h])",
        "predict_linear(a[1h], 3600) < 0", "vector(1)", "scalar(a) + 1", "a unless b", "1e3 > bool 5",
        "0x1F + Inf", "sum(a) # comment", "rate(a[$__rate_interval])", "a{x!~\"b|c\",}"));

class Bad : public testing::TestWithParam<const char*> {};
TEST_P(Bad, IsRefused) {
  EXPECT_NE(check_promql(GetParam()).error, "") << GetParam();
}
INSTANTIATE_TEST_SUITE_P(Promql, Bad,
                         testing::Values("", "up ==== 0", "up ==", "sum(", "sum(a))", "rate(a)",
                                         "rate(a[5x])", "a[5m] + 1", "sum(a[5m])", "nothing(a)", "{}",
                                         "up{job=x}", "up{job=\"x\"", "a b", "1 == 1", "a and 1",
                                         "histogram_quantile(a)", "a{x=~\"(\"}", "\"x\" + 1", "a offset",
                                         "by (x)", "clamp(a, 1)", "a[5m"));

TEST(Promql, NamesMetrics) {
  EXPECT_EQ(check_promql("a / sum(b{x=\"y\"})").metrics, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(check_promql("a[5m]").is_range);
}

TEST(Promql, DeepNestingIsRefused) {
  EXPECT_NE(check_promql(std::string(10000, '(') + "a" + std::string(10000, ')')).error, "");
  EXPECT_NE(check_promql(std::string(10000, '-') + "a").error, "");
}

}  // namespace
}  // namespace hadal
