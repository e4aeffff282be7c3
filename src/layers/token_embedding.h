// TokenEmbedding: token ids to vectors. Ranks hold ranges of the vocabulary; the sum over ranks fills in the
// rows of the others. Owned by the model; worker thread only.
#pragma once

#include <string>

#include "layers/forward_batch.h"
#include "layers/matrix_shard.h"

namespace hadal {

class TokenEmbedding {
 public:
  TokenEmbedding() = default;
  // `name` + ".weight" [vocab_size, hidden_size].
  static Result<TokenEmbedding> load(const LoadContext& load, const std::string& name, int64_t vocab_size,
                                     int64_t hidden_size);
  // ids: i32 [T]; y: f32 [T, hidden_size].
  Status forward(ForwardContext& ctx, const Tensor& ids, const Tensor& y) const;
  int64_t num_bytes() const { return table_.num_bytes(); }

 private:
  // The checkpoint's own bytes: mapped from the file where that is possible, so that only rows in use take
  // memory.
  std::shared_ptr<const void> owner_;
  Tensor table_;
  int64_t first_row_ = 0;
};

}  // namespace hadal
