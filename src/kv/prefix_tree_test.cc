#include "kv/prefix_tree.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kv/kv_domain.h"

namespace hadal {
namespace {

using Tokens = std::vector<int32_t>;

Tokens iota(int n, int first = 0) {
  Tokens tokens(static_cast<size_t>(n));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

class PrefixTreeTest : public ::testing::Test {
 protected:
  static constexpr int kBlock = 4;

  // Computes `tokens` as a sequence would: matches, allocates the rest, puts the full blocks into the tree.
  BlockTable compute(const Tokens& tokens, std::string_view salt = "") {
    BlockTable table;
    const int matched = domain_.tree.match(salt, tokens, 1000, table);
    const int full = static_cast<int>(tokens.size()) / kBlock;
    for (int i = matched; i < full; ++i) table.push_back(domain_.allocate());
    std::vector<BlockRef> replaced;
    domain_.tree.insert(salt, tokens, matched, full, table, replaced);
    EXPECT_TRUE(replaced.empty());
    domain_.check_integrity();
    return table;
  }
  int match(const Tokens& tokens, std::string_view salt = "") {
    BlockTable table;
    const int matched = domain_.tree.match(salt, tokens, 1000, table);
    EXPECT_EQ(table.size(), matched);
    EXPECT_EQ(domain_.tree.match_len(salt, tokens, 1000), matched);
    return matched;
  }

  KvDomain domain_{16, kBlock, 1};
};

TEST_F(PrefixTreeTest, EmptyTreeMatchesNothing) {
  EXPECT_EQ(match(iota(40)), 0);
  EXPECT_EQ(match({}), 0);
  EXPECT_FALSE(domain_.tree.evict_one());
}

TEST_F(PrefixTreeTest, FindsTheLongestPrefixOfWholeBlocks) {
  const BlockTable table = compute(iota(14));  // 3 full blocks, 2 tokens left over
  EXPECT_EQ(domain_.tree.num_nodes(), 3);
  EXPECT_EQ(match(iota(14)), 3);
  EXPECT_EQ(match(iota(12)), 3);
  EXPECT_EQ(match(iota(11)), 2);
  EXPECT_EQ(match(iota(3)), 0);
  EXPECT_EQ(match(iota(200)), 3);
  Tokens other = iota(12);
  other[5] = 99;
  EXPECT_EQ(match(other), 1);
  other[0] = 98;
  EXPECT_EQ(match(other), 0);
}

TEST_F(PrefixTreeTest, MatchReturnsTheBlocksInOrderAndHoldsThem) {
  const BlockTable first = compute(iota(12));
  BlockTable second;
  EXPECT_EQ(domain_.tree.match("", iota(12), 2, second), 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(second.id(i), first.id(i));
    EXPECT_EQ(domain_.pool.ref_count(first.id(i)), 3);  // two tables and the tree
  }
  EXPECT_EQ(domain_.pool.ref_count(first.id(2)), 2);
}

TEST_F(PrefixTreeTest, MaxBlocksBoundsTheMatch) {
  compute(iota(12));
  BlockTable table;
  EXPECT_EQ(domain_.tree.match("", iota(12), 0, table), 0);
  EXPECT_EQ(domain_.tree.match_len("", iota(12), 1), 1);
}

TEST_F(PrefixTreeTest, SaltsDoNotShare) {
  compute(iota(12), "alice");
  EXPECT_EQ(match(iota(12), "alice"), 3);
  EXPECT_EQ(match(iota(12), "bob"), 0);
  EXPECT_EQ(match(iota(12)), 0);
  compute(iota(12), "bob");
  EXPECT_EQ(domain_.tree.num_nodes(), 6);
  EXPECT_EQ(domain_.tree.num_namespaces(), 2);
}

TEST_F(PrefixTreeTest, ANamespaceEndsWithItsLastNode) {
  for (int i = 0; i < 50; ++i) {
    compute(iota(8), "user" + std::to_string(i));
    EXPECT_LE(domain_.tree.num_namespaces(), 8);  // 16 blocks, 2 each
  }
  while (domain_.tree.evict_one()) domain_.check_integrity();
  EXPECT_EQ(domain_.tree.num_namespaces(), 0);
  EXPECT_EQ(domain_.pool.num_free(), 16);
}

TEST_F(PrefixTreeTest, SiblingsWithEqualFirstTokensAreTold) {
  std::vector<BlockTable> tables;
  for (int i = 0; i < 7; ++i) {
    Tokens tokens = iota(8);
    tokens[7] = 100 + i;  // the last token alone differs
    tables.push_back(compute(tokens));
  }
  EXPECT_EQ(domain_.tree.num_nodes(), 8);
  for (int i = 0; i < 7; ++i) {
    Tokens tokens = iota(8);
    tokens[7] = 100 + i;
    BlockTable table;
    ASSERT_EQ(domain_.tree.match("", tokens, 2, table), 2);
    EXPECT_EQ(table.id(1), tables[static_cast<size_t>(i)].id(1));
  }
  Tokens tokens = iota(8);
  EXPECT_EQ(match(tokens), 1);
}

TEST_F(PrefixTreeTest, HeldBlocksAreNotEvicted) {
  const BlockTable held = compute(iota(12));
  EXPECT_EQ(domain_.pool.num_idle(), 0);
  EXPECT_FALSE(domain_.tree.evict_one());
  EXPECT_EQ(domain_.tree.num_nodes(), 3);
}

TEST_F(PrefixTreeTest, EvictsLeavesBeforeParentsOldestFirst) {
  compute(iota(8));       // A: 0..7
  compute(iota(8, 100));  // B
  Tokens longer = iota(8);
  longer.insert(longer.end(), {50, 51, 52, 53});
  compute(longer);  // A again, one block longer: B is now the oldest
  EXPECT_EQ(domain_.tree.num_nodes(), 5);
  ASSERT_TRUE(domain_.tree.evict_one());
  EXPECT_EQ(match(iota(8, 100)), 1);  // touches what is left of B
  EXPECT_EQ(match(longer), 3);        // and then A
  ASSERT_TRUE(domain_.tree.evict_one());
  EXPECT_EQ(match(iota(8, 100)), 0);
  ASSERT_TRUE(domain_.tree.evict_one());
  EXPECT_EQ(match(longer), 2);
  ASSERT_TRUE(domain_.tree.evict_one());
  ASSERT_TRUE(domain_.tree.evict_one());
  EXPECT_FALSE(domain_.tree.evict_one());
  EXPECT_EQ(domain_.pool.num_free(), 16);
}

TEST_F(PrefixTreeTest, EvictionStopsAtAHeldParent) {
  BlockTable parent = compute(iota(4));
  compute(iota(12));  // two more blocks, let go at once
  EXPECT_EQ(domain_.pool.num_idle(), 2);
  EXPECT_TRUE(domain_.tree.evict_one());
  EXPECT_TRUE(domain_.tree.evict_one());
  EXPECT_FALSE(domain_.tree.evict_one());
  EXPECT_EQ(match(iota(12)), 1);
  domain_.check_integrity();
}

TEST_F(PrefixTreeTest, AllocateEvictsOnlyWhenNothingIsFree) {
  compute(iota(8));
  std::vector<BlockRef> held;
  for (int i = 0; i < 14; ++i) held.push_back(domain_.allocate());
  EXPECT_EQ(domain_.tree.num_nodes(), 2);
  EXPECT_EQ(domain_.num_available(), 2);
  held.push_back(domain_.allocate());
  EXPECT_EQ(domain_.tree.num_nodes(), 1);
  held.push_back(domain_.allocate());
  EXPECT_EQ(domain_.tree.num_nodes(), 0);
  EXPECT_EQ(domain_.num_available(), 0);
  EXPECT_FALSE(domain_.allocate());
}

// Two sequences computed the same prompt at the same time: the second one takes over the first one's blocks.
TEST_F(PrefixTreeTest, InsertReplacesBlocksThatTheTreeHasAlready) {
  const Tokens tokens = iota(12);
  BlockTable first, second;
  for (int i = 0; i < 3; ++i) {
    first.push_back(domain_.allocate());
    second.push_back(domain_.allocate());
  }
  const std::vector<BlockId> own(second.ids().begin(), second.ids().end());
  std::vector<BlockRef> replaced;
  domain_.tree.insert("", tokens, 0, 2, first, replaced);
  EXPECT_TRUE(replaced.empty());
  domain_.tree.insert("", tokens, 0, 3, second, replaced);
  ASSERT_EQ(replaced.size(), 2u);
  EXPECT_EQ(second.id(0), first.id(0));
  EXPECT_EQ(second.id(1), first.id(1));
  EXPECT_EQ(second.id(2), own[2]);
  EXPECT_EQ(replaced[0].id(), own[0]);
  EXPECT_EQ(domain_.pool.ref_count(own[0]), 1);
  domain_.tree.insert("", tokens, 2, 3, first, replaced);  // and the other way round
  EXPECT_EQ(first.id(2), own[2]);
  EXPECT_EQ(replaced.size(), 3u);
  domain_.check_integrity();
}

TEST_F(PrefixTreeTest, InsertContinuesWhereItStopped) {
  const Tokens tokens = iota(16);
  BlockTable table;
  std::vector<BlockRef> replaced;
  for (int i = 0; i < 4; ++i) {
    table.push_back(domain_.allocate());
    domain_.tree.insert("s", tokens, i, i + 1, table, replaced);
    domain_.check_integrity();
    EXPECT_EQ(match(tokens, "s"), i + 1);
  }
  domain_.tree.insert("s", tokens, 4, 4, table, replaced);  // nothing to do
  EXPECT_EQ(domain_.tree.num_nodes(), 4);
}

TEST_F(PrefixTreeTest, OddBlockSizesWork) {
  KvDomain domain(8, 3, 9);
  const Tokens tokens = iota(9);
  BlockTable table;
  std::vector<BlockRef> replaced;
  for (int i = 0; i < 3; ++i) table.push_back(domain.allocate());
  domain.tree.insert("", tokens, 0, 3, table, replaced);
  Tokens other = tokens;
  other[8] = -1;
  EXPECT_EQ(domain.tree.match_len("", tokens, 9), 3);
  EXPECT_EQ(domain.tree.match_len("", other, 9), 2);
  domain.check_integrity();
}

TEST_F(PrefixTreeTest, ManyNodesInOneBucketStayApart) {
  // One block per prompt and many prompts: some share a bucket of the table.
  KvDomain domain(512, 2, 3);
  for (int i = 0; i < 512; ++i) {
    BlockTable table;
    std::vector<BlockRef> replaced;
    table.push_back(domain.allocate());
    domain.tree.insert("", Tokens{i, -i}, 0, 1, table, replaced);
  }
  domain.check_integrity();
  for (int i = 0; i < 512; ++i) EXPECT_EQ(domain.tree.match_len("", Tokens{i, -i}, 9), 1) << i;
  for (int i = 0; i < 256; ++i) EXPECT_TRUE(domain.tree.evict_one());
  domain.check_integrity();
  for (int i = 0; i < 512; ++i) EXPECT_EQ(domain.tree.match_len("", Tokens{i, -i}, 9), i < 256 ? 0 : 1) << i;
}

TEST_F(PrefixTreeTest, MatchIntoAUsedTableAborts) {
  BlockTable table = compute(iota(4));
  EXPECT_DEATH(domain_.tree.match("", iota(4), 1, table), "match into a table");
}

TEST_F(PrefixTreeTest, InsertBeyondTheTokensAborts) {
  BlockTable table;
  std::vector<BlockRef> replaced;
  table.push_back(domain_.allocate());
  EXPECT_DEATH(domain_.tree.insert("", iota(3), 0, 1, table, replaced), "with 3 tokens");
  EXPECT_DEATH(domain_.tree.insert("", iota(8), 0, 2, table, replaced), "of 1");
}

TEST_F(PrefixTreeTest, InsertUnderABlockOutsideTheTreeAborts) {
  BlockTable table;
  std::vector<BlockRef> replaced;
  for (int i = 0; i < 2; ++i) table.push_back(domain_.allocate());
  EXPECT_DEATH(domain_.tree.insert("", iota(8), 1, 2, table, replaced), "not in the tree");
}

}  // namespace
}  // namespace hadal
