#include "app/model_digest.h"

#include <filesystem>
#include <sstream>

#include "group/wire.h"
#include "weights/tensor_table.h"

namespace hadal {
namespace {

void write_rope(std::ostream& out, const RopeConfig& r) {
  out << "rope " << r.theta << ' ' << r.rotary_dim << ' ' << r.interleaved << ' '
      << static_cast<int>(r.scaling) << ' ' << r.factor << ' ' << r.original_max_position_embeddings << ' '
      << r.low_freq_factor << ' ' << r.high_freq_factor << ' ' << r.beta_fast << ' ' << r.beta_slow << ' '
      << r.mscale << ' ' << r.mscale_all_dim << ' ' << r.attention_factor.value_or(-1);
  for (const float factor : r.freq_factors) out << ' ' << factor;
  out << '\n';
}

void write_config(std::ostream& out, const ModelConfig& c) {
  out << architecture_name(c.architecture) << ' ' << c.hidden_size << ' ' << c.intermediate_size << ' '
      << c.num_hidden_layers << ' ' << c.num_attention_heads << ' ' << c.num_key_value_heads << ' '
      << c.head_dim << ' ' << c.vocab_size << ' ' << c.max_position_embeddings << ' ' << c.rms_norm_eps << ' '
      << c.tie_word_embeddings << c.qkv_bias << c.o_bias << c.mlp_bias << c.qk_norm << ' ' << c.sliding_window
      << ' ' << c.torch_dtype << ' ' << c.fp8_blocks << '\n';
  write_rope(out, c.rope);
  if (c.mla) {
    out << "mla " << c.mla->q_lora_rank << ' ' << c.mla->kv_lora_rank << ' ' << c.mla->qk_nope_head_dim << ' '
        << c.mla->qk_rope_head_dim << ' ' << c.mla->v_head_dim << '\n';
  }
  if (c.moe) {
    const MoeConfig& m = *c.moe;
    out << "moe " << m.n_routed_experts << ' ' << m.num_experts_per_tok << ' ' << m.n_shared_experts << ' '
        << m.moe_intermediate_size << ' ' << m.first_k_dense_replace << ' ' << m.moe_layer_freq << ' '
        << m.n_group << ' ' << m.topk_group << ' ' << static_cast<int>(m.score) << ' '
        << static_cast<int>(m.topk_method) << ' ' << m.norm_topk_prob << ' ' << m.routed_scaling_factor
        << '\n';
  }
}

void write_gguf(std::ostream& out, const GgufFile& file) {
  for (const MappedFile& part : file.files()) out << "file " << part.bytes().size() << '\n';
  for (const GgufTensorInfo& tensor : file.tensors()) {
    out << tensor.name << ' ' << static_cast<int>(tensor.type) << ' ' << tensor.file_index << ' '
        << tensor.offset << ' ' << tensor.num_bytes;
    for (const int64_t dim : tensor.shape) out << ' ' << dim;
    out << '\n';
  }
}

void write_table(std::ostream& out, const TensorTable& table) {
  for (const std::string& path : table.paths) {
    std::error_code ignored;
    out << "file " << std::filesystem::path(path).filename().string() << ' '
        << std::filesystem::file_size(path, ignored) << '\n';
  }
  for (const TensorEntry& tensor : table.entries) {
    out << tensor.name << ' ' << tensor.dtype_text << ' ' << tensor.range.file << ' ' << tensor.range.offset
        << ' ' << tensor.range.num_bytes;
    for (const int64_t dim : tensor.shape) out << ' ' << dim;
    out << '\n';
  }
}

}  // namespace

Result<std::string> model_digest(const EngineConfig& engine, const OpenedModel& model) {
  std::ostringstream out;
  out.precision(17);
  write_config(out, model.config);
  out << "bytes " << model.source->total_bytes() << '\n';
  if (engine.load_format == "dummy") {
    out << "random " << engine.dummy_dtype << ' ' << engine.random_seed << '\n';
  } else if (model.gguf != nullptr) {
    write_gguf(out, *model.gguf);
  } else {
    HADAL_ASSIGN(const TensorTable table, read_safetensors_directory(model.directory));
    write_table(out, table);
  }
  return sha256_hex(out.str());
}

}  // namespace hadal
