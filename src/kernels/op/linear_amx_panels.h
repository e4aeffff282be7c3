// Kernels over panels on 8 matrix tiles of 16 rows of 64 bytes. `Tiles` is the machine's (linear_amx.cc) or a
// software model of it (linear_amx_test.cc); its constructor configures this thread's tiles, its destructor
// releases them. Tile use: 0..3 sums [2 row tiles][2 column tiles], 4..5 rows of x, 6..7 weights. bf16: every
// product at this tier goes through TDPBF16PS in K order, whatever the number of rows, and a row's result
// does not depend on the other rows of its tile; so rows are padded to 16 with whatever follows them in
// memory. Quantised: the tiles give the exact integer dot products that the vector kernels find, and the f32
// steps after them are the same, so fewer rows can use the vector kernels and still agree to the last bit.
#pragma once

#include "kernels/op/linear_bf16.h"
#include "kernels/op/linear_quant.h"

namespace hadal {
namespace {

constexpr int kTileRows = 16;
constexpr int kPairBytes = kPanelRows * 4;  // bf16 panel: one column pair of all rows
constexpr int kTileColumns = 32;            // bf16 columns of one tile of x
// Of many rows: the rows that share weights turned to bf16, and the columns of those.
constexpr int64_t kAmxRows = 512;
constexpr int64_t kAmxColumns = 512;
static_assert(kAmxColumns % kF8Chunk == 0);

// Tiles 0..3 from and to the sums of up to two row tiles.
template <class Tiles>
void load_sums(Tiles& tiles, const Tile& tile, bool two_row_tiles) {
  constexpr int64_t kStride = kPanelRows * 4;
  const auto* sums = reinterpret_cast<const uint8_t*>(tile.sums);
  if (tile.first) {
    tiles.template zero<0>();
    tiles.template zero<1>();
    tiles.template zero<2>();
    tiles.template zero<3>();
    return;
  }
  tiles.template load<0>(sums, kStride);
  tiles.template load<1>(sums + 64, kStride);
  if (two_row_tiles) tiles.template load<2>(sums + kTileRows * kStride, kStride);
  if (two_row_tiles) tiles.template load<3>(sums + kTileRows * kStride + 64, kStride);
}
template <class Tiles>
void store_sums(Tiles& tiles, const Tile& tile, bool two_row_tiles) {
  constexpr int64_t kStride = kPanelRows * 4;
  auto* sums = reinterpret_cast<uint8_t*>(tile.sums);
  tiles.template store<0>(sums, kStride);
  tiles.template store<1>(sums + 64, kStride);
  if (two_row_tiles) tiles.template store<2>(sums + kTileRows * kStride, kStride);
  if (two_row_tiles) tiles.template store<3>(sums + kTileRows * kStride + 64, kStride);
}

// One tile column of the panel times up to two row tiles.
template <class Tiles>
HADAL_INLINE void amx_bf16_step(Tiles& tiles, const uint8_t* weights, const uint8_t* x, int64_t x_stride,
                                bool two_row_tiles) {
  tiles.template load<6>(weights, kPairBytes);
  tiles.template load<7>(weights + 64, kPairBytes);
  tiles.template load<4>(x, x_stride);
  tiles.template dot_bf16<0, 4, 6>();
  tiles.template dot_bf16<1, 4, 7>();
  if (!two_row_tiles) return;
  tiles.template load<5>(x + kTileRows * x_stride, x_stride);
  tiles.template dot_bf16<2, 5, 6>();
  tiles.template dot_bf16<3, 5, 7>();
}

// Up to two row tiles times one panel, over `steps` tile columns.
template <class Tiles>
void amx_bf16_tile(Tiles& tiles, const Tile& tile, bool two_row_tiles) {
  load_sums(tiles, tile, two_row_tiles);
  const uint8_t* weights = tile.weights;
  const uint8_t* x = tile.x;
  const uint8_t* prefetch = tile.prefetch;
  for (int64_t s = 0; s < tile.steps; ++s, weights += kTileColumns / 2 * kPairBytes, x += kTileColumns * 2) {
    for (int64_t i = 0; i < tile.prefetch_step; i += 64) prefetch_line(prefetch + i);
    prefetch += tile.prefetch_step;
    amx_bf16_step(tiles, weights, x, tile.x_stride, two_row_tiles);
  }
  store_sums(tiles, tile, two_row_tiles);
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

inline Tile amx_bf16_tile_of(const PanelJob& job, const PanelBlock& block) {
  Tile tile = block_tile(job, block, 2);
  tile.steps = block.columns / kTileColumns;
  return tile;
}

template <class Tiles>
void amx_bf16_block(Tiles& tiles, const PanelJob& job, const PanelBlock& block) {
  Tile tile = amx_bf16_tile_of(job, block);
  const int64_t bytes = block.columns * kPanelRows * 2;
  tile.weights = block.panel + block.k * kPanelRows * 2;
  tile.prefetch = tile.weights + (block.rows <= 2 * kTileRows ? job.stream_ahead : bytes + block.gap);
  amx_bf16_tiles(tiles, tile, block.rows, bytes);
}

template <class Tiles>
void amx_f8_block(Tiles& tiles, const PanelJob& job, const PanelBlock& block) {
  constexpr int64_t kChunkBytes = (4 + kF8Chunk) * kPanelRows;
  alignas(64) uint8_t wide[kAmxColumns * kPanelRows * 2];
  const int64_t end = block.k + block.columns;
  for (int64_t k = block.k; k < end; k += kAmxColumns) {
    PanelBlock part = block;
    part.k = k;
    part.columns = end - k < kAmxColumns ? end - k : kAmxColumns;
    const int64_t chunks = part.columns / kF8Chunk;
    const uint8_t* chunk = block.panel + k / kF8Chunk * kChunkBytes;
    for (int64_t c = 0; c < chunks; ++c)
      widen_f8_to_bf16(chunk + c * kChunkBytes, wide + c * kF8Chunk * kPanelRows * 2);
    Tile tile = amx_bf16_tile_of(job, part);
    tile.weights = wide;
    tile.prefetch = chunk + chunks * kChunkBytes + block.gap;
    amx_bf16_tiles(tiles, tile, block.rows, chunks * kChunkBytes);
  }
}

// As amx_bf16_tile from compact weights. They become bf16 two tile columns before the tiles take them: the
// vector units decode while the matrix unit multiplies, and the stores have reached the cache when they are
// loaded. Tile column s is left in `wide` at s & kept: a ring for one pass, everything for the passes after
// this one.
template <class Tiles>
void amx_compact_tile(Tiles& tiles, const Tile& tile, bool two_row_tiles, __m512i table, uint8_t* wide,
                      int64_t kept) {
  constexpr int64_t kWideBytes = kTileColumns / 2 * kPairBytes;
  constexpr int64_t kGroups = kTileColumns / kCompactColumns;
  constexpr int64_t kStepBytes = kGroups * kCompactGroupBytes;
  constexpr int64_t kLead = 2;
  const auto widen = [&](int64_t s) {
    const uint8_t* groups = tile.weights + s * kStepBytes;
    for (int64_t i = 0; i < kStepBytes; i += 64) prefetch_line(groups + tile.stream_ahead + i);
    widen_compact(groups, table, kGroups, wide + (s & kept) * kWideBytes);
  };
  for (int64_t s = 0; s < kLead && s < tile.steps; ++s) widen(s);
  load_sums(tiles, tile, two_row_tiles);
  for (int64_t s = 0; s < tile.steps; ++s) {
    if (s + kLead < tile.steps) widen(s + kLead);
    amx_bf16_step(tiles, wide + (s & kept) * kWideBytes, tile.x + s * kTileColumns * 2, tile.x_stride,
                  two_row_tiles);
  }
  store_sums(tiles, tile, two_row_tiles);
}

template <class Tiles>
void amx_compact_block(Tiles& tiles, const PanelJob& job, const PanelBlock& block) {
  constexpr int64_t kRing = 4;
  alignas(64) uint8_t wide[kAmxColumns * kPanelRows * 2];
  const __m512i table = compact_table(block.panel);
  const int64_t first_rows = block.rows < 2 * kTileRows ? block.rows : 2 * kTileRows;
  const bool single = block.rows == first_rows;
  Tile tile = amx_bf16_tile_of(job, block);
  tile.weights = block.panel + kCompactHeader + block.k / kCompactColumns * kCompactGroupBytes;
  // One pass needs no more than the ring, so it may take all of K at once.
  amx_compact_tile(tiles, tile, first_rows > kTileRows, table, wide, single ? kRing - 1 : ~int64_t{0});
  if (!single) {
    // While the others run, the next columns come in.
    const int64_t bytes = block.columns / kCompactColumns * kCompactGroupBytes;
    tile.prefetch = tile.weights + bytes + block.gap;
    tile.weights = wide;
    tile.x += first_rows * tile.x_stride;
    tile.sums += first_rows * kPanelRows;
    amx_bf16_tiles(tiles, tile, block.rows - first_rows, bytes);
  }
  const bool last = block.k + block.columns == job.layout->k_padded;
  if (last) add_outliers(job, block.index, block.row, block.rows, block.sums);
}

template <class V, class Tiles, DType kType, bool kCompact = false>
void run_amx_bf16(const PanelJob& job) {
  Tiles tiles(kTileColumns * 2);
  const auto run = [&](const PanelBlock& block) {
    if constexpr (kCompact) {
      amx_compact_block(tiles, job, block);
    } else if constexpr (kType == DType::kBF16) {
      amx_bf16_block(tiles, job, block);
    } else {
      amx_f8_block(tiles, job, block);
    }
  };
  if (job.num_rows <= 2 * kTileRows) return run_panels<V, 2 * kTileRows>(job, run);
  run_blocks<V, kAmxRows, kAmxColumns>(job, run);
}

// 16 rows of x against 16 rows of an unpacked range of a panel. The integer dot products of a 32-block go
// from the tile through memory to the vectors, which add them to sums in registers while the tiles work on
// the blocks after it.
template <class V, class Tiles, DType kType>
struct AmxQuantTile {
  using W = QuantWeights<V, kType>;
  static_assert(W::kParts == 1);
  static constexpr int kLead = 2;  // blocks between a dot product and its use

  Tiles& tiles;
  const UnpackedPanel<V, kType, true>& unpacked;
  int lane = 0;                       // of the panel's rows
  const uint8_t* x = nullptr;         // levels, at the first block of the range
  const uint8_t* x_scales = nullptr;  // same
  const uint8_t* x_sums = nullptr;    // same
  int64_t x_stride = 0;
  int64_t num_blocks = 0;
  float* sums = nullptr;  // [16][32], at lane
  alignas(64) int32_t dots[4][kTileRows * kTileRows];

  template <int kSlot>
  HADAL_INLINE void multiply(int64_t block) {
    if (block >= num_blocks) return;
    tiles.template load<4 + kSlot % 2>(x + block * 32, x_stride);
    tiles.template load<6 + kSlot % 2>(unpacked.levels + block * 32 * kPanelRows + lane * 4, kPanelRows * 4);
    tiles.template zero<kSlot>();
    tiles.template dot_int8<kSlot>();
    tiles.template store<kSlot>(dots[kSlot], 64);
  }

  // The f32 steps of QuantFamily::add_part, and its minimum.
  template <int kSlot>
  HADAL_INLINE void add(int64_t block, typename V::F (&sum)[kTileRows]) const {
    if (block >= num_blocks) return;
    const typename V::F scale = V::load(unpacked.scales + block * kPanelRows + lane);
    HADAL_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      const float* x_scale = reinterpret_cast<const float*>(x_scales + r * x_stride) + block;
      const typename V::I dot = V::load_bytes(dots[kSlot] + r * kTileRows);
      sum[r] = V::fma(V::to_float(dot), V::mul(scale, V::broadcast(x_scale)), sum[r]);
    }
    if constexpr (W::kMin) {
      const typename V::F min = V::load(unpacked.mins + block * kPanelRows + lane);
      HADAL_UNROLL
      for (int r = 0; r < kTileRows; ++r) {
        const float* x_sum = reinterpret_cast<const float*>(x_sums + r * x_stride) + block;
        sum[r] = V::fma(min, V::broadcast(x_sum), sum[r]);
      }
    }
  }

  template <int kSlot>
  HADAL_INLINE void step(int64_t block, typename V::F (&sum)[kTileRows]) {
    multiply<(kSlot + kLead) % 4>(block + kLead);
    add<kSlot>(block, sum);
  }

  void run() {
    typename V::F sum[kTileRows];
    HADAL_UNROLL
    for (int r = 0; r < kTileRows; ++r) sum[r] = V::load(sums + r * kPanelRows);
    multiply<0>(0);
    multiply<1>(1);
    for (int64_t block = 0; block < num_blocks; block += 4) {
      step<0>(block, sum);
      step<1>(block + 1, sum);
      step<2>(block + 2, sum);
      step<3>(block + 3, sum);
    }
    HADAL_UNROLL
    for (int r = 0; r < kTileRows; ++r) V::store(sums + r * kPanelRows, sum[r]);
  }
};

// For many rows.
template <class V, class Tiles, DType kType>
void run_amx_quant(const PanelJob& job) {
  Tiles tiles(32);
  const LinearLayout& layout = *job.layout;
  UnpackedPanel<V, kType, true> unpacked;
  AmxQuantTile<V, Tiles, kType> tile{tiles, unpacked};
  tile.x_stride = job.x_stride;
  run_blocks<V, kChunkRows, kUnpackColumns>(job, [&](const PanelBlock& block) {
    // Whole tiles: rows past the last are read from whatever follows and their sums never used.
    if (block.k == 0) __builtin_memset(block.sums, 0, kChunkRows * kPanelRows * 4);
    unpacked.unpack(block.panel, block.k / 32, block.columns / 32);
    const int64_t bytes = layout.panel_bytes * block.columns / layout.k;
    const uint8_t* next = block.panel + layout.panel_bytes * (block.k + block.columns) / layout.k + block.gap;
    for (int64_t i = 0; i < bytes; i += 64) prefetch_line(next + i);
    tile.num_blocks = block.columns / 32;
    for (int64_t r = 0; r < block.rows; r += kTileRows) {
      const uint8_t* x = reinterpret_cast<const uint8_t*>(job.x) + (block.row + r) * job.x_stride;
      tile.x = x + block.k;
      tile.x_scales = x + layout.scale_offset + block.k / 32 * 4;
      tile.x_sums = x + layout.sum_offset + block.k / 32 * 4;
      for (tile.lane = 0; tile.lane < kPanelRows; tile.lane += kTileRows) {
        tile.sums = block.sums + r * kPanelRows + tile.lane;
        tile.run();
      }
    }
  });
}

}  // namespace
}  // namespace hadal
