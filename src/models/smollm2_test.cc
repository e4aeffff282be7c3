// SmolLM2's real weights (Q4_1 with some Q8_0) against llama.cpp and against the fp32 truth of the same
// weights (tools/golden/make_smollm2_goldens.py). HADAL_TEST_MODEL names the GGUF file; scripts/test fetches
// it.
//
// llama.cpp's greedy text is fed token by token's row at once (prefill and decode are equal to the bit, see
// ChunksAndBatchesGiveEqualBits), so every position is compared, not only those up to the first difference.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "models/model_test_util.h"

namespace hadal {
namespace {

struct Continuation {
  std::vector<int32_t> prompt;
  std::vector<int32_t> tokens;                  // llama.cpp's
  std::vector<std::map<int32_t, double>> best;  // by position: fp32 log-probabilities of the likeliest
};

struct Greedy {
  double noise = 0;       // of llama.cpp's log-probability gaps against fp32's, 99th percentile
  double mean_error = 0;  // of llama.cpp's log-probabilities
  std::vector<Continuation> prompts;
};

std::vector<int32_t> ids_of(const Json& array) {
  std::vector<int32_t> out;
  for (const Json& id : array.as_array()) out.push_back(static_cast<int32_t>(id.as_int()));
  return out;
}

Greedy load_greedy() {
  auto text = read_file(testdata("smollm2_greedy.json"));
  HADAL_CHECK(text.ok()) << text.error().message;
  auto json = parse_json(*text);
  HADAL_CHECK(json.ok()) << json.error().message;
  Greedy out;
  out.noise = json->find("noise")->as_double();
  out.mean_error = json->find("mean_error")->as_double();
  for (const Json& entry : json->find("prompts")->as_array()) {
    Continuation& c = out.prompts.emplace_back();
    c.prompt = ids_of(*entry.find("prompt"));
    c.tokens = ids_of(*entry.find("tokens"));
    for (const Json& position : entry.find("top")->as_array()) {
      auto& best = c.best.emplace_back();
      for (const Json& pair : position.as_array())
        best[static_cast<int32_t>(pair.as_array()[0].as_int())] = pair.as_array()[1].as_double();
    }
  }
  return out;
}

// Log-probability of every token.
std::vector<double> log_softmax(const std::vector<float>& row) {
  const double top = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float v : row) sum += std::exp(static_cast<double>(v) - top);
  std::vector<double> out;
  for (const float v : row) out.push_back(static_cast<double>(v) - top - std::log(sum));
  return out;
}

class SmolLm2Test : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("HADAL_TEST_MODEL");
    if (path == nullptr || !path_exists(path)) GTEST_SKIP() << "HADAL_TEST_MODEL names no file";
    auto opened = open_model(path, {});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    TestOptions options;
    options.tier = detect_cpu().tier;
    options.kv_dtype = DType::kF16;
    options.widen = false;
    options.block_size = 32;
    options.num_threads = 2;
    options.max_tokens = 128;
    options.context_length = 128;
    model_ = std::make_unique<TestModel>(std::move(*opened), options);
    ASSERT_EQ(model_->config().vocab_size, 49152) << "HADAL_TEST_MODEL is not SmolLM2";
    greedy_ = load_greedy();
  }
  // Log-probabilities at each position of the continuation, after llama.cpp's own tokens.
  std::vector<std::vector<double>> rows_of(const Continuation& c) {
    std::vector<int32_t> fed = c.prompt;
    fed.insert(fed.end(), c.tokens.begin(), c.tokens.end() - 1);
    model_->restart();
    const Logits logits = model_->run({{0, fed}});
    std::vector<std::vector<double>> out;
    for (size_t i = c.prompt.size() - 1; i < logits.size(); ++i) out.push_back(log_softmax(logits[i]));
    return out;
  }
  std::unique_ptr<TestModel> model_;
  Greedy greedy_;
};

TEST_F(SmolLm2Test, GreedyTextIsLlamaCppsButForNearTies) {
  ASSERT_EQ(greedy_.prompts.size(), 20u);
  // Far below what sampling at any temperature would notice; llama.cpp itself is off by as much.
  ASSERT_LT(greedy_.noise, 1.0);
  int equal = 0;
  double error = 0;
  int64_t compared = 0;
  for (size_t p = 0; p < greedy_.prompts.size(); ++p) {
    const Continuation& c = greedy_.prompts[p];
    const auto rows = rows_of(c);
    ASSERT_EQ(rows.size(), c.tokens.size());
    bool same = true;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& best = c.best[i];
      for (const auto& [token, truth] : best) {
        error += std::abs(rows[i][static_cast<size_t>(token)] - truth);
        ++compared;
      }
      const auto ours =
          static_cast<int32_t>(std::max_element(rows[i].begin(), rows[i].end()) - rows[i].begin());
      if (ours == c.tokens[i]) continue;
      ASSERT_TRUE(best.contains(ours) && best.contains(c.tokens[i]))
          << "prompt " << p << " position " << i << ": " << ours << " or " << c.tokens[i]
          << " is not among the likeliest in fp32";
      const double gap = best.at(c.tokens[i]) - best.at(ours);
      std::cout << "prompt " << p << " position " << i << (same ? ": first" : ": another")
                << " difference: hadal " << ours << ", llama.cpp " << c.tokens[i] << ", fp32 prefers "
                << (gap > 0 ? "llama.cpp's" : "hadal's") << " by " << std::abs(gap) << "\n";
      EXPECT_LT(std::abs(gap), greedy_.noise) << "no tie";
      same = false;
    }
    equal += same ? 1 : 0;
  }
  error /= static_cast<double>(compared);
  std::cout << equal
            << " of 20 continuations equal llama.cpp's; mean distance of log-probabilities from fp32: hadal "
            << error << ", llama.cpp " << greedy_.mean_error << "; bound of a tie " << greedy_.noise << "\n";
  // Both round activations to int8 per 32: neither may be further from the truth than that costs.
  EXPECT_LT(error, 1.1 * greedy_.mean_error);
}

}  // namespace
}  // namespace hadal
