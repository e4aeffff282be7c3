#include "plan/model_source.h"

#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "config/model_catalog.h"
#include "config/nearest_name.h"

namespace hadal {
namespace {

constexpr size_t kLargestConfig = size_t{16} << 20;

std::string last_part(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

Result<PlanModel> finish(std::string name, const ModelConfig& config, std::optional<WeightFormat> format,
                         int64_t file_bytes) {
  WeightMap weights(config, format);
  const bool converted = format.has_value();
  const int64_t bytes = file_bytes > 0 && !converted ? file_bytes : weights.whole().total();
  return PlanModel{std::move(name), bytes, std::move(weights)};
}

int64_t bits_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value != nullptr && value->is_int() ? value->as_int() : 0;
}

// The type of checkpoints that other engines serve and hadal does not: by Hugging Face's quantization_config
// of AWQ, GPTQ, compressed-tensors, bitsandbytes, ModelOpt, and FP8 without blocks. Null: none of these; the
// engine's reader judges it.
std::optional<WeightFormat> foreign_format(const Json& quantization) {
  const Json* named = quantization.find("quant_method");
  const std::string method = named != nullptr && named->is_string() ? named->as_string() : "";
  int64_t bits = bits_of(quantization, "bits");
  if (method.find("awq") == std::string::npos && method.find("gptq") == std::string::npos) bits = 0;
  if (method == "compressed-tensors") {
    const Json* groups = quantization.find("config_groups");
    if (groups == nullptr || !groups->is_object() || groups->as_object().empty()) return std::nullopt;
    const Json* weights = groups->as_object().front().second.find("weights");
    const Json* type = weights == nullptr ? nullptr : weights->find("type");
    bits = weights == nullptr ? 0 : bits_of(*weights, "num_bits");
    if (bits == 8 && type != nullptr && type->is_string() && type->as_string() == "float")
      return WeightFormat::kFp8Blocks;
  }
  if (method == "bitsandbytes") {
    const Json* four = quantization.find("load_in_4bit");
    bits = four != nullptr && four->is_bool() && four->as_bool() ? 4 : 8;
  }
  if (method == "fp8" && quantization.find("weight_block_size") == nullptr) return WeightFormat::kFp8Blocks;
  if (method == "modelopt") {
    const Json* algorithm = quantization.find("quant_algo");
    const std::string name = algorithm != nullptr && algorithm->is_string() ? algorithm->as_string() : "";
    if (name == "FP8") return WeightFormat::kFp8Blocks;
    if (name == "NVFP4") return WeightFormat::kInt4;
  }
  if (bits == 4) return WeightFormat::kInt4;
  if (bits == 8) return WeightFormat::kInt8;
  return std::nullopt;
}

// Takes a foreign quantization_config out, since the planner needs its bytes alone.
void take_foreign_format(Json& config, std::optional<WeightFormat>& format) {
  if (!config.is_object()) return;
  for (const char* key : {"quantization_config", "compression_config"}) {
    const Json* quantization = config.find(key);
    if (quantization == nullptr || !quantization->is_object()) continue;
    const auto foreign = foreign_format(*quantization);
    if (!foreign.has_value()) continue;
    if (!format.has_value()) format = foreign;
    std::erase_if(config.as_object(), [&](const auto& member) { return member.first == key; });
  }
}

Result<PlanModel> from_config(const std::string& path, const std::string& name,
                              std::optional<WeightFormat> format) {
  HADAL_ASSIGN(const std::string text, read_file(path, kLargestConfig));
  auto json = parse_json(text);
  if (!json.ok()) return invalid_argument(path, ": ", json.error().message);
  take_foreign_format(*json, format);
  auto config = parse_model_config(*json, Json());
  if (!config.ok()) return make_error(config.error().code, path, ": ", config.error().message);
  return finish(name, *config, format, 0);
}

Result<PlanModel> from_gguf(const std::string& path, std::optional<WeightFormat> format) {
  HADAL_ASSIGN(const auto file, GgufFile::open(path));
  HADAL_ASSIGN(const ModelConfig config, model_config_from_gguf(*file));
  if (format.has_value()) return finish(last_part(path), config, format, 0);
  HADAL_ASSIGN(WeightMap weights, WeightMap::from_gguf(config, *file));
  const int64_t bytes = weights.whole().total();
  return PlanModel{last_part(path), bytes, std::move(weights)};
}

Error unknown_model(const std::string& model) {
  std::vector<std::string_view> names;
  for (const CatalogModel& known : model_catalog()) names.push_back(known.name);
  std::string lower;
  for (const char c : last_part(model).substr(0, 100))
    lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  const std::string nearest = nearest_name(lower, names);
  return make_error(ErrorCode::kNotFound, "\"", model,
                    "\" is no file, no directory and no model that hadal knows",
                    nearest.empty() ? std::string(";") : ": did you mean " + nearest + "?",
                    " `hadal plan --list` shows the models; for any other, give its config.json");
}

}  // namespace

Result<PlanModel> load_plan_model(const std::string& model, std::string_view weight_dtype) {
  HADAL_ASSIGN(const std::optional<WeightFormat> format, parse_weight_format(weight_dtype));
  if (is_directory(model)) {
    const std::string config = model + "/config.json";
    if (!path_exists(config)) return make_error(ErrorCode::kNotFound, model, " has no config.json");
    return from_config(config, last_part(model), format);
  }
  if (path_exists(model)) {
    if (model.ends_with(".gguf")) return from_gguf(model, format);
    return from_config(model, last_part(model), format);
  }
  const CatalogModel* known = find_catalog_model(model);
  if (known == nullptr) return unknown_model(model);
  HADAL_ASSIGN(const ModelConfig config, catalog_config(*known));
  return finish(last_part(std::string(known->huggingface)), config, format, known->weight_bytes);
}

}  // namespace hadal
