// The AVX512-BF16 tier of linear: bf16 and FP8. Each sum is one chain of VDPBF16PS, column pairs ascending.
#include "kernels/op/linear_bf16.h"
#include "kernels/op/linear_simd_avx512.h"

namespace hadal {
namespace {

constexpr int kMaxRows = 12;

struct Bf16Family {
  struct Args {};

  template <int kRows>
  static void run(const Tile& tile, const Args&) {
    __m512 sums[kRows][2];
    HADAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      HADAL_UNROLL
      for (int v = 0; v < 2; ++v) {
        sums[r][v] = tile.first ? _mm512_setzero_ps() : _mm512_loadu_ps(tile.sums + r * kPanelRows + v * 16);
      }
    }
    const uint8_t* weights = tile.weights;
    const uint8_t* prefetch = tile.prefetch;
    const uint8_t* x = tile.x;
    const int64_t stride = tile.x_stride;
    for (int64_t s = 0; s < tile.steps; ++s, weights += 128, prefetch += tile.prefetch_step, x += 4) {
      prefetch_line(prefetch);
      prefetch_line(prefetch + 64);
      const __m512i w0 = _mm512_loadu_si512(weights);
      const __m512i w1 = _mm512_loadu_si512(weights + 64);
      HADAL_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const __m512i xv = _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(x + r * stride));
        sums[r][0] = _mm512_dpbf16_ps(sums[r][0], (__m512bh)w0, (__m512bh)xv);
        sums[r][1] = _mm512_dpbf16_ps(sums[r][1], (__m512bh)w1, (__m512bh)xv);
      }
    }
    HADAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      HADAL_UNROLL
      for (int v = 0; v < 2; ++v) _mm512_storeu_ps(tile.sums + r * kPanelRows + v * 16, sums[r][v]);
    }
  }
};

// All tiles of rows [0, rows) over one range of K.
void bf16_tiles(Tile tile, int64_t rows, int64_t prefetch_bytes) {
  const int64_t num_tiles = (rows + kMaxRows - 1) / kMaxRows;
  tile.prefetch_step = prefetch_bytes / (num_tiles * tile.steps);
  for (int64_t row = 0; row < rows; row += kMaxRows) {
    const int count = tile_rows(rows - row, kMaxRows);
    call_tile<Bf16Family, kMaxRows>(count, tile, {});
    tile.prefetch += tile.prefetch_step * tile.steps;
    tile.x += count * tile.x_stride;
    tile.sums += count * kPanelRows;
  }
}

Tile make_tile(const PanelJob& job, int64_t row, int64_t column, float* sums) {
  Tile tile;
  tile.x = reinterpret_cast<const uint8_t*>(job.x) + row * job.x_stride + column * 2;
  tile.x_stride = job.x_stride;
  tile.sums = sums;
  tile.first = column == 0;
  return tile;
}

void bf16_rows(const PanelJob& job, const uint8_t* panel, int64_t row, int64_t rows, float* sums) {
  Tile tile = make_tile(job, row, 0, sums);
  tile.weights = panel;
  tile.steps = job.layout->k_padded / 2;
  // One pass over the panel: look a little ahead in it. Several: bring the next panel in while they run.
  tile.prefetch = panel + (rows <= kMaxRows ? kStreamAhead : job.layout->panel_bytes);
  bf16_tiles(tile, rows, job.layout->panel_bytes);
}

void f8_rows(const PanelJob& job, const uint8_t* panel, int64_t row, int64_t rows, float* sums) {
  constexpr int64_t kChunkBytes = (4 + kF8Chunk) * kPanelRows;
  alignas(64) uint8_t wide[kF8Chunk * kPanelRows * 2];
  for (int64_t k = 0; k < job.layout->k_padded; k += kF8Chunk) {
    const uint8_t* chunk = panel + k / kF8Chunk * kChunkBytes;
    widen_f8_to_bf16(chunk, wide);
    Tile tile = make_tile(job, row, k, sums);
    tile.weights = wide;
    tile.steps = kF8Chunk / 2;
    tile.prefetch = chunk + kChunkBytes;
    bf16_tiles(tile, rows, kChunkBytes);
  }
}

template <void (*kRowsFn)(const PanelJob&, const uint8_t*, int64_t, int64_t, float*)>
void run_bf16(const PanelJob& job) {
  float sums[kChunkRows * kPanelRows];
  for (int64_t p = 0; p < job.num_panels; ++p) {
    const auto* panel = reinterpret_cast<const uint8_t*>(job.panels) + p * job.layout->panel_bytes;
    for (int64_t row = 0; row < job.num_rows; row += kChunkRows) {
      const int64_t rows = job.num_rows - row < kChunkRows ? job.num_rows - row : kChunkRows;
      kRowsFn(job, panel, row, rows, sums);
      finish<Avx512>(job, row, rows, p * kPanelRows, sums);
    }
  }
}

constexpr LinearKernels make_bf16_kernels() {
  LinearKernels kernels;
  kernels.panels[static_cast<size_t>(DType::kBF16)] = run_bf16<bf16_rows>;
  kernels.panels[static_cast<size_t>(DType::kF8E4M3)] = run_bf16<f8_rows>;
  kernels.stage_bf16 = stage_bf16_row;
  return kernels;
}

constexpr LinearKernels kKernels = make_bf16_kernels();

}  // namespace

const LinearKernels* avx512_bf16_linear_kernels() {
  return &kKernels;
}

}  // namespace hadal
