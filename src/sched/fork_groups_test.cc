#include "sched/fork_groups.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

using Ids = std::vector<uint64_t>;

TEST(ForkGroups, TheFirstLeadsAndTheOthersWait) {
  ForkGroups groups;
  EXPECT_TRUE(groups.join(5, 1));
  EXPECT_FALSE(groups.join(5, 2));
  EXPECT_FALSE(groups.join(5, 3));
  EXPECT_EQ(groups.num_held(), 2);
  EXPECT_TRUE(groups.is_held(5, 2));
  EXPECT_FALSE(groups.is_held(5, 1));
  EXPECT_EQ(groups.open(5), (Ids{2, 3}));
  EXPECT_EQ(groups.num_held(), 0);
  EXPECT_TRUE(groups.join(5, 4));  // the prompt is there already
  EXPECT_EQ(groups.open(5), Ids{});
}

TEST(ForkGroups, GroupsAreApart) {
  ForkGroups groups;
  EXPECT_TRUE(groups.join(1, 1));
  EXPECT_TRUE(groups.join(2, 2));
  EXPECT_FALSE(groups.join(1, 3));
  EXPECT_EQ(groups.open(2), Ids{});
  EXPECT_EQ(groups.num_held(), 1);
  EXPECT_EQ(groups.open(9), Ids{});
  EXPECT_FALSE(groups.is_held(9, 1));
}

TEST(ForkGroups, TheNextHeldMemberFollowsALeaderThatEnds) {
  ForkGroups groups;
  groups.join(1, 10);
  groups.join(1, 11);
  groups.join(1, 12);
  EXPECT_EQ(groups.leave(1, 10), std::optional<uint64_t>(11));
  EXPECT_EQ(groups.num_held(), 1);
  EXPECT_EQ(groups.leave(1, 11), std::optional<uint64_t>(12));
  EXPECT_EQ(groups.leave(1, 12), std::nullopt);
  EXPECT_EQ(groups.num_held(), 0);
  EXPECT_TRUE(groups.join(1, 13));  // forgotten: a new group
}

TEST(ForkGroups, HeldMembersMayEnd) {
  ForkGroups groups;
  groups.join(1, 10);
  groups.join(1, 11);
  groups.join(1, 12);
  EXPECT_EQ(groups.leave(1, 11), std::nullopt);
  EXPECT_EQ(groups.open(1), (Ids{12}));
  EXPECT_EQ(groups.leave(1, 10), std::nullopt);
  EXPECT_EQ(groups.leave(1, 12), std::nullopt);
  EXPECT_EQ(groups.leave(1, 12), std::nullopt);  // unknown by now
}

}  // namespace
}  // namespace hadal
