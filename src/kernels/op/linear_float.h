// f32 multiply-add kernels over panels: f32, f16, and bf16 and FP8 widened, for vector type V.
// Each sum is one chain: fma(x[k], w[k], sum) for k ascending, whatever the number of rows.
#pragma once

#include "kernels/op/linear_panels.h"

namespace hadal {
namespace {

// How one step (one column, or a pair) of a panel's weights becomes f32 vectors.
template <class V, DType kType>
struct FloatWeights {
  static constexpr bool kPairs = kType == DType::kBF16;
  static constexpr int kColumns = kPairs ? 2 : 1;
  static constexpr int kStepBytes = kType == DType::kF16 ? 64 : 128;

  static void load(const uint8_t* step, int lane, typename V::F* w) {
    if constexpr (kType == DType::kF32) {
      w[0] = V::load(reinterpret_cast<const float*>(step) + lane);
    } else if constexpr (kType == DType::kF16) {
      w[0] = V::load_f16(step + lane * 2);
    } else {
      const typename V::I pair = V::load_bytes(step + lane * 4);
      w[0] = V::even_bf16(pair);
      w[1] = V::odd_bf16(pair);
    }
  }
};

template <class V, DType kType>
struct FloatFamily {
  using W = FloatWeights<V, kType>;
  struct Args {
    int lane = 0;  // first row of the panel that this pass makes
  };

  template <int kRows>
  static void run(const Tile& tile, const Args& args) {
    using F = typename V::F;
    F sums[kRows][2];
    HADAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      HADAL_UNROLL
      for (int v = 0; v < 2; ++v) {
        float* at = tile.sums + r * kPanelRows + args.lane + v * V::kLanes;
        sums[r][v] = tile.first ? V::zero() : V::load(at);
      }
    }
    const uint8_t* weights = tile.weights;
    const uint8_t* prefetch = tile.prefetch;
    for (int64_t s = 0; s < tile.steps; ++s, weights += W::kStepBytes, prefetch += tile.prefetch_step) {
      prefetch_line(prefetch);
      if constexpr (W::kStepBytes == 128) prefetch_line(prefetch + 64);
      F w[2][2];
      W::load(weights, args.lane, w[0]);
      W::load(weights, args.lane + V::kLanes, w[1]);
      const uint8_t* x = tile.x + s * W::kColumns * 4;
      HADAL_UNROLL
      for (int r = 0; r < kRows; ++r) {
        HADAL_UNROLL
        for (int c = 0; c < W::kColumns; ++c) {
          const F xv = V::broadcast(reinterpret_cast<const float*>(x + r * tile.x_stride) + c);
          sums[r][0] = V::fma(xv, w[0][c], sums[r][0]);
          sums[r][1] = V::fma(xv, w[1][c], sums[r][1]);
        }
      }
    }
    HADAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      HADAL_UNROLL
      for (int v = 0; v < 2; ++v)
        V::store(tile.sums + r * kPanelRows + args.lane + v * V::kLanes, sums[r][v]);
    }
  }
};

// Columns of FP8 turned to f32 at a time.
template <class V>
void widen_f8_chunk(const uint8_t* chunk, float* out) {
  const auto* scales = reinterpret_cast<const float*>(chunk);
  const uint8_t* pairs = chunk + kPanelRows * 4;
  for (int lane = 0; lane < kPanelRows; lane += V::kLanes) {
    const typename V::F scale = V::load(scales + lane);
    for (int p = 0; p < kF8Chunk / 2; ++p) {
      const typename V::I pair = V::load_pairs(pairs + (p * kPanelRows + lane) * 2);
      V::store(out + (2 * p) * kPanelRows + lane, V::scaled_f8(pair, scale));
      V::store(out + (2 * p + 1) * kPanelRows + lane, V::scaled_f8(V::high_bytes(pair), scale));
    }
  }
}

// All tiles of rows [0, rows) over one range of K.
template <class V, DType kType>
void float_tiles(Tile tile, int64_t rows, int64_t prefetch_bytes) {
  using Family = FloatFamily<V, kType>;
  constexpr int kMaxRows = kType == DType::kBF16 ? V::kBf16Rows : V::kFloatRows;
  const int64_t num_tiles = (rows + kMaxRows - 1) / kMaxRows * (kPanelRows / (2 * V::kLanes));
  tile.prefetch_step = prefetch_bytes / (num_tiles * tile.steps);
  for (int64_t row = 0; row < rows; row += kMaxRows) {
    const int count = tile_rows(rows - row, kMaxRows);
    for (int lane = 0; lane < kPanelRows; lane += 2 * V::kLanes) {
      call_tile<Family, kMaxRows>(count, tile, {lane});
      tile.prefetch += tile.prefetch_step * tile.steps;
    }
    tile.x += count * tile.x_stride;
    tile.sums += count * kPanelRows;
  }
}

template <class V, class Fn>
void run_float_blocks(const PanelJob& job, Fn fn) {
  constexpr int64_t kColumns = 128;
  if (job.num_rows <= V::kBf16Rows) return run_panels<V, V::kBf16Rows>(job, fn);
  run_blocks<V, kChunkRows, kColumns>(job, fn);
}

template <class V, DType kType>
void run_float(const PanelJob& job) {
  run_float_blocks<V>(job, [&job](const PanelBlock& block) {
    constexpr int64_t kColumnBytes = FloatWeights<V, kType>::kStepBytes / FloatWeights<V, kType>::kColumns;
    Tile tile = block_tile(job, block, 4);
    const int64_t bytes = block.columns * kColumnBytes;
    tile.weights = block.panel + block.k * kColumnBytes;
    tile.steps = block.columns / FloatWeights<V, kType>::kColumns;
    // One pass over the panel: look a little ahead in it. Several: bring the next columns in while they run.
    const bool single = block.rows <= V::kBf16Rows;
    tile.prefetch = tile.weights + (single ? kStreamAhead : bytes + block.gap);
    float_tiles<V, kType>(tile, block.rows, bytes);
  });
}

template <class V>
void run_float_f8(const PanelJob& job) {
  run_float_blocks<V>(job, [&job](const PanelBlock& block) {
    constexpr int64_t kChunkBytes = (4 + kF8Chunk) * kPanelRows;
    float wide[kF8Chunk * kPanelRows];
    for (int64_t k = block.k; k < block.k + block.columns; k += kF8Chunk) {
      const uint8_t* chunk = block.panel + k / kF8Chunk * kChunkBytes;
      widen_f8_chunk<V>(chunk, wide);
      PanelBlock part = block;
      part.k = k;
      Tile tile = block_tile(job, part, 4);
      tile.weights = reinterpret_cast<const uint8_t*>(wide);
      tile.steps = kF8Chunk;
      const bool last = k + kF8Chunk == block.k + block.columns;
      tile.prefetch = chunk + kChunkBytes + (last ? block.gap : 0);
      float_tiles<V, DType::kF32>(tile, block.rows, kChunkBytes);
    }
  });
}

}  // namespace
}  // namespace hadal
