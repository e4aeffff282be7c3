#include "layers/shard.h"

#include <algorithm>
#include <string>

namespace hadal {

ShardRange shard_range(int64_t total, int64_t unit, int size, int rank) {
  HADAL_CHECK(unit > 0 && size > 0 && rank >= 0 && rank < size) << unit << " " << size << " " << rank;
  const int64_t units = (total + unit - 1) / unit;
  const int64_t base = units / size;
  const int64_t extra = units % size;
  const int64_t first = rank * base + std::min<int64_t>(rank, extra);
  const int64_t last = first + base + (rank < extra ? 1 : 0);
  const int64_t begin = std::min(first * unit, total);
  return {begin, std::min(last * unit, total) - begin};
}

namespace {

bool heads_divide(int num_heads, int num_kv_heads, int size) {
  if (size <= num_kv_heads) return true;
  return size % num_kv_heads == 0 && num_heads / num_kv_heads >= size / num_kv_heads;
}

std::string usable_sizes(int num_heads, int num_kv_heads, int below) {
  std::string text;
  for (int size = 1; size < below; ++size) {
    if (heads_divide(num_heads, num_kv_heads, size))
      text += (text.empty() ? "" : ", ") + std::to_string(size);
  }
  return text;
}

}  // namespace

Result<HeadShard> shard_heads(int num_heads, int num_kv_heads, int size, int rank) {
  if (!heads_divide(num_heads, num_kv_heads, size)) {
    return make_error(ErrorCode::kUnsupported, "tensor parallelism over ", size, " ranks does not divide ",
                      num_heads, " attention heads with ", num_kv_heads,
                      " key/value heads; use --tp with one of ", usable_sizes(num_heads, num_kv_heads, size));
  }
  const int group = num_heads / num_kv_heads;
  if (size <= num_kv_heads) {
    const ShardRange kv = shard_range(num_kv_heads, 1, size, rank);
    return HeadShard{{kv.begin * group, kv.count * group}, kv};
  }
  const int sharers = size / num_kv_heads;
  const int head = rank / sharers;
  ShardRange q = shard_range(group, 1, sharers, rank % sharers);
  q.begin += int64_t{head} * group;
  return HeadShard{q, {head, 1}};
}

Status check_shards(const ModelConfig& config, int size) {
  if (size < 1) return invalid_argument("the tensor-parallel size must be at least 1, not ", size);
  const int kv_heads = config.mla ? config.num_attention_heads : config.num_key_value_heads;
  HADAL_RETURN_IF_ERROR(shard_heads(config.num_attention_heads, kv_heads, size, 0).status());
  int width = config.intermediate_size;
  const char* what = "intermediate_size";
  if (config.moe && config.moe->moe_intermediate_size < width) {
    width = config.moe->moe_intermediate_size;
    what = "moe_intermediate_size";
  }
  if (width < size) {
    return make_error(ErrorCode::kUnsupported, what, " ", width, " cannot be split over ", size, " ranks");
  }
  if (config.vocab_size < size) {
    return make_error(ErrorCode::kUnsupported, "vocab_size ", config.vocab_size, " cannot be split over ",
                      size, " ranks");
  }
  return {};
}

}  // namespace hadal
