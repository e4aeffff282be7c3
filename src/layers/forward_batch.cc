#include "layers/forward_batch.h"

#include <utility>

namespace hadal {
namespace {

// Elements per token and layer of one block's tensors.
int64_t elements_per_token(const KvSpec& spec) {
  if (spec.kind == KvSpec::Kind::kMla) return spec.head_dim;
  return int64_t{spec.num_kv_heads} * (spec.head_dim + spec.v_head_dim);
}

std::byte* layer_data(const DeviceBuffer& buffer, const KvSpec& spec, int64_t num_blocks, int layer) {
  HADAL_CHECK(layer >= 0 && layer < spec.num_layers) << layer;
  const int64_t layer_bytes = spec.bytes_per_block() / spec.num_layers * num_blocks;
  return buffer.data() + layer_bytes * layer;
}

}  // namespace

int64_t KvSpec::bytes_per_block() const {
  return dtype_bytes(dtype, elements_per_token(*this) * block_size) * num_layers;
}

Result<KvStorage> KvStorage::allocate(DeviceType device, const KvSpec& spec, int64_t num_blocks) {
  HADAL_CHECK(num_blocks > 0 && spec.num_layers > 0 && spec.block_size > 0);
  KvStorage out;
  out.spec_ = spec;
  out.num_blocks_ = num_blocks;
  HADAL_ASSIGN(out.buffer_,
               DeviceBuffer::allocate(device, static_cast<size_t>(spec.bytes_per_block() * num_blocks),
                                      PageAdvice::kSmall));
  return out;
}

Tensor KvStorage::k(int layer) const {
  HADAL_CHECK(spec_.kind == KvSpec::Kind::kGqa);
  return Tensor(layer_data(buffer_, spec_, num_blocks_, layer), spec_.dtype,
                {num_blocks_, spec_.num_kv_heads, spec_.block_size, spec_.head_dim});
}

Tensor KvStorage::v(int layer) const {
  const Tensor keys = k(layer);
  return Tensor(keys.ptr<std::byte>() + keys.num_bytes(), spec_.dtype,
                {num_blocks_, spec_.num_kv_heads, spec_.block_size, spec_.v_head_dim});
}

Tensor KvStorage::mla(int layer) const {
  HADAL_CHECK(spec_.kind == KvSpec::Kind::kMla);
  return Tensor(layer_data(buffer_, spec_, num_blocks_, layer), spec_.dtype,
                {num_blocks_, spec_.block_size, spec_.head_dim});
}

}  // namespace hadal
