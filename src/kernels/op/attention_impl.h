// The attention kernels of a vector tier V (simd/avx2.h says what V offers). Included by one translation unit
// per tier.
//
// A key tile is widened to f32 once and used by all query rows: keys transposed, so that a vector holds one
// dimension of many keys, values as they are. Every score is one chain of multiply-adds over the dimensions
// and every output element one chain over the keys, in ascending order; a masked key has weight 0 and leaves
// the chain as it was. How many rows share a tile, or how far the tile reaches beyond a row's last key,
// therefore never changes a bit of the row's result.
#pragma once

#include <cstdint>

#include "kernels/op/cpu_kernels.h"
#include "kernels/simd/exp.h"

namespace hadal {

template <typename V>
struct AttentionImpl {
  using F = typename V::F;
  static constexpr int kWidth = V::kWidth;
  static constexpr int kKeyVectors = kKeyTile / kWidth;
  static constexpr float kLowest = -3.402823466e38f;  // finite: differences with it are no NaN

  struct TileRows {
    const std::byte* k[kKeyTile];
    const std::byte* v[kKeyTile];
  };

  // Keys [first, first + count) of the sequence.
  static void find_rows(const AttentionKv& kv, int first, int count, TileRows& rows) {
    int block = first / kv.block_size;
    int offset = first % kv.block_size;
    for (int i = 0; i < count; ++i) {
      rows.k[i] = kv.k + kv.blocks[block] * kv.k_block_stride + offset * kv.k_row_stride;
      rows.v[i] = kv.v + kv.blocks[block] * kv.v_block_stride + offset * kv.v_row_stride;
      if (++offset == kv.block_size) {
        offset = 0;
        ++block;
      }
    }
  }

  template <DType kType>
  HADAL_VEC F load_row(const std::byte* row, int64_t d, int64_t n) {
    if constexpr (kType == DType::kF32) {
      const float* p = reinterpret_cast<const float*>(row) + d;
      return n >= kWidth ? V::load(p) : V::load_n(p, n);
    } else {
      const uint16_t* p = reinterpret_cast<const uint16_t*>(row) + d;
      return n >= kWidth ? V::load(p, kType == DType::kF16) : V::load_n(p, n, kType == DType::kF16);
    }
  }

  // Asks for the cache lines of bytes [begin, begin + 64) of some rows.
  HADAL_VEC void prefetch(const std::byte* const* rows, int count, int64_t begin) {
    for (int i = 0; i < count; ++i) __builtin_prefetch(rows[i] + begin, 0, 2);
  }

  // Dims [d, d + kWidth) of `keys` keys (fewer count as zeros); out is at the first of both.
  template <DType kType>
  HADAL_VEC void pack_block(const std::byte* const* rows, int keys, int64_t d, int dims, float* out) {
    F r[kWidth];
    for (int i = 0; i < kWidth; ++i) r[i] = i < keys ? load_row<kType>(rows[i], d, dims) : V::zero();
    V::transpose(r);
    for (int i = 0; i < dims; ++i) V::store(out + i * kKeyTile, r[i]);
  }

  // 2 * kWidth dims of kWidth keys of 16 bits, transposed as pairs: half the shuffles.
  template <DType kType>
  HADAL_VEC void pack_pairs(const std::byte* const* rows, int64_t d, float* out) {
    F r[kWidth];
    HADAL_UNROLL
    for (int i = 0; i < kWidth; ++i) r[i] = V::load(reinterpret_cast<const float*>(rows[i] + 2 * d));
    V::transpose(r);
    HADAL_UNROLL
    for (int i = 0; i < kWidth; ++i) {
      F even;
      F odd;
      V::split_pairs(r[i], kType == DType::kF16, even, odd);
      V::store(out + 2 * i * kKeyTile, even);
      V::store(out + (2 * i + 1) * kKeyTile, odd);
    }
  }

  // out[d][key], for `count` keys and zeros up to the next vector. Meanwhile the keys of the next tile are
  // asked for: tiles lie in small blocks anywhere in memory, where the hardware does not foresee them.
  template <DType kType>
  static void pack_keys(const AttentionKv& kv, const TileRows& rows, int count, const TileRows& next,
                        int next_count, float* out) {
    constexpr int kBytes = kType == DType::kF32 ? 4 : 2;
    const int pair_dims = kType == DType::kF32 ? 0 : kv.head_dim / (2 * kWidth) * (2 * kWidth);
    for (int key = 0; key < count; key += kWidth) {
      const int keys = count - key < kWidth ? count - key : kWidth;
      const int next_keys = next_count - key < kWidth ? next_count - key : kWidth;
      for (int64_t byte = 0; byte < kv.head_dim * kBytes; byte += 64) prefetch(next.k + key, next_keys, byte);
      int d = 0;
      if (keys == kWidth) {
        for (; d < pair_dims; d += 2 * kWidth) {
          if constexpr (kType != DType::kF32) {
            pack_pairs<kType>(rows.k + key, d, out + static_cast<int64_t>(d) * kKeyTile + key);
          }
        }
      }
      for (; d < kv.head_dim; d += kWidth) {
        const int dims = kv.head_dim - d < kWidth ? kv.head_dim - d : kWidth;
        pack_block<kType>(rows.k + key, keys, d, dims, out + static_cast<int64_t>(d) * kKeyTile + key);
      }
    }
  }

  // out[key][d], zeros up to v_stride.
  template <DType kType>
  static void pack_values(const AttentionKv& kv, const TileRows& rows, int count, const TileRows& next,
                          int next_count, float* out) {
    constexpr int kBytes = kType == DType::kF32 ? 4 : 2;
    for (int key = 0; key < count; ++key) {
      const int next_keys = key < next_count ? 1 : 0;
      for (int64_t byte = 0; byte < kv.v_head_dim * kBytes; byte += 64)
        prefetch(next.v + key, next_keys, byte);
      float* target = out + static_cast<int64_t>(key) * kv.v_stride;
      int d = 0;
      for (; d + kWidth <= kv.v_head_dim; d += kWidth)
        V::store(target + d, load_row<kType>(rows.v[key], d, kWidth));
      if (d < kv.v_head_dim) {
        V::store(target + d, load_row<kType>(rows.v[key], d, kv.v_head_dim - d));
        d += kWidth;
      }
      for (; d < kv.v_stride; d += kWidth) V::store(target + d, V::zero());
    }
  }

  // c[r][0, kVectors) = (kAccumulate ? c[r] * scale[r] : 0) + sum over i of a[r][i] * b[i].
  template <int kRows, int kVectors, bool kAccumulate>
  HADAL_VEC void multiply_tile(const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                               int64_t count, const float* scale, float* c, int64_t c_stride) {
    F sum[kRows][kVectors];
    HADAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      HADAL_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        sum[r][j] =
            kAccumulate ? V::mul(V::load(c + r * c_stride + j * kWidth), V::set1(scale[r])) : V::zero();
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      F operand[kVectors];
      HADAL_UNROLL
      for (int j = 0; j < kVectors; ++j) operand[j] = V::load(b + i * b_stride + j * kWidth);
      HADAL_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const F factor = V::set1(a[r * a_stride + i]);
        HADAL_UNROLL
        for (int j = 0; j < kVectors; ++j) sum[r][j] = V::fma(factor, operand[j], sum[r][j]);
      }
    }
    HADAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      HADAL_UNROLL
      for (int j = 0; j < kVectors; ++j) V::store(c + r * c_stride + j * kWidth, sum[r][j]);
    }
  }

  // As above over num_vectors, in tiles of the width that suits the rows.
  template <int kRows, bool kAccumulate>
  static void multiply(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t count,
                       const float* scale, float* c, int64_t c_stride, int num_vectors) {
    constexpr int kTile = V::tile_vectors(kRows);
    int j = 0;
    for (; j + kTile <= num_vectors; j += kTile) {
      multiply_tile<kRows, kTile, kAccumulate>(a, a_stride, b + j * kWidth, b_stride, count, scale,
                                               c + j * kWidth, c_stride);
    }
    for (; j < num_vectors; ++j) {
      multiply_tile<kRows, 1, kAccumulate>(a, a_stride, b + j * kWidth, b_stride, count, scale,
                                           c + j * kWidth, c_stride);
    }
  }

  // One row's scores of a tile become weights in place: its maximum and sum advance, and the factor for what
  // it has accumulated so far is returned. Keys outside [low, high) weigh nothing.
  HADAL_VEC float soften(float* scores, int num_vectors, int low, int high, float* max, float* sum) {
    F x[kKeyVectors];
    F best = V::set1(kLowest);
    const bool masked = low > 0 || high < num_vectors * kWidth;
    for (int j = 0; j < num_vectors; ++j) {
      x[j] = V::load(scores + j * kWidth);
      if (masked) x[j] = V::keep_range(x[j], low - j * kWidth, high - j * kWidth, V::set1(-__builtin_inff()));
      best = V::max(x[j], best);
    }
    const float tile_max = V::max_lane(best);
    const float new_max = tile_max > *max ? tile_max : *max;
    const F shift = V::set1(new_max);
    F total = V::zero();
    for (int j = 0; j < num_vectors; ++j) {
      x[j] = vector_exp<V>(V::sub(x[j], shift));
      V::store(scores + j * kWidth, x[j]);
      total = V::add(total, x[j]);
    }
    float factor = 1.0f;
    if (new_max != *max) {
      float lanes[kWidth];
      V::store(lanes, vector_exp<V>(V::set1(*max - new_max)));
      factor = lanes[0];
    }
    *max = new_max;
    *sum = *sum * factor + V::sum(total);
    return factor;
  }

  struct Tile {
    int first = 0;  // key
    int count = 0;
  };

  // Advances kRows rows from `row` on by one packed tile.
  template <int kRows>
  static void attend(const AttentionKv& kv, const AttentionRows& rows, int row, const Tile& tile,
                     const AttentionScratch& scratch, const AttentionState& state) {
    const int last = row + kRows - 1;
    int count = rows.end_key[last] - tile.first;
    if (count > tile.count) count = tile.count;
    if (count <= 0 || rows.first_key[row] >= tile.first + count) return;
    const int num_vectors = (count + kWidth - 1) / kWidth;
    float* scores = scratch.scores + static_cast<int64_t>(row) * kKeyTile;
    multiply<kRows, false>(rows.q + static_cast<int64_t>(row) * kv.head_dim, kv.head_dim, scratch.k, kKeyTile,
                           kv.head_dim, nullptr, scores, kKeyTile, num_vectors);
    float factors[kRows];
    for (int r = 0; r < kRows; ++r) {
      factors[r] = soften(scores + r * kKeyTile, num_vectors, rows.first_key[row + r] - tile.first,
                          rows.end_key[row + r] - tile.first, state.max + row + r, state.sum + row + r);
    }
    multiply<kRows, true>(scores, kKeyTile, scratch.v, kv.v_stride, count, factors,
                          state.acc + static_cast<int64_t>(row) * kv.v_stride, kv.v_stride,
                          kv.v_stride / kWidth);
  }

  static void attend_all(const AttentionKv& kv, const AttentionRows& rows, const Tile& tile,
                         const AttentionScratch& scratch, const AttentionState& state) {
    int row = 0;
    for (; row + kRowStep <= rows.num_rows; row += kRowStep)
      attend<kRowStep>(kv, rows, row, tile, scratch, state);
    switch (rows.num_rows - row) {
      case 1:
        return attend<1>(kv, rows, row, tile, scratch, state);
      case 2:
        return attend<2>(kv, rows, row, tile, scratch, state);
      case 3:
        return attend<3>(kv, rows, row, tile, scratch, state);
      case 4:
        return attend<4>(kv, rows, row, tile, scratch, state);
      case 5:
        return attend<5>(kv, rows, row, tile, scratch, state);
      default:
        return;
    }
  }

  template <DType kType>
  static void run_partition(const AttentionKv& kv, const AttentionRows& rows, int partition,
                            const AttentionScratch& scratch, const AttentionState& state) {
    int first = partition * kKeyPartition;
    const int all = rows.end_key[rows.num_rows - 1];
    const int end = first + kKeyPartition < all ? first + kKeyPartition : all;
    const int first_tile = rows.first_key[0] / kKeyTile * kKeyTile;
    if (first < first_tile) first = first_tile;
    const auto tile_at = [&](int key) {
      return Tile{key, all - key < kKeyTile ? (all > key ? all - key : 0) : kKeyTile};
    };
    TileRows two[2];  // this tile's and the next one's
    find_rows(kv, first, tile_at(first).count, two[0]);
    for (int i = 0; first < end; first += kKeyTile, i ^= 1) {
      const Tile tile = tile_at(first);
      const Tile next = tile_at(first + kKeyTile);
      find_rows(kv, next.first, next.count, two[i ^ 1]);
      pack_keys<kType>(kv, two[i], tile.count, two[i ^ 1], next.count, scratch.k);
      pack_values<kType>(kv, two[i], tile.count, two[i ^ 1], next.count, scratch.v);
      attend_all(kv, rows, tile, scratch, state);
    }
  }

  static void partition(const AttentionKv& kv, const AttentionRows& rows, int index,
                        const AttentionScratch& scratch, const AttentionState& state) {
    for (int r = 0; r < rows.num_rows; ++r) {
      state.max[r] = kLowest;
      state.sum[r] = 0;
    }
    const int64_t elements = static_cast<int64_t>(rows.num_rows) * kv.v_stride;
    for (int64_t i = 0; i < elements; i += kWidth) V::store(state.acc + i, V::zero());
    if (kv.dtype == DType::kF16) {
      run_partition<DType::kF16>(kv, rows, index, scratch, state);
    } else if (kv.dtype == DType::kBF16) {
      run_partition<DType::kBF16>(kv, rows, index, scratch, state);
    } else {
      run_partition<DType::kF32>(kv, rows, index, scratch, state);
    }
  }

  // n is a multiple of 16.
  static void merge(float* total_max, float* total_sum, float* total_acc, float part_max, float part_sum,
                    const float* part_acc, int64_t n) {
    if (part_sum == 0) return;
    if (*total_sum == 0) {
      *total_max = part_max;
      *total_sum = part_sum;
      for (int64_t i = 0; i < n; i += kWidth) V::store(total_acc + i, V::load(part_acc + i));
      return;
    }
    const float max = part_max > *total_max ? part_max : *total_max;
    const F a = vector_exp<V>(V::set1(*total_max - max));
    const F b = vector_exp<V>(V::set1(part_max - max));
    float lanes_a[kWidth];
    float lanes_b[kWidth];
    V::store(lanes_a, a);
    V::store(lanes_b, b);
    *total_max = max;
    *total_sum = *total_sum * lanes_a[0] + part_sum * lanes_b[0];
    for (int64_t i = 0; i < n; i += kWidth) {
      V::store(total_acc + i, V::fma(V::load(part_acc + i), b, V::mul(V::load(total_acc + i), a)));
    }
  }

  static void scale(const float* acc, float factor, int64_t n, float* out) {
    const F f = V::set1(factor);
    int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) V::store(out + i, V::mul(V::load(acc + i), f));
    if (i < n) V::store_n(out + i, V::mul(V::load_n(acc + i, n - i), f), n - i);
  }
};

}  // namespace hadal
