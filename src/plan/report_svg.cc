// The picture: nodes as boxes, GPUs as columns filled with what they hold, NVLink inside a node, the network
// below.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "plan/layout_rules.h"
#include "plan/memory_terms.h"
#include "plan/planner_internal.h"
#include "plan/report.h"

namespace hadal {
namespace {

constexpr int kMostNodesShown = 8;
constexpr int kNodesPerRow = 2;
constexpr double kGpuWidth = 54;
constexpr double kGpuGap = 10;
constexpr double kBarHeight = 210;
constexpr double kNodePadding = 14;
constexpr double kPageMargin = 28;
constexpr double kHeader = 104;
constexpr double kNodeGap = 26;
constexpr double kLegendRow = 22;

struct Colour {
  std::string_view name;
  std::string_view fill;
};
// By MemoryRow::name; those of one kind share a hue, so that weights, KV and work space read apart in print
// too.
constexpr Colour kColours[] = {
    {"routed experts", "#1f4e79"}, {"attention", "#2e75b6"},
    {"dense MLP", "#5b9bd5"},      {"shared experts", "#7fb2e5"},
    {"embedding", "#9dc3e6"},      {"output head", "#bdd7ee"},
    {"router", "#8faadc"},         {"norms", "#a9bfe0"},
    {"scales", "#c9d6ea"},         {"KV cache", "#70ad47"},
    {"activations", "#f4b183"},    {"graphs", "#f8cbad"},
    {"communication", "#ffd966"},  {"driver, libraries", "#c9c9c9"},
    {"free", "#ffffff"},
};

std::string_view colour_of(std::string_view name) {
  for (const Colour& c : kColours) {
    if (c.name == name) return c.fill;
  }
  return "#d0d0d0";
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

// Where a GPU stands in the system.
struct Place {
  bool used = false;
  bool prefill = false;
  int instance = 0;
  int stage = 0;
  int rank = 0;
};

Place place_of(const PlannedSystem& s, int gpu) {
  Place p;
  const int prefill = s.split ? s.prefill_instances * s.prefill_layout.num_ranks() : 0;
  p.prefill = gpu < prefill;
  const Layout& l = p.prefill ? s.prefill_layout : s.layout;
  const int index = p.prefill ? gpu : gpu - prefill;
  p.used = p.prefill || index < s.instances * l.num_ranks();
  p.instance = index / l.num_ranks();
  p.stage = index % l.num_ranks() / l.tp;
  p.rank = index % l.tp;
  return p;
}

class Picture {
 public:
  explicit Picture(const PlanReport& report) : r_(report), s_(report.answer.systems[0]) {}

  std::string draw() {
    const int nodes = std::max(1, (r_.request->gpus.count + r_.answer.per_node - 1) / r_.answer.per_node);
    shown_nodes_ = std::min(nodes, kMostNodesShown);
    const int per_row = std::min(shown_nodes_, r_.answer.per_node > 8 ? 1 : kNodesPerRow);
    node_width_ = r_.answer.per_node * (kGpuWidth + kGpuGap) - kGpuGap + 2 * kNodePadding;
    node_height_ = kBarHeight + 104;
    const int rows = (shown_nodes_ + per_row - 1) / per_row;
    const double content = std::max(per_row * (node_width_ + kNodeGap) - kNodeGap, 760.0);
    width_ = content + 2 * kPageMargin;
    const double nodes_height = rows * (node_height_ + kNodeGap + 14);
    const double legend = kHeader + nodes_height + (nodes > shown_nodes_ ? 26 : 0);
    for (int node = 0; node < shown_nodes_; ++node) {
      const double x = kPageMargin + node % per_row * (node_width_ + kNodeGap);
      const double y = kHeader + node / per_row * (node_height_ + kNodeGap + 14);
      draw_node(node, x, y);
    }
    if (nodes > 1) draw_network(per_row, rows);
    if (nodes > shown_nodes_)
      text(kPageMargin, legend - 12, 13,
           "and " + std::to_string(nodes - shown_nodes_) + " more nodes like these", "#404040");
    const double bottom = draw_legend(legend + 6, content);
    draw_header();
    char open[300];
    std::snprintf(
        open, sizeof open,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
        "font-family=\"Helvetica, Arial, sans-serif\">\n<rect width=\"100%%\" height=\"100%%\" "
        "fill=\"#ffffff\"/>\n",
        width_, bottom + 18, width_, bottom + 18);
    return open + out_ + "</svg>\n";
  }

 private:
  void text(double x, double y, double size, const std::string& words, std::string_view fill = "#1a1a1a",
            std::string_view anchor = "start", bool bold = false) {
    char tag[240];
    std::snprintf(tag, sizeof tag,
                  "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" fill=\"%.*s\" text-anchor=\"%.*s\"%s>", x,
                  y, size, static_cast<int>(fill.size()), fill.data(), static_cast<int>(anchor.size()),
                  anchor.data(), bold ? " font-weight=\"bold\"" : "");
    out_ += tag + escape(words) + "</text>\n";
  }
  void box(double x, double y, double width, double height, std::string_view fill, std::string_view stroke,
           double radius = 0, const std::string& tip = {}) {
    char tag[320];
    std::snprintf(tag, sizeof tag,
                  "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%.0f\" fill=\"%.*s\" "
                  "stroke=\"%.*s\"",
                  x, y, width, height, radius, static_cast<int>(fill.size()), fill.data(),
                  static_cast<int>(stroke.size()), stroke.data());
    out_ += tag;
    out_ += tip.empty() ? "/>\n" : "><title>" + escape(tip) + "</title></rect>\n";
  }
  void line(double x1, double y1, double x2, double y2, std::string_view stroke, double width) {
    char tag[240];
    std::snprintf(
        tag, sizeof tag,
        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%.*s\" stroke-width=\"%.1f\"/>\n", x1,
        y1, x2, y2, static_cast<int>(stroke.size()), stroke.data(), width);
    out_ += tag;
  }

  void draw_header() {
    const PlanRequest& q = *r_.request;
    text(kPageMargin, 36, 21,
         r_.model->name + " on " + std::to_string(q.gpus.count) + "x " + std::string(q.gpus.gpu->name),
         "#1a1a1a", "start", true);
    text(kPageMargin, 60, 15, system_name(s_), "#1f4e79");
    text(kPageMargin, 82, 13,
         show_count(s_.output_tokens_s) + " tokens/s in all for " + show_count(s_.concurrency) +
             " requests; first token " + show_ms(s_.prediction.ttft_ms) + ", then " +
             show_ms(s_.prediction.tpot_ms) + " a token; bound by " +
             std::string(bottleneck_name(s_.prediction.bottleneck)),
         "#404040");
  }

  void draw_node(int node, double x, double y) {
    box(x, y, node_width_, node_height_, "#f7f7f7", "#808080", 8);
    text(x + kNodePadding, y + 20, 13, "node " + std::to_string(node), "#404040", "start", true);
    for (int i = 0; i < r_.answer.per_node; ++i) {
      const int gpu = node * r_.answer.per_node + i;
      draw_gpu(gpu, x + kNodePadding + i * (kGpuWidth + kGpuGap), y + 30);
    }
    const double bus = y + node_height_ - 22;
    const GpuSpec& gpu = *r_.request->gpus.gpu;
    if (r_.answer.per_node > 1) {
      box(x + kNodePadding, bus, node_width_ - 2 * kNodePadding, 12, "#dbe9d8", "#70ad47", 3);
      const std::string link = gpu.nvlink_gbs > 0 && !gpu.resource.empty()
                                   ? (gpu.resource == "amd.com/gpu" ? "Infinity Fabric " : "NVLink ")
                                   : "PCIe ";
      const double rate = gpu.nvlink_gbs > 0 ? gpu.nvlink_gbs : gpu.pcie_gbs;
      text(x + node_width_ / 2, bus + 10, 9.5,
           link + std::to_string(static_cast<int>(rate)) + " GB/s each way a GPU", "#375623", "middle");
    }
  }

  void draw_gpu(int gpu, double x, double y) {
    const Place p = place_of(s_, gpu);
    const std::string_view frame =
        p.used ? kInstanceColours[static_cast<size_t>(p.instance + (p.prefill ? 3 : 0)) %
                                  std::size(kInstanceColours)]
               : "#a0a0a0";
    box(x - 4, y, kGpuWidth + 8, kBarHeight + 42, p.used ? "#ffffff" : "#eeeeee", frame, 5);
    text(x + kGpuWidth / 2, y + 14, 10.5, "GPU " + std::to_string(gpu), "#404040", "middle");
    const double top = y + 20;
    if (p.used) draw_bar(p, x + 4, top);
    std::string role = "idle";
    if (p.used) {
      role = s_.split           ? (p.prefill ? "prompts" : "answers")
             : s_.instances > 1 ? "copy " + std::to_string(p.instance)
                                : "";
    }
    const Layout& l = p.prefill ? s_.prefill_layout : s_.layout;
    const std::string rank = !p.used    ? ""
                             : l.pp > 1 ? "stage " + std::to_string(p.stage) + "." + std::to_string(p.rank)
                                        : "rank " + std::to_string(p.rank);
    text(x + kGpuWidth / 2, top + kBarHeight + 10, 9.5, rank, "#404040", "middle");
    text(x + kGpuWidth / 2, top + kBarHeight + 20, 9, role, "#707070", "middle");
    if (p.used && r_.answer.per_node > 1)
      line(x + kGpuWidth / 2, y + kBarHeight + 42, x + kGpuWidth / 2, y + kBarHeight + 52, "#70ad47", 2);
  }

  void draw_bar(const Place& p, double x, double top) {
    const FitAnswer& fit = p.prefill ? s_.prefill_fit : s_.fit;
    const Layout& l = p.prefill ? s_.prefill_layout : s_.layout;
    const auto rows = memory_rows(r_.model->weights, l, fit, p.stage, p.rank, r_.request->fit.kv_dtype);
    double bottom = top + kBarHeight;
    for (const MemoryRow& row : rows) {
      const double height =
          kBarHeight * static_cast<double>(row.bytes) / static_cast<double>(fit.rank.capacity);
      if (row.bytes <= 0 || height < 0.2) continue;
      bottom -= height;
      box(x, bottom, kGpuWidth - 8, height, colour_of(row.name), "#606060", 0,
          row.name + ": " + show_memory(static_cast<double>(row.bytes)));
      if (height > 13) {
        const bool dark = row.name == "routed experts" || row.name == "attention";
        text(x + (kGpuWidth - 8) / 2, bottom + height / 2 + 3.5, 9,
             show_memory(static_cast<double>(row.bytes)), dark ? "#ffffff" : "#1a1a1a", "middle");
      }
      seen_[row.name] = std::max(seen_[row.name], row.bytes);
    }
  }

  void draw_network(int per_row, int rows) {
    for (int row = 0; row < rows; ++row) {
      const double y = kHeader + row * (node_height_ + kNodeGap + 14) + node_height_ + 14;
      const int in_row = std::min(per_row, shown_nodes_ - row * per_row);
      const double right = kPageMargin + in_row * (node_width_ + kNodeGap) - kNodeGap;
      line(kPageMargin, y, right, y, "#c55a11", 3);
      for (int i = 0; i < in_row; ++i) {
        const double x = kPageMargin + i * (node_width_ + kNodeGap) + node_width_ / 2;
        line(x, y - 14, x, y, "#c55a11", 3);
      }
      if (rows > 1) line(kPageMargin - 10, y, kPageMargin, y, "#c55a11", 3);
      if (rows > 1) line(kPageMargin - 10, kHeader + node_height_ + 14, kPageMargin - 10, y, "#c55a11", 3);
      if (row == 0) text(right, y + 15, 11, std::string(r_.request->network->text), "#833c0b", "end");
    }
  }

  double draw_legend(double y, double content) {
    double x = kPageMargin;
    for (const Colour& colour : kColours) {
      const auto found = seen_.find(std::string(colour.name));
      if (found == seen_.end()) continue;
      const std::string words = found->first + ", " + show_memory(static_cast<double>(found->second));
      const double width = 30 + 7.2 * static_cast<double>(words.size());
      if (x + width > kPageMargin + content) {
        x = kPageMargin;
        y += kLegendRow;
      }
      box(x, y, 13, 13, colour.fill, "#606060");
      text(x + 19, y + 11, 12, words, "#404040");
      x += width;
    }
    return y + kLegendRow;
  }

  static constexpr std::string_view kInstanceColours[] = {"#1f4e79", "#548235", "#7030a0",
                                                          "#c55a11", "#bf9000", "#c00000"};
  const PlanReport& r_;
  const PlannedSystem& s_;
  std::string out_;
  std::map<std::string, int64_t> seen_;
  int shown_nodes_ = 1;
  double node_width_ = 0;
  double node_height_ = 0;
  double width_ = 0;
};

}  // namespace

std::string plan_svg(const PlanReport& report) {
  if (!report.answer.fits) return {};
  return Picture(report).draw();
}

}  // namespace hadal
