// Packing of bf16 in 12 bits (linear_compact.h): panel by panel on all of the stream's threads, each panel
// read once from memory.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <vector>

#include "kernels/op/linear_compact.h"

namespace hadal {
namespace {

// More outliers than one in this many, and their own bytes and work would eat the gain.
constexpr int64_t kMinWeightsPerOutlier = 256;
constexpr int64_t kChunkColumns = 64;  // made plain, then compact, in the first-level cache

// The 32 rows of one panel; null beyond the matrix.
using PanelSource = std::array<const std::byte*, kPanelRows>;

std::vector<const std::byte*> row_pointers(std::span<const LinearSource> sources) {
  std::vector<const std::byte*> rows;
  for (const LinearSource& source : sources) {
    const Tensor& w = source.weight;
    for (int64_t r = 0; r < w.dim(0); ++r)
      rows.push_back(static_cast<const std::byte*>(w.data()) + dtype_bytes(w.dtype(), r * w.stride(0)));
  }
  return rows;
}

uint16_t weight_at(const std::byte* row, int64_t i) {
  uint16_t v = 0;
  std::memcpy(&v, row + i * 2, 2);
  return v;
}

// The base whose codes hold most of the panel's weights.
int best_base(const PanelSource& rows, int64_t k) {
  // Four tables: counting the same exponent twice in a row would wait for the store.
  std::array<std::array<uint32_t, 128>, 4> counts = {};
  for (const std::byte* row : rows) {
    if (row == nullptr) continue;
    for (int64_t i = 0; i < k; ++i) ++counts[static_cast<size_t>(i & 3)][(weight_at(row, i) >> 8) & 127];
  }
  std::array<uint32_t, 128> total = {};
  for (size_t e = 0; e < 128; ++e) total[e] = counts[0][e] + counts[1][e] + counts[2][e] + counts[3][e];
  int best = 0;
  uint64_t best_held = 0;
  for (int base = 0; base + kCompactCodes < 128; ++base) {
    uint64_t held = 0;
    for (int c = 1; c <= kCompactCodes; ++c) held += total[static_cast<size_t>(base + c)];
    if (held > best_held) {
      best = base;
      best_held = held;
    }
  }
  return best;
}

void copy_plain(const PanelSource& rows, int64_t column, int64_t columns, uint8_t* plain) {
  for (int64_t lane = 0; lane < kPanelRows; ++lane) {
    const std::byte* row = rows[static_cast<size_t>(lane)];
    if (row == nullptr) continue;
    uint8_t* out = plain + lane * 4;
    int64_t i = 0;
    for (; i + 1 < columns; i += 2) std::memcpy(out + i * kPanelRows * 2, row + (column + i) * 2, 4);
    if (i < columns) std::memcpy(out + i * kPanelRows * 2, row + (column + i) * 2, 2);
  }
}

void pack_panel(CompactFn encode, const LinearLayout& layout, const PanelSource& rows, std::byte* panel,
                std::vector<CompactOutlier>& outliers) {
  alignas(64) uint8_t plain[kChunkColumns * kPanelRows * 2];
  std::array<CompactOutlier, kChunkColumns * kPanelRows> found;
  const int base = best_base(rows, layout.k);
  auto* out = reinterpret_cast<uint8_t*>(panel);
  std::memset(out, 0, kCompactHeader);
  out[0] = static_cast<uint8_t>(base);
  out += kCompactHeader;
  for (int64_t column = 0; column < layout.k_padded; column += kChunkColumns) {
    const int64_t width = std::min(kChunkColumns, layout.k_padded - column);
    const int64_t given = std::min(kChunkColumns, layout.k - column);
    if (given < width || rows.back() == nullptr) std::memset(plain, 0, sizeof plain);
    copy_plain(rows, column, given, plain);
    const int64_t groups = width / kCompactColumns;
    const int64_t count = encode(plain, groups, base, out, found.data());
    for (int64_t i = 0; i < count; ++i) {
      found[static_cast<size_t>(i)].column += static_cast<uint32_t>(column);
      outliers.push_back(found[static_cast<size_t>(i)]);
    }
    out += groups * kCompactGroupBytes;
  }
}

Result<DeviceBuffer> join_outliers(const std::vector<std::vector<CompactOutlier>>& panels, size_t total) {
  const size_t header = (panels.size() + 1) * sizeof(uint32_t);
  HADAL_ASSIGN(DeviceBuffer buffer,
               DeviceBuffer::allocate(DeviceType::kCpu, header + total * sizeof(CompactOutlier)));
  uint32_t begin = 0;
  for (size_t p = 0; p <= panels.size(); ++p) {
    std::memcpy(buffer.data() + p * sizeof begin, &begin, sizeof begin);
    if (p == panels.size()) break;
    if (!panels[p].empty())
      std::memcpy(buffer.data() + header + begin * sizeof(CompactOutlier), panels[p].data(),
                  panels[p].size() * sizeof(CompactOutlier));
    begin += static_cast<uint32_t>(panels[p].size());
  }
  return buffer;
}

}  // namespace

Result<bool> PackedLinear::pack_compact(Stream& stream, std::span<const LinearSource> sources) {
  const LinearLayout layout = linear_layout(tier_, dtype_, k_, 0, true);
  const CompactFn encode = linear_kernels(tier_).compact;
  const int64_t num_panels = (n_ + kPanelRows - 1) / kPanelRows;
  HADAL_ASSIGN(
      DeviceBuffer panels,
      DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(num_panels * layout.panel_bytes)));
  const std::vector<const std::byte*> rows = row_pointers(sources);
  std::vector<std::vector<CompactOutlier>> outliers(static_cast<size_t>(num_panels));
  const int64_t limit = n_ * k_ / kMinWeightsPerOutlier;
  std::atomic<int64_t> total = 0;
  const int64_t grain = std::max<int64_t>(1, 65536 / layout.panel_bytes);
  stream.pool().parallel_for(num_panels, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end && total.load(std::memory_order_relaxed) <= limit; ++p) {
      PanelSource source = {};
      const int64_t first = p * kPanelRows;
      std::copy(rows.begin() + first, rows.begin() + std::min(first + kPanelRows, n_), source.begin());
      pack_panel(encode, layout, source, panels.data() + p * layout.panel_bytes,
                 outliers[static_cast<size_t>(p)]);
      total += static_cast<int64_t>(outliers[static_cast<size_t>(p)].size());
    }
  });
  if (total > limit) return false;
  HADAL_ASSIGN(outliers_, join_outliers(outliers, static_cast<size_t>(total.load())));
  buffer_ = std::move(panels);
  return true;
}

}  // namespace hadal
