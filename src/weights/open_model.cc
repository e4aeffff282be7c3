#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "device/cpu_info.h"
#include "weights/checkpoint_source.h"
#include "weights/dummy_source.h"
#include "weights/weight_source.h"

namespace hadal {
namespace {

constexpr size_t kMaxConfigBytes = 16u << 20;

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// The parser's messages speak of "config.json" and "generation_config.json": the paths stand in their place.
std::string name_files(const std::string& message, const std::string& config_path) {
  constexpr std::string_view kConfig = "config.json";
  constexpr std::string_view kGeneration = "generation_config.json";
  if (message.starts_with(kConfig)) return config_path + message.substr(kConfig.size());
  if (message.starts_with(kGeneration)) return parent_of(config_path) + "/" + message;
  return config_path + ": " + message;
}

Result<ModelConfig> read_config(const std::string& config_path) {
  HADAL_ASSIGN(const std::string text, read_file(config_path, kMaxConfigBytes));
  auto config = parse_json(text);
  if (!config.ok()) return invalid_argument(config_path, ": ", config.error().message);
  Json generation;
  const std::string generation_path = parent_of(config_path) + "/generation_config.json";
  if (path_exists(generation_path)) {
    HADAL_ASSIGN(const std::string generation_text, read_file(generation_path, kMaxConfigBytes));
    auto parsed = parse_json(generation_text);
    if (!parsed.ok()) return invalid_argument(generation_path, ": ", parsed.error().message);
    generation = std::move(*parsed);
  }
  auto model = parse_model_config(*config, generation);
  if (!model.ok()) return make_error(model.error().code, name_files(model.error().message, config_path));
  return model;
}

// Part 2 and later of a split set: opened with its first part.
bool is_later_part(const std::string& name) {
  constexpr std::string_view kTail = "-00001-of-00001.gguf";
  if (name.size() <= kTail.size()) return false;
  const std::string tail = name.substr(name.size() - kTail.size());
  return tail[0] == '-' && tail.substr(6, 4) == "-of-" && tail.substr(1, 5) != "00001";
}

// Names in the directory that end so; of split GGUF models the first parts only.
std::vector<std::string> list_files(const std::string& directory, std::string_view ending) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(ending) && !is_later_part(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

RangeLoaderOptions loader_options(const OpenModelOptions& options) {
  RangeLoaderOptions out;
  out.num_threads = std::clamp(options.num_read_threads, 1, 64);
  if (options.num_ranks > 1) out.keep_bytes = out.read_ahead_bytes;
  return out;
}

std::unique_ptr<WeightSource> make_dummy(const ModelConfig& config, const OpenModelOptions& options) {
  return std::make_unique<DummySource>(config, options.dummy_seed, options.dummy_dtype,
                                       detect_cpu().num_cpus);
}

// Llama 3.1 and later: the rotary scaling of a GGUF file is a tensor of divisors.
Status read_rope_freqs(const GgufFile& file, ModelConfig& config) {
  const GgufTensorInfo* info = file.find_tensor("rope_freqs.weight");
  if (info == nullptr) return {};
  const std::string& path = file.files()[info->file_index].path();
  if (info->type != GgmlType::kF32 || info->shape.size() != 1 ||
      info->shape[0] != config.rope.rotary_dim / 2) {
    return invalid_argument(path, ": tensor \"rope_freqs.weight\" has shape ", shape_text(info->shape),
                            "; it must be F32 [", config.rope.rotary_dim / 2, "]");
  }
  const auto bytes = file.tensor_bytes(*info);
  const Tensor tensor(const_cast<std::byte*>(bytes.data()), DType::kF32, info->shape);
  config.rope.freq_factors.resize(static_cast<size_t>(info->shape[0]));
  HADAL_RETURN_IF_ERROR(
      widen_to_f32(tensor, path + ": tensor \"" + info->name + "\"", config.rope.freq_factors.data()));
  const Status valid = validate_model_config(config);
  if (!valid.ok()) return make_error(valid.error().code, path, ": ", valid.error().message);
  return {};
}

Result<OpenedModel> open_gguf(const std::string& path, const OpenModelOptions& options) {
  OpenedModel model;
  HADAL_ASSIGN(model.gguf, GgufFile::open(path));
  auto config = model_config_from_gguf(*model.gguf);
  if (!config.ok()) {
    const bool named = config.error().message.find(path) != std::string::npos;
    return make_error(config.error().code, named ? "" : path + ": ", config.error().message);
  }
  model.config = std::move(*config);
  HADAL_RETURN_IF_ERROR(read_rope_freqs(*model.gguf, model.config));
  if (options.format == LoadFormat::kDummy) {
    model.source = make_dummy(model.config, options);
    return model;
  }
  HADAL_ASSIGN(TensorTable table, gguf_tensor_table(*model.gguf, model.config));
  HADAL_ASSIGN(model.source,
               CheckpointSource::create(std::move(table), path, model.config, loader_options(options)));
  return model;
}

Result<OpenedModel> open_hugging_face(const std::string& directory, const OpenModelOptions& options) {
  OpenedModel model;
  model.directory = directory;
  HADAL_ASSIGN(model.config, read_config(directory + "/config.json"));
  if (options.format == LoadFormat::kDummy) {
    model.source = make_dummy(model.config, options);
    return model;
  }
  HADAL_ASSIGN(TensorTable table, read_safetensors_directory(directory));
  HADAL_ASSIGN(model.source,
               CheckpointSource::create(std::move(table), directory, model.config, loader_options(options)));
  return model;
}

Result<OpenedModel> open_config_file(const std::string& path, const OpenModelOptions& options) {
  if (options.format != LoadFormat::kDummy) {
    return invalid_argument(
        path, " is a configuration without weights: give the model's directory, or --load-format ",
        "dummy for random weights");
  }
  OpenedModel model;
  model.directory = parent_of(path);
  HADAL_ASSIGN(model.config, read_config(path));
  model.source = make_dummy(model.config, options);
  return model;
}

Result<OpenedModel> open_directory(const std::string& directory, const OpenModelOptions& options) {
  const std::vector<std::string> gguf = list_files(directory, ".gguf");
  const bool want_gguf = options.format == LoadFormat::kGguf;
  // config.json beside GGUF files only: these are the weights.
  const bool only_gguf =
      options.format == LoadFormat::kAuto && !gguf.empty() && list_files(directory, ".safetensors").empty();
  if (path_exists(directory + "/config.json") && !want_gguf && !only_gguf)
    return open_hugging_face(directory, options);
  if (options.format == LoadFormat::kSafetensors) {
    return make_error(ErrorCode::kNotFound, directory, " has no config.json: a Hugging Face model has one");
  }
  if (gguf.size() == 1) return open_gguf(directory + "/" + gguf[0], options);
  if (gguf.size() > 1) {
    std::string names = gguf[0];
    for (size_t i = 1; i < std::min<size_t>(gguf.size(), 8); ++i) names += ", " + gguf[i];
    return invalid_argument(directory, " holds ", gguf.size(), " GGUF models (", names,
                            "): give the path of the one to load");
  }
  if (want_gguf) return make_error(ErrorCode::kNotFound, directory, " holds no .gguf file");
  return make_error(ErrorCode::kNotFound, directory,
                    " holds no model: looked for config.json with safetensors, and for a .gguf file");
}

}  // namespace

Result<OpenedModel> open_model(const std::string& path, const OpenModelOptions& options) {
  if (!path_exists(path)) {
    return make_error(ErrorCode::kNotFound, path,
                      " does not exist: give a model's directory or a .gguf file");
  }
  if (is_directory(path)) return open_directory(path, options);
  if (path.ends_with(".json")) return open_config_file(path, options);
  if (path.ends_with(".safetensors")) {
    return invalid_argument(path,
                            " is one weights file: give the directory that holds it and its config.json");
  }
  if (options.format == LoadFormat::kSafetensors) {
    return invalid_argument(path, " is no directory: a safetensors model is a directory with config.json");
  }
  return open_gguf(path, options);
}

}  // namespace hadal
