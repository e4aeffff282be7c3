// The AMX kernels over a software model of the tiles, for linear_amx_test.cc. Compiled for AVX512-BF16, so
// nothing of the standard library's templates may be instantiated here: only the table goes out.
#include <cstring>

#include "kernels/op/linear_amx_panels.h"
#include "kernels/op/linear_simd_avx512.h"

namespace hadal {
namespace {

inline float widen_bf16(uint16_t v) {
  const uint32_t bits = static_cast<uint32_t>(v) << 16;
  float out = 0;
  std::memcpy(&out, &bits, 4);
  return out;
}

// TILELOADD, TDPBF16PS and TDPBSSD as Intel's instruction set reference describes them.
class ModelTiles {
 public:
  explicit ModelTiles(int x_bytes) : x_bytes_(x_bytes) {}
  template <int kTile>
  void zero() {
    std::memset(data_[kTile], 0, sizeof data_[kTile]);
  }
  template <int kTile>
  void load(const void* p, int64_t stride) {
    for (int r = 0; r < rows(kTile); ++r) {
      std::memcpy(data_[kTile][r], static_cast<const uint8_t*>(p) + r * stride, row_bytes(kTile));
    }
  }
  template <int kTile>
  void store(void* p, int64_t stride) {
    for (int r = 0; r < rows(kTile); ++r) {
      std::memcpy(static_cast<uint8_t*>(p) + r * stride, data_[kTile][r], row_bytes(kTile));
    }
  }
  template <int kSum, int kX, int kWeight>
  void dot_bf16() {
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        float even = 0;
        float odd = 0;
        for (int k = 0; k < x_bytes_ / 4; ++k) {
          even += bf16(kX, m, 2 * k) * bf16(kWeight, k, 2 * n);
          odd += bf16(kX, m, 2 * k + 1) * bf16(kWeight, k, 2 * n + 1);
        }
        float sum = 0;
        std::memcpy(&sum, data_[kSum][m] + n * 4, 4);
        sum += even + odd;
        std::memcpy(data_[kSum][m] + n * 4, &sum, 4);
      }
    }
  }
  template <int kSum>
  void dot_int8() {
    constexpr int kX = 4 + kSum % 2;
    constexpr int kWeight = 6 + kSum % 2;
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        int32_t sum = 0;
        std::memcpy(&sum, data_[kSum][m] + n * 4, 4);
        for (int k = 0; k < x_bytes_; ++k) {
          sum += static_cast<int8_t>(data_[kX][m][k]) *
                 static_cast<int8_t>(data_[kWeight][k / 4][n * 4 + k % 4]);
        }
        std::memcpy(data_[kSum][m] + n * 4, &sum, 4);
      }
    }
  }

 private:
  int rows(int tile) const { return tile >= 6 ? x_bytes_ / 4 : 16; }
  size_t row_bytes(int tile) const { return static_cast<size_t>(tile == 4 || tile == 5 ? x_bytes_ : 64); }
  float bf16(int tile, int row, int column) const {
    uint16_t v = 0;
    std::memcpy(&v, data_[tile][row] + column * 2, 2);
    return widen_bf16(v);
  }
  int x_bytes_;
  uint8_t data_[8][16][64] = {};
};

template <DType kType>
constexpr PanelFn kQuant = run_amx_quant<Avx512, ModelTiles, kType>;

constexpr LinearKernels make_model_kernels() {
  LinearKernels kernels;
  const auto at = [&kernels](DType t) constexpr->PanelFn& {
    return kernels.panels[static_cast<size_t>(t)];
  };
  at(DType::kBF16) = run_amx_bf16<Avx512, ModelTiles, DType::kBF16>;
  kernels.compact_panels = run_amx_bf16<Avx512, ModelTiles, DType::kBF16, true>;
  at(DType::kF8E4M3) = run_amx_bf16<Avx512, ModelTiles, DType::kF8E4M3>;
  at(DType::kQ8_0) = kQuant<DType::kQ8_0>;
  at(DType::kQ4_0) = kQuant<DType::kQ4_0>;
  at(DType::kQ4_1) = kQuant<DType::kQ4_1>;
  at(DType::kQ5_0) = kQuant<DType::kQ5_0>;
  at(DType::kQ5_1) = kQuant<DType::kQ5_1>;
  at(DType::kQ4_K) = kQuant<DType::kQ4_K>;
  at(DType::kQ5_K) = kQuant<DType::kQ5_K>;
  return kernels;
}

constexpr LinearKernels kKernels = make_model_kernels();

}  // namespace

const LinearKernels* amx_model_linear_kernels() {
  return &kKernels;
}

}  // namespace hadal
