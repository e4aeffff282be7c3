#include "kv/block_table.h"

#include <gtest/gtest.h>

#include "kv/block_pool.h"

namespace hadal {
namespace {

BlockTable make_table(BlockPool& pool, int size) {
  BlockTable table;
  for (int i = 0; i < size; ++i) table.push_back(pool.allocate());
  return table;
}

TEST(BlockTable, IdsFollowTheReferences) {
  BlockPool pool(4);
  BlockTable table = make_table(pool, 3);
  ASSERT_EQ(table.size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(table.id(i), table.ref(i).id());
  EXPECT_EQ(table.ids().size(), 3u);
  const BlockId second = table.id(1);
  BlockRef old = table.replace(1, pool.allocate());
  EXPECT_EQ(old.id(), second);
  EXPECT_NE(table.id(1), second);
  EXPECT_EQ(table.id(1), table.ref(1).id());
  EXPECT_EQ(pool.ref_count(second), 1);
}

TEST(BlockTable, TruncateGivesBackTheEnd) {
  BlockPool pool(4);
  BlockTable table = make_table(pool, 4);
  const BlockId first = table.id(0);
  table.truncate(1);
  EXPECT_EQ(table.size(), 1);
  EXPECT_EQ(pool.num_free(), 3);
  EXPECT_EQ(pool.ref_count(first), 1);
  table.truncate(3);  // longer than it is: nothing happens
  EXPECT_EQ(table.size(), 1);
}

TEST(BlockTable, MovesDoNotCountTwice) {
  BlockPool pool(4);
  BlockTable a = make_table(pool, 2);
  BlockTable b = std::move(a);
  EXPECT_EQ(pool.num_used(), 2);
  EXPECT_TRUE(a.empty());  // NOLINT: moved-from is empty by contract
  BlockTable c = make_table(pool, 2);
  c = std::move(b);
  EXPECT_EQ(pool.num_used(), 2);
  EXPECT_EQ(c.size(), 2);
  BlockTable& alias = c;
  c = std::move(alias);
  EXPECT_EQ(c.size(), 2);
}

// The order of release is what the prefix tree's eviction rests on.
TEST(BlockTable, ReleasesFromTheLastToTheFirst) {
  BlockPool pool(3);
  std::vector<BlockRef> tree;
  std::vector<BlockId> order;
  {
    BlockTable table = make_table(pool, 3);
    for (int i = 0; i < 3; ++i) {
      tree.push_back(table.ref(i));
      pool.set_cached(table.id(i), true);
      order.insert(order.begin(), table.id(i));
    }
  }
  for (const BlockId id : order) {
    EXPECT_EQ(pool.oldest_idle(), id);
    pool.set_cached(id, false);
  }
}

TEST(BlockTable, MoveAssignmentReleasesFromTheLastToTheFirst) {
  BlockPool pool(3);
  BlockTable table = make_table(pool, 3);
  std::vector<BlockRef> tree;
  for (int i = 0; i < 3; ++i) {
    tree.push_back(table.ref(i));
    pool.set_cached(table.id(i), true);
  }
  const BlockId last = table.id(2);
  table = BlockTable();
  EXPECT_EQ(pool.oldest_idle(), last);
  for (const BlockRef& ref : tree) pool.set_cached(ref.id(), false);
}

TEST(BlockTableDeathTest, RefusesEmptyReferences) {
  BlockTable table;
  EXPECT_DEATH(table.push_back(BlockRef()), "empty block reference");
  EXPECT_DEATH(table.replace(0, BlockRef()), "index 0 of 0");
}

}  // namespace
}  // namespace hadal
