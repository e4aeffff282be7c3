// The AVX512-BF16 tier of linear: bf16, compact bf16 and FP8. Each sum is one chain of VDPBF16PS, column
// pairs ascending.
#include "kernels/op/linear_bf16.h"
#include "kernels/op/linear_simd_avx512.h"

namespace hadal {
namespace {

constexpr int kMaxRows = 8;
constexpr int64_t kBlockColumns = 256;  // of many rows: their weights as bf16 stay in the first-level cache

template <int kRows>
HADAL_INLINE void load_sums(const Tile& tile, __m512 (&sums)[kRows][2]) {
  HADAL_UNROLL
  for (int r = 0; r < kRows; ++r) {
    HADAL_UNROLL
    for (int v = 0; v < 2; ++v) {
      sums[r][v] = tile.first ? _mm512_setzero_ps() : _mm512_loadu_ps(tile.sums + r * kPanelRows + v * 16);
    }
  }
}
template <int kRows>
HADAL_INLINE void store_sums(const Tile& tile, const __m512 (&sums)[kRows][2]) {
  HADAL_UNROLL
  for (int r = 0; r < kRows; ++r) {
    HADAL_UNROLL
    for (int v = 0; v < 2; ++v) _mm512_storeu_ps(tile.sums + r * kPanelRows + v * 16, sums[r][v]);
  }
}

struct Bf16Family {
  struct Args {};

  template <int kRows>
  static void run(const Tile& tile, const Args&) {
    __m512 sums[kRows][2];
    load_sums(tile, sums);
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
    store_sums(tile, sums);
  }
};

// The same sums from compact weights, turned to bf16 on their way to the multiplier. A step is a group: two
// pairs.
template <bool kKeep>
struct CompactFamily {
  struct Args {
    __m512i table;
    uint8_t* wide = nullptr;  // kKeep: takes the weights as bf16, for the tiles after this one
  };

  template <int kRows>
  static void run(const Tile& tile, const Args& args) {
    __m512 sums[kRows][2];
    load_sums(tile, sums);
    const uint8_t* weights = tile.weights;
    const uint8_t* x = tile.x;
    const int64_t stride = tile.x_stride;
    const __m512i table = args.table;
    uint8_t* wide = args.wide;
    const uint8_t* ahead = weights + tile.stream_ahead;
    for (int64_t s = 0; s < tile.steps;
         ++s, weights += kCompactGroupBytes, ahead += kCompactGroupBytes, x += 8) {
      for (int64_t i = 0; i < kCompactGroupBytes; i += 64) prefetch_line(ahead + i);
      __m512i w[4];
      compact_to_bf16(weights, table, w);
      if constexpr (kKeep) {
        HADAL_UNROLL
        for (int i = 0; i < 4; ++i) _mm512_storeu_si512(wide + i * 64, w[i]);
        wide += 256;
      }
      HADAL_UNROLL
      for (int pair = 0; pair < 2; ++pair) {
        HADAL_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const __m512i xv = _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(x + r * stride + pair * 4));
          sums[r][0] = _mm512_dpbf16_ps(sums[r][0], (__m512bh)w[2 * pair], (__m512bh)xv);
          sums[r][1] = _mm512_dpbf16_ps(sums[r][1], (__m512bh)w[2 * pair + 1], (__m512bh)xv);
        }
      }
    }
    store_sums(tile, sums);
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

void bf16_block(const PanelJob& job, const PanelBlock& block) {
  Tile tile = block_tile(job, block, 2);
  const int64_t bytes = block.columns * kPanelRows * 2;
  tile.weights = block.panel + block.k * kPanelRows * 2;
  tile.steps = block.columns / 2;
  // One pass over the panel: look a little ahead in it. Several: bring the next columns in while they run.
  tile.prefetch = tile.weights + (block.rows <= kMaxRows ? job.stream_ahead : bytes + block.gap);
  bf16_tiles(tile, block.rows, bytes);
}

void f8_block(const PanelJob& job, const PanelBlock& block) {
  constexpr int64_t kChunkBytes = (4 + kF8Chunk) * kPanelRows;
  alignas(64) uint8_t wide[kF8Chunk * kPanelRows * 2];
  for (int64_t k = block.k; k < block.k + block.columns; k += kF8Chunk) {
    const uint8_t* chunk = block.panel + k / kF8Chunk * kChunkBytes;
    widen_f8_to_bf16(chunk, wide);
    PanelBlock part = block;
    part.k = k;
    Tile tile = block_tile(job, part, 2);
    tile.weights = wide;
    tile.steps = kF8Chunk / 2;
    const bool last = k + kF8Chunk == block.k + block.columns;
    tile.prefetch = chunk + kChunkBytes + (last ? block.gap : 0);
    bf16_tiles(tile, block.rows, kChunkBytes);
  }
}

// The first tile decodes the weights while it multiplies, which costs it little, and leaves them as bf16 for
// the others.
void compact_block(const PanelJob& job, const PanelBlock& block) {
  const __m512i table = compact_table(block.panel);
  Tile tile = block_tile(job, block, 2);
  tile.weights = block.panel + kCompactHeader + block.k / kCompactColumns * kCompactGroupBytes;
  tile.steps = block.columns / kCompactColumns;
  if (block.rows <= kMaxRows) {
    call_tile<CompactFamily<false>, kMaxRows>(static_cast<int>(block.rows), tile, {table});
  } else {
    alignas(64) uint8_t wide[kBlockColumns * kPanelRows * 2];
    CompactFamily<true>::run<kMaxRows>(tile, {table, wide});
    // While the other tiles run, the next columns come in.
    const int64_t bytes = tile.steps * kCompactGroupBytes;
    tile.prefetch = tile.weights + bytes + block.gap;
    tile.weights = wide;
    tile.steps = block.columns / 2;
    tile.x += kMaxRows * tile.x_stride;
    tile.sums += kMaxRows * kPanelRows;
    bf16_tiles(tile, block.rows - kMaxRows, bytes);
  }
  const bool last = block.k + block.columns == job.layout->k_padded;
  if (last) add_outliers(job, block.index, block.row, block.rows, block.sums);
}

// The inverse of compact_to_bf16.
int64_t compact_groups(const uint8_t* plain, int64_t num_groups, int base, uint8_t* out,
                       CompactOutlier* outliers) {
  const __m512i byte = _mm512_set1_epi16(0xff);
  int64_t found = 0;
  for (int64_t pair = 0; pair < 2 * num_groups; ++pair, plain += 128) {
    const __m512i first = _mm512_loadu_si512(plain);
    const __m512i second = _mm512_loadu_si512(plain + 64);
    const __m512i low = _mm512_packus_epi16(_mm512_and_si512(first, byte), _mm512_and_si512(second, byte));
    const __m512i high = _mm512_packus_epi16(_mm512_srli_epi16(first, 8), _mm512_srli_epi16(second, 8));
    const __m512i exponent = _mm512_and_si512(high, _mm512_set1_epi8(0x7f));
    const __m512i code = _mm512_sub_epi8(exponent, _mm512_set1_epi8(static_cast<char>(base)));
    const __mmask64 zero = _mm512_testn_epi8_mask(exponent, exponent);
    const __mmask64 in_reach = _mm512_cmple_epu8_mask(_mm512_sub_epi8(code, _mm512_set1_epi8(1)),
                                                      _mm512_set1_epi8(kCompactCodes - 1));
    const __mmask64 kept = zero | in_reach;
    const __m512i sign = _mm512_maskz_mov_epi8(_mm512_movepi8_mask(high) & kept, _mm512_set1_epi8(8));
    const __m512i nibbles = _mm512_or_si512(sign, _mm512_maskz_mov_epi8(in_reach & ~zero, code));
    uint8_t* group = out + pair / 2 * kCompactGroupBytes;
    _mm512_storeu_si512(group + pair % 2 * 64, _mm512_maskz_mov_epi8(kept, low));
    const __m512i codes =
        pair % 2 == 0 ? nibbles
                      : _mm512_or_si512(_mm512_loadu_si512(group + 128), _mm512_slli_epi16(nibbles, 4));
    _mm512_storeu_si512(group + 128, codes);
    for (__mmask64 left_out = ~kept; left_out != 0; left_out &= left_out - 1) {
      const int place = __builtin_ctzll(left_out);
      const int row = place % 16 / 8 * 16 + place / 16 * 4 + place % 8 / 2;
      CompactOutlier& outlier = outliers[found++];
      outlier.column = static_cast<uint32_t>(pair * 2 + place % 2);
      outlier.row = static_cast<uint16_t>(row);
      std::memcpy(&outlier.weight, plain + row * 4 + place % 2 * 2, 2);
    }
  }
  return found;
}

template <void (*kBlock)(const PanelJob&, const PanelBlock&)>
void run_bf16(const PanelJob& job) {
  const auto run = [&job](const PanelBlock& block) { kBlock(job, block); };
  if (job.num_rows <= kMaxRows) return run_panels<Avx512, kMaxRows>(job, run);
  run_blocks<Avx512, kChunkRows, kBlockColumns>(job, run);
}

constexpr LinearKernels make_bf16_kernels() {
  LinearKernels kernels;
  kernels.panels[static_cast<size_t>(DType::kBF16)] = run_bf16<bf16_block>;
  kernels.panels[static_cast<size_t>(DType::kF8E4M3)] = run_bf16<f8_block>;
  kernels.compact_panels = run_bf16<compact_block>;
  kernels.compact = compact_groups;
  kernels.stage_bf16 = stage_bf16_row;
  return kernels;
}

constexpr LinearKernels kKernels = make_bf16_kernels();

}  // namespace

const LinearKernels* avx512_bf16_linear_kernels() {
  return &kKernels;
}

}  // namespace hadal
