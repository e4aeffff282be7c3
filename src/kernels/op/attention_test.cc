#include "kernels/op/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "kernels/op/op_test_util.h"
#include "kernels/simd/half.h"

namespace hadal {
namespace {

struct Shape {
  int num_heads = 1;
  int num_kv_heads = 1;
  int head_dim = 8;
  int v_head_dim = 8;
  int block_size = 16;
  DType dtype = DType::kF32;
  int window = 0;
};

struct Item {
  int64_t q_len = 1;
  int64_t seq_len = 1;
};

float to_float(DType dtype, uint16_t x) {
  return dtype == DType::kF16 ? f16_to_float(x) : bf16_to_float(x);
}

// A cache of any KV dtype, filled with NaN: a key that was never written poisons whoever reads it.
class Cache {
 public:
  Cache(DType dtype, std::vector<int64_t> shape) : dtype_(dtype), shape_(std::move(shape)) {
    const int64_t n = std::accumulate(shape_.begin(), shape_.end(), int64_t{1}, std::multiplies<>());
    if (dtype == DType::kF32) {
      wide_.assign(static_cast<size_t>(n), std::numeric_limits<float>::quiet_NaN());
    } else {
      half_.assign(static_cast<size_t>(n), 0x7fff);
    }
  }
  Tensor tensor() {
    void* data = dtype_ == DType::kF32 ? static_cast<void*>(wide_.data()) : static_cast<void*>(half_.data());
    return Tensor(data, dtype_, std::span<const int64_t>(shape_));
  }
  double at(int64_t i) const {
    const auto u = static_cast<size_t>(i);
    return dtype_ == DType::kF32 ? double{wide_[u]} : double{to_float(dtype_, half_[u])};
  }

 private:
  DType dtype_;
  std::vector<int64_t> shape_;
  std::vector<float> wide_;
  std::vector<uint16_t> half_;
};

// A mixed batch whose keys are written by kv_append (or mla_append, when num_kv_heads is 0).
struct Step {
  Step(TestRandom& random, OpContext& ctx, const Shape& s, const std::vector<Item>& step_items,
       float q_sigma = 1.0f)
      : shape(s), items(step_items), k(s.dtype, k_shape(s, items)), v(s.dtype, v_shape(s, items)) {
    make_tables(random);
    fill_keys(random, ctx);
    const int64_t t = cu.back();
    q = random.normals(t * s.num_heads * s.head_dim, q_sigma);
    out.assign(static_cast<size_t>(t * s.num_heads * s.v_head_dim), std::numeric_limits<float>::quiet_NaN());
  }

  static int64_t count_blocks(const Shape& s, const std::vector<Item>& all) {
    int64_t count = 3;
    for (const Item& item : all) count += (item.seq_len + s.block_size - 1) / s.block_size;
    return count;
  }
  static std::vector<int64_t> k_shape(const Shape& s, const std::vector<Item>& all) {
    if (s.num_kv_heads == 0) return {count_blocks(s, all), s.block_size, s.head_dim};
    return {count_blocks(s, all), s.num_kv_heads, s.block_size, s.head_dim};
  }
  static std::vector<int64_t> v_shape(const Shape& s, const std::vector<Item>& all) {
    if (s.num_kv_heads == 0) return {1};
    return {count_blocks(s, all), s.num_kv_heads, s.block_size, s.v_head_dim};
  }

  void make_tables(TestRandom& random) {
    max_blocks = 1;
    for (const Item& item : items) {
      max_blocks = std::max(max_blocks, (item.seq_len + shape.block_size - 1) / shape.block_size);
    }
    std::vector<int32_t> ids(static_cast<size_t>(count_blocks(shape, items)));
    std::iota(ids.begin(), ids.end(), 0);
    std::shuffle(ids.begin(), ids.end(), random.engine());
    size_t next = 0;
    cu = {0};
    for (const Item& item : items) {
      cu.push_back(cu.back() + static_cast<int32_t>(item.q_len));
      seq_lens.push_back(static_cast<int32_t>(item.seq_len));
      max_seq_len = std::max(max_seq_len, static_cast<int>(item.seq_len));
      for (int64_t b = 0; b < max_blocks; ++b) {
        blocks.push_back(b * shape.block_size < item.seq_len ? ids[next++] : -1);
      }
    }
  }

  // Appends all keys of all sequences, as earlier steps would have.
  void fill_keys(TestRandom& random, OpContext& ctx) {
    std::vector<int32_t> slots;
    for (size_t s = 0; s < items.size(); ++s) {
      for (int64_t key = 0; key < items[s].seq_len; ++key)
        slots.push_back(static_cast<int32_t>(slot(s, key)));
    }
    const auto n = static_cast<int64_t>(slots.size());
    if (shape.num_kv_heads == 0) {
      const int rope_dim = shape.head_dim - shape.v_head_dim;
      std::vector<float> c_kv = random.normals(n * shape.v_head_dim);
      std::vector<float> k_rope = random.normals(n * (rope_dim + 3));
      mla_append(ctx, tensor_of(c_kv, {n, shape.v_head_dim}),
                 tensor_of(k_rope, {n, rope_dim + 3}).columns(1, rope_dim), tensor_of(slots, {n}),
                 k.tensor());
      return;
    }
    std::vector<float> keys = random.normals(n * shape.num_kv_heads * shape.head_dim);
    std::vector<float> values = random.normals(n * shape.num_kv_heads * shape.v_head_dim);
    kv_append(ctx, tensor_of(keys, {n, shape.num_kv_heads, shape.head_dim}),
              tensor_of(values, {n, shape.num_kv_heads, shape.v_head_dim}), tensor_of(slots, {n}), k.tensor(),
              v.tensor());
  }

  int64_t slot(size_t s, int64_t key) const {
    const auto entry = s * static_cast<size_t>(max_blocks) + static_cast<size_t>(key / shape.block_size);
    return int64_t{blocks[entry]} * shape.block_size + key % shape.block_size;
  }

  AttentionBatch batch() {
    const auto n = static_cast<int64_t>(items.size());
    AttentionBatch result;
    result.cu_seqlens_q = tensor_of(cu, {n + 1});
    result.seq_lens = tensor_of(seq_lens, {n});
    result.block_tables = tensor_of(blocks, {n, max_blocks});
    result.max_seq_len = max_seq_len;
    return result;
  }

  int64_t arena_bytes(int num_threads) const {
    if (shape.num_kv_heads == 0) {
      return mla_attention_arena_bytes(num_threads, shape.num_heads, shape.v_head_dim,
                                       shape.head_dim - shape.v_head_dim, cu.back(), max_seq_len);
    }
    return paged_attention_arena_bytes(num_threads, shape.num_heads, shape.head_dim, shape.v_head_dim,
                                       cu.back(), max_seq_len);
  }

  void run(OpContext& ctx) {
    const Tensor q_tensor = tensor_of(q, {cu.back(), shape.num_heads, shape.head_dim});
    const Tensor out_tensor = tensor_of(out, {cu.back(), shape.num_heads, shape.v_head_dim});
    if (shape.num_kv_heads == 0) {
      mla_attention(ctx, q_tensor, k.tensor(), batch(), shape.v_head_dim, scale(), out_tensor);
    } else {
      paged_attention(ctx, q_tensor, k.tensor(), v.tensor(), batch(), scale(), shape.window, out_tensor);
    }
    EXPECT_EQ(ctx.arena.used(), 0u);
  }

  float scale() const { return 1.0f / std::sqrt(static_cast<float>(shape.head_dim)); }

  double key_at(size_t s, int64_t key, int64_t kv_head, int d) const {
    const int64_t at = slot(s, key);
    const int64_t kv_heads = std::max(1, shape.num_kv_heads);
    return k.at(((at / shape.block_size * kv_heads + kv_head) * shape.block_size + at % shape.block_size) *
                    shape.head_dim +
                d);
  }
  double value_at(size_t s, int64_t key, int64_t kv_head, int d) const {
    if (shape.num_kv_heads == 0) return key_at(s, key, 0, d);
    const int64_t at = slot(s, key);
    return v.at(
        ((at / shape.block_size * shape.num_kv_heads + kv_head) * shape.block_size + at % shape.block_size) *
            shape.v_head_dim +
        d);
  }

  // softmax(q k / sqrt(d)) v of one row in float64.
  std::vector<double> reference(size_t s, int64_t token, int head) const {
    const int64_t kv_head = shape.num_kv_heads == 0 ? 0 : head / (shape.num_heads / shape.num_kv_heads);
    const int64_t end = items[s].seq_len - items[s].q_len + token + 1;
    const int64_t first = shape.window > 0 ? std::max<int64_t>(0, end - shape.window) : 0;
    const float* row = q.data() + ((cu[s] + token) * shape.num_heads + head) * shape.head_dim;
    std::vector<double> scores;
    for (int64_t key = first; key < end; ++key) {
      double dot = 0;
      for (int d = 0; d < shape.head_dim; ++d) dot += double{row[d]} * key_at(s, key, kv_head, d);
      scores.push_back(dot * double{scale()});
    }
    const double max = *std::max_element(scores.begin(), scores.end());
    std::vector<double> result(static_cast<size_t>(shape.v_head_dim));
    double sum = 0;
    for (int64_t key = first; key < end; ++key) {
      const double weight = std::exp(scores[static_cast<size_t>(key - first)] - max);
      sum += weight;
      for (int d = 0; d < shape.v_head_dim; ++d)
        result[static_cast<size_t>(d)] += weight * value_at(s, key, kv_head, d);
    }
    for (double& x : result) x /= sum;
    return result;
  }

  // About a hundred (row, head) pairs, the last row of each sequence among them.
  void expect_reference(TestRandom& random, double tolerance) const {
    const int64_t one_in = 1 + int64_t{cu.back()} * shape.num_heads / 100;
    for (size_t s = 0; s < items.size(); ++s) {
      for (int64_t token = 0; token < items[s].q_len; ++token) {
        for (int head = 0; head < shape.num_heads; ++head) {
          if (token + 1 < items[s].q_len && random.integer(1, one_in) != 1) continue;
          const std::vector<double> expected = reference(s, token, head);
          const float* got = out.data() + ((cu[s] + token) * shape.num_heads + head) * shape.v_head_dim;
          for (size_t d = 0; d < expected.size(); ++d) {
            ASSERT_NEAR(got[d], expected[d], tolerance)
                << "sequence " << s << " token " << token << " head " << head;
          }
        }
      }
    }
  }

  Shape shape;
  std::vector<Item> items;
  Cache k;
  Cache v;
  std::vector<int32_t> cu;
  std::vector<int32_t> seq_lens;
  std::vector<int32_t> blocks;
  int64_t max_blocks = 1;
  int max_seq_len = 0;
  std::vector<float> q;
  std::vector<float> out;
};

class Attention : public testing::TestWithParam<CpuTier> {
 protected:
  void run(Step& step, int num_threads) {
    TestContext test(GetParam(), num_threads, step.arena_bytes(num_threads));
    step.run(test.ctx());
  }
  TestRandom random_;
  TestContext setup_{GetParam(), 1, 0};
};

TEST_P(Attention, MatchesFloat64OnRandomMixedBatches) {
  HADAL_SEED_TRACE(random_);
  const DType dtypes[] = {DType::kF32, DType::kF16, DType::kBF16};
  const int dims[] = {1, 8, 24, 33, 40, 64, 80, 128};
  const int block_sizes[] = {1, 7, 16, 32, 64, 100};
  const bool scalar = GetParam() == CpuTier::kScalar;
  for (int round = 0; round < (scalar ? 10 : 40); ++round) {
    Shape s;
    s.num_kv_heads = static_cast<int>(random_.integer(1, 3));
    s.num_heads = s.num_kv_heads * static_cast<int>(random_.integer(1, 7));
    s.head_dim = dims[random_.integer(0, 7)];
    s.v_head_dim = random_.integer(0, 1) != 0 ? s.head_dim : dims[random_.integer(0, 7)];
    s.block_size = block_sizes[random_.integer(0, 5)];
    s.dtype = dtypes[random_.integer(0, 2)];
    s.window = random_.integer(0, 2) == 0 ? static_cast<int>(random_.integer(1, 150)) : 0;
    std::vector<Item> items(static_cast<size_t>(random_.integer(1, 5)));
    for (Item& item : items) {
      item.seq_len = random_.integer(1, !scalar && random_.integer(0, 3) == 0 ? 1300 : 150);
      item.q_len = random_.integer(0, 2) == 0 ? 1 : random_.integer(0, std::min<int64_t>(item.seq_len, 90));
    }
    Step step(random_, setup_.ctx(), s, items);
    run(step, static_cast<int>(random_.integer(1, 3)));
    SCOPED_TRACE(testing::Message() << "round " << round << " heads " << s.num_heads << "/" << s.num_kv_heads
                                    << " dims " << s.head_dim << "," << s.v_head_dim << " block "
                                    << s.block_size << " " << dtype_name(s.dtype) << " window " << s.window);
    step.expect_reference(random_, 2e-5);
    if (HasFatalFailure()) return;
  }
}

// One key far above the others, and scores of a few hundred: the softmax must stay exact.
TEST_P(Attention, LargeScores) {
  HADAL_SEED_TRACE(random_);
  Step step(random_, setup_.ctx(), {6, 2, 64, 64, 32, DType::kF32, 0}, {{70, 700}, {1, 600}}, 60.0f);
  run(step, 2);
  step.expect_reference(random_, 5e-4);
}

TEST_P(Attention, MlaMatchesFloat64) {
  HADAL_SEED_TRACE(random_);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int heads : {1, 16, 37}) {
      Step step(random_, setup_.ctx(), {heads, 0, 576, 512, 32, dtype, 0}, {{1, 530}, {7, 40}, {1, 1}});
      run(step, 2);
      step.expect_reference(random_, 2e-5);
      Step small(random_, setup_.ctx(), {heads, 0, 41, 29, 5, dtype, 0}, {{20, 90}, {1, 77}});
      run(small, 3);
      small.expect_reference(random_, 2e-5);
    }
  }
}

// The contract that lets the scheduler batch and chunk as it likes: the bits of a token's result depend on
// its own sequence only.
TEST_P(Attention, ResultIsIndependentOfChunkingBatchAndThreads) {
  HADAL_SEED_TRACE(random_);
  const std::vector<Shape> shapes = {{9, 3, 64, 64, 32, DType::kF16, 0},
                                     {12, 2, 128, 128, 32, DType::kBF16, 0},
                                     {4, 4, 40, 24, 16, DType::kF32, 100},
                                     {16, 0, 72, 64, 32, DType::kBF16, 0}};
  for (const Shape& shape : shapes) {
    const int64_t len = GetParam() == CpuTier::kScalar ? 100 : random_.integer(1050, 1200);
    Step whole(random_, setup_.ctx(), shape, {{len, len}});
    run(whole, 1);
    const int64_t q_row = int64_t{shape.num_heads} * shape.head_dim;
    const auto out_row = static_cast<size_t>(shape.num_heads * shape.v_head_dim);
    for (const int64_t chunk : {int64_t{1}, int64_t{16}, int64_t{77}, int64_t{512}}) {
      // Chunks of this sequence beside other sequences, with other thread counts.
      for (int64_t begin = chunk == 1 ? len - 3 : 0; begin < len; begin += chunk) {
        const int64_t rows = std::min(chunk, len - begin);
        Step part = whole;
        part.items = {{rows, begin + rows}, {1, begin + 1}, {rows, begin + rows}};
        part.cu = {0, static_cast<int32_t>(rows), static_cast<int32_t>(rows + 1),
                   static_cast<int32_t>(2 * rows + 1)};
        part.seq_lens = {static_cast<int32_t>(begin + rows), static_cast<int32_t>(begin + 1),
                         static_cast<int32_t>(begin + rows)};
        part.max_seq_len = static_cast<int>(begin + rows);
        part.blocks.insert(part.blocks.end(), whole.blocks.begin(), whole.blocks.end());
        part.blocks.insert(part.blocks.end(), whole.blocks.begin(), whole.blocks.end());
        part.q.clear();
        const auto* first = whole.q.data() + begin * q_row;
        part.q.insert(part.q.end(), first, first + rows * q_row);
        part.q.insert(part.q.end(), first, first + q_row);
        part.q.insert(part.q.end(), first, first + rows * q_row);
        part.out.assign(static_cast<size_t>(2 * rows + 1) * out_row, 0.0f);
        run(part, static_cast<int>(random_.integer(1, 4)));
        const float* expected = whole.out.data() + static_cast<size_t>(begin) * out_row;
        const auto row_count = static_cast<size_t>(rows);
        ASSERT_EQ(std::memcmp(part.out.data(), expected, row_count * out_row * 4), 0)
            << chunk << " at " << begin;
        ASSERT_EQ(std::memcmp(part.out.data() + row_count * out_row, expected, out_row * 4), 0) << begin;
        ASSERT_EQ(std::memcmp(part.out.data() + (row_count + 1) * out_row, expected, row_count * out_row * 4),
                  0);
      }
    }
  }
}

TEST_P(Attention, AppendSkipsSlotMinusOne) {
  HADAL_SEED_TRACE(random_);
  Cache k(DType::kBF16, {2, 1, 4, 8});
  Cache v(DType::kBF16, {2, 1, 4, 8});
  std::vector<float> x = random_.normals(3 * 8);
  std::vector<int32_t> slots = {5, -1, 0};
  kv_append(setup_.ctx(), tensor_of(x, {3, 1, 8}), tensor_of(x, {3, 1, 8}), tensor_of(slots, {3}), k.tensor(),
            v.tensor());
  for (int64_t slot = 0; slot < 8; ++slot) {
    for (int64_t d = 0; d < 8; ++d) {
      const double got = k.at(slot * 8 + d);
      if (slot != 5 && slot != 0) {
        ASSERT_TRUE(std::isnan(got) && std::isnan(v.at(slot * 8 + d))) << slot;
        continue;
      }
      const float source = x[static_cast<size_t>((slot == 5 ? 0 : 2) * 8 + d)];
      ASSERT_EQ(got, double{bf16_to_float(float_to_bf16(source))});
      ASSERT_EQ(v.at(slot * 8 + d), got);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Attention, testing::ValuesIn(test_tiers()),
                         [](const auto& p) { return std::string(cpu_tier_name(p.param)); });

}  // namespace
}  // namespace hadal
