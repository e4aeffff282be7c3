#include "hub/transfer_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "hub/disk.h"

namespace hadal {
namespace {

constexpr int kWidth = 20;

std::string pair_text(int64_t large, const char* large_name, int64_t small, const char* small_name) {
  return std::to_string(large) + " " + large_name +
         (small > 0 ? " " + std::to_string(small) + " " + small_name : "");
}

}  // namespace

std::string shown_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "unknown time";
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return pair_text(whole / 60, "min", whole % 60, "s");
  if (whole < 86400) return pair_text(whole / 3600, "h", whole % 3600 / 60, "min");
  return pair_text(whole / 86400, "d", whole % 86400 / 3600, "h");
}

std::string trying_again(const std::string& problem, std::chrono::milliseconds wait, int next_try,
                         int tries) {
  return problem + "; trying again in " + shown_duration(std::chrono::duration<double>(wait).count()) +
         " (try " + std::to_string(next_try) + " of " + std::to_string(tries) + ")";
}

std::string transfer_text(const TransferProgress& progress, bool bar) {
  const double part =
      progress.total > 0
          ? std::clamp(static_cast<double>(progress.done) / static_cast<double>(progress.total), 0.0, 1.0)
          : 0.0;
  std::string out;
  if (bar) {
    std::string marks(static_cast<size_t>(part * kWidth), '#');
    marks.resize(kWidth, ' ');
    out = "[" + marks + "] ";
  }
  char percent[16];
  // 100 only when it is all there.
  std::snprintf(percent, sizeof percent, "%3d%%", static_cast<int>(part * 100));
  out += percent;
  out += "  " + shown_bytes(progress.done) + " of " + shown_bytes(progress.total);
  if (progress.rate >= 1 && progress.done < progress.total) {
    out += ", " + shown_bytes(static_cast<int64_t>(progress.rate)) + "/s, " +
           shown_duration(static_cast<double>(progress.total - progress.done) / progress.rate) + " left";
  }
  return out;
}

}  // namespace hadal
