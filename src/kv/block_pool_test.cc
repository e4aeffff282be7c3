#include "kv/block_pool.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace hadal {
namespace {

TEST(BlockPool, HandsOutEveryBlockOnce) {
  BlockPool pool(5);
  std::vector<BlockRef> held;
  std::set<BlockId> ids;
  for (int i = 0; i < 5; ++i) {
    held.push_back(pool.allocate());
    ASSERT_TRUE(held.back());
    ids.insert(held.back().id());
    pool.check_integrity();
  }
  EXPECT_EQ(ids.size(), 5u);
  EXPECT_EQ(pool.num_free(), 0);
  EXPECT_EQ(pool.num_used(), 5);
  const BlockRef none = pool.allocate();
  EXPECT_FALSE(none);
  EXPECT_EQ(none.id(), kNoBlock);
  held.clear();
  EXPECT_EQ(pool.num_free(), 5);
  pool.check_integrity();
}

TEST(BlockPool, LastHandleGivesTheBlockBack) {
  BlockPool pool(2);
  BlockRef a = pool.allocate();
  const BlockId id = a.id();
  {
    BlockRef b = a;
    EXPECT_EQ(pool.ref_count(id), 2);
    BlockRef c = std::move(a);
    EXPECT_FALSE(a);  // NOLINT: moved-from is empty by contract
    EXPECT_EQ(pool.ref_count(id), 2);
    a = pool.share(id);
    EXPECT_EQ(pool.ref_count(id), 3);
  }
  EXPECT_EQ(pool.ref_count(id), 1);
  EXPECT_EQ(pool.num_free(), 1);
  a = BlockRef();
  EXPECT_EQ(pool.num_free(), 2);
}

TEST(BlockPool, AssignmentReleasesTheOldBlock) {
  BlockPool pool(2);
  BlockRef a = pool.allocate();
  BlockRef b = pool.allocate();
  const BlockId old = a.id();
  a = b;
  EXPECT_EQ(pool.ref_count(b.id()), 2);
  EXPECT_EQ(pool.ref_count(old), 0);
  BlockRef& alias = a;
  a = alias;  // to itself
  EXPECT_EQ(pool.ref_count(b.id()), 2);
}

TEST(BlockPool, CachedBlocksAreIdleWhenOnlyTheTreeHoldsThem) {
  BlockPool pool(3);
  BlockRef tree_ref = pool.allocate();
  const BlockId id = tree_ref.id();
  BlockRef user = tree_ref;
  pool.set_cached(id, true);
  EXPECT_EQ(pool.num_idle(), 0);
  EXPECT_EQ(pool.num_used(), 1);
  user = BlockRef();
  EXPECT_EQ(pool.num_idle(), 1);
  EXPECT_EQ(pool.num_used(), 0);
  EXPECT_EQ(pool.oldest_idle(), id);
  pool.check_integrity();
  user = pool.share(id);
  EXPECT_EQ(pool.num_idle(), 0);
  EXPECT_EQ(pool.oldest_idle(), kNoBlock);
  user = BlockRef();
  pool.set_cached(id, false);
  EXPECT_EQ(pool.num_idle(), 0);
  tree_ref = BlockRef();
  EXPECT_EQ(pool.num_free(), 3);
}

TEST(BlockPool, IdleOrderIsTheOrderOfRelease) {
  BlockPool pool(4);
  std::vector<BlockRef> tree, users;
  for (int i = 0; i < 4; ++i) {
    tree.push_back(pool.allocate());
    users.push_back(tree.back());
    pool.set_cached(tree.back().id(), true);
  }
  for (const int i : {2, 0, 3, 1}) users[static_cast<size_t>(i)] = BlockRef();
  EXPECT_EQ(pool.oldest_idle(), tree[2].id());
  users[2] = tree[2];  // from the front
  EXPECT_EQ(pool.oldest_idle(), tree[0].id());
  users[3] = tree[3];  // from the middle
  users[1] = tree[1];  // from the end
  pool.check_integrity();
  EXPECT_EQ(pool.num_idle(), 1);
  users.clear();
  for (BlockRef& ref : tree) pool.set_cached(ref.id(), false);
  pool.check_integrity();
}

TEST(BlockPoolDeathTest, DestructorAbortsWhileABlockIsHeld) {
  EXPECT_DEATH(
      {
        BlockRef leaked;
        BlockPool pool(3);
        leaked = pool.allocate();
      },
      "1 of 3 KV blocks are still held");
}

TEST(BlockPoolDeathTest, FreeingACachedBlockAborts) {
  EXPECT_DEATH(
      {
        BlockPool pool(1);
        BlockRef ref = pool.allocate();
        pool.set_cached(ref.id(), true);
        ref = BlockRef();
      },
      "prefix tree");
}

TEST(BlockPoolDeathTest, SharingAFreeBlockAborts) {
  BlockPool pool(1);
  EXPECT_DEATH(pool.share(0), "not held");
  EXPECT_DEATH(pool.share(7), "not held");
}

TEST(BlockPool, RandomHandlesKeepCounts) {
  std::mt19937 rng(20261122);
  BlockPool pool(16);
  std::vector<BlockRef> held;
  for (int step = 0; step < 20000; ++step) {
    const auto pick = [&] { return held[rng() % held.size()]; };
    switch (rng() % 4) {
      case 0:
        if (BlockRef ref = pool.allocate()) held.push_back(std::move(ref));
        break;
      case 1:
        if (!held.empty()) held.push_back(pick());
        break;
      case 2:
        if (held.size() > 1) held[rng() % held.size()] = pick();
        break;
      default:
        if (!held.empty()) {
          std::swap(held[rng() % held.size()], held.back());
          held.pop_back();
        }
    }
    if (held.size() > 60) held.resize(10);
    std::vector<int32_t> expected(16, 0);
    for (const BlockRef& ref : held) ++expected[static_cast<size_t>(ref.id())];
    for (BlockId id = 0; id < 16; ++id) ASSERT_EQ(pool.ref_count(id), expected[static_cast<size_t>(id)]);
    pool.check_integrity();
  }
}

}  // namespace
}  // namespace hadal
