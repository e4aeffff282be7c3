// Times linear() on the shapes of the models hadal is judged on, with weights that do not fit the caches,
// beside the machine's own limits: streaming reads of memory and register-only multiply-add loops, measured
// in the same run.
//   linear_bench [--threads N] [--tier NAME] [--dtype NAME] [--shape NAME] [--m 1,32] [--seconds S] [--model
//   NAME]
// --model sums a whole model's matrix products into tokens per second (decode at batch M, prefill of M
// tokens).
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/bench/machine_limits.h"
#include "kernels/op/linear_test_util.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

struct Shape {
  std::string name;
  int64_t n = 0;
  int64_t k = 0;
};

// count: how often a token meets this matrix.
struct ModelPart {
  Shape shape;
  int count = 1;
};

std::vector<ModelPart> model_parts(const std::string& model) {
  if (model == "135m") {
    return {{{"qkv", 960, 576}, 30},
            {{"o", 576, 576}, 30},
            {{"gate_up", 3072, 576}, 30},
            {{"down", 576, 1536}, 30},
            {{"lm_head", 49152, 576}, 1}};
  }
  return {{{"qkv", 2048, 1536}, 28},
          {{"o", 1536, 1536}, 28},
          {{"gate_up", 17920, 1536}, 28},
          {{"down", 1536, 8960}, 28},
          {{"lm_head", 151936, 1536}, 1}};
}

struct Options {
  int threads = 2;
  CpuTier tier = detect_cpu().tier;
  std::string dtype;
  std::string shape;
  std::string model;
  std::vector<int64_t> m = {1, 2, 4, 8, 16, 32, 64, 128, 512};
  double seconds = 0.15;
};

// Copies of one matrix, enough that none is still in the caches when its turn comes again.
class ColdWeights {
 public:
  ColdWeights(Stream& stream, CpuTier tier, DType dtype, const Shape& shape) {
    std::mt19937 rng(1);
    const int64_t rows = std::min<int64_t>(shape.n, 512);
    const int64_t block = dtype_block_len(dtype);
    const int64_t k = (shape.k + block - 1) / block * block;
    TestWeight part = make_weight(dtype, rows, k, rng);
    std::vector<LinearSource> sources;
    for (int64_t r = 0; r < shape.n; r += rows) {
      sources.push_back(part.source());
      sources.back().weight = sources.back().weight.rows(0, std::min(rows, shape.n - r));
    }
    const int64_t copies = std::max<int64_t>(2, (int64_t{160} << 20) / dtype_bytes(dtype, shape.n * k));
    for (int64_t c = 0; c < copies; ++c) {
      weights_.push_back(std::move(PackedLinear::pack(stream, tier, sources)).value());
    }
  }
  const PackedLinear& next() { return weights_[at_++ % weights_.size()]; }

 private:
  std::vector<PackedLinear> weights_;
  size_t at_ = 0;
};

double time_linear(Stream& stream, CpuTier tier, ColdWeights& weights, int64_t m, double seconds) {
  std::mt19937 rng(2);
  const PackedLinear& w = weights.next();
  std::vector<float> x = random_floats(m * w.k(), rng);
  std::vector<float> y(static_cast<size_t>(m * w.n()));
  Arena arena = make_arena(linear_arena_bytes(w, m));
  OpContext ctx{stream, arena, tier};
  const Tensor tx(x.data(), DType::kF32, {m, w.k()});
  const Tensor ty(y.data(), DType::kF32, {m, w.n()});
  linear(ctx, tx, weights.next(), ty);
  // The best of several stretches: neighbours on the machine spoil single ones.
  std::vector<double> times;
  for (int part = 0; part < 10; ++part) {
    const auto start = Clock::now();
    int64_t runs = 0;
    double spent = 0;
    do {
      linear(ctx, tx, weights.next(), ty);
      ++runs;
      spent = std::chrono::duration<double>(Clock::now() - start).count();
    } while (spent < seconds / 10);
    times.push_back(spent / static_cast<double>(runs));
  }
  std::sort(times.begin(), times.end());
  return times[0];
}

void bench_shapes(const Options& options, Stream& stream, const MachineLimits& limits) {
  std::printf("%-8s %-12s %6s %6s %4s | %9s | %7s %5s | %8s %5s\n", "dtype", "shape", "N", "K", "M", "us",
              "GB/s", "floor", "GFLOP/s", "peak");
  for (DType dtype : all_weight_dtypes()) {
    if (!options.dtype.empty() && options.dtype != dtype_name(dtype)) continue;
    for (const char* model : {"135m", "1.5b"}) {
      for (const ModelPart& part : model_parts(model)) {
        const std::string name = std::string(model) + "." + part.shape.name;
        if (name.find(options.shape) == std::string::npos) continue;
        ColdWeights weights(stream, options.tier, dtype, part.shape);
        for (int64_t m : options.m) {
          const double t = time_linear(stream, options.tier, weights, m, options.seconds);
          const PackedLinear& w = weights.next();
          const double gbs = static_cast<double>(w.num_bytes()) / t * 1e-9;
          const double gflops = 2e-9 * static_cast<double>(m * w.n() * w.k()) / t;
          std::printf("%-8s %-12s %6ld %6ld %4ld | %9.1f | %7.1f %4.0f%% | %8.1f %4.0f%%\n",
                      std::string(dtype_name(dtype)).c_str(), name.c_str(), w.n(), w.k(), m, t * 1e6, gbs,
                      100 * gbs / limits.read_gbs, gflops, 100 * gflops / limits.peak_gflops(dtype));
          std::fflush(stdout);
        }
      }
    }
  }
}

void bench_model(const Options& options, Stream& stream) {
  for (DType dtype : all_weight_dtypes()) {
    if (!options.dtype.empty() && options.dtype != dtype_name(dtype)) continue;
    std::vector<ColdWeights> weights;
    const std::vector<ModelPart> parts = model_parts(options.model);
    for (const ModelPart& part : parts) weights.emplace_back(stream, options.tier, dtype, part.shape);
    for (int64_t m : options.m) {
      double body = 0;
      double head = 0;
      for (size_t i = 0; i < parts.size(); ++i) {
        const bool is_head = parts[i].shape.name == "lm_head";
        const double t = time_linear(stream, options.tier, weights[i], m, options.seconds) * parts[i].count;
        (is_head ? head : body) += t;
      }
      std::printf("%s %-8s M %4ld: %9.2f ms, %8.1f tok/s with the head on every row, %8.1f without\n",
                  options.model.c_str(), std::string(dtype_name(dtype)).c_str(), m, (body + head) * 1e3,
                  static_cast<double>(m) / (body + head), static_cast<double>(m) / body);
      std::fflush(stdout);
    }
  }
}

void bench_packing(const Options& options, Stream& stream) {
  std::mt19937 rng(3);
  for (DType dtype : all_weight_dtypes()) {
    if (!options.dtype.empty() && options.dtype != dtype_name(dtype)) continue;
    TestWeight w = make_weight(dtype, 8192, 1536, rng);
    const std::array<LinearSource, 1> sources = {w.source()};
    const auto start = Clock::now();
    const PackedLinear packed = std::move(PackedLinear::pack(stream, options.tier, sources)).value();
    const double t = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("pack %-8s %6.1f MB in %6.1f ms: %6.2f GB/s, packed/source %.3f\n",
                std::string(dtype_name(dtype)).c_str(), static_cast<double>(w.bytes.size()) * 1e-6, t * 1e3,
                static_cast<double>(w.bytes.size()) / t * 1e-9,
                static_cast<double>(packed.num_bytes()) / static_cast<double>(w.bytes.size()));
  }
}

std::vector<int64_t> parse_list(const char* text) {
  std::vector<int64_t> out;
  while (*text != '\0') {
    char* end = nullptr;
    out.push_back(std::strtol(text, &end, 10));
    if (end == text) return {};
    text = *end == ',' ? end + 1 : end;
  }
  return out;
}

bool parse_options(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const char* value = argv[i + 1];
    if (flag == "--threads") {
      options.threads = std::atoi(value);
    } else if (flag == "--dtype") {
      options.dtype = value;
    } else if (flag == "--shape") {
      options.shape = value;
    } else if (flag == "--model") {
      options.model = value;
    } else if (flag == "--m") {
      options.m = parse_list(value);
    } else if (flag == "--seconds") {
      options.seconds = std::atof(value);
    } else if (flag == "--tier" && parse_cpu_tier(value).ok()) {
      options.tier = parse_cpu_tier(value).value();
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && options.threads > 0 && !options.m.empty();
}

int run(int argc, char** argv) {
  Options options;
  if (!parse_options(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: linear_bench [--threads N] [--tier NAME] [--dtype NAME] [--shape NAME] [--m 1,32] "
                 "[--seconds S] [--model 135m|1.5b]\n");
    return 2;
  }
  const auto stream = Stream::cpu(options.threads);
  const MachineLimits limits = measure_limits(stream->pool(), options.tier);
  std::printf("%s, tier %s, %d threads\n", detect_cpu().model_name.c_str(),
              std::string(cpu_tier_name(options.tier)).c_str(), options.threads);
  std::printf("floors: read %.1f GB/s, f32 %.0f GFLOP/s, bf16 %.0f GFLOP/s, int8 %.0f GOP/s\n",
              limits.read_gbs, limits.f32_gflops, limits.bf16_gflops, limits.int8_gops);
  if (!options.model.empty()) {
    bench_model(options, *stream);
  } else {
    bench_packing(options, *stream);
    bench_shapes(options, *stream, limits);
  }
  return 0;
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  return hadal::run(argc, argv);
}
