#include "preflight/report.h"

#include <gtest/gtest.h>

#include <set>

#include "config/flags.h"
#include "preflight/preflight.h"
#include "preflight/test_host.h"

namespace hadal {
namespace {

const CheckSpec& spec_of(std::string_view name) {
  for (const CheckSpec& spec : check_table()) {
    if (spec.name == name) return spec;
  }
  HADAL_CHECK(false) << name;
  return check_table().front();
}

TEST(Report, WhatCountsAsFailed) {
  EXPECT_TRUE(is_failure(fail_check("x"), false, false));
  EXPECT_FALSE(is_failure(warn("x"), false, false));
  EXPECT_TRUE(is_failure(warn("x"), false, true));
  EXPECT_TRUE(is_failure(warn("x"), true, false));
  EXPECT_FALSE(is_failure(not_checked("x"), false, true));
  EXPECT_TRUE(is_failure(not_checked("x"), true, false));
  EXPECT_FALSE(is_failure(info("x"), true, true));
  EXPECT_FALSE(is_failure(pass("x"), true, true));
}

TEST(Report, ALineIsOneLine) {
  ReportLine line{&spec_of("peer-meeting"), fail_check("a\nb\x1b[31m"), false, true};
  const std::string text = line_text(line, false);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("FAILED"), std::string::npos);
  EXPECT_NE(text.find("Fix: "), std::string::npos);
}

TEST(Report, ReasonIsShortAndJsonParses) {
  Report report;
  report.lines.push_back({&spec_of("kernel"), pass("Linux"), false, false});
  EXPECT_EQ(failure_reason(report), "");
  for (int i = 0; i < 500; ++i)
    report.lines.push_back({&spec_of("ports"), fail_check("cannot be listened on\n"), false, true});
  const std::string reason = failure_reason(report);
  EXPECT_LE(reason.size(), 4000u);
  EXPECT_EQ(reason.find('\n'), std::string::npos);
  EXPECT_TRUE(reason.starts_with("preflight failed: ports: cannot be listened on"));
  const auto json = parse_json(report_json(report));
  ASSERT_TRUE(json.ok());
  EXPECT_FALSE(json->find("passed")->as_bool());
  EXPECT_EQ(json->find("checks")->as_array().size(), 501u);
}

TEST(Checks, TableIsWhole) {
  std::set<std::string_view> names;
  std::set<std::string_view> groups;
  for (const CheckSpec& spec : check_table()) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    groups.insert(spec.group);
    EXPECT_FALSE(spec.what.empty() || spec.why.empty() || spec.fix.empty()) << spec.name;
    EXPECT_TRUE(is_check_name(spec.name));
  }
  for (std::string_view group : groups) EXPECT_FALSE(names.contains(group)) << group;
  EXPECT_TRUE(is_check_name("gpu"));
  EXPECT_FALSE(is_check_name("gp"));
  ASSERT_TRUE(parse_json(list_checks(true)).ok());
  for (std::string_view name : names) EXPECT_NE(list_checks(false).find(name), std::string::npos);
}

TEST(Checks, RunOnAnEmptyMachineWithoutClaims) {
  FakeHost host;
  PreflightConfig config;
  config.disk_time = std::chrono::milliseconds(50);
  config.timeout = std::chrono::milliseconds(100);
  size_t lines = 0;
  PreflightHooks hooks;
  hooks.on_line = [&](const ReportLine&) { ++lines; };
  const Report report = run_checks(host, config, {}, {}, hooks);
  EXPECT_EQ(lines, check_table().size());
  EXPECT_EQ(report.lines.size(), check_table().size());
  for (const ReportLine& line : report.lines) {
    // There is no /dev/shm: that is a fault; nothing else may fail, and hardly anything pass.
    if (line.spec->name != "shm-size") {
      EXPECT_FALSE(line.failed) << line.spec->name << ": " << line.result.text;
    }
    if (line.spec->group == "gpu" || line.spec->group == "rdma") {
      EXPECT_NE(line.result.verdict, Verdict::kPass) << line.spec->name;
    }
  }
}

TEST(Checks, SkipAndRequireByNameAndGroup) {
  FakeHost host;
  PreflightConfig config;
  config.skip = {"disk", "limits"};
  config.require = {"gpu-ecc", "rdma"};
  const Report report = run_checks(host, config, {}, {}, {});
  for (const ReportLine& line : report.lines) {
    EXPECT_TRUE(line.spec->group != "disk" && line.spec->group != "limits");
    const bool required = line.spec->name == "gpu-ecc" || line.spec->group == "rdma";
    EXPECT_EQ(line.required, required) << line.spec->name;
    EXPECT_EQ(line.failed, required && line.result.verdict == Verdict::kNotChecked) << line.spec->name;
  }
  config.skip = {"gpu-cont"};
  EXPECT_NE(check_names(config).error().message.find("did you mean gpu-count"), std::string::npos);
  config.require = {"gpus"};
  EXPECT_NE(check_names(config).error().message.find("did you mean gpu?"), std::string::npos);
}

Settings parsed(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  auto out = parse_command_line(arguments, environment);
  EXPECT_TRUE(out.ok()) << out.error().message;
  return out.ok() ? out->settings : Settings{};
}

std::string error_of(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  const auto out = parse_command_line(arguments, environment);
  EXPECT_FALSE(out.ok());
  return out.ok() ? "" : out.error().message;
}

TEST(PreflightFlags, DefaultsComeFromThePod) {
  const Environment pod{{"LWS_GROUP_SIZE", "4"},
                        {"LWS_WORKER_INDEX", "2"},
                        {"LWS_LEADER_ADDRESS", "r1-0.r1.llm"},
                        {"KUBERNETES_SERVICE_HOST", "10.0.0.1"}};
  Settings settings = parsed({"preflight"}, pod);
  EXPECT_EQ(settings.parallel.nnodes, 4);
  EXPECT_EQ(settings.parallel.node_rank, 2);
  EXPECT_EQ(settings.parallel.dist_init_addr, "r1-0.r1.llm:20000");
  EXPECT_EQ(settings.preflight.termination_log, "/dev/termination-log");
  settings = parsed({"preflight", "--nnodes", "1", "--node-rank", "0", "--termination-log", ""}, pod);
  EXPECT_EQ(settings.parallel.nnodes, 1);
  EXPECT_EQ(settings.preflight.termination_log, "");
  settings = parsed({"preflight", "--dist-init-addr", "x:1", "--min-shm", "64Gi", "--check-port", "80",
                     "--check-port", "81"},
                    pod);
  EXPECT_EQ(settings.parallel.dist_init_addr, "x:1");
  EXPECT_EQ(settings.preflight.min_shm, int64_t{64} << 30);
  EXPECT_EQ(settings.preflight.ports, (std::vector<std::string>{"80", "81"}));
}

TEST(PreflightFlags, MistakesAreNamed) {
  EXPECT_NE(error_of({"preflight", "--nnodes", "2"}).find("--dist-init-addr"), std::string::npos);
  EXPECT_NE(error_of({"preflight", "--node-rank", "1"}).find("--node-rank is 1"), std::string::npos);
  EXPECT_NE(error_of({"preflight", "--format", "xml"}).find("--format"), std::string::npos);
  EXPECT_NE(error_of({"preflight", "--min-driver", "new"}).find("--min-driver"), std::string::npos);
  EXPECT_NE(error_of({"preflight", "--check-port", "0"}).find("--check-port"), std::string::npos);
  EXPECT_NE(error_of({"preflight", "--timeout", "0"}).find("--timeout"), std::string::npos);
  EXPECT_NE(error_of({"preflight"}, {{"LWS_GROUP_SIZE", "two"}}).find("LWS_GROUP_SIZE"), std::string::npos);
  EXPECT_NE(error_of({"preflight", "x"}).find("takes flags alone"), std::string::npos);
}

}  // namespace
}  // namespace hadal
