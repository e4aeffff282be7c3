// Reading benchmark results.
#include <cmath>

#include "base/json.h"
#include "plan/calibration.h"

namespace hadal {
namespace {

constexpr size_t kMostPoints = 10'000;
constexpr int kMostRanks = 4096;

// A positive number; p50, median, avg or mean of an object.
std::optional<double> number_of(const Json* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_object()) {
    for (const std::string_view key : {"p50", "median", "avg", "mean"}) {
      const auto inner = value->find(key);
      if (inner != nullptr && inner->is_number()) return number_of(inner);
    }
    return std::nullopt;
  }
  if (!value->is_number()) return std::nullopt;
  const double number = value->as_double();
  if (!std::isfinite(number) || number <= 0 || number > 1e12) return std::nullopt;
  return number;
}

std::optional<double> first_number(const Json& object, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const auto number = number_of(object.find(key));
    if (number.has_value()) return number;
  }
  return std::nullopt;
}

// total_input_tokens / completed, as bench_serving counts them.
std::optional<double> mean_tokens(const Json& object, std::string_view total) {
  const auto sum = number_of(object.find(total));
  const auto completed = number_of(object.find("completed"));
  if (!sum.has_value() || !completed.has_value()) return std::nullopt;
  return *sum / *completed;
}

Result<int> layout_member(const Json& layout, std::string_view key, const std::string& origin) {
  const Json* value = layout.find(key);
  if (value == nullptr) return 1;
  if (!value->is_int() || value->as_int() < 1 || value->as_int() > kMostRanks)
    return invalid_argument(origin, ": layout.", key, " must be a whole number from 1 to ", kMostRanks);
  return static_cast<int>(value->as_int());
}

Result<Layout> layout_of(const Json& object, const Layout& fallback, const std::string& origin) {
  const Json* layout = object.find("layout");
  if (layout == nullptr) return fallback;
  if (!layout->is_object())
    return invalid_argument(origin, ": \"layout\" must be an object with tp, pp, ep and dp_attention");
  Layout out;
  HADAL_ASSIGN(out.tp, layout_member(*layout, "tp", origin));
  HADAL_ASSIGN(out.pp, layout_member(*layout, "pp", origin));
  HADAL_ASSIGN(out.ep, layout_member(*layout, "ep", origin));
  HADAL_ASSIGN(out.dp_attention, layout_member(*layout, "dp_attention", origin));
  return out;
}

std::optional<double> concurrency_of(const Json& object) {
  const auto direct = first_number(object, {"concurrency", "max_concurrency"});
  if (direct.has_value()) return direct;
  const Json* config = object.find("input_config");
  if (config == nullptr) return std::nullopt;
  const Json* loadgen = config->find("loadgen");
  return loadgen == nullptr ? std::nullopt : first_number(*loadgen, {"concurrency"});
}

Result<CalibrationPoint> read_point(const Json& object, const CalibrationPoint& shared, double replicas,
                                    const std::string& origin) {
  if (!object.is_object())
    return invalid_argument(origin, ": a result must be an object; it is ", object.kind_name());
  CalibrationPoint out = shared;
  out.origin = origin;
  HADAL_ASSIGN(out.layout, layout_of(object, shared.layout, origin));
  auto isl = first_number(object, {"isl", "random_input_len", "input_sequence_length"});
  auto osl = first_number(object, {"osl", "random_output_len", "output_sequence_length"});
  if (!isl.has_value()) isl = mean_tokens(object, "total_input_tokens");
  if (!osl.has_value()) osl = mean_tokens(object, "total_output_tokens");
  const auto concurrency = concurrency_of(object);
  if (!isl.has_value() || !osl.has_value() || *isl > 1e8 || *osl > 1e8) {
    return invalid_argument(origin,
                            ": the lengths of prompts and answers are missing: \"isl\" and \"osl\" (or "
                            "random_input_len, input_sequence_length, ...) must be positive numbers");
  }
  if (!concurrency.has_value() || *concurrency > 1e7)
    return invalid_argument(
        origin,
        ": \"concurrency\" (or max_concurrency) must be a positive number: results of a fixed "
        "request rate cannot be used");
  out.load = {*isl, *osl, std::ceil(*concurrency / replicas)};
  out.ttft_ms = first_number(object, {"ttft_ms", "median_ttft_ms", "time_to_first_token"});
  out.tpot_ms = first_number(object, {"tpot_ms", "median_tpot_ms", "inter_token_latency"});
  const auto rate =
      first_number(object, {"output_tokens_per_s", "output_throughput", "output_token_throughput"});
  if (rate.has_value()) out.output_tokens_s = *rate / replicas;
  if (!out.ttft_ms.has_value() && !out.tpot_ms.has_value() && !out.output_tokens_s.has_value())
    return invalid_argument(
        origin, ": there is nothing to compare: no \"ttft_ms\", \"tpot_ms\" or \"output_tokens_per_s\"");
  return out;
}

Status read_document(const Json& document, const std::string& origin, const Layout& layout,
                     std::vector<CalibrationPoint>& out) {
  CalibrationPoint shared;
  shared.layout = layout;
  double replicas = 1;
  const Json* results = &document;
  JsonArray one;
  if (document.is_object()) {
    HADAL_ASSIGN(shared.layout, layout_of(document, layout, origin));
    const Json* gpu = document.find("gpu");
    if (gpu != nullptr && gpu->is_string()) shared.gpu = gpu->as_string().substr(0, 100);
    replicas = std::fmax(1, std::floor(number_of(document.find("replicas")).value_or(1)));
    results = document.find("results");
    if (results == nullptr) {
      HADAL_ASSIGN(CalibrationPoint point, read_point(document, shared, replicas, origin));
      out.push_back(std::move(point));
      return {};
    }
  }
  if (!results->is_array()) return invalid_argument(origin, ": \"results\" must be an array of results");
  for (size_t i = 0; i < results->as_array().size(); ++i) {
    if (out.size() >= kMostPoints) return invalid_argument(origin, ": more than ", kMostPoints, " results");
    HADAL_ASSIGN(CalibrationPoint point, read_point(results->as_array()[i], shared, replicas,
                                                    origin + ", result " + std::to_string(i + 1)));
    out.push_back(std::move(point));
  }
  return {};
}

}  // namespace

Result<std::vector<CalibrationPoint>> parse_calibration(std::string_view text, const std::string& origin,
                                                        const Layout& layout) {
  std::vector<CalibrationPoint> out;
  const auto whole = parse_json(text);
  if (whole.ok()) {
    HADAL_RETURN_IF_ERROR(read_document(*whole, origin, layout, out));
  } else {
    // One object a line, as SGLang's bench_serving appends them.
    int line = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view row = text.substr(begin, end - begin);
      begin = end + 1;
      ++line;
      if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const auto object = parse_json(row);
      if (!object.ok())
        return invalid_argument(origin, ": neither JSON nor one object a line: ", whole.error().message);
      if (out.size() >= kMostPoints) return invalid_argument(origin, ": more than ", kMostPoints, " results");
      HADAL_RETURN_IF_ERROR(read_document(*object, origin + ", line " + std::to_string(line), layout, out));
    }
  }
  if (out.empty()) return invalid_argument(origin, ": there are no results in it");
  return out;
}

}  // namespace hadal
