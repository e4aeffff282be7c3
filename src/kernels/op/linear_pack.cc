// Packing at load: source rows into the panels of linear_kernels.h. Runs on all of the stream's threads,
// panel by panel.
#include <algorithm>
#include <vector>

#include "kernels/op/linear_kernels.h"
#include "kernels/op/quant_block.h"

namespace hadal {
namespace {

template <typename T>
void store(std::byte* p, T v) {
  std::memcpy(p, &v, sizeof v);
}

template <typename T>
void pack_columns(const std::byte* source, int64_t k, int64_t lane, std::byte* panel) {
  for (int64_t i = 0; i < k; ++i)
    std::memcpy(panel + (i * kPanelRows + lane) * sizeof(T), source + i * sizeof(T), sizeof(T));
}

void pack_bf16(const std::byte* source, int64_t k, int64_t lane, std::byte* panel) {
  std::byte* out = panel + lane * 4;
  for (int64_t i = 0; i + 1 < k; i += 2) std::memcpy(out + i * kPanelRows * 2, source + i * 2, 4);
  if (k % 2 != 0) std::memcpy(out + (k - 1) * kPanelRows * 2, source + (k - 1) * 2, 2);
}

void pack_f8(const LinearLayout& layout, const std::byte* source, const float* scales, int64_t lane,
             std::byte* panel) {
  constexpr int64_t kChunkBytes = (4 + kF8Chunk) * kPanelRows;
  for (int64_t c = 0; c < layout.k_padded / kF8Chunk; ++c)
    store(panel + c * kChunkBytes + lane * 4, scales[c]);
  const auto at = [&](int64_t i) {
    const int64_t column = layout.k_shift + i;
    std::byte* chunk = panel + column / kF8Chunk * kChunkBytes + kPanelRows * 4;
    return chunk + column % kF8Chunk / 2 * kPanelRows * 2 + lane * 2 + column % 2;
  };
  const bool pairs = layout.k_shift % 2 == 0;
  for (int64_t i = 0; i < layout.k;) {
    const int64_t width = pairs && i + 1 < layout.k ? 2 : 1;
    std::memcpy(at(i), source + i, static_cast<size_t>(width));
    i += width;
  }
}

// Levels of one 32-block of one row. `out` is where the block's levels start.
void pack_low_nibbles(const uint8_t* q, int64_t lane, std::byte* out) {
  uint8_t bytes[16];
  for (int i = 0; i < 16; ++i) bytes[i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 16] << 4));
  for (int quad = 0; quad < 4; ++quad) std::memcpy(out + quad * 128 + lane * 4, bytes + quad * 4, 4);
}

void pack_bytes(const uint8_t* q, int64_t lane, std::byte* out) {
  for (int quad = 0; quad < 8; ++quad) std::memcpy(out + quad * 128 + lane * 4, q + quad * 4, 4);
}

void pack_fifth_bits(const uint8_t* q, int64_t lane, std::byte* out) {
  uint8_t bytes[4] = {0, 0, 0, 0};
  for (int quad = 0; quad < 8; ++quad) {
    for (int i = 0; i < 4; ++i)
      bytes[i] = static_cast<uint8_t>(bytes[i] | (((q[quad * 4 + i] >> 4) & 1) << quad));
  }
  std::memcpy(out + lane * 4, bytes, 4);
}

void pack_high_bits(const uint8_t* q, int64_t lane, std::byte* out) {
  for (int plane = 0; plane < 2; ++plane) {
    uint8_t bytes[4] = {0, 0, 0, 0};
    for (int quad = 0; quad < 4; ++quad) {
      for (int i = 0; i < 4; ++i) {
        const int high = q[(plane * 4 + quad) * 4 + i] >> 4;
        bytes[i] = static_cast<uint8_t>(bytes[i] | (high << (2 * quad)));
      }
    }
    std::memcpy(out + plane * 128 + lane * 4, bytes, 4);
  }
}

void pack_levels(DType dtype, const uint8_t* q, int64_t lane, std::byte* out) {
  if (dtype == DType::kQ8_0) return pack_bytes(q, lane, out);
  pack_low_nibbles(q, lane, out);
  if (dtype == DType::kQ5_0 || dtype == DType::kQ5_1 || dtype == DType::kQ5_K)
    pack_fifth_bits(q, lane, out + 512);
  if (dtype == DType::kQ6_K) pack_high_bits(q, lane, out + 512);
}

// q4_0, q4_1 and q8_0 bytes are in the panel's order already, four at a time.
bool pack_levels_directly(DType dtype, const std::byte* levels, int64_t lane, std::byte* out) {
  if (dtype == DType::kQ4_0 || dtype == DType::kQ4_1) {
    for (int quad = 0; quad < 4; ++quad) std::memcpy(out + quad * 128 + lane * 4, levels + quad * 4, 4);
    return true;
  }
  if (dtype != DType::kQ8_0) return false;
  for (int quad = 0; quad < 8; ++quad) {
    store(out + quad * 128 + lane * 4, load_unaligned<uint32_t>(levels + quad * 4) ^ 0x80808080u);
  }
  return true;
}

void pack_blocks32(const LinearLayout& layout, const std::byte* source, int64_t lane, std::byte* panel) {
  const int block_bytes = dtype_block_bytes(layout.dtype);
  const int header = quant_has_min(layout.dtype) ? 4 : 2;
  QuantBlock block;
  for (int64_t b = 0; b < layout.k / 32; ++b) {
    std::byte* out = panel + b * block_bytes * kPanelRows;
    for (int i = 0; i < header; i += 2)
      std::memcpy(out + i * kPanelRows + lane * 2, source + b * block_bytes + i, 2);
    std::byte* levels = out + header * kPanelRows;
    if (pack_levels_directly(layout.dtype, source + b * block_bytes + header, lane, levels)) continue;
    read_quant_block(layout.dtype, source, b, block);
    pack_levels(layout.dtype, block.q, lane, levels);
  }
}

// Two 32-blocks of q4_k, which share 32 bytes: low nibbles are the first.
void pack_q4_k_pair(const std::byte* qs, int64_t lane, std::byte* out) {
  std::byte bytes[32];
  constexpr std::byte kLow{15};
  for (int i = 0; i < 16; ++i) {
    bytes[i] = (qs[i] & kLow) | (qs[i + 16] << 4);
    bytes[i + 16] = (qs[i] >> 4) | (qs[i + 16] & ~kLow);
  }
  for (int quad = 0; quad < 8; ++quad) {
    std::memcpy(out + quad / 4 * 512 + quad % 4 * 128 + lane * 4, bytes + quad * 4, 4);
  }
}

// q4_k, q5_k and q6_k: headers of 256 columns, then the levels of 8 blocks.
void pack_k_quant(const LinearLayout& layout, const std::byte* source, int64_t lane, std::byte* panel) {
  const bool q6 = layout.dtype == DType::kQ6_K;
  const int block_bytes = dtype_block_bytes(layout.dtype);
  const int64_t super_bytes = layout.panel_bytes / (layout.k / 256);
  const int64_t header = (q6 ? 2 + 16 : 4 + 16) * kPanelRows;
  const int64_t level_bytes = (super_bytes - header) / 8;
  QuantBlock block;
  for (int64_t s = 0; s < layout.k / 256; ++s) {
    const std::byte* in = source + s * block_bytes;
    std::byte* out = panel + s * super_bytes;
    if (q6) {
      std::memcpy(out + lane * 2, in + 208, 2);
      for (int i = 0; i < 16; ++i) out[2 * kPanelRows + i * kPanelRows + lane] = in[192 + i];
    } else {
      std::memcpy(out + lane * 2, in, 2);
      std::memcpy(out + 2 * kPanelRows + lane * 2, in + 2, 2);
      for (int i = 0; i < 8; ++i) {
        const ScaleMin sm = k_quant_scale_min(in + 4, i);
        store(out + (4 + i) * kPanelRows + lane, sm.scale);
        store(out + (12 + i) * kPanelRows + lane, sm.min);
      }
    }
    if (layout.dtype == DType::kQ4_K) {
      for (int i = 0; i < 4; ++i) pack_q4_k_pair(in + 16 + i * 32, lane, out + header + 2 * i * level_bytes);
      continue;
    }
    for (int i = 0; i < 8; ++i) {
      read_quant_block(layout.dtype, source, s * 8 + i, block);
      pack_levels(layout.dtype, block.q, lane, out + header + i * level_bytes);
    }
  }
}

void pack_scalar_row(const LinearLayout& layout, const std::byte* source, const float* scales,
                     std::byte* out) {
  int64_t scale_bytes = 0;
  if (layout.dtype == DType::kF8E4M3) {
    scale_bytes = layout.k_padded / kF8Chunk * 4;
    std::memcpy(out, scales, static_cast<size_t>(scale_bytes));
  }
  std::memcpy(out + scale_bytes + dtype_bytes(layout.dtype, layout.k_shift), source,
              static_cast<size_t>(dtype_bytes(layout.dtype, layout.k)));
}

Status check_scale(const LinearSource& source) {
  const Tensor& scale = source.scale;
  if (!scale.defined() || scale.dtype() != DType::kF32 || scale.rank() != 2) {
    return invalid_argument("an f8_e4m3 weight needs a two-dimensional f32 weight_scale_inv");
  }
  const int64_t rows = (source.scale_row_offset + source.weight.dim(0) + kF8Chunk - 1) / kF8Chunk;
  const int64_t columns = (source.scale_col_offset + source.weight.dim(1) + kF8Chunk - 1) / kF8Chunk;
  if (source.scale_row_offset < 0 || source.scale_col_offset < 0 || scale.dim(0) < rows ||
      scale.dim(1) < columns) {
    return invalid_argument("weight_scale_inv has shape ", scale.shape_string(),
                            ", but the weight needs at least [", rows, ", ", columns, "]");
  }
  return {};
}

Status check_sources(std::span<const LinearSource> sources) {
  if (sources.empty()) return invalid_argument("no weight to pack");
  const LinearSource& first = sources[0];
  for (const LinearSource& source : sources) {
    const Tensor& w = source.weight;
    if (!w.defined() || w.rank() != 2) return invalid_argument("a weight must have two dimensions");
    if (w.dtype() == DType::kI8 || w.dtype() == DType::kU8 || w.dtype() == DType::kI32 ||
        w.dtype() == DType::kI64) {
      return make_error(ErrorCode::kUnsupported, "weights of type ", dtype_name(w.dtype()),
                        " are not supported");
    }
    if (w.dtype() != first.weight.dtype() || w.dim(1) != first.weight.dim(1)) {
      return make_error(ErrorCode::kUnsupported, "stacked weights differ: ", dtype_name(w.dtype()), " ",
                        w.shape_string(), " and ", dtype_name(first.weight.dtype()), " ",
                        first.weight.shape_string());
    }
    if (w.dim(1) % dtype_block_len(w.dtype()) != 0) {
      return make_error(ErrorCode::kUnsupported, "rows of ", w.dim(1), " ", dtype_name(w.dtype()),
                        " weights are not a multiple of ", dtype_block_len(w.dtype()));
    }
    if (w.dtype() == DType::kF8E4M3) {
      HADAL_RETURN_IF_ERROR(check_scale(source));
      if (source.scale_col_offset % kF8Chunk != first.scale_col_offset % kF8Chunk) {
        return make_error(ErrorCode::kUnsupported,
                          "stacked f8_e4m3 weights start at different scale columns");
      }
    }
  }
  return {};
}

// Finds stacked row `row`'s source.
struct RowSource {
  const LinearSource* source = nullptr;
  int64_t row = 0;
};
RowSource find_row(std::span<const LinearSource> sources, int64_t row) {
  size_t i = 0;
  while (row >= sources[i].weight.dim(0)) row -= sources[i++].weight.dim(0);
  return {&sources[i], row};
}

void read_scales(const LinearSource& source, int64_t row, std::vector<float>& scales) {
  const int64_t scale_row = (source.scale_row_offset + row) / kF8Chunk;
  const int64_t first = source.scale_col_offset / kF8Chunk;
  const float* in = source.scale.ptr<float>() + scale_row * source.scale.stride(0);
  for (size_t c = 0; c < scales.size(); ++c) {
    scales[c] = in[std::min(first + static_cast<int64_t>(c), source.scale.dim(1) - 1)];
  }
}

}  // namespace

void pack_row(const LinearLayout& layout, const std::byte* source, const float* scales, int64_t row,
              std::byte* panels) {
  std::byte* panel = panels + row / layout.panel_rows * layout.panel_bytes;
  const int64_t lane = row % layout.panel_rows;
  if (layout.panel_rows == 1) return pack_scalar_row(layout, source, scales, panel);
  switch (layout.dtype) {
    case DType::kF32:
      return pack_columns<float>(source, layout.k, lane, panel);
    case DType::kF16:
      return pack_columns<uint16_t>(source, layout.k, lane, panel);
    case DType::kBF16:
      return pack_bf16(source, layout.k, lane, panel);
    case DType::kF8E4M3:
      return pack_f8(layout, source, scales, lane, panel);
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
      return pack_k_quant(layout, source, lane, panel);
    default:
      return pack_blocks32(layout, source, lane, panel);
  }
}

Result<PackedLinear> PackedLinear::pack(Stream& stream, CpuTier tier, std::span<const LinearSource> sources) {
  HADAL_RETURN_IF_ERROR(check_sources(sources));
  PackedLinear out;
  out.k_ = sources[0].weight.dim(1);
  out.dtype_ = sources[0].weight.dtype();
  // A build for another architecture has the scalar tier only.
  out.tier_ = avx2_linear_kernels() != nullptr ? tier : CpuTier::kScalar;
  for (const LinearSource& source : sources) out.n_ += source.weight.dim(0);
  if (out.n_ == 0 || out.k_ == 0) return invalid_argument("an empty weight cannot be packed");
  if (out.dtype_ == DType::kF8E4M3) out.k_shift_ = sources[0].scale_col_offset % kF8Chunk;
  if (out.dtype_ == DType::kBF16 && linear_kernels(out.tier_).compact != nullptr) {
    HADAL_ASSIGN(const bool done, out.pack_compact(stream, sources));
    if (done) return out;
  }
  const LinearLayout layout = linear_layout(out);
  const int64_t num_panels = (out.n_ + layout.panel_rows - 1) / layout.panel_rows;
  HADAL_ASSIGN(out.buffer_, DeviceBuffer::allocate(DeviceType::kCpu,
                                                   static_cast<size_t>(num_panels * layout.panel_bytes)));
  const int64_t grain = std::max<int64_t>(1, 65536 / layout.panel_bytes);
  stream.pool().parallel_for(num_panels, grain, [&](int64_t begin, int64_t end, int) {
    std::vector<float> scales(out.dtype_ == DType::kF8E4M3 ? static_cast<size_t>(layout.k_padded / kF8Chunk)
                                                           : 0);
    for (int64_t r = begin * layout.panel_rows; r < std::min(end * layout.panel_rows, out.n_); ++r) {
      const RowSource at = find_row(sources, r);
      if (!scales.empty()) read_scales(*at.source, at.row, scales);
      const Tensor& weight = at.source->weight;
      const std::byte* row =
          static_cast<const std::byte*>(weight.data()) + dtype_bytes(layout.dtype, at.row * weight.stride(0));
      pack_row(layout, row, scales.data(), r, out.buffer_.data());
    }
  });
  return out;
}

}  // namespace hadal
