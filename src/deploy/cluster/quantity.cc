#include "deploy/cluster/quantity.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};
constexpr Suffix kSuffixes[] = {
    {"", 1},
    {"Ki", 1024.0},
    {"Mi", 1048576.0},
    {"Gi", 1073741824.0},
    {"Ti", 1099511627776.0},
    {"Pi", 1125899906842624.0},
    {"Ei", 1152921504606846976.0},
    {"n", 1e-9},
    {"u", 1e-6},
    {"m", 1e-3},
    {"k", 1e3},
    {"M", 1e6},
    {"G", 1e9},
    {"T", 1e12},
    {"P", 1e15},
    {"E", 1e18},
};

}  // namespace

std::optional<double> parse_quantity(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  // "1E" is exa, "1E3" an exponent: from_chars leaves the first's letter.
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  const std::string_view suffix(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const Suffix& known : kSuffixes) {
    if (suffix == known.text) return value * known.factor;
  }
  return std::nullopt;
}

std::optional<double> read_quantity(const Json& value) {
  return parse_quantity(scalar_text(&value));
}

std::string quantity_text(double value) {
  char out[48];
  constexpr Suffix kUnits[] = {{"Ti", 1099511627776.0}, {"Gi", 1073741824.0}, {"Mi", 1048576.0}};
  for (const Suffix& unit : kUnits) {
    if (std::fabs(value) < unit.factor) continue;
    std::snprintf(out, sizeof out, "%.4g%s", value / unit.factor, std::string(unit.text).c_str());
    return out;
  }
  std::snprintf(out, sizeof out, "%.6g", value);
  return out;
}

}  // namespace hadal::cluster
