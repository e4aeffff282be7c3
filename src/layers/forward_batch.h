// ForwardBatch: one step's rows as device arrays; ForwardContext: what a model's forward runs with; KvSpec
// and KvStorage. Built by ModelRunner in the arena for each step; read by models and layers. Worker thread
// only.
#pragma once

#include <vector>

#include "comm/communicator.h"
#include "kernels/op/attention.h"
#include "kernels/ops.h"

namespace hadal {

struct ForwardBatch {
  int64_t num_tokens = 0;
  int64_t num_sequences = 0;
  Tensor input_ids;          // i32 [T]
  Tensor positions;          // i32 [T]
  AttentionBatch attention;  // cu_seqlens_q, seq_lens, block_tables, slot_mapping
  Tensor logits_rows;        // i32 [R]: tokens whose logits (or hidden states) are wanted, ascending
  int max_position = 0;      // largest of positions
};

// One layer's cache memory per token.
struct KvSpec {
  enum class Kind { kGqa, kMla };
  Kind kind = Kind::kGqa;
  int num_layers = 0;
  int num_kv_heads = 0;  // of this rank (kGqa)
  int head_dim = 0;      // kGqa: of K; kMla: kv_lora_rank + rope_dim
  int v_head_dim = 0;    // kGqa: of V
  DType dtype = DType::kF16;
  int block_size = 32;
  int64_t bytes_per_block() const;  // all layers
};

// The KV cache of one rank: per layer K [num_blocks, num_kv_heads, block_size, head_dim] and V likewise
// (kGqa), or [num_blocks, block_size, head_dim] (kMla). Owns the memory.
class KvStorage {
 public:
  static Result<KvStorage> allocate(DeviceType device, const KvSpec& spec, int64_t num_blocks);
  const KvSpec& spec() const { return spec_; }
  int64_t num_blocks() const { return num_blocks_; }
  Tensor k(int layer) const;    // kGqa
  Tensor v(int layer) const;    // kGqa
  Tensor mla(int layer) const;  // kMla

 private:
  KvSpec spec_;
  int64_t num_blocks_ = 0;
  DeviceBuffer buffer_;
};

struct ForwardContext {
  OpContext op;
  Communicator& comm;
  KvStorage& kv;
};

}  // namespace hadal
