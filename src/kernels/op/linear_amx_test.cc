// The AMX kernels over a software model of the tiles, so that their addressing is tested on any AVX512-BF16
// machine. linear_test.cc runs the real instructions where the machine has them.
#include <gtest/gtest.h>

#include <array>

#include "kernels/op/linear_compact.h"
#include "kernels/op/linear_kernels.h"
#include "kernels/op/linear_test_util.h"

namespace hadal {

const LinearKernels* amx_model_linear_kernels();  // linear_amx_model.cc

namespace {

class AmxModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (detect_cpu().tier < CpuTier::kAvx512Bf16) GTEST_SKIP() << "this machine has no avx512_bf16";
    rng_.seed(std::random_device{}());
  }
  std::vector<float> run(const LinearKernels& kernels, const PackedLinear& w, const std::vector<float>& x,
                         int64_t m) {
    const LinearLayout layout = linear_layout(w);
    std::vector<std::byte> staged(static_cast<size_t>(staged_bytes(layout, m)));
    for (int64_t r = 0; r < m; ++r)
      stage_row(w.tier(), layout, x.data() + r * w.k(), staged.data() + r * layout.row_stride);
    std::vector<float> y(static_cast<size_t>(m * w.n()));
    PanelJob job;
    job.layout = &layout;
    job.panels = w.data();
    job.num_panels = (w.n() + kPanelRows - 1) / kPanelRows;
    job.num_columns = w.n();
    job.x = staged.data();
    job.x_stride = layout.row_stride;
    job.num_rows = m;
    job.y = y.data();
    job.y_stride = w.n();
    set_outliers(job, w, 0);
    panel_fn(kernels, layout)(job);
    return y;
  }
  PackedLinear pack(TestWeight& w) {
    const std::array<LinearSource, 1> sources = {w.source()};
    return std::move(PackedLinear::pack(*stream_, CpuTier::kAvx512Bf16, sources)).value();
  }
  void expect_same_as_vnni(DType dtype) {
    TestWeight w = make_weight(dtype, 70, 768, rng_);
    const PackedLinear packed = pack(w);
    for (int64_t m : {1, 7, 16, 17, 33, 140}) {
      const std::vector<float> x = random_floats(m * w.k, rng_);
      ASSERT_EQ(run(*amx_model_linear_kernels(), packed, x, m),
                run(linear_kernels(CpuTier::kAvx512Vnni), packed, x, m))
          << dtype_name(dtype) << " M " << m;
    }
  }
  void expect_near_float64(DType dtype, int64_t k) {
    TestWeight w = make_weight(dtype, 70, k, rng_);
    const PackedLinear packed = pack(w);
    const std::vector<double> values = w.values();
    for (int64_t m : {1, 16, 17, 33, 140}) {
      const std::vector<float> x = random_floats(m * w.k, rng_);
      const std::vector<double> seen = seen_activations(CpuTier::kAmx, dtype, x);
      const std::vector<float> y = run(*amx_model_linear_kernels(), packed, x, m);
      for (int64_t r = 0; r < m; ++r) {
        for (int64_t c = 0; c < w.n; ++c) {
          double sum = 0;
          double magnitude = 0;
          for (int64_t i = 0; i < k; ++i) {
            const double product =
                seen[static_cast<size_t>(r * k + i)] * values[static_cast<size_t>(c * k + i)];
            sum += product;
            magnitude += std::fabs(product);
          }
          ASSERT_NEAR(y[static_cast<size_t>(r * w.n + c)], sum, 4e-6 * magnitude + 1e-6)
              << dtype_name(dtype) << " M " << m << " row " << r << " column " << c;
        }
      }
    }
  }

  std::unique_ptr<Stream> stream_ = Stream::cpu(1);
  std::mt19937 rng_;
};

TEST_F(AmxModelTest, QuantisedTypesEqualTheVectorKernels) {
  for (DType dtype : all_weight_dtypes()) {
    if (dtype_is_block(dtype) && dtype != DType::kQ6_K) expect_same_as_vnni(dtype);
  }
}

TEST_F(AmxModelTest, Bf16IsBatchInvariant) {
  for (DType dtype : {DType::kBF16, DType::kF8E4M3}) {
    TestWeight w = make_weight(dtype, 40, 640, rng_);
    const PackedLinear packed = pack(w);
    const std::vector<float> x = random_floats(150 * w.k, rng_);
    const std::vector<float> all = run(*amx_model_linear_kernels(), packed, x, 150);
    for (int64_t first : {0, 5, 31, 149}) {
      for (int64_t m : {1, 16, 40}) {
        if (first + m > 150) continue;
        const std::vector<float> rows(x.begin() + first * w.k, x.begin() + (first + m) * w.k);
        const std::vector<float> y = run(*amx_model_linear_kernels(), packed, rows, m);
        ASSERT_EQ(0, std::memcmp(y.data(), all.data() + first * w.n, y.size() * 4)) << first << " " << m;
      }
    }
  }
}

TEST_F(AmxModelTest, Bf16AgreesWithFloat64) {
  for (int64_t k : {1, 96, 737, 1100}) expect_near_float64(DType::kBF16, k);
  for (int64_t k : {128, 1100}) expect_near_float64(DType::kF8E4M3, k);
}

}  // namespace
}  // namespace hadal
