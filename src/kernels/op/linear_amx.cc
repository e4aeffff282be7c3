// The AMX tier of linear. Compiled with the flags of AVX512-BF16 and -mamx-tile -mamx-bf16 -mamx-int8.
// The process has asked the kernel for tile state (detect_cpu); each call configures and releases its
// thread's tiles.
#include "kernels/op/linear_amx_panels.h"
#include "kernels/op/linear_simd_avx512.h"

namespace hadal {
namespace {

// Palette 1: eight tiles of at most 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// GCC's tile loads do not say that they read memory, so the compiler might move the stores before them.
inline void memory_barrier() {
  __asm__ volatile("" ::: "memory");
}

// x_bytes: bytes of a row of x per tile. Weights then have x_bytes / 4 rows: quads of bytes, or pairs of
// bf16.
class HardwareTiles {
 public:
  explicit HardwareTiles(int x_bytes) {
    TileConfig config;
    for (int i = 0; i < 8; ++i) {
      const bool is_x = i == 4 || i == 5;
      const bool is_weight = i >= 6;
      config.rows[i] = static_cast<uint8_t>(is_weight ? x_bytes / 4 : kTileRows);
      config.row_bytes[i] = static_cast<uint16_t>(is_x ? x_bytes : 64);
    }
    memory_barrier();
    _tile_loadconfig(&config);
  }
  ~HardwareTiles() { _tile_release(); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  // The instructions want literal tile numbers.
  template <int kTile>
  HADAL_INLINE void zero() {
    if constexpr (kTile == 0) _tile_zero(0);
    if constexpr (kTile == 1) _tile_zero(1);
    if constexpr (kTile == 2) _tile_zero(2);
    if constexpr (kTile == 3) _tile_zero(3);
  }
  template <int kTile>
  HADAL_INLINE void load(const void* p, int64_t stride) {
    memory_barrier();
    if constexpr (kTile == 0) _tile_loadd(0, p, stride);
    if constexpr (kTile == 1) _tile_loadd(1, p, stride);
    if constexpr (kTile == 2) _tile_loadd(2, p, stride);
    if constexpr (kTile == 3) _tile_loadd(3, p, stride);
    if constexpr (kTile == 4) _tile_loadd(4, p, stride);
    if constexpr (kTile == 5) _tile_loadd(5, p, stride);
    if constexpr (kTile == 6) _tile_loadd(6, p, stride);
    if constexpr (kTile == 7) _tile_loadd(7, p, stride);
  }
  template <int kTile>
  HADAL_INLINE void store(void* p, int64_t stride) {
    if constexpr (kTile == 0) _tile_stored(0, p, stride);
    if constexpr (kTile == 1) _tile_stored(1, p, stride);
    if constexpr (kTile == 2) _tile_stored(2, p, stride);
    if constexpr (kTile == 3) _tile_stored(3, p, stride);
    memory_barrier();
  }
  template <int kSum, int kX, int kWeight>
  HADAL_INLINE void dot_bf16() {
    static_assert(kX == 4 + kSum / 2 && kWeight == 6 + kSum % 2);
    if constexpr (kSum == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kSum == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kSum == 3) _tile_dpbf16ps(3, 5, 7);
  }
  // Signed x times signed levels.
  template <int kSum>
  HADAL_INLINE void dot_int8() {
    if constexpr (kSum == 0) _tile_dpbssd(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbssd(1, 5, 7);
    if constexpr (kSum == 2) _tile_dpbssd(2, 4, 6);
    if constexpr (kSum == 3) _tile_dpbssd(3, 5, 7);
  }
};

// The scale of every 32-block leaves the tiles waiting for the vectors, so they win only where unpacking is
// spread over many rows. Measured on Xeons with AMX, q8_0 and q4_1: VPDPBUSD is 1.5 times as fast at 16 rows,
// equal at 64, up to 10% slower at 512. q6_k, with a scale every 16 columns, never gains.
constexpr int64_t kAmxQuantRows = 128;

template <DType kType>
void run_quant_amx(const PanelJob& job) {
  if (job.num_rows >= kAmxQuantRows) return run_amx_quant<Avx512, HardwareTiles, kType>(job);
  avx512_vnni_linear_kernels()->panels[static_cast<size_t>(kType)](job);
}

constexpr LinearKernels make_amx_kernels() {
  LinearKernels kernels;
  const auto at = [&kernels](DType t) constexpr->PanelFn& {
    return kernels.panels[static_cast<size_t>(t)];
  };
  at(DType::kBF16) = run_amx_bf16<Avx512, HardwareTiles, DType::kBF16>;
  kernels.compact_panels = run_amx_bf16<Avx512, HardwareTiles, DType::kBF16, true>;
  at(DType::kF8E4M3) = run_amx_bf16<Avx512, HardwareTiles, DType::kF8E4M3>;
  at(DType::kQ8_0) = run_quant_amx<DType::kQ8_0>;
  at(DType::kQ4_0) = run_quant_amx<DType::kQ4_0>;
  at(DType::kQ4_1) = run_quant_amx<DType::kQ4_1>;
  at(DType::kQ5_0) = run_quant_amx<DType::kQ5_0>;
  at(DType::kQ5_1) = run_quant_amx<DType::kQ5_1>;
  at(DType::kQ4_K) = run_quant_amx<DType::kQ4_K>;
  at(DType::kQ5_K) = run_quant_amx<DType::kQ5_K>;
  kernels.stream_ahead = kStreamAheadAmx;
  return kernels;
}

constexpr LinearKernels kKernels = make_amx_kernels();

}  // namespace

const LinearKernels* amx_linear_kernels() {
  return &kKernels;
}

}  // namespace hadal
