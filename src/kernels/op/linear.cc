#include "kernels/op/linear.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/op/linear_compact.h"
#include "kernels/op/linear_kernels.h"

namespace hadal {
namespace {

// Rows of x staged at a time: bounds the scratch; enough that reading the weights again costs nothing.
constexpr int64_t kMaxStagedRows = 512;
// Below this the caller stages x itself: waking the others would take longer.
constexpr int64_t kMinParallelStage = 16384;  // elements

struct LinearCall {
  const PackedLinear& w;
  const LinearLayout& layout;
  const Tensor& y;
  const LinearOptions& options;
  int64_t row0 = 0;  // of y
  int64_t num_rows = 0;
  const std::byte* x = nullptr;  // rows ready for the kernels
  int64_t x_stride = 0;
};

void run_range(const LinearCall& call, int64_t panel, int64_t num_panels, int64_t row, int64_t num_rows) {
  const int64_t column = panel * call.layout.panel_rows;
  PanelJob job;
  job.layout = &call.layout;
  job.panels = call.w.data() + panel * call.layout.panel_bytes;
  job.num_panels = num_panels;
  job.num_columns = std::min(num_panels * call.layout.panel_rows, call.w.n() - column);
  job.x = call.x + row * call.x_stride;
  job.x_stride = call.x_stride;
  job.num_rows = num_rows;
  job.y = call.y.ptr<float>() + (call.row0 + row) * call.y.stride(0) + column;
  job.y_stride = call.y.stride(0);
  job.bias = call.options.bias.defined() ? call.options.bias.ptr<float>() + column : nullptr;
  job.accumulate = call.options.accumulate;
  set_outliers(job, call.w, panel);
  const LinearKernels& kernels = linear_kernels(call.w.tier());
  job.stream_ahead = kernels.stream_ahead;
  panel_fn(kernels, call.layout)(job);
}

// One piece of the work.
struct Piece {
  int64_t panels = 1;
  int64_t rows = 1;
};

// Several pieces for every thread: by panels, and by rows too where panels are few. A piece is long enough to
// stream the weights, and as wide as a group of panels if x is large.
Piece piece_of(const LinearCall& call, int64_t num_panels, int64_t num_threads) {
  const int64_t wanted = num_threads * 8;
  const bool large = call.num_rows * call.x_stride > kLargeX;
  const int64_t most = std::max<int64_t>(large ? kPanelGroup : 1, 131072 / call.layout.panel_bytes);
  Piece piece{std::clamp<int64_t>(num_panels / wanted, 1, most), call.num_rows};
  if (large) piece.panels = std::min(num_panels, std::max(piece.panels, kPanelGroup));
  const int64_t by_panels = (num_panels + piece.panels - 1) / piece.panels;
  if (num_threads == 1 || by_panels >= wanted) return piece;
  constexpr int64_t kRowTile = 32;  // of AMX, and more than any other kernel's
  const int64_t parts = std::min(call.num_rows / kRowTile, (wanted + by_panels - 1) / by_panels);
  if (parts > 1) piece.rows = ((call.num_rows + parts - 1) / parts + kRowTile - 1) / kRowTile * kRowTile;
  return piece;
}

void run_all(ThreadPool& pool, const LinearCall& call) {
  const int64_t num_panels = (call.w.n() + call.layout.panel_rows - 1) / call.layout.panel_rows;
  const Piece piece = piece_of(call, num_panels, pool.num_threads());
  const int64_t by_panels = (num_panels + piece.panels - 1) / piece.panels;
  const int64_t by_rows = (call.num_rows + piece.rows - 1) / piece.rows;
  // Rows outside: a thread's pieces, one after the other, share their rows of x.
  pool.parallel_for(by_panels * by_rows, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i % by_panels * piece.panels;
      const int64_t row = i / by_panels * piece.rows;
      run_range(call, panel, std::min(piece.panels, num_panels - panel), row,
                std::min(piece.rows, call.num_rows - row));
    }
  });
}

void stage_rows(ThreadPool& pool, const PackedLinear& w, const LinearLayout& layout, const Tensor& x,
                std::byte* out) {
  const int64_t grain = std::max<int64_t>(1, kMinParallelStage / 2 / std::max<int64_t>(1, layout.k));
  const auto stage = [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      stage_row(w.tier(), layout, x.ptr<float>() + r * x.stride(0), out + r * layout.row_stride);
    }
  };
  if (x.dim(0) * layout.k < kMinParallelStage) return stage(0, x.dim(0), 0);
  pool.parallel_for(x.dim(0), grain, stage);
}

// f32 rows that need no zero columns are read where they lie.
bool reads_x_in_place(const LinearLayout& layout) {
  return layout.row_kind == RowKind::kF32 && layout.k_shift == 0 && layout.k == layout.k_padded;
}

}  // namespace

void linear(OpContext& ctx, const Tensor& x, const PackedLinear& w, const Tensor& y,
            const LinearOptions& options) {
  HADAL_CHECK(w.defined() && x.rank() == 2 && y.rank() == 2) << x.shape_string() << " " << y.shape_string();
  HADAL_CHECK(x.dim(1) == w.k() && y.dim(1) == w.n() && x.dim(0) == y.dim(0))
      << "x " << x.shape_string() << " W [" << w.n() << ", " << w.k() << "] y " << y.shape_string();
  HADAL_CHECK(x.dtype() == DType::kF32 && y.dtype() == DType::kF32);
  const LinearLayout layout = linear_layout(w);
  ThreadPool& pool = ctx.stream.pool();
  for (int64_t row = 0; row < x.dim(0); row += kMaxStagedRows) {
    Arena::Scope scope(ctx.arena);
    LinearCall call{w, layout, y, options};
    call.row0 = row;
    call.num_rows = std::min(kMaxStagedRows, x.dim(0) - row);
    const Tensor rows = x.rows(row, call.num_rows);
    if (reads_x_in_place(layout)) {
      call.x = static_cast<const std::byte*>(rows.data());
      call.x_stride = x.stride(0) * 4;
    } else {
      std::byte* staged = ctx.arena.alloc_bytes(static_cast<size_t>(staged_bytes(layout, call.num_rows)));
      stage_rows(pool, w, layout, rows, staged);
      call.x = staged;
      call.x_stride = layout.row_stride;
    }
    run_all(pool, call);
  }
}

int64_t linear_arena_bytes(const PackedLinear& w, int64_t m) {
  const LinearLayout layout = linear_layout(w);
  if (m == 0 || reads_x_in_place(layout)) return 0;
  return staged_bytes(layout, std::min(m, kMaxStagedRows));
}

}  // namespace hadal
