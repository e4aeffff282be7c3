// TensorTable: which tensors a checkpoint has and where their bytes lie, under Hugging Face names; made from
// safetensors headers or a GGUF directory, read by CheckpointSource. A value; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/gguf.h"
#include "base/result.h"
#include "config/model_config.h"
#include "device/dtype.h"
#include "device/tensor.h"
#include "weights/range_loader.h"

namespace hadal {

struct TensorEntry {
  std::string name;            // Hugging Face's
  std::string source_name;     // in the file, where it differs (GGUF); else empty
  std::optional<DType> dtype;  // nullopt: hadal does not read it; dtype_text says what the file calls it
  std::string dtype_text;
  std::vector<int64_t> shape;  // row-major, slowest first
  FileRange range;
};

struct TensorTable {
  std::vector<std::string> paths;  // FileRange::file indexes these
  std::vector<TensorEntry> entries;
  std::unordered_map<std::string, size_t> index;  // by name

  const TensorEntry* find(const std::string& name) const {
    const auto it = index.find(name);
    return it == index.end() ? nullptr : &entries[it->second];
  }
  // False when there is one of that name already.
  bool add(TensorEntry entry) {
    if (!index.emplace(entry.name, entries.size()).second) return false;
    entries.push_back(std::move(entry));
    return true;
  }
};

// One .safetensors file (https://huggingface.co/docs/safetensors: u64 header length, JSON header, data).
// Errors: kInvalidArgument, kDataLoss or kIo naming the file, the tensor and what is wrong.
Result<TensorTable> read_safetensors_file(const std::string& path);

// A Hugging Face directory: model.safetensors, the shards of model.safetensors.index.json, or the only
// .safetensors file. Errors: also kNotFound naming what was looked for, and kUnsupported for a directory of
// pickle files.
Result<TensorTable> read_safetensors_directory(const std::string& directory);

// A GGUF model's tensors under Hugging Face names (model.layers.0.self_attn.q_proj.weight), merged experts
// cut into one entry each (model.layers.0.mlp.experts.3.gate_proj.weight). rope_freqs.weight is no weight:
// open_model puts it into the configuration. Tensors that have no such name keep their own and so turn up as
// unread.
//   Llama's q_proj and k_proj rows stay in the file's order, made for interleaved rotation
//   (config.rope.interleaved). deepseek2 files hold either self_attn.kv_b_proj [H * (nope + v),
//   kv_lora_rank], or its two parts, which newer converters split for the absorbed form:
//     self_attn.k_b_proj.weight [H, kv_lora_rank, nope]   (each head's K part transposed: W_UK of 2405.04434)
//     self_attn.v_b_proj.weight [H, v_head_dim, kv_lora_rank]
Result<TensorTable> gguf_tensor_table(const GgufFile& file, const ModelConfig& config);

// Copies a f32, f16 or bf16 tensor's elements to out as f32. Errors: kUnsupported for other dtypes, beginning
// with `label` (`tensor "NAME" of FILE`).
Status widen_to_f32(const Tensor& tensor, std::string_view label, float* out);

// "[128, 64]"
std::string shape_text(std::span<const int64_t> shape);

}  // namespace hadal
