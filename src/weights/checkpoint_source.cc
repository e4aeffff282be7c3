#include "weights/checkpoint_source.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/int_math.h"

namespace hadal {
namespace {

constexpr std::string_view kScaleSuffix = ".weight_scale_inv";

// Whether `found` is `want`, or becomes it when its leading dimensions are merged.
bool shape_fits(std::span<const int64_t> found, std::span<const int64_t> want) {
  if (std::equal(found.begin(), found.end(), want.begin(), want.end())) return true;
  if (want.size() < 2 || found.size() <= want.size()) return false;
  const size_t merged = found.size() - want.size() + 1;
  int64_t rows = 1;
  for (size_t i = 0; i < merged; ++i) {
    if (__builtin_mul_overflow(rows, found[i], &rows)) return false;
  }
  return rows == want[0] &&
         std::equal(found.begin() + static_cast<ptrdiff_t>(merged), found.end(), want.begin() + 1);
}

// Element types are read through typed pointers: bytes that a file put at an odd address are copied to an
// even one.
LoadedRange aligned(LoadedRange loaded, uint64_t num_bytes, DType dtype) {
  const auto size = static_cast<uintptr_t>(dtype_is_block(dtype) ? 2 : dtype_block_bytes(dtype));
  if (reinterpret_cast<uintptr_t>(loaded.data) % size == 0) return loaded;
  std::shared_ptr<std::byte> copy(static_cast<std::byte*>(std::malloc(num_bytes)),
                                  [](std::byte* p) { std::free(p); });
  HADAL_CHECK(copy != nullptr) << "out of memory: " << num_bytes << " bytes";
  std::memcpy(copy.get(), loaded.data, num_bytes);
  return LoadedRange{copy.get(), copy};
}

// N of "model.layers.N.…"; -1 for other names.
int layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "model.layers.";
  if (!name.starts_with(kPrefix)) return -1;
  name.remove_prefix(kPrefix.size());
  int layer = -1;
  std::from_chars(name.data(), name.data() + name.size(), layer);
  return layer;
}

}  // namespace

Result<std::unique_ptr<CheckpointSource>> CheckpointSource::create(TensorTable table, std::string where,
                                                                   const ModelConfig& config,
                                                                   const RangeLoaderOptions& options) {
  std::unique_ptr<CheckpointSource> source(new CheckpointSource(std::move(table), std::move(where)));
  source->num_hidden_layers_ = config.num_hidden_layers;
  source->tied_embeddings_ = config.tie_word_embeddings;
  HADAL_ASSIGN(source->loader_, RangeLoader::open(source->table_.paths, options));
  source->was_read_ = std::make_unique<std::atomic<bool>[]>(source->table_.entries.size());
  for (const TensorEntry& entry : source->table_.entries) {
    if (!source->may_stay_unread(entry.name))
      source->total_bytes_ += static_cast<int64_t>(entry.range.num_bytes);
  }
  return source;
}

Result<std::unique_ptr<CheckpointSource>> CheckpointSource::open_safetensors(const std::string& path) {
  HADAL_ASSIGN(TensorTable table, read_safetensors_file(path));
  HADAL_ASSIGN(auto source, create(std::move(table), path, ModelConfig{}, RangeLoaderOptions{}));
  source->strict_ = true;
  source->total_bytes_ = 0;
  for (const TensorEntry& entry : source->table_.entries) {
    source->total_bytes_ += static_cast<int64_t>(entry.range.num_bytes);
  }
  return source;
}

std::string CheckpointSource::label(const TensorEntry& entry) const {
  std::string text = "tensor \"" + entry.name + "\"";
  if (!entry.source_name.empty() && entry.source_name != entry.name)
    text += " (\"" + entry.source_name + "\")";
  return text + " of " + table_.paths[entry.range.file];
}

std::string CheckpointSource::describe(const std::string& name) const {
  const TensorEntry* entry = table_.find(name);
  return entry == nullptr ? WeightSource::describe(name) : label(*entry);
}

Result<WeightTensor> CheckpointSource::read(const std::string& name, std::span<const int64_t> shape) {
  const TensorEntry* entry = table_.find(name);
  if (entry == nullptr) {
    return make_error(ErrorCode::kNotFound, where_, " has no tensor \"", name, "\" ", shape_text(shape),
                      " among its ", table_.entries.size(),
                      ": its configuration describes another model, or files are missing");
  }
  if (!entry->dtype) {
    return make_error(ErrorCode::kUnsupported, label(*entry), " has element type ", entry->dtype_text,
                      ", which hadal does not read");
  }
  if (shape.size() > Tensor::kMaxRank || !shape_fits(entry->shape, shape)) {
    return invalid_argument(label(*entry), " has shape ", shape_text(entry->shape),
                            "; the configuration needs ", shape_text(shape));
  }
  if (dtype_is_block(*entry->dtype) &&
      (shape.empty() || shape.back() % dtype_block_len(*entry->dtype) != 0)) {
    return invalid_argument(label(*entry), " has rows that are no whole number of ", entry->dtype_text,
                            " blocks");
  }
  HADAL_ASSIGN(LoadedRange loaded, loader_->load(entry->range));
  loaded = aligned(std::move(loaded), entry->range.num_bytes, *entry->dtype);
  const size_t index = static_cast<size_t>(entry - table_.entries.data());
  if (!was_read_[index].exchange(true) && !(may_stay_unread(name) && !strict_)) {
    read_bytes_.fetch_add(static_cast<int64_t>(entry->range.num_bytes), std::memory_order_relaxed);
  }
  // Weights are never written; Tensor has no const form.
  auto* data = const_cast<std::byte*>(loaded.data);
  return WeightTensor{Tensor(data, *entry->dtype, shape), std::move(loaded.owner)};
}

Result<WeightMatrix> CheckpointSource::read_matrix(const std::string& name, int64_t n, int64_t k) {
  const int64_t shape[] = {n, k};
  WeightMatrix matrix;
  HADAL_ASSIGN(matrix.weight, read(name + ".weight", shape));
  const DType dtype = matrix.weight.tensor.dtype();
  if (dtype == DType::kI8 || dtype == DType::kU8 || dtype == DType::kI32 || dtype == DType::kI64) {
    return make_error(
        ErrorCode::kUnsupported, describe(name + ".weight"), " is ", dtype_name(dtype),
        ": hadal computes with f32, f16, bf16, f8_e4m3 and GGUF's block types, not with integer ",
        "weights of other quantisers");
  }
  if (dtype == DType::kF8E4M3) {
    HADAL_ASSIGN(matrix.scale, read_scale(name, n, k));
  }
  return matrix;
}

Result<WeightTensor> CheckpointSource::read_scale(const std::string& name, int64_t n, int64_t k) {
  const std::string scale_name = name + std::string(kScaleSuffix);
  if (!has(scale_name)) {
    return make_error(ErrorCode::kNotFound, label(*table_.find(name + ".weight")), " is f8_e4m3 but \"",
                      scale_name, "\", its 128x128 block scales, is missing");
  }
  const int64_t shape[] = {ceil_div(n, kFp8Block), ceil_div(k, kFp8Block)};
  HADAL_ASSIGN(WeightTensor scale, read(scale_name, shape));
  if (scale.tensor.dtype() == DType::kF32) return scale;
  auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(scale.tensor.num_elements()));
  HADAL_RETURN_IF_ERROR(widen_to_f32(scale.tensor, describe(scale_name), values->data()));
  return WeightTensor{Tensor(values->data(), DType::kF32, shape), values};
}

void CheckpointSource::prefetch(std::span<const std::string> names) {
  std::vector<FileRange> ranges;
  for (const std::string& name : names) {
    if (const TensorEntry* entry = table_.find(name)) ranges.push_back(entry->range);
  }
  loader_->prefetch(ranges);
}

bool CheckpointSource::may_stay_unread(const std::string& name) const {
  if (layer_of(name) >= num_hidden_layers_) return true;
  if (name.ends_with("rotary_emb.inv_freq")) return true;
  return tied_embeddings_ && name == "lm_head.weight";
}

std::vector<std::string> CheckpointSource::unread() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < table_.entries.size(); ++i) {
    const TensorEntry& entry = table_.entries[i];
    if (was_read_[i].load() || (!strict_ && may_stay_unread(entry.name))) continue;
    names.push_back(entry.name);
  }
  return names;
}

}  // namespace hadal
