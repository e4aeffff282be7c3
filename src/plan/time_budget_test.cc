#include "plan/time_budget.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(TimeBudget, R1FromLocalDisksByHand) {
  TimeBudgetInput in;
  in.image_bytes = 10'000'000'000;
  in.weight_bytes = 688'586'727'753;
  in.num_nodes = 2;
  const TimeBudget out = time_budget(in);
  EXPECT_DOUBLE_EQ(out.image_pull_s, 50);
  EXPECT_NEAR(out.load_s, 688.586727753 / 4.3, 1e-6);
  EXPECT_NEAR(out.graphs_s, 84.89, 1e-9);
  EXPECT_DOUBLE_EQ(out.start_s, 40);
  EXPECT_EQ(out.startup_budget_s, 860);  // 3 x (40 + 160.1 + 84.9) = 855, in tens
  EXPECT_EQ(out.startup_failure_threshold, 86);
  // The guide's "more than 16 hours at 100 Mbit/s".
  EXPECT_NEAR(out.download_s / 3600, 15.3, 0.1);
  EXPECT_GE(out.job_deadline_s, 3 * 55000);
  ASSERT_EQ(out.recovery.size(), 3u);
  EXPECT_LT(out.recovery[0].seconds, out.recovery[2].seconds);
}

TEST(TimeBudget, SharedStorageIsSharedByItsReaders) {
  TimeBudgetInput in;
  in.weight_bytes = 100'000'000'000;
  in.storage = StorageKind::kNfs;
  in.num_nodes = 1;
  const double one = time_budget(in).load_s;
  EXPECT_DOUBLE_EQ(one, 500);
  in.num_nodes = 10;
  EXPECT_DOUBLE_EQ(time_budget(in).load_s, 1000);  // 1 GB/s among ten
  in.storage_gbs = 2;
  in.num_nodes = 1;
  EXPECT_DOUBLE_EQ(time_budget(in).load_s, 50);
}

TEST(TimeBudget, SlowerStorageNeverStartsFaster) {
  TimeBudgetInput in;
  in.weight_bytes = 140'000'000'000;
  double last = 0;
  for (const StorageKind kind : {StorageKind::kPageCache, StorageKind::kNvme, StorageKind::kLocalSsd,
                                 StorageKind::kS3, StorageKind::kNfs, StorageKind::kHttp}) {
    in.storage = kind;
    const TimeBudget out = time_budget(in);
    EXPECT_GE(out.total_s, last) << storage_kind_name(kind);
    EXPECT_GE(out.startup_budget_s, out.total_s);
    last = out.total_s;
  }
}

TEST(TimeBudget, SmallModelsKeepAFloor) {
  TimeBudgetInput in;
  in.weight_bytes = 270'000'000;
  in.num_layers = 30;
  in.num_graphs = 0;
  EXPECT_EQ(time_budget(in).startup_budget_s, 300);
  EXPECT_EQ(time_budget(in).job_deadline_s, 3600);
  in.weight_bytes = -1;
  in.num_nodes = -3;
  in.storage_gbs = -1;
  EXPECT_EQ(time_budget(in).startup_budget_s, 300);
}

TEST(TimeBudget, StorageNames) {
  EXPECT_EQ(parse_storage_kind("cfs-turbo").value(), StorageKind::kCfsTurbo);
  EXPECT_FALSE(parse_storage_kind("tape").ok());
}

}  // namespace
}  // namespace hadal
