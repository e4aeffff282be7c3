// Kernels over panels on 8 matrix tiles of 16 rows of 64 bytes. `Tiles` is the machine's (linear_amx.cc) or a
// software model of it (linear_amx_test.cc); its constructor configures this thread's tiles, its destructor
// releases them. Tile use: 0..3 sums [2 row tiles][2 column tiles], 4..5 rows of x, 6..7 weights. bf16: every
// product at this tier goes through TDPBF16PS in K order, whatever the number of rows, and a row's result
// does not depend on the other rows of its tile; so rows are padded to 16 with whatever follows them in
// memory. Quantised: the tiles give the exact integer dot products that VPDPBUSD gives, and the f32 steps
// after them are the same, so few rows can use the vector kernels and still agree to the last bit.
#pragma once

#include "kernels/op/linear_bf16.h"
#include "kernels/op/linear_quant.h"

namespace hadal {
namespace {

constexpr int kTileRows = 16;
constexpr int kPairBytes = kPanelRows * 4;   // bf16 panel: one column pair of all rows
constexpr int kTileColumns = 32;             // bf16 columns of one tile of x
constexpr int kWidenColumns = 4 * kF8Chunk;  // FP8 columns turned to bf16 at a time
constexpr int kCompactWiden = 256;           // and compact columns

// Up to two row tiles times one panel, over `steps` tile columns.
template <class Tiles>
void amx_bf16_tile(Tiles& tiles, const Tile& tile, bool two_row_tiles) {
  auto* sums = reinterpret_cast<uint8_t*>(tile.sums);
  constexpr int64_t kSumStride = kPanelRows * 4;
  if (tile.first) {
    tiles.template zero<0>();
    tiles.template zero<1>();
    tiles.template zero<2>();
    tiles.template zero<3>();
  } else {
    tiles.template load<0>(sums, kSumStride);
    tiles.template load<1>(sums + 64, kSumStride);
    if (two_row_tiles) tiles.template load<2>(sums + kTileRows * kSumStride, kSumStride);
    if (two_row_tiles) tiles.template load<3>(sums + kTileRows * kSumStride + 64, kSumStride);
  }
  const uint8_t* weights = tile.weights;
  const uint8_t* x = tile.x;
  const uint8_t* prefetch = tile.prefetch;
  for (int64_t s = 0; s < tile.steps; ++s, weights += kTileColumns / 2 * kPairBytes, x += kTileColumns * 2) {
    for (int64_t i = 0; i < tile.prefetch_step; i += 64) prefetch_line(prefetch + i);
    prefetch += tile.prefetch_step;
    tiles.template load<6>(weights, kPairBytes);
    tiles.template load<7>(weights + 64, kPairBytes);
    tiles.template load<4>(x, tile.x_stride);
    tiles.template dot_bf16<0, 4, 6>();
    tiles.template dot_bf16<1, 4, 7>();
    if (!two_row_tiles) continue;
    tiles.template load<5>(x + kTileRows * tile.x_stride, tile.x_stride);
    tiles.template dot_bf16<2, 5, 6>();
    tiles.template dot_bf16<3, 5, 7>();
  }
  tiles.template store<0>(sums, kSumStride);
  tiles.template store<1>(sums + 64, kSumStride);
  if (two_row_tiles) tiles.template store<2>(sums + kTileRows * kSumStride, kSumStride);
  if (two_row_tiles) tiles.template store<3>(sums + kTileRows * kSumStride + 64, kSumStride);
}

// All tiles of rows [0, rows) over one range of K.
template <class Tiles>
void amx_bf16_tiles(Tiles& tiles, Tile tile, int64_t rows, int64_t prefetch_bytes) {
  const int64_t num_tiles = (rows + 2 * kTileRows - 1) / (2 * kTileRows);
  tile.prefetch_step = (prefetch_bytes / (num_tiles * tile.steps) + 63) / 64 * 64;
  for (int64_t row = 0; row < rows; row += 2 * kTileRows) {
    amx_bf16_tile(tiles, tile, rows - row > kTileRows);
    tile.prefetch += tile.prefetch_step * tile.steps;
    tile.x += 2 * kTileRows * tile.x_stride;
    tile.sums += 2 * kTileRows * kPanelRows;
  }
}

template <class Tiles>
void amx_bf16_rows(Tiles& tiles, const PanelJob& job, const uint8_t* panel, int64_t row, int64_t rows,
                   float* sums) {
  Tile tile;
  tile.weights = panel;
  tile.x = reinterpret_cast<const uint8_t*>(job.x) + row * job.x_stride;
  tile.x_stride = job.x_stride;
  tile.steps = job.layout->k_padded / kTileColumns;
  tile.sums = sums;
  tile.prefetch = panel + (rows <= 2 * kTileRows ? kStreamAhead : job.layout->panel_bytes);
  amx_bf16_tiles(tiles, tile, rows, job.layout->panel_bytes);
}

template <class Tiles>
void amx_f8_rows(Tiles& tiles, const PanelJob& job, const uint8_t* panel, int64_t row, int64_t rows,
                 float* sums) {
  constexpr int64_t kChunkBytes = (4 + kF8Chunk) * kPanelRows;
  alignas(64) uint8_t wide[kWidenColumns * kPanelRows * 2];
  for (int64_t k = 0; k < job.layout->k_padded; k += kWidenColumns) {
    const int64_t left = job.layout->k_padded - k;
    const int64_t chunks = (left < kWidenColumns ? left : kWidenColumns) / kF8Chunk;
    const uint8_t* chunk = panel + k / kF8Chunk * kChunkBytes;
    for (int64_t c = 0; c < chunks; ++c)
      widen_f8_to_bf16(chunk + c * kChunkBytes, wide + c * kF8Chunk * kPanelRows * 2);
    Tile tile;
    tile.weights = wide;
    tile.x = reinterpret_cast<const uint8_t*>(job.x) + row * job.x_stride + k * 2;
    tile.x_stride = job.x_stride;
    tile.steps = chunks * kF8Chunk / kTileColumns;
    tile.sums = sums;
    tile.first = k == 0;
    tile.prefetch = chunk + chunks * kChunkBytes;
    amx_bf16_tiles(tiles, tile, rows, chunks * kChunkBytes);
  }
}

template <class Tiles>
void amx_compact_rows(Tiles& tiles, const PanelJob& job, const uint8_t* panel, int64_t row, int64_t rows,
                      float* sums) {
  constexpr int64_t kBytes = kCompactWiden / kCompactColumns * kCompactGroupBytes;
  alignas(64) uint8_t wide[kCompactWiden * kPanelRows * 2];
  const __m512i table = compact_table(panel);
  const uint8_t* groups = panel + kCompactHeader;
  for (int64_t k = 0; k < job.layout->k_padded; k += kCompactWiden, groups += kBytes) {
    const int64_t left = job.layout->k_padded - k;
    const int64_t columns = left < kCompactWiden ? left : kCompactWiden;
    widen_compact(groups, table, columns / kCompactColumns, wide);
    Tile tile;
    tile.weights = wide;
    tile.x = reinterpret_cast<const uint8_t*>(job.x) + row * job.x_stride + k * 2;
    tile.x_stride = job.x_stride;
    tile.steps = columns / kTileColumns;
    tile.sums = sums;
    tile.first = k == 0;
    tile.prefetch = groups + kBytes;
    amx_bf16_tiles(tiles, tile, rows, kBytes);
  }
}

template <class V, class Tiles, DType kType, bool kCompact = false>
void run_amx_bf16(const PanelJob& job) {
  Tiles tiles(kTileColumns * 2);
  alignas(64) float sums[kChunkRows * kPanelRows];
  for (int64_t p = 0; p < job.num_panels; ++p) {
    const auto* panel = reinterpret_cast<const uint8_t*>(job.panels) + p * job.layout->panel_bytes;
    for (int64_t row = 0; row < job.num_rows; row += kChunkRows) {
      const int64_t rows = job.num_rows - row < kChunkRows ? job.num_rows - row : kChunkRows;
      if constexpr (kCompact) {
        amx_compact_rows(tiles, job, panel, row, rows, sums);
        add_outliers(job, p, row, rows, sums);
      } else if constexpr (kType == DType::kBF16) {
        amx_bf16_rows(tiles, job, panel, row, rows, sums);
      } else {
        amx_f8_rows(tiles, job, panel, row, rows, sums);
      }
      finish<V>(job, row, rows, p * kPanelRows, sums);
    }
  }
}

// Integer dot products of 32 rows of x and one part (32 or 16 columns) of a panel: out is i32 [32][32].
template <class Tiles>
void amx_int8_dots(Tiles& tiles, const uint8_t* levels, const uint8_t* x, int64_t x_stride,
                   bool two_row_tiles, int32_t* out) {
  constexpr int64_t kStride = kPanelRows * 4;
  auto* bytes = reinterpret_cast<uint8_t*>(out);
  tiles.template load<6>(levels, kStride);
  tiles.template load<7>(levels + 64, kStride);
  tiles.template load<4>(x, x_stride);
  tiles.template zero<0>();
  tiles.template zero<1>();
  tiles.template dot_int8<0, 4, 6>();
  tiles.template dot_int8<1, 4, 7>();
  if (two_row_tiles) {
    tiles.template load<5>(x + kTileRows * x_stride, x_stride);
    tiles.template zero<2>();
    tiles.template zero<3>();
    tiles.template dot_int8<2, 5, 6>();
    tiles.template dot_int8<3, 5, 7>();
  }
  tiles.template store<0>(bytes, kStride);
  tiles.template store<1>(bytes + 64, kStride);
  if (two_row_tiles) tiles.template store<2>(bytes + kTileRows * kStride, kStride);
  if (two_row_tiles) tiles.template store<3>(bytes + kTileRows * kStride + 64, kStride);
}

// A group of up to 32 rows against an unpacked range of K.
template <class V, DType kType>
struct AmxQuantRows {
  using W = QuantWeights<V, kType>;
  const UnpackedPanel<V, kType>& unpacked;
  const uint8_t* x = nullptr;         // levels, at the first block of the range
  const uint8_t* x_scales = nullptr;  // same
  const uint8_t* x_sums = nullptr;    // same
  int64_t x_stride = 0;
  int64_t num_rows = 0;
  int64_t num_parts = 0;
  float* sums = nullptr;

  template <class Tiles>
  void dots(Tiles& tiles, int64_t part, int32_t* out) const {
    constexpr int kColumns = 32 / W::kParts;
    amx_int8_dots(tiles, unpacked.levels + part * kColumns * kPanelRows, x + part * kColumns, x_stride,
                  num_rows > kTileRows, out);
  }

  // The f32 steps of QuantFamily::add_part, and its minimum.
  void add(int64_t part, const int32_t* dots) const {
    const int64_t block = part / W::kParts;
    const bool last = part % W::kParts == W::kParts - 1;
    for (int v = 0; v < kPanelRows; v += V::kLanes) {
      const typename V::F scale = V::load(unpacked.scales + part * kPanelRows + v);
      typename V::F min = V::zero();
      if constexpr (W::kMin) min = V::load(unpacked.mins + block * kPanelRows + v);
      for (int64_t r = 0; r < num_rows; ++r) {
        const float* x_scale = reinterpret_cast<const float*>(x_scales + r * x_stride) + block;
        typename V::I dot = V::load_bytes(dots + r * kPanelRows + v);
        if constexpr (W::kOffset) dot = V::add_i32(dot, V::broadcast_i32(x_sums + r * x_stride + part * 4));
        float* at = sums + r * kPanelRows + v;
        typename V::F sum = V::fma(V::to_float(dot), V::mul(scale, V::broadcast(x_scale)), V::load(at));
        if (W::kMin && last) {
          sum = V::fma(min, V::broadcast(reinterpret_cast<const float*>(x_sums + r * x_stride) + block), sum);
        }
        V::store(at, sum);
      }
    }
  }

  // The tiles work on one part while the vectors finish the one before.
  template <class Tiles>
  void run(Tiles& tiles) const {
    alignas(64) int32_t dots_of[2][2 * kTileRows * kPanelRows];
    dots(tiles, 0, dots_of[0]);
    for (int64_t part = 0; part < num_parts; ++part) {
      if (part + 1 < num_parts) dots(tiles, part + 1, dots_of[(part + 1) % 2]);
      add(part, dots_of[part % 2]);
    }
  }
};

template <class V, class Tiles, DType kType>
void amx_quant_panel(Tiles& tiles, const PanelJob& job, const uint8_t* panel, int64_t column) {
  using W = QuantWeights<V, kType>;
  const LinearLayout& layout = *job.layout;
  alignas(64) float sums[kChunkRows * kPanelRows];
  UnpackedPanel<V, kType> unpacked;
  for (int64_t row = 0; row < job.num_rows; row += kChunkRows) {
    const int64_t rows = job.num_rows - row < kChunkRows ? job.num_rows - row : kChunkRows;
    __builtin_memset(sums, 0, static_cast<size_t>(rows) * kPanelRows * 4);
    for (int64_t k = 0; k < layout.k; k += kUnpackColumns) {
      const int64_t columns = layout.k - k < kUnpackColumns ? layout.k - k : kUnpackColumns;
      unpacked.unpack(panel, k / 32, columns / 32);
      const uint8_t* next = panel + layout.panel_bytes * (k + columns) / layout.k;
      for (int64_t i = 0; i < layout.panel_bytes * columns / layout.k; i += 64) prefetch_line(next + i);
      for (int64_t r = 0; r < rows; r += 2 * kTileRows) {
        const uint8_t* x = reinterpret_cast<const uint8_t*>(job.x) + (row + r) * job.x_stride;
        AmxQuantRows<V, kType> group{unpacked};
        group.x = x + k;
        group.x_scales = x + layout.scale_offset + k / 32 * 4;
        group.x_sums = x + layout.sum_offset + k / 32 * W::kParts * 4;
        group.x_stride = job.x_stride;
        group.num_rows = rows - r < 2 * kTileRows ? rows - r : 2 * kTileRows;
        group.num_parts = columns / 32 * W::kParts;
        group.sums = sums + r * kPanelRows;
        group.run(tiles);
      }
    }
    finish<V>(job, row, rows, column, sums);
  }
}

// For more rows than the vector kernels hold in registers.
template <class V, class Tiles, DType kType>
void run_amx_quant(const PanelJob& job) {
  Tiles tiles(32 / QuantWeights<V, kType>::kParts);
  for (int64_t p = 0; p < job.num_panels; ++p) {
    const auto* panel = reinterpret_cast<const uint8_t*>(job.panels) + p * job.layout->panel_bytes;
    amx_quant_panel<V, Tiles, kType>(tiles, job, panel, p * kPanelRows);
  }
}

}  // namespace
}  // namespace hadal
