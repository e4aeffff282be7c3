// What a rank needs beside its weights: KV, activations, CUDA graphs, communication buffers, the driver's
// context. Each from the formula in its comment; docs/plan.md has their measurements. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "config/model_config.h"
#include "plan/fit.h"
#include "plan/gpu_table.h"

namespace hadal {

// 2 for bf16 and f16, 1 for fp8, 4 for f32. Errors: kInvalidArgument.
Result<int> kv_element_bytes(std::string_view kv_dtype);
// Of one token on a rank of a stage of `num_layers` layers. MLA keeps kv_lora_rank + qk_rope_head_dim numbers
// a layer on every rank (DeepSeek-V2, 2405.04434, section 2.1); others keep 2 x head_dim for each KV head the
// rank has: ceil(KV heads / ranks of the attention group), so ranks beyond the KV heads repeat them.
int64_t kv_bytes_per_token(const ModelConfig& model, const Layout& layout, int num_layers, int element_bytes);

// The largest scratch of one step of `tokens` tokens, of which `logit_rows` make logits: two residual rows of
// bf16, and the widest of attention (q, k, v, output), dense MLP (gate, up) and experts (tokens in expert
// order, gate and up, and their outputs), divided as the ranks share them, and f32 logits.
int64_t activation_bytes(const ModelConfig& model, const Layout& layout, int64_t tokens, int64_t logit_rows);
// CUDA graphs of decode: 128 MiB, 12 MiB a dense layer, 24 MiB a layer with experts. (SGLang and vLLM logs:
// 0.4 to 0.6 GiB for 8B models, 1.4 to 2 GiB for R1.) 0 on the CPU.
int64_t graph_bytes(const ModelConfig& model, const GpuSpec& gpu, int num_layers);

struct CommunicationBytes {
  int64_t collectives = 0;  // NCCL, taken before the weights are loaded
  int64_t experts = 0;      // DeepEP or NVSHMEM
  int64_t total() const { return collectives + experts; }
};
// NCCL: 0 for one rank, 0.5 GiB for ranks of one host, 1.3 GiB across hosts (its channels' buffers,
// NCCL_BUFFSIZE 4 MiB each way for each channel and peer; differences of free memory in SGLang's logs).
// Experts: DeepEP's low-latency buffers (csrc/config.hpp), 2 x (send + receive), for 128 tokens a rank.
CommunicationBytes communication_bytes(const ModelConfig& model, const Layout& layout, const GpuSpec& gpu);
// Driver context, library workspaces, and what the driver keeps from its own total: 0.9 GiB on a GPU (H100:
// 81,559 MiB by nvidia-smi, 79.1 GiB to programs, 0.5 GiB of context); 1 GiB of process on the CPU.
int64_t runtime_bytes(const GpuSpec& gpu);

}  // namespace hadal
