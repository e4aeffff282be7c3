#include "plan/planner.h"

#include <gtest/gtest.h>

#include "plan/layout_rules.h"
#include "plan/node_request.h"
#include "plan/plan_test_util.h"
#include "plan/size_table.h"

namespace hadal {
namespace {

PlanRequest request_for(const WeightMap& map, std::string_view gpus, Workload load = {1024, 1024, 0}) {
  PlanRequest r;
  r.model_name = "a model";
  r.weights = &map;
  r.gpus = parse_gpus(gpus).value();
  r.network = find_network("rdma-400");
  r.load = load;
  return r;
}

TEST(GpusExpression, Reads) {
  EXPECT_EQ(parse_gpus("16xH200")->count, 16);
  EXPECT_EQ(parse_gpus("8 x h20-96g")->gpu, find_gpu("H20"));
  EXPECT_EQ(parse_gpus(" H100 ")->count, 1);
  EXPECT_EQ(parse_gpus("2*L40S")->count, 2);
  for (const std::string_view bad :
       {"", "x", "0xH100", "5000xH100", "99999999999999999999xH100", "4xH1000", "4x", "-1xH100", "4 H100"})
    EXPECT_FALSE(parse_gpus(bad).ok()) << bad;
  EXPECT_NE(parse_gpus("4xH1000").error().message.find("H200"), std::string::npos);
}

TEST(Slo, Reads) {
  EXPECT_DOUBLE_EQ(parse_slo("2s,50ms")->ttft_ms, 2000);
  EXPECT_DOUBLE_EQ(parse_slo("2s,50ms")->tpot_ms, 50);
  EXPECT_DOUBLE_EQ(parse_slo("350,12.5")->tpot_ms, 12.5);
  for (const std::string_view bad :
       {"", "2s", "2s,", ",50", "-1,2", "nan,1", "inf,1", "2s,50ms,1", "2 s,50ms", "0,1"})
    EXPECT_FALSE(parse_slo(bad).ok()) << bad;
}

TEST(Planner, RanksByThroughputAndSaysWhy) {
  const WeightMap map = map_of("deepseek-r1");
  const PlanAnswer answer = plan_system(request_for(map, "16xH200")).value();
  ASSERT_TRUE(answer.fits);
  EXPECT_EQ(answer.nodes, 2);
  EXPECT_GT(answer.systems.size(), 5u);
  for (const PlannedSystem& s : answer.systems) {
    EXPECT_FALSE(s.why.empty()) << system_name(s);
    EXPECT_LE(s.num_gpus(), 16);
    EXPECT_GT(s.tokens_s_per_gpu, 0);
    EXPECT_NEAR(s.tokens_s_per_gpu * s.num_gpus(), s.output_tokens_s, 1e-6 * s.output_tokens_s);
    // The first is the best but for what the model cannot tell apart.
    EXPECT_GE(answer.systems[0].output_tokens_s, s.output_tokens_s * 0.92);
    EXPECT_FALSE(explain_system(s, map.model()).empty());
  }
  EXPECT_FALSE(answer.others.empty());
  for (const PlannedSystem& s : answer.others) EXPECT_FALSE(s.why.empty());
}

TEST(Planner, AnSloIsNeverRelaxed) {
  const WeightMap map = map_of("llama-3.1-70b");
  PlanRequest r = request_for(map, "4xH100", {2000, 500, 64});
  r.slo = Slo{500, 15};
  const PlanAnswer answer = plan_system(r).value();
  EXPECT_TRUE(answer.fits);
  EXPECT_FALSE(answer.meets_slo);
  ASSERT_FALSE(answer.refusals.empty());
  EXPECT_NE(answer.refusals[0].find("over the limit"), std::string::npos);
  // What would meet it does.
  ASSERT_FALSE(answer.advice.empty());
  r.gpus.count = 64;
  const PlanAnswer more = plan_system(r).value();
  EXPECT_TRUE(more.meets_slo);
  EXPECT_LE(more.systems[0].prediction.ttft_ms, 500);
  EXPECT_LE(more.systems[0].prediction.tpot_ms, 15);
  // A wide SLO is met by the same GPUs.
  r.gpus.count = 4;
  r.slo = Slo{10'000, 200};
  EXPECT_TRUE(plan_system(r)->meets_slo);
}

TEST(Planner, RefusesAndAdvises) {
  const WeightMap map = map_of("deepseek-r1");
  for (const int tp : {3, 4}) {  // the first does not divide the heads, the second does not fit
    PlanRequest r = request_for(map, "8xH200", {1024, 1024, 8});
    r.pinned = Layout{.tp = tp};
    const PlanAnswer pinned = plan_system(r).value();
    EXPECT_FALSE(pinned.fits);
    ASSERT_FALSE(pinned.advice.empty()) << tp;
    EXPECT_NE(pinned.advice[0].find("8x H200 would do: TP8"), std::string::npos) << pinned.advice[0];
  }
  const PlanAnswer four = plan_system(request_for(map, "4xH100", {1024, 1024, 8})).value();
  EXPECT_FALSE(four.fits);
  ASSERT_FALSE(four.refusals.empty());
  EXPECT_NE(four.refusals[0].find("do not fit on 4x H100"), std::string::npos);
  ASSERT_FALSE(four.advice.empty());
  EXPECT_NE(four.advice[0].find("16x H100 would do"), std::string::npos) << four.advice[0];
  const PlanAnswer a800 = plan_system(request_for(map, "16xA800", {1024, 1024, 8})).value();
  EXPECT_FALSE(a800.fits);
  EXPECT_NE(a800.refusals[0].find("no FP8"), std::string::npos);
  EXPECT_NE(a800.advice[0].find("int8"), std::string::npos);
}

TEST(Planner, PinnedLayouts) {
  const WeightMap map = map_of("deepseek-r1");
  PlanRequest r = request_for(map, "16xH20", {1024, 1024, 32});
  r.pinned = Layout{.tp = 16};
  const PlanAnswer one = plan_system(r).value();
  ASSERT_EQ(one.systems.size(), 1u);
  EXPECT_EQ(system_name(one.systems[0]), "TP16");
  r.pinned = Layout{.tp = 8};
  EXPECT_EQ(plan_system(r)->systems[0].instances, 2);
  r.pinned = Layout{.tp = 32};
  EXPECT_FALSE(plan_system(r).ok());  // more than there are
  r.gpus.count = 32;
  const PlanAnswer bad = plan_system(r).value();
  EXPECT_FALSE(bad.fits);
  EXPECT_NE(bad.refusals[0].find("cannot share"), std::string::npos);
}

TEST(Planner, BadRequests) {
  const WeightMap map = map_of("llama-3.1-8b");
  PlanRequest r = request_for(map, "8xH100");
  r.nodes = 3;
  EXPECT_FALSE(plan_system(r).ok());
  r = request_for(map, "8xH100", {0, 1, 1});
  EXPECT_FALSE(plan_system(r).ok());
  r = request_for(map, "8xH100");
  r.fit.kv_dtype = "q4";
  EXPECT_FALSE(plan_system(r).ok());
}

TEST(Planner, WarnsOfTpAcrossNodesWithoutRdma) {
  const WeightMap map = map_of("deepseek-r1");
  PlanRequest r = request_for(map, "16xH100", {1024, 1024, 8});
  r.pinned = Layout{.tp = 16};
  const double fast = plan_system(r)->systems[0].prediction.tpot_ms;
  r.network = find_network("tcp-25");
  const PlanAnswer slow = plan_system(r).value();
  ASSERT_FALSE(slow.warnings.empty());
  EXPECT_NE(slow.warnings[0].find("without RDMA"), std::string::npos);
  EXPECT_GT(slow.systems[0].prediction.tpot_ms, 1.5 * fast);
}

TEST(Planner, MoreGpusNeverServeLess) {
  const WeightMap map = map_of("llama-3.1-70b");
  double last = 0;
  for (const char* gpus : {"2xH100", "4xH100", "8xH100", "16xH100"}) {
    const PlanAnswer answer = plan_system(request_for(map, gpus)).value();
    ASSERT_TRUE(answer.fits) << gpus;
    EXPECT_GT(answer.systems[0].output_tokens_s, last) << gpus;
    last = answer.systems[0].output_tokens_s * 0.9;
  }
}

TEST(Planner, GpusNeeded) {
  const WeightMap map = map_of("deepseek-r1");
  const auto needs = plan_gpu_needs(request_for(map, "H200", {1024, 1024, 16}));
  const auto count_of = [&](std::string_view name) {
    for (const GpuNeed& need : needs) {
      if (need.gpus.gpu->name == name) return need.gpus.count;
    }
    return -1;
  };
  EXPECT_EQ(count_of("H200"), 8);
  EXPECT_EQ(count_of("H100"), 16);
  EXPECT_EQ(count_of("B200"), 4);
  EXPECT_EQ(count_of("A800"), 0);
  for (size_t i = 1; i < needs.size(); ++i) {
    if (needs[i].gpus.count > 0) {
      EXPECT_GE(needs[i].gpus.count, needs[i - 1].gpus.count);
    } else {
      EXPECT_FALSE(needs[i].why_not.empty());
    }
  }
}

TEST(NodeRequest, ACapacityIsNotAllocatable) {
  const auto all = cpu_request_obstacle(128, 128);
  ASSERT_TRUE(all.has_value());
  EXPECT_NE(all->find("at most 126"), std::string::npos) << *all;
  EXPECT_FALSE(cpu_request_obstacle(126, 128).has_value());
  EXPECT_TRUE(cpu_request_obstacle(129, 128).has_value());
  EXPECT_FALSE(cpu_request_obstacle(0, 128).has_value());
  EXPECT_FALSE(cpu_request_obstacle(64, 0).has_value());
  EXPECT_TRUE(memory_request_obstacle(2048, 2048).has_value());
  EXPECT_FALSE(memory_request_obstacle(1900, 2048).has_value());
  for (double cpus = 1; cpus < 512; cpus += 3) {
    EXPECT_LT(allocatable_cpus(cpus), cpus);
    EXPECT_LT(allocatable_cpus(cpus), allocatable_cpus(cpus + 1));
  }
}

TEST(SizeTable, TheGuidesRows) {
  const auto rows = size_table();
  ASSERT_EQ(rows.size(), 7u);
  EXPECT_EQ(rows[6].size, "671B");
  EXPECT_EQ(rows[6].guide_cpus, 64);
  EXPECT_EQ(rows[6].guide_memory_gb, 512);
  EXPECT_EQ(rows[6].guide_gpu_gb, 768);
  // 768 GB hold R1's FP8, 80 GB 70B at 8 bits, 8 GB 7B at 4.
  EXPECT_EQ(rows[6].holds, "fp8");
  EXPECT_EQ(rows[5].holds, "int8");
  EXPECT_EQ(rows[1].holds, "int4");
  for (const SizeRow& row : rows) {
    EXPECT_GT(row.bf16, row.int8);
    EXPECT_GT(row.int8, row.int4);
    EXPECT_NE(row.holds, "none") << row.size;
  }
  EXPECT_NE(size_table_text().find("671B"), std::string::npos);
}

}  // namespace
}  // namespace hadal
