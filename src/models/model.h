// Model: one network on one rank. Implementations: one file per family. Owned by ModelRunner; worker thread
// only.
#pragma once

#include <functional>
#include <memory>

#include "config/model_config.h"
#include "layers/forward_batch.h"
#include "weights/weight_source.h"

namespace hadal {

// How this rank's share is cut.
struct ShardSpec {
  int tp_rank = 0;
  int tp_size = 1;
};

struct ModelOptions {
  ShardSpec shard;
  DType kv_dtype = DType::kF16;
  int block_size = 32;
  int64_t context_length = 0;  // rotary tables are made for this many positions
  CpuTier cpu_tier = CpuTier::kScalar;
  // MLA: absorb W_UK and W_UV into the query and output (decode form) or expand keys and values (naive form,
  // the oracle).
  bool mla_absorb = true;
  // Tells the source what will be read next; one rank of a host does.
  bool read_ahead = true;
};

class Model {
 public:
  virtual ~Model() = default;
  // Reads and packs every weight. Errors name the tensor. Fails on tensors the checkpoint has and nobody
  // read.
  virtual Status load(Stream& stream, WeightSource& source) = 0;
  virtual KvSpec kv_spec() const = 0;
  virtual int64_t weight_bytes() const = 0;
  // Upper bound of the scratch of one step with this many tokens, sequences and logits rows.
  virtual int64_t arena_bytes(int64_t num_tokens, int64_t num_logits_rows, int64_t max_seq_len,
                              int num_threads) const = 0;
  // Hidden states after the last norm of the rows in batch.logits_rows: f32 [R, hidden_size], in the arena.
  // all_rows: of every token instead (mean pooling, prompt log-probabilities).
  virtual Result<Tensor> hidden(ForwardContext& ctx, const ForwardBatch& batch, bool all_rows) = 0;
  // lm_head of hidden states: f32 [R, vocab_size], gathered over ranks, in the arena.
  virtual Result<Tensor> logits(ForwardContext& ctx, const Tensor& hidden) = 0;
};

// Checks that the shard divides heads, experts and widths (kUnsupported says which) and makes the family's
// model.
Result<std::unique_ptr<Model>> make_model(const ModelConfig& config, const ModelOptions& options);

}  // namespace hadal
