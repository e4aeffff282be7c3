// Figures of the attention, elementwise and sampling operations beside their floors on this machine: the
// multiply-add peak of one tier for prefill, the read bandwidth of one pool for decode. With one thread the
// figures are CPU time, so that a busy machine does not spoil them. Usage: ops_bench [threads] [filter].
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/op/attention.h"
#include "kernels/op/cpu_kernels.h"
#include "kernels/op/elementwise.h"
#include "kernels/op/sample.h"

namespace hadal {
namespace {

double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

class Bench {
 public:
  Bench(int num_threads, CpuTier tier, const char* filter)
      : num_threads_(num_threads), tier_(tier), filter_(filter), stream_(Stream::cpu(num_threads)) {}

  void run() {
    measure_floors();
    for (const CpuTier tier : {CpuTier::kAvx2, CpuTier::kAvx512}) {
      if (tier > tier_) continue;
      std::printf("tier %s\n", std::string(cpu_tier_name(tier)).c_str());
      current_ = tier;
      run_attention();
      run_mla();
    }
    run_elementwise();
    run_sample();
  }

 private:
  // Seconds of the fastest of several runs.
  double best_seconds(const std::function<void()>& body) const {
    const clockid_t clock = num_threads_ == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    body();
    double best = 1e9;
    const double end = seconds_of(CLOCK_MONOTONIC) + 0.2;
    for (int i = 0; i < 2 || seconds_of(CLOCK_MONOTONIC) < end; ++i) {
      const double start = seconds_of(clock);
      body();
      best = std::min(best, seconds_of(clock) - start);
    }
    return best;
  }

  bool wanted(const char* name) const { return filter_ == nullptr || std::strstr(name, filter_) != nullptr; }
  Arena make_arena(int64_t bytes) const {
    return Arena(
        DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(std::max<int64_t>(bytes, 64))).value());
  }

  // Read bandwidth of all threads over 256 MiB, with the sampler's maximum as the reader.
  void measure_floors() {
    std::vector<float> data(64 << 20, 1.0f);
    const auto& kernels = cpu_kernels(tier_).sample;
    const int64_t chunk = 1 << 16;
    const auto n = static_cast<int64_t>(data.size());
    const double seconds = best_seconds([&] {
      stream_->pool().parallel_for(n, chunk, [&](int64_t begin, int64_t end, int) {
        if (kernels.max(data.data() + begin, end - begin) > 2) std::abort();
      });
    });
    bandwidth_ = static_cast<double>(n) * 4 / seconds;
    std::printf("%d threads, tier %s, reads %.1f GB/s\n", num_threads_,
                std::string(cpu_tier_name(tier_)).c_str(), bandwidth_ / 1e9);
  }

  struct Sequences {
    int64_t count = 1;
    int64_t q_len = 1;
    int64_t seq_len = 1;
  };

  struct Arrays {
    std::vector<int32_t> cu;
    std::vector<int32_t> lens;
    std::vector<int32_t> tables;
    AttentionBatch batch;
    int64_t num_blocks = 0;
  };

  static Arrays make_batch(const Sequences& s, int block_size) {
    Arrays a;
    const int64_t blocks = (s.seq_len + block_size - 1) / block_size;
    a.num_blocks = blocks * s.count;
    for (int64_t i = 0; i <= s.count; ++i) a.cu.push_back(static_cast<int32_t>(i * s.q_len));
    a.lens.assign(static_cast<size_t>(s.count), static_cast<int32_t>(s.seq_len));
    a.tables.resize(static_cast<size_t>(a.num_blocks));
    std::iota(a.tables.begin(), a.tables.end(), 0);
    std::shuffle(a.tables.begin(), a.tables.end(), std::mt19937(1));
    a.batch.cu_seqlens_q = Tensor(a.cu.data(), DType::kI32, {s.count + 1});
    a.batch.seq_lens = Tensor(a.lens.data(), DType::kI32, {s.count});
    a.batch.block_tables = Tensor(a.tables.data(), DType::kI32, {s.count, blocks});
    a.batch.max_seq_len = static_cast<int>(s.seq_len);
    return a;
  }

  static double visible_keys(const Sequences& s) {
    const double before = static_cast<double>(s.seq_len - s.q_len);
    const double q = static_cast<double>(s.q_len);
    return static_cast<double>(s.count) * (q * before + q * (q + 1) / 2);
  }

  static void fill(DeviceBuffer& buffer, DType dtype) {
    std::mt19937 random(2);
    if (dtype == DType::kF32) {
      auto* p = reinterpret_cast<float*>(buffer.data());
      for (size_t i = 0; i < buffer.size() / 4; ++i)
        p[i] = static_cast<float>(random() % 2000) * 1e-3f - 1.0f;
      return;
    }
    auto* p = reinterpret_cast<uint16_t*>(buffer.data());
    // Sign, exponent and top mantissa bits of numbers around +-0.5 in both formats.
    const uint16_t base = dtype == DType::kF16 ? 0x3800 : 0x3f00;
    for (size_t i = 0; i < buffer.size() / 2; ++i) {
      p[i] = static_cast<uint16_t>(base | (random() & 0x7f) | ((random() & 1) << 15));
    }
  }

  void attention_case(const char* name, int heads, int kv_heads, int dim, DType dtype, const Sequences& s) {
    if (!wanted(name)) return;
    constexpr int kBlock = 32;
    Arrays a = make_batch(s, kBlock);
    const int64_t elements = a.num_blocks * kv_heads * kBlock * dim;
    DeviceBuffer k =
        DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(dtype_bytes(dtype, elements))).value();
    DeviceBuffer v =
        DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(dtype_bytes(dtype, elements))).value();
    fill(k, dtype);
    fill(v, dtype);
    const int64_t tokens = s.count * s.q_len;
    std::vector<float> q(static_cast<size_t>(tokens * heads * dim), 0.1f);
    std::vector<float> out(q.size());
    Arena arena =
        make_arena(paged_attention_arena_bytes(num_threads_, heads, dim, dim, tokens, a.batch.max_seq_len));
    OpContext ctx{*stream_, arena, current_};
    const Tensor k_cache(k.data(), dtype, {a.num_blocks, kv_heads, kBlock, dim});
    const Tensor v_cache(v.data(), dtype, {a.num_blocks, kv_heads, kBlock, dim});
    const double seconds = best_seconds([&] {
      paged_attention(ctx, Tensor(q.data(), DType::kF32, {tokens, heads, dim}), k_cache, v_cache, a.batch,
                      0.1f, 0, Tensor(out.data(), DType::kF32, {tokens, heads, dim}));
    });
    report(name, dtype, s, seconds, visible_keys(s) * heads * dim * 4,
           static_cast<double>(s.count * s.seq_len * kv_heads * dim * 2) * dtype_block_bytes(dtype));
  }

  void report(const char* name, DType dtype, const Sequences& s, double seconds, double flops,
              double bytes) const {
    std::printf(
        "  %-14s %-4s %4ld x %4ld rows, %6ld keys: %9.1f us, %6.1f GFLOP/s, cache read at %5.1f GB/s "
        "(%3.0f%%)\n",
        name, std::string(dtype_name(dtype)).c_str(), static_cast<long>(s.count), static_cast<long>(s.q_len),
        static_cast<long>(s.seq_len), seconds * 1e6, flops / seconds / 1e9, bytes / seconds / 1e9,
        100 * bytes / seconds / bandwidth_);
  }

  void run_attention() {
    std::printf("  multiply-add peak %.1f GFLOP/s\n", fma_peak() / 1e9);
    for (const int64_t n : {512, 2048, 4096}) {
      attention_case("prefill_135m", 9, 3, 64, DType::kF16, {1, n, n});
      attention_case("prefill_1.5b", 12, 2, 128, DType::kF16, {1, n, n});
    }
    attention_case("prefill_1.5b", 12, 2, 128, DType::kBF16, {1, 2048, 2048});
    attention_case("chunk_1.5b", 12, 2, 128, DType::kF16, {1, 16, 8192});
    for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32}) {
      attention_case("decode_135m", 9, 3, 64, dtype, {1, 1, 4096});
      attention_case("decode_135m", 9, 3, 64, dtype, {64, 1, 1024});
      attention_case("decode_1.5b", 12, 2, 128, dtype, {1, 1, 16384});
      attention_case("decode_1.5b", 12, 2, 128, dtype, {64, 1, 1024});
      attention_case("decode_mha", 32, 32, 128, dtype, {8, 1, 1024});
    }
  }

  void mla_case(const char* name, int heads, const Sequences& s) {
    if (!wanted(name)) return;
    constexpr int kBlock = 32;
    constexpr int kLora = 512;
    constexpr int kRope = 64;
    Arrays a = make_batch(s, kBlock);
    const int64_t elements = a.num_blocks * kBlock * (kLora + kRope);
    DeviceBuffer cache = DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(elements) * 2).value();
    fill(cache, DType::kBF16);
    const int64_t tokens = s.count * s.q_len;
    std::vector<float> q(static_cast<size_t>(tokens * heads * (kLora + kRope)), 0.01f);
    std::vector<float> out(static_cast<size_t>(tokens * heads * kLora));
    Arena arena =
        make_arena(mla_attention_arena_bytes(num_threads_, heads, kLora, kRope, tokens, a.batch.max_seq_len));
    OpContext ctx{*stream_, arena, current_};
    const double seconds = best_seconds([&] {
      mla_attention(ctx, Tensor(q.data(), DType::kF32, {tokens, heads, kLora + kRope}),
                    Tensor(cache.data(), DType::kBF16, {a.num_blocks, kBlock, kLora + kRope}), a.batch, kLora,
                    0.1f, Tensor(out.data(), DType::kF32, {tokens, heads, kLora}));
    });
    report(name, DType::kBF16, s, seconds, visible_keys(s) * heads * (2 * kLora + kRope) * 2,
           static_cast<double>(s.count * s.seq_len * (kLora + kRope)) * 2);
  }

  void run_mla() {
    mla_case("mla_16", 16, {1, 1, 4096});
    mla_case("mla_16", 16, {16, 1, 1024});
    mla_case("mla_128", 128, {1, 1, 4096});
    mla_case("mla_128", 128, {1, 128, 1024});
  }

  // The rate of independent multiply-adds in registers, all threads.
  double fma_peak();

  void run_elementwise();
  void run_sample();
  void sample_case(const char* name, const SampleRow& row, int64_t num_rows);

  int num_threads_;
  CpuTier tier_;
  const char* filter_;
  CpuTier current_ = CpuTier::kScalar;
  std::unique_ptr<Stream> stream_;
  double bandwidth_ = 1;
};

// Registers only; 12 chains hide the latency of the multiply-add of any core of today.
__attribute__((target("avx512f"))) void spin_avx512(int64_t count) {
  asm volatile(
      "vpxor %%xmm0, %%xmm0, %%xmm0\n"
      "vpxor %%xmm1, %%xmm1, %%xmm1\n"
      "vpxor %%xmm2, %%xmm2, %%xmm2\n"
      "vpxor %%xmm3, %%xmm3, %%xmm3\n"
      "vpxor %%xmm4, %%xmm4, %%xmm4\n"
      "vpxor %%xmm5, %%xmm5, %%xmm5\n"
      "vpxor %%xmm6, %%xmm6, %%xmm6\n"
      "vpxor %%xmm7, %%xmm7, %%xmm7\n"
      "vpxor %%xmm8, %%xmm8, %%xmm8\n"
      "vpxor %%xmm9, %%xmm9, %%xmm9\n"
      "vpxor %%xmm10, %%xmm10, %%xmm10\n"
      "vpxor %%xmm11, %%xmm11, %%xmm11\n"
      "vpxor %%xmm12, %%xmm12, %%xmm12\n"
      "1:\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm0\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm1\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm2\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm3\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm4\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm5\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm6\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm7\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm8\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm9\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm10\n"
      "vfmadd231ps %%zmm12, %%zmm12, %%zmm11\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper\n"
      : "+r"(count)
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "xmm12", "cc");
}

__attribute__((target("avx2,fma"))) void spin_avx2(int64_t count) {
  asm volatile(
      "vpxor %%xmm0, %%xmm0, %%xmm0\n"
      "vpxor %%xmm1, %%xmm1, %%xmm1\n"
      "vpxor %%xmm2, %%xmm2, %%xmm2\n"
      "vpxor %%xmm3, %%xmm3, %%xmm3\n"
      "vpxor %%xmm4, %%xmm4, %%xmm4\n"
      "vpxor %%xmm5, %%xmm5, %%xmm5\n"
      "vpxor %%xmm6, %%xmm6, %%xmm6\n"
      "vpxor %%xmm7, %%xmm7, %%xmm7\n"
      "vpxor %%xmm8, %%xmm8, %%xmm8\n"
      "vpxor %%xmm9, %%xmm9, %%xmm9\n"
      "vpxor %%xmm10, %%xmm10, %%xmm10\n"
      "vpxor %%xmm11, %%xmm11, %%xmm11\n"
      "vpxor %%xmm12, %%xmm12, %%xmm12\n"
      "1:\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm0\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm1\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm2\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm3\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm4\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm5\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm6\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm7\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm8\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm9\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm10\n"
      "vfmadd231ps %%ymm12, %%ymm12, %%ymm11\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper\n"
      : "+r"(count)
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "xmm12", "cc");
}

double Bench::fma_peak() {
  constexpr int64_t kCount = 100000;
  const bool wide = current_ >= CpuTier::kAvx512;
  const double seconds = best_seconds([&] {
    stream_->pool().parallel_for(
        num_threads_, 1, [&](int64_t, int64_t, int) { wide ? spin_avx512(kCount) : spin_avx2(kCount); });
  });
  return static_cast<double>(num_threads_) * kCount * 12 * (wide ? 32 : 16) / seconds;
}

void Bench::run_elementwise() {
  if (!wanted("elementwise")) return;
  const int64_t t = 512;
  const int64_t n = 1536;
  std::vector<float> x(static_cast<size_t>(t * 2 * n), 0.5f);
  std::vector<float> y(x.size(), 0.25f);
  std::vector<float> w(static_cast<size_t>(2 * n), 1.0f);
  std::vector<int32_t> positions(static_cast<size_t>(t), 7);
  std::vector<float> table(static_cast<size_t>(64 * 8), 0.5f);
  Arena arena = make_arena(0);
  OpContext ctx{*stream_, arena, tier_};
  const Tensor x_rows(x.data(), DType::kF32, {t, n});
  const Tensor y_rows(y.data(), DType::kF32, {t, n});
  const auto print = [&](const char* name, double seconds, double bytes) {
    std::printf("  %-22s 512 x 1536: %7.1f us, %5.1f GB/s\n", name, seconds * 1e6, bytes / seconds / 1e9);
  };
  const double bytes = static_cast<double>(t * n * 4);
  print("rms_norm",
        best_seconds([&] { rms_norm(ctx, x_rows, Tensor(w.data(), DType::kF32, {n}), 1e-5f, y_rows); }),
        2 * bytes);
  for (const bool interleaved : {false, true}) {
    const double seconds = best_seconds([&] {
      rope(ctx, Tensor(x.data(), DType::kF32, {t, 12, 128}), Tensor(positions.data(), DType::kI32, {t}),
           Tensor(table.data(), DType::kF32, {8, 64}), Tensor(table.data(), DType::kF32, {8, 64}),
           interleaved);
    });
    print(interleaved ? "rope, interleaved" : "rope, halves", seconds, 2 * bytes);
  }
  print("silu_mul", best_seconds([&] {
          silu_mul(ctx, Tensor(x.data(), DType::kF32, {t, 2 * n}), y_rows);
        }),
        3 * bytes);
  print("add_inplace", best_seconds([&] { add_inplace(ctx, x_rows, y_rows); }), 3 * bytes);
}

void Bench::sample_case(const char* name, const SampleRow& row, int64_t num_rows) {
  constexpr int64_t kVocab = 151936;
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 2.5f);
  std::vector<float> logits(static_cast<size_t>(kVocab * num_rows));
  for (float& x : logits) x = normal(random);
  for (int64_t r = 0; r < num_rows; ++r) logits[static_cast<size_t>(r * kVocab + 77)] = 16;
  std::vector<SampleRow> rows(static_cast<size_t>(num_rows), row);
  for (int64_t r = 0; r < num_rows; ++r) rows[static_cast<size_t>(r)].logits_row = static_cast<int32_t>(r);
  std::vector<SampleOutput> outputs(rows.size());
  Arena arena = make_arena(sample_arena_bytes(num_threads_, kVocab));
  OpContext ctx{*stream_, arena, tier_};
  const double seconds = best_seconds([&] {
    for (SampleRow& r : rows) ++r.position;
    sample(ctx, Tensor(logits.data(), DType::kF32, {num_rows, kVocab}), rows, outputs);
  });
  std::printf("  %-22s %2ld rows of 151936: %7.1f us, %6.1f us a row\n", name, static_cast<long>(num_rows),
              seconds * 1e6, seconds * 1e6 / static_cast<double>(num_rows));
}

void Bench::run_sample() {
  if (!wanted("sample")) return;
  for (const int64_t num_rows : {1, 32}) {
    SampleRow row;
    row.temperature = 0;
    sample_case("greedy", row, num_rows);
    row.num_top_logprobs = 20;
    sample_case("greedy, 20 logprobs", row, num_rows);
    row.num_top_logprobs = -1;
    row.temperature = 1;
    sample_case("temperature", row, num_rows);
    row.top_k = 50;
    sample_case("top_k 50", row, num_rows);
    row.top_p = 0.95f;
    sample_case("top_k 50, top_p 0.95", row, num_rows);
    row.top_k = 0;
    sample_case("top_p 0.95", row, num_rows);
    row.temperature = 3;
    sample_case("top_p 0.95, flat", row, num_rows);
    row.temperature = 1;
    row.top_p = 1;
    row.min_p = 0.05f;
    sample_case("min_p 0.05", row, num_rows);
  }
}

int run_bench(int argc, char** argv) {
  const int num_threads = argc > 1 ? std::atoi(argv[1]) : detect_cpu().num_cpus;
  if (num_threads < 1) {
    std::fprintf(stderr, "usage: ops_bench [threads] [filter]\n");
    return 2;
  }
  Bench(num_threads, detect_cpu().tier, argc > 2 ? argv[2] : nullptr).run();
  return 0;
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  return hadal::run_bench(argc, argv);
}
