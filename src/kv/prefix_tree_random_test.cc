// Random operations on pool and tree together, compared after every step with a model that knows nothing of
// blocks: the set of cached (salt, prefix) pairs.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "kv/kv_domain.h"

namespace hadal {
namespace {

using Tokens = std::vector<int32_t>;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSteps = 20000;
#else
constexpr int kSteps = 200000;
#endif

struct Holder {
  std::string salt;
  Tokens tokens;
  BlockTable table;
};

class RandomTree {
 public:
  explicit RandomTree(uint32_t seed) : rng_(seed), domain_(kBlocks, kBlock, seed) {}

  void step() {
    switch (rng_() % 8) {
      case 0:
      case 1:
      case 2:
        start();
        break;
      case 3:
      case 4:
        grow();
        break;
      case 5:
        if (domain_.tree.evict_one()) forget_evicted();
        break;
      default:
        stop();
    }
    domain_.check_integrity();
    ASSERT_EQ(static_cast<size_t>(domain_.tree.num_nodes()), cached_.size());
  }
  int num_hits() const { return num_hits_; }

 private:
  static constexpr int kBlocks = 24;
  static constexpr int kBlock = 2;

  Tokens random_tokens(size_t len) {
    Tokens tokens(len);
    for (int32_t& token : tokens)
      token = static_cast<int32_t>(rng_() % 2);  // few tokens: prefixes meet often
    return tokens;
  }
  std::string key(const Holder& h, int blocks) const {
    std::string text = h.salt + ":";
    for (int i = 0; i < blocks * kBlock; ++i)
      text += static_cast<char>('0' + h.tokens[static_cast<size_t>(i)]);
    return text;
  }

  void start() {
    if (holders_.size() >= 6) return;
    Holder h{std::string(rng_() % 2, 'x'), random_tokens(rng_() % 12), {}};
    int expected = 0;
    const int full = static_cast<int>(h.tokens.size()) / kBlock;
    while (expected < full && cached_.count(key(h, expected + 1))) ++expected;
    ASSERT_EQ(domain_.tree.match_len(h.salt, h.tokens, full), expected);
    ASSERT_EQ(domain_.tree.match(h.salt, h.tokens, full, h.table), expected);
    for (int i = 0; i < expected; ++i) ASSERT_EQ(h.table.id(i), cached_[key(h, i + 1)]);
    num_hits_ += expected;
    if (!extend(h, full)) return;
    holders_.push_back(std::move(h));
  }

  // Allocates and inserts up to `full` blocks, as far as the pool goes.
  bool extend(Holder& h, int full) {
    const int begin = h.table.size();
    while (h.table.size() < full) {
      const bool evicts = domain_.pool.num_free() == 0;
      BlockRef block = domain_.allocate();
      if (evicts) forget_evicted();
      if (!block) break;
      h.table.push_back(std::move(block));
    }
    std::vector<BlockRef> replaced;
    domain_.tree.insert(h.salt, h.tokens, begin, h.table.size(), h.table, replaced);
    for (int i = begin; i < h.table.size(); ++i) {
      const auto [it, added] = cached_.emplace(key(h, i + 1), h.table.id(i));
      EXPECT_EQ(it->second, h.table.id(i));
    }
    return true;
  }

  void grow() {
    if (holders_.empty()) return;
    Holder& h = holders_[rng_() % holders_.size()];
    if (static_cast<int>(h.tokens.size()) / kBlock > h.table.size()) return;  // the pool was full before
    const Tokens more = random_tokens(1 + rng_() % 4);
    h.tokens.insert(h.tokens.end(), more.begin(), more.end());
    extend(h, static_cast<int>(h.tokens.size()) / kBlock);
  }

  void stop() {
    if (holders_.empty()) return;
    std::swap(holders_[rng_() % holders_.size()], holders_.back());
    holders_.pop_back();
  }

  void forget_evicted() {
    for (auto it = cached_.begin(); it != cached_.end();) {
      it = domain_.pool.is_cached(it->second) ? std::next(it) : cached_.erase(it);
    }
  }

  std::mt19937 rng_;
  KvDomain domain_;
  std::map<std::string, BlockId> cached_;
  std::vector<Holder> holders_;
  int num_hits_ = 0;
};

TEST(PrefixTreeRandom, AgreesWithAModelAfterEveryStep) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    RandomTree tree(seed);
    for (int i = 0; i < kSteps / 3; ++i) {
      tree.step();
      ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "seed " << seed << " step " << i;
    }
    EXPECT_GT(tree.num_hits(), kSteps / 30);
  }
}

}  // namespace
}  // namespace hadal
