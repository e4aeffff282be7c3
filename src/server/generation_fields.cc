#include "server/generation_fields.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/utf8.h"

namespace hadal {
namespace {

constexpr double kMaxTimeoutSeconds = 7 * 24 * 3600.0;

void read_stream(FieldReader& reader, GenerationFields& out) {
  reader.boolean("stream", out.stream);
  const Json* options = reader.object("stream_options");
  if (!options) return;
  FieldReader nested(*options, "stream_options.");
  nested.boolean("include_usage", out.include_usage);
  nested.boolean("continuous_usage_stats", out.continuous_usage);
  reader.adopt(nested);
}

void add_stop(FieldReader& reader, const Json& value, const std::string& path, const RequestLimits& limits,
              GenerationFields& out) {
  if (!value.is_string()) {
    reader.fail(FieldReader::type_error(path, "a string", value));
  } else if (utf8_count(value.as_string()) > limits.max_stop_len) {
    reader.fail(invalid_param(path,
                              "Invalid '" + path +
                                  "': string too long. Expected a string with maximum length " +
                                  std::to_string(limits.max_stop_len) + " characters.",
                              "string_above_max_length"));
  } else if (!value.as_string().empty()) {
    out.stop.push_back(value.as_string());
  }
}

void read_stops(FieldReader& reader, const RequestLimits& limits, GenerationFields& out) {
  if (const Json* stop = reader.get("stop")) {
    if (stop->is_string()) {
      add_stop(reader, *stop, "stop", limits, out);
    } else if (!stop->is_array()) {
      reader.fail(FieldReader::type_error("stop", "a string or an array of strings", *stop));
    } else if (reader.array("stop", 0, limits.max_stop)) {
      for (size_t i = 0; i < stop->as_array().size() && reader.ok(); ++i) {
        add_stop(reader, stop->as_array()[i], "stop[" + std::to_string(i) + "]", limits, out);
      }
    }
  }
  if (const Json* ids = reader.array("stop_token_ids", 0, limits.max_stop_token_ids)) {
    if (auto error = read_token_ids(*ids, "stop_token_ids", limits.vocab_size, out.sampling.stop_token_ids)) {
      reader.fail(std::move(*error));
    }
  }
  bool no_stop_trim = false;
  reader.boolean("include_stop_str_in_output", out.include_stop);
  reader.boolean("no_stop_trim", no_stop_trim);
  out.include_stop = out.include_stop || no_stop_trim;
  reader.boolean("skip_special_tokens", out.skip_special_tokens);
  reader.boolean("ignore_eos", out.sampling.ignore_eos);
}

void read_logit_bias(FieldReader& reader, const RequestLimits& limits, SamplingParams& out) {
  const Json* bias = reader.object("logit_bias");
  if (!bias) return;
  if (bias->as_object().size() > limits.max_logit_bias) {
    reader.fail(invalid_param("logit_bias",
                              "Invalid 'logit_bias': too many entries. Expected at most " +
                                  std::to_string(limits.max_logit_bias) + ", but got " +
                                  std::to_string(bias->as_object().size()) + " instead.",
                              "object_above_max_properties"));
    return;
  }
  for (const auto& [key, value] : bias->as_object()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    const bool plain = key == std::to_string(id);  // no leading zeros
    if (error != std::errc() || end != key.data() + key.size() || !plain || id < 0 ||
        id >= limits.vocab_size) {
      reader.fail(invalid_param("logit_bias",
                                "Invalid key in 'logit_bias': '" + key.substr(0, 64) +
                                    "'. You should only be submitting token ids from 0 to " +
                                    std::to_string(limits.vocab_size - 1) + ".",
                                "invalid_logit_bias"));
      return;
    }
    if (auto bad = FieldReader::check_number("logit_bias." + key, value, -100, 100)) {
      reader.fail(std::move(*bad));
      return;
    }
    out.logit_bias.emplace_back(id, static_cast<float>(value.as_double()));
  }
}

void read_sampling(FieldReader& reader, const RequestLimits& limits, GenerationFields& out) {
  SamplingParams& s = out.sampling;
  reader.number("temperature", 0, 2, s.temperature);
  // OpenAI takes 0, which can only mean the most likely token.
  if (reader.number("top_p", 0, 1, s.top_p) && s.top_p == 0) s.top_p = 1e-6f;
  reader.integer("top_k", -1, std::numeric_limits<int32_t>::max(), s.top_k);
  reader.number("min_p", 0, 1, s.min_p);
  reader.number("presence_penalty", -2, 2, s.presence_penalty);
  reader.number("frequency_penalty", -2, 2, s.frequency_penalty);
  double repetition = 1;
  if (reader.number("repetition_penalty", 0, 2, repetition)) {
    s.repetition_penalty = std::max(1e-6f, static_cast<float>(repetition));
    if (repetition <= 0) {
      reader.fail(invalid_param("repetition_penalty",
                                "Invalid 'repetition_penalty': expected a value > 0 and <= 2.",
                                "decimal_below_min_value"));
    }
  }
  read_logit_bias(reader, limits, s);
  int64_t seed = 0;
  if (reader.integer("seed", INT64_MIN, INT64_MAX, seed)) out.seed = static_cast<uint64_t>(seed);
  reader.integer("min_tokens", 0, std::numeric_limits<int32_t>::max(), s.min_tokens);
  reader.integer("n", 1, limits.max_n, out.n);
  for (const char* name : kRefusedFields)
    reader.refuse(name, "structured output is not supported by this server");
  for (const char* name : kRefusedUnlessFalse) {
    const Json* value = reader.get(name);
    if (value && !(value->is_bool() && !value->as_bool()))
      reader.refuse(name, "it is not supported by this server");
  }
}

void read_timeout(FieldReader& reader, const char* name, std::chrono::milliseconds& out) {
  double seconds = 0;
  if (reader.number(name, 0, kMaxTimeoutSeconds, seconds)) {
    out = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
    if (seconds > 0 && out.count() == 0) out = std::chrono::milliseconds(1);
  }
}

void read_scheduling(FieldReader& reader, GenerationFields& out) {
  reader.integer("priority", INT32_MIN, INT32_MAX, out.priority);
  if (reader.string("cache_salt", out.cache_salt) &&
      (out.cache_salt.empty() || utf8_count(out.cache_salt) > kMaxSaltLen)) {
    reader.fail(invalid_param(
        "cache_salt",
        "Invalid 'cache_salt': expected a string of 1 to " + std::to_string(kMaxSaltLen) + " characters.",
        "invalid_value"));
  }
  read_timeout(reader, "timeout", out.total_timeout);
  read_timeout(reader, "queue_timeout", out.queue_timeout);
}

}  // namespace

void read_generation_fields(FieldReader& reader, const RequestLimits& limits, const SamplingParams& defaults,
                            GenerationFields& out) {
  out.sampling = defaults;
  read_model(reader, out.model);
  read_stream(reader, out);
  read_sampling(reader, limits, out);
  read_stops(reader, limits, out);
  read_scheduling(reader, out);
}

std::optional<ApiError> parse_body(std::string_view body, int max_depth, Json& out) {
  if (!utf8_is_valid(body)) return http_api_error(400, "The request body is not valid UTF-8.");
  auto parsed = parse_json(body, max_depth);
  if (!parsed.ok())
    return http_api_error(400, "The request body could not be read as JSON: " + parsed.error().message + ".");
  if (!parsed->is_object()) return http_api_error(400, "The request body must be a JSON object.");
  out = std::move(*parsed);
  return std::nullopt;
}

void read_model(FieldReader& reader, std::string& out) {
  const Json* model = reader.get("model");
  if (!reader.ok()) return;
  if (!model) {
    reader.fail(invalid_param("model", "you must provide a model parameter", "missing_required_parameter"));
  } else if (!model->is_string()) {
    reader.fail(FieldReader::type_error("model", "a string", *model));
  } else {
    out = model->as_string();
  }
}

std::optional<ApiError> read_token_ids(const Json& list, const std::string& path, int64_t vocab_size,
                                       std::vector<int32_t>& out) {
  if (!list.is_array()) return FieldReader::type_error(path, "an array of token ids", list);
  out.reserve(out.size() + list.as_array().size());
  for (size_t i = 0; i < list.as_array().size(); ++i) {
    const Json& item = list.as_array()[i];
    const std::optional<int64_t> id = FieldReader::to_integer(item);
    if (!id || *id < 0 || *id >= vocab_size) {
      return FieldReader::check_integer(path + "[" + std::to_string(i) + "]", item, 0, vocab_size - 1);
    }
    out.push_back(static_cast<int32_t>(*id));
  }
  return std::nullopt;
}

}  // namespace hadal
