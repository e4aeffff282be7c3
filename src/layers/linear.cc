#include "layers/linear.h"

#include <algorithm>

namespace hadal {
namespace {

// The kept biases of all parts in order; zeros for parts without. Empty when no part has one.
Result<std::vector<float>> read_biases(const LoadContext& load, std::span<const MatrixPart> parts) {
  std::vector<float> biases;
  bool any = false;
  for (const MatrixPart& part : parts) {
    const size_t at = biases.size();
    biases.resize(at + static_cast<size_t>(part.rows.count), 0.0f);
    if (!part.bias) continue;
    // Every rank reads it, so that no rank's source reports it as unread.
    HADAL_ASSIGN(const std::vector<float> values, load.source.read_f32(part.name + ".bias", part.n));
    if (part.columns.count != part.k && load.tp_rank != 0) continue;
    any = true;
    std::copy_n(values.begin() + part.rows.begin, part.rows.count, biases.begin() + static_cast<int64_t>(at));
  }
  if (!any) biases.clear();
  return biases;
}

}  // namespace

Result<Linear> Linear::load(const LoadContext& load, std::span<const MatrixPart> parts) {
  std::vector<MatrixShard> shards;
  for (const MatrixPart& part : parts) {
    HADAL_ASSIGN(MatrixShard shard, read_shard(load, part));
    shards.push_back(std::move(shard));
  }
  auto packed = pack(load, shards);
  if (!packed.ok()) {
    std::string names = load.source.describe(parts.front().name + ".weight");
    for (const MatrixPart& part : parts.subspan(1))
      names += ", " + load.source.describe(part.name + ".weight");
    return make_error(packed.error().code, names, ": ", packed.error().message);
  }
  Linear out = std::move(packed).value();
  HADAL_ASSIGN(const std::vector<float> biases, read_biases(load, parts));
  if (!biases.empty()) {
    HADAL_ASSIGN(out.bias_, Parameter::make(biases, {out.n_}));
  }
  return out;
}

Result<Linear> Linear::pack(const LoadContext& load, std::span<const MatrixShard> shards) {
  Linear out;
  out.k_ = shards.front().source.weight.dim(1);
  size_t i = 0;
  while (i < shards.size()) {
    std::vector<LinearSource> sources;
    const DType dtype = shards[i].source.weight.dtype();
    Group group;
    group.begin = out.n_;
    for (; i < shards.size() && shards[i].source.weight.dtype() == dtype; ++i) {
      sources.push_back(shards[i].source);
      out.n_ += shards[i].source.weight.dim(0);
    }
    HADAL_ASSIGN(group.packed, PackedLinear::pack(load.stream, load.cpu_tier, sources));
    out.groups_.push_back(std::move(group));
  }
  return out;
}

int64_t Linear::num_bytes() const {
  int64_t bytes = bias_.num_bytes();
  for (const Group& group : groups_) bytes += group.packed.num_bytes();
  return bytes;
}

int64_t Linear::arena_bytes(int64_t m) const {
  int64_t bytes = 0;
  for (const Group& group : groups_) bytes = std::max(bytes, linear_arena_bytes(group.packed, m));
  return bytes;
}

void Linear::forward(OpContext& ctx, const Tensor& x, const Tensor& y, bool accumulate) const {
  LinearOptions options;
  options.accumulate = accumulate;
  for (const Group& group : groups_) {
    const int64_t count = group.packed.n();
    if (bias_.defined()) options.bias = bias_.tensor().rows(group.begin, count);
    linear(ctx, x, group.packed, count == n_ ? y : y.columns(group.begin, count), options);
  }
}

}  // namespace hadal
