// Integer kernels over panels of block-quantised weights, for vector type V.
// Per 32 columns (16 for q6_k) and row of x: an exact integer dot product, then one fma into the f32 sum;
// types with a minimum add one more. The order is K's, so the number of rows changes nothing. Few rows:
// levels are unpacked in registers on the way. Many: a block of K is unpacked to memory once for all rows.
#pragma once

#include "kernels/op/linear_panels.h"

namespace hadal {
namespace {

// Columns unpacked at a time: levels and scales stay in the first-level cache.
constexpr int kUnpackColumns = 512;

constexpr bool is_k_quant(DType t) {
  return t == DType::kQ4_K || t == DType::kQ5_K || t == DType::kQ6_K;
}
constexpr bool has_min(DType t) {
  return t == DType::kQ4_1 || t == DType::kQ5_1 || t == DType::kQ4_K || t == DType::kQ5_K;
}
constexpr bool has_fifth_bit(DType t) {
  return t == DType::kQ5_0 || t == DType::kQ5_1 || t == DType::kQ5_K;
}

// Reads panels of one type, as linear_kernels.h lays them out.
template <class V, DType kType>
struct QuantWeights {
  using F = typename V::F;
  using I = typename V::I;
  static constexpr bool kMin = has_min(kType);
  static constexpr int kParts = kType == DType::kQ6_K ? 2 : 1;  // scales per 32 columns
  static constexpr int kMaxLevel = kType == DType::kQ8_0   ? 255
                                   : kType == DType::kQ6_K ? 63
                                   : has_fifth_bit(kType)  ? 31
                                                           : 15;
  static constexpr int kLevelOffset = kType == DType::kQ8_0   ? 128
                                      : kType == DType::kQ6_K ? 32
                                      : kType == DType::kQ5_0 ? 16
                                      : kType == DType::kQ4_0 ? 8
                                                              : 0;
  static constexpr bool kSigned = kType == DType::kQ8_0 && V::kSignedBytes;
  static constexpr bool kOffset = !kMin && !kSigned;  // dot products start at -offset * sum(x)
  static constexpr int kLevelBytes = kType == DType::kQ8_0   ? 1024
                                     : kType == DType::kQ6_K ? 768
                                     : has_fifth_bit(kType)  ? 640
                                                             : 512;
  static constexpr int kBlocks = is_k_quant(kType) ? 8 : 1;  // 32-blocks that share a header
  static constexpr int kHeaderBytes = kType == DType::kQ6_K ? 576 : is_k_quant(kType) ? 640 : kMin ? 128 : 64;
  static constexpr int kGroupBytes = kHeaderBytes + kBlocks * kLevelBytes;

  static const uint8_t* group(const uint8_t* panel, int64_t block) {
    return panel + block / kBlocks * kGroupBytes;
  }
  static const uint8_t* levels(const uint8_t* panel, int64_t block) {
    return group(panel, block) + kHeaderBytes + block % kBlocks * kLevelBytes;
  }
  HADAL_INLINE static F scale(const uint8_t* panel, int64_t block, int part, int lane) {
    const uint8_t* head = group(panel, block);
    const F d = V::load_f16(head + lane * 2);
    const int64_t sub = block % kBlocks;
    if constexpr (kType == DType::kQ6_K)
      return V::mul(d, V::load_i8(head + 64 + (sub * 2 + part) * kPanelRows + lane));
    if constexpr (is_k_quant(kType)) return V::mul(d, V::load_u8(head + 128 + sub * kPanelRows + lane));
    return d;
  }
  HADAL_INLINE static F min(const uint8_t* panel, int64_t block, int lane) {
    const uint8_t* head = group(panel, block);
    const F m = V::load_f16(head + 64 + lane * 2);
    if constexpr (!is_k_quant(kType)) return m;
    return V::fnmul(m, V::load_u8(head + 128 + (8 + block % kBlocks) * kPanelRows + lane));
  }
  // Quad kQuad of rows lane... of a block's levels.
  template <int kQuad>
  HADAL_INLINE static I quad(const uint8_t* levels, int lane) {
    if constexpr (kType == DType::kQ8_0) return V::load_bytes(levels + kQuad * 128 + lane * 4);
    const I both = V::load_bytes(levels + (kQuad & 3) * 128 + lane * 4);
    const I low = V::bit_and(kQuad < 4 ? both : V::template shift_right<4>(both), V::set1_u8(15));
    if constexpr (has_fifth_bit(kType)) {
      const I high = V::load_bytes(levels + 512 + lane * 4);
      if constexpr (kQuad <= 4) return V::merge(low, V::template shift_left<4 - kQuad>(high), V::set1_u8(16));
      return V::merge(low, V::template shift_right<(kQuad > 4 ? kQuad - 4 : 0)>(high), V::set1_u8(16));
    }
    if constexpr (kType == DType::kQ6_K) {
      const I high = V::load_bytes(levels + 512 + kQuad / 4 * 128 + lane * 4);
      constexpr int kLeft = 4 - 2 * (kQuad & 3);
      if constexpr (kLeft >= 0) return V::merge(low, V::template shift_left<kLeft>(high), V::set1_u8(0x30));
      return V::merge(low, V::template shift_right<2>(high), V::set1_u8(0x30));
    }
    return low;
  }
};

// A block of K of one panel, unpacked. kSignedLevels: without the offset that makes levels unsigned.
template <class V, DType kType, bool kSignedLevels = false>
struct UnpackedPanel {
  using W = QuantWeights<V, kType>;
  alignas(64) uint8_t levels[kUnpackColumns * kPanelRows];
  alignas(64) float scales[kUnpackColumns / 32 * W::kParts * kPanelRows];
  alignas(64) float mins[W::kMin ? kUnpackColumns / 32 * kPanelRows : 16];

  template <int kQuad>
  void unpack_quads(const uint8_t* from, int64_t block) {
    if constexpr (kQuad < 8) {
      for (int lane = 0; lane < kPanelRows; lane += V::kLanes) {
        typename V::I quad = W::template quad<kQuad>(from, lane);
        if constexpr (kSignedLevels && W::kOffset) quad = V::sub_i8(quad, V::set1_u8(W::kLevelOffset));
        V::store_bytes(levels + block * 1024 + kQuad * 128 + lane * 4, quad);
      }
      unpack_quads<kQuad + 1>(from, block);
    }
  }
  void unpack(const uint8_t* panel, int64_t first_block, int64_t num_blocks) {
    for (int64_t b = 0; b < num_blocks; ++b) {
      for (int lane = 0; lane < kPanelRows; lane += V::kLanes) {
        for (int part = 0; part < W::kParts; ++part) {
          V::store(scales + (b * W::kParts + part) * kPanelRows + lane,
                   W::scale(panel, first_block + b, part, lane));
        }
        if constexpr (W::kMin) V::store(mins + b * kPanelRows + lane, W::min(panel, first_block + b, lane));
      }
      unpack_quads<0>(W::levels(panel, first_block + b), b);
    }
  }
};

// Where a tile's weights come from: the panel itself, or an unpacked block of it.
template <class V, DType kType, bool kUnpacked>
struct QuantReader {
  using W = QuantWeights<V, kType>;
  const uint8_t* panel = nullptr;
  const UnpackedPanel<V, kType>* unpacked = nullptr;

  HADAL_INLINE const uint8_t* levels(int64_t block) const {
    if constexpr (kUnpacked) return unpacked->levels + block * 1024;
    return W::levels(panel, block);
  }
  template <int kQuad>
  HADAL_INLINE static typename V::I quad(const uint8_t* levels, int lane) {
    if constexpr (kUnpacked) return V::load_bytes(levels + kQuad * 128 + lane * 4);
    return W::template quad<kQuad>(levels, lane);
  }
  HADAL_INLINE typename V::F scale(int64_t block, int part, int lane) const {
    if constexpr (kUnpacked)
      return V::load(unpacked->scales + (block * W::kParts + part) * kPanelRows + lane);
    return W::scale(panel, block, part, lane);
  }
  HADAL_INLINE typename V::F min(int64_t block, int lane) const {
    if constexpr (kUnpacked) return V::load(unpacked->mins + block * kPanelRows + lane);
    return W::min(panel, block, lane);
  }
};

template <class V, DType kType, bool kUnpacked>
struct QuantFamily {
  using W = QuantWeights<V, kType>;
  using Reader = QuantReader<V, kType, kUnpacked>;
  using F = typename V::F;
  using I = typename V::I;
  struct Args {
    Reader reader;
    int lane = 0;
    const uint8_t* x_scales = nullptr;  // at the first block of the range; rows x_stride apart
    const uint8_t* x_sums = nullptr;
  };

  // Quads kQuad .. kEnd of one block into 16- or 32-bit parts.
  template <int kRows, int kQuad, int kEnd>
  HADAL_INLINE static void dot_quads(const uint8_t* levels, int lane, const uint8_t* x, int64_t x_stride,
                                     I (&parts)[kRows][2]) {
    if constexpr (kQuad < kEnd) {
      const I w0 = Reader::template quad<kQuad>(levels, lane);
      const I w1 = Reader::template quad<kQuad>(levels, lane + V::kLanes);
      HADAL_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const I xv = V::broadcast_i32(x + r * x_stride + kQuad * 4);
        if constexpr (W::kSigned) {
          parts[r][0] = V::part_dot_signed(parts[r][0], w0, xv);
          parts[r][1] = V::part_dot_signed(parts[r][1], w1, xv);
        } else {
          parts[r][0] = V::part_dot(parts[r][0], w0, xv);
          parts[r][1] = V::part_dot(parts[r][1], w1, xv);
        }
      }
      dot_quads<kRows, kQuad + 1, kEnd>(levels, lane, x, x_stride, parts);
    }
  }

  // Flushes the parts to 32 bits as often as the levels' size asks for.
  template <int kRows, int kQuad, int kEnd>
  HADAL_INLINE static void dots(const uint8_t* levels, int lane, const uint8_t* x, int64_t x_stride,
                                I (&totals)[kRows][2]) {
    if constexpr (kQuad < kEnd) {
      constexpr int kFlush = V::flush_quads(W::kMaxLevel);
      constexpr int kStop = kQuad + kFlush < kEnd ? kQuad + kFlush : kEnd;
      I parts[kRows][2];
      HADAL_UNROLL
      for (int r = 0; r < kRows; ++r) {
        parts[r][0] = V::part_begin(totals[r][0]);
        parts[r][1] = V::part_begin(totals[r][1]);
      }
      dot_quads<kRows, kQuad, kStop>(levels, lane, x, x_stride, parts);
      HADAL_UNROLL
      for (int r = 0; r < kRows; ++r) {
        totals[r][0] = V::part_end(totals[r][0], parts[r][0]);
        totals[r][1] = V::part_end(totals[r][1], parts[r][1]);
      }
      dots<kRows, kStop, kEnd>(levels, lane, x, x_stride, totals);
    }
  }

  // Part kPart of one 32-block.
  template <int kRows, int kPart>
  HADAL_INLINE static void add_part(const Tile& tile, const Args& args, int64_t block, F (&sums)[kRows][2]) {
    constexpr int kQuads = 8 / W::kParts;
    I totals[kRows][2];
    HADAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const uint8_t* start = args.x_sums + r * tile.x_stride + (block * W::kParts + kPart) * 4;
      totals[r][0] = totals[r][1] = W::kOffset ? V::broadcast_i32(start) : V::zero_i();
    }
    dots<kRows, kPart * kQuads, (kPart + 1) * kQuads>(args.reader.levels(block), args.lane,
                                                      tile.x + block * 32, tile.x_stride, totals);
    const F scale[2] = {args.reader.scale(block, kPart, args.lane),
                        args.reader.scale(block, kPart, args.lane + V::kLanes)};
    HADAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const F x_scale =
          V::broadcast(reinterpret_cast<const float*>(args.x_scales + r * tile.x_stride) + block);
      HADAL_UNROLL
      for (int v = 0; v < 2; ++v)
        sums[r][v] = V::fma(V::to_float(totals[r][v]), V::mul(scale[v], x_scale), sums[r][v]);
    }
  }

  template <int kRows>
  static void run(const Tile& tile, const Args& args) {
    F sums[kRows][2];
    HADAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      HADAL_UNROLL
      for (int v = 0; v < 2; ++v) {
        sums[r][v] = tile.first ? V::zero() : V::load(tile.sums + r * kPanelRows + args.lane + v * V::kLanes);
      }
    }
    const uint8_t* prefetch = tile.prefetch;
    for (int64_t b = 0; b < tile.steps; ++b) {
      for (int64_t i = 0; i < tile.prefetch_step; i += 64) prefetch_line(prefetch + i);
      prefetch += tile.prefetch_step;
      add_part<kRows, 0>(tile, args, b, sums);
      if constexpr (W::kParts == 2) add_part<kRows, 1>(tile, args, b, sums);
      if constexpr (W::kMin) {
        const F m[2] = {args.reader.min(b, args.lane), args.reader.min(b, args.lane + V::kLanes)};
        HADAL_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const F sum = V::broadcast(reinterpret_cast<const float*>(args.x_sums + r * tile.x_stride) + b);
          sums[r][0] = V::fma(m[0], sum, sums[r][0]);
          sums[r][1] = V::fma(m[1], sum, sums[r][1]);
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

// All tiles of rows [0, rows) over blocks [block, block + tile.steps).
template <class V, DType kType, bool kUnpacked>
void quant_tiles(const LinearLayout& layout, Tile tile, const QuantReader<V, kType, kUnpacked>& reader,
                 int64_t rows, int64_t block, int64_t prefetch_bytes) {
  using Family = QuantFamily<V, kType, kUnpacked>;
  const uint8_t* row_start = tile.x - block * 32;
  const int64_t num_tiles = (rows + V::kQuantRows - 1) / V::kQuantRows * (kPanelRows / (2 * V::kLanes));
  tile.prefetch_step = (prefetch_bytes / (num_tiles * tile.steps) + 63) / 64 * 64;
  typename Family::Args args;
  args.reader = reader;
  for (int64_t row = 0; row < rows; row += V::kQuantRows) {
    const int count = tile_rows(rows - row, V::kQuantRows);
    args.x_scales = row_start + layout.scale_offset + block * 4;
    args.x_sums = row_start + layout.sum_offset + block * QuantWeights<V, kType>::kParts * 4;
    for (args.lane = 0; args.lane < kPanelRows; args.lane += 2 * V::kLanes) {
      call_tile<Family, V::kQuantRows>(count, tile, args);
      tile.prefetch += tile.prefetch_step * tile.steps;
    }
    tile.x += count * tile.x_stride;
    row_start += count * tile.x_stride;
    tile.sums += count * kPanelRows;
  }
}

template <class V, DType kType>
void run_quant(const PanelJob& job) {
  const LinearLayout& layout = *job.layout;
  const auto make_tile = [&job](const PanelBlock& block) {
    Tile tile = block_tile(job, block, 1);
    tile.steps = block.columns / 32;
    return tile;
  };
  // Few rows: straight from the panel.
  if (job.num_rows <= V::kQuantRows) {
    return run_panels<V, V::kQuantRows>(job, [&](const PanelBlock& block) {
      Tile tile = make_tile(block);
      tile.prefetch = block.panel + job.stream_ahead;
      QuantReader<V, kType, false> reader;
      reader.panel = block.panel;
      quant_tiles<V, kType, false>(layout, tile, reader, block.rows, 0, layout.panel_bytes);
    });
  }
  UnpackedPanel<V, kType> unpacked;
  run_blocks<V, kChunkRows, kUnpackColumns>(job, [&](const PanelBlock& block) {
    unpacked.unpack(block.panel, block.k / 32, block.columns / 32);
    Tile tile = make_tile(block);
    tile.prefetch = block.panel + layout.panel_bytes * (block.k + block.columns) / layout.k + block.gap;
    QuantReader<V, kType, true> reader;
    reader.unpacked = &unpacked;
    quant_tiles<V, kType, true>(layout, tile, reader, block.rows, block.k / 32,
                                layout.panel_bytes * block.columns / layout.k);
  });
}

template <class V>
constexpr void set_quant_kernels(LinearKernels& kernels) {
  const auto at = [&kernels](DType t) constexpr->PanelFn& {
    return kernels.panels[static_cast<size_t>(t)];
  };
  at(DType::kQ8_0) = run_quant<V, DType::kQ8_0>;
  at(DType::kQ4_0) = run_quant<V, DType::kQ4_0>;
  at(DType::kQ4_1) = run_quant<V, DType::kQ4_1>;
  at(DType::kQ5_0) = run_quant<V, DType::kQ5_0>;
  at(DType::kQ5_1) = run_quant<V, DType::kQ5_1>;
  at(DType::kQ4_K) = run_quant<V, DType::kQ4_K>;
  at(DType::kQ5_K) = run_quant<V, DType::kQ5_K>;
  at(DType::kQ6_K) = run_quant<V, DType::kQ6_K>;
}

}  // namespace
}  // namespace hadal
