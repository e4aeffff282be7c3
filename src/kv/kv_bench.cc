// kv_bench: the cost of a prefix match and of an insertion, beside the floor: comparing the same tokens by
// memcmp. Usage: kv_bench. Prints one line per case; exits 1 when the 4,096-token match is over 3 us.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "kv/kv_domain.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kBlock = 32;

std::vector<int32_t> random_tokens(std::mt19937& rng, int len) {
  std::vector<int32_t> tokens(static_cast<size_t>(len));
  for (int32_t& token : tokens) token = static_cast<int32_t>(rng() % 128000);
  return tokens;
}

// Best of several rounds, in microseconds per call.
template <typename F>
double time_us(int calls, F&& f) {
  double best = 1e30;
  for (int round = 0; round < 15; ++round) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) f(i);
    best = std::min(best, std::chrono::duration<double, std::micro>(Clock::now() - start).count() / calls);
  }
  return best;
}

void insert_prompt(KvDomain& domain, const std::vector<int32_t>& tokens) {
  BlockTable table;
  const int full = static_cast<int>(tokens.size()) / kBlock;
  const int matched = domain.tree.match("", tokens, full, table);
  for (int i = matched; i < full; ++i) table.push_back(domain.allocate());
  std::vector<BlockRef> replaced;
  domain.tree.insert("", tokens, matched, full, table, replaced);
}

// A tree of `num_prompts` prompts of which each pair shares the first 1,024 tokens, then parts ways.
double bench_match(int num_prompts, int len, bool print) {
  std::mt19937 rng(1);
  KvDomain domain(num_prompts * len / kBlock + 64, kBlock, 7);
  std::vector<std::vector<int32_t>> prompts;
  for (int i = 0; i < num_prompts; ++i) {
    std::vector<int32_t> tokens = random_tokens(rng, len);
    if (i > 0) std::copy_n(prompts[0].begin(), std::min(1024, len), tokens.begin());
    insert_prompt(domain, tokens);
    prompts.push_back(std::move(tokens));
  }
  int64_t sum = 0;
  const double match_us = time_us(2000, [&](int i) {
    BlockTable table;
    sum += domain.tree.match("", prompts[static_cast<size_t>(i % num_prompts)], len / kBlock, table);
  });
  const double len_us = time_us(2000, [&](int i) {
    sum += domain.tree.match_len("", prompts[static_cast<size_t>(i % num_prompts)], len / kBlock);
  });
  const std::vector<std::vector<int32_t>> copies = prompts;
  const double floor_us = time_us(2000, [&](int i) {
    const auto& a = prompts[static_cast<size_t>(i % num_prompts)];
    const auto& b = copies[static_cast<size_t>(i % num_prompts)];
    sum += std::memcmp(a.data(), b.data(), a.size() * sizeof(int32_t));
  });
  if (print) {
    std::printf(
        "match %6d tokens, %3d prompts in the tree: %6.2f us (match_len %5.2f us)   floor %5.2f us "
        "(memcmp)%s\n",
        len, num_prompts, match_us, len_us, floor_us, sum == -1 ? "!" : "");
  }
  return match_us;
}

void bench_insert(int len) {
  std::mt19937 rng(2);
  const int full = len / kBlock;
  KvDomain domain(full * 4, kBlock, 7);
  std::vector<std::vector<int32_t>> prompts;
  for (int i = 0; i < 64; ++i) prompts.push_back(random_tokens(rng, len));
  const double us = time_us(640, [&](int i) { insert_prompt(domain, prompts[static_cast<size_t>(i % 64)]); });
  std::vector<int32_t> sink(static_cast<size_t>(len));
  const double floor_us = time_us(640, [&](int i) {
    const auto& tokens = prompts[static_cast<size_t>(i % 64)];
    std::memcpy(sink.data(), tokens.data(), tokens.size() * sizeof(int32_t));
  });
  std::printf("insert %5d new tokens, evicting as many:      %6.2f us   floor %5.2f us (memcpy)\n", len, us,
              floor_us);
}

}  // namespace
}  // namespace hadal

int main() {
  const double figure = hadal::bench_match(1, 4096, true);
  hadal::bench_match(64, 4096, true);
  hadal::bench_match(4, 131072, true);
  hadal::bench_insert(4096);
  const bool ok = figure < 3.0;
  std::printf("prefix match of 4,096 tokens: %.2f us, limit 3 us: %s\n", figure, ok ? "met" : "MISSED");
  return ok ? 0 : 1;
}
