// fit_model: does a model fit on these GPUs in this layout, and how many tokens of KV remain: the part of the
// planner that deploy/ asks for. From the model's shape alone. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/model_config.h"

namespace hadal {

struct GpuSpec;  // plan/gpu_table.h

// How one engine instance is spread over its ranks; num_ranks = tp * pp (EP and DP attention use the same
// ranks).
struct Layout {
  int tp = 1;            // ranks that share every dense layer, and attention unless dp_attention
  int pp = 1;            // pipeline stages
  int ep = 1;            // ranks that share the routed experts whole: 1 splits every expert by tp
  int dp_attention = 1;  // groups of ranks that each hold all of attention and their own KV
  int num_ranks() const { return tp * pp; }
};

struct FitOptions {
  std::string kv_dtype = "bf16";  // bf16, f16, fp8, f32
  // Share of the GPU's memory for weights and KV together (SGLang's --mem-fraction-static); 0: hadal's own
  // rule, what is left after activations, graphs and communication buffers.
  double static_fraction = 0;
  int64_t max_running_tokens = 8192;  // of one step: sizes the activations
  int64_t context_length = 0;         // 0: the model's own
};

// Bytes of the fullest rank.
struct RankBytes {
  int64_t capacity = 0;  // of the GPU, as the driver reports it
  int64_t weights = 0;
  int64_t activations = 0;
  int64_t graphs = 0;
  int64_t communication = 0;
  int64_t runtime = 0;  // driver context and libraries
  int64_t kv = 0;       // what remains, or the fraction's share
};

struct FitAnswer {
  int64_t weight_bytes = 0;  // of the whole model, as loaded
  RankBytes rank;
  int64_t kv_bytes_per_token = 0;  // of one rank: MLA's latent is not divided by tp
  int64_t kv_tokens = 0;           // of the instance: per rank under tp, times dp_attention
  // Why it cannot run, for an operator: "642 GB of weights do not fit on 4x 80 GB", "A800 has no FP8". Empty:
  // it can.
  std::vector<std::string> refusals;
  std::vector<std::string> warnings;
  // Tokens of the longest request, and which of the warnings says so; 0: the model's own length.
  int64_t longest_request = 0;
  size_t longest_request_warning = 0;
  bool fits() const { return refusals.empty(); }
};

// weight_dtype: "" as the checkpoint is; "bf16", "fp8", "int4", ... Errors: kInvalidArgument for a layout
// that the model's shape cannot take (heads not divisible by tp, ...).
Result<FitAnswer> fit_model(const ModelConfig& model, const GpuSpec& gpu, const Layout& layout,
                            std::string_view weight_dtype = {}, const FitOptions& options = {});

// The same for weights already listed: of a .gguf file, or to ask about many layouts.
class WeightMap;  // plan/weight_map.h
Result<FitAnswer> fit_weights(const WeightMap& weights, const GpuSpec& gpu, const Layout& layout,
                              const FitOptions& options = {});

// The layout with the fewest GPUs, at most max_gpus, that holds the model and one context: plain TP of one
// host first, then TP over hosts, then whole experts with DP attention, then pipeline stages. nullopt: none.
std::optional<Layout> smallest_layout(const WeightMap& weights, const GpuSpec& gpu,
                                      const FitOptions& options = {}, int max_gpus = 256);

// Files, as they are sold and downloaded: "671 GB", "46.6 GB", "1.34 TB"; powers of 1000, three digits.
std::string show_bytes(double bytes);
// Memory, as nvidia-smi and Kubernetes count it: "46.6 GiB", "512 MiB"; powers of 1024.
std::string show_memory(double bytes);

}  // namespace hadal
