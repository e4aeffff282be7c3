#include "layers/moe.h"

#include <algorithm>
#include <array>

namespace hadal {
namespace {

MoeGateParams gate_params(const MoeConfig& config) {
  MoeGateParams params;
  params.num_experts = config.n_routed_experts;
  params.top_k = config.num_experts_per_tok;
  if (config.topk_method != MoeConfig::TopkMethod::kGreedy) {
    params.num_groups = config.n_group;
    params.top_k_groups = config.topk_group;
  }
  params.score = config.score == MoeConfig::Score::kSigmoid ? GateScore::kSigmoid : GateScore::kSoftmax;
  params.group_rank =
      config.topk_method == MoeConfig::TopkMethod::kNoauxTc ? GroupRank::kTopTwoSum : GroupRank::kMax;
  params.normalize = config.norm_topk_prob;
  params.scaling = static_cast<float>(config.routed_scaling_factor);
  return params;
}

// Two matrices as one packed operand need one dtype: where a file mixes them, both become f16.
void unify(MatrixShard& a, MatrixShard& b) {
  if (a.source.weight.dtype() == b.source.weight.dtype()) return;
  for (MatrixShard* shard : {&a, &b}) {
    const Tensor weight = shard->source.weight;
    *shard = make_shard(shard_values(*shard), weight.dim(0), weight.dim(1), DType::kF16);
  }
}

}  // namespace

Result<Moe> Moe::load(const LoadContext& load, const ModelConfig& config, const MoeNames& names) {
  const MoeConfig& moe = *config.moe;
  const int64_t hidden = config.hidden_size;
  Moe out;
  out.params_ = gate_params(moe);
  // The choice of experts is discrete: the gate computes in f32 whatever the checkpoint's dtype.
  HADAL_ASSIGN(const MatrixShard gate,
               read_shard(load, MatrixPart::whole(names.gate, moe.n_routed_experts, hidden)));
  const MatrixShard gate_f32 = make_shard(shard_values(gate), moe.n_routed_experts, hidden, DType::kF32);
  HADAL_ASSIGN(out.gate_, Linear::pack(load, std::span(&gate_f32, 1)));
  if (!names.correction_bias.empty()) {
    HADAL_ASSIGN(const std::vector<float> bias,
                 load.source.read_f32(names.correction_bias, moe.n_routed_experts));
    HADAL_ASSIGN(out.correction_bias_, Parameter::make(bias, {moe.n_routed_experts}));
  }
  HADAL_RETURN_IF_ERROR(out.load_experts(load, config, names.expert_prefix));
  out.has_shared_ = !names.shared_expert_prefix.empty();
  if (out.has_shared_) {
    const std::string& p = names.shared_expert_prefix;
    HADAL_ASSIGN(out.shared_,
                 GatedMlp::load(load, {p + "gate_proj", p + "up_proj", p + "down_proj"}, hidden,
                                int64_t{moe.n_shared_experts} * moe.moe_intermediate_size, false));
  }
  return out;
}

Status Moe::load_experts(const LoadContext& load, const ModelConfig& config, const std::string& prefix) {
  const int64_t hidden = config.hidden_size;
  const int64_t width = config.moe->moe_intermediate_size;
  for (int e = 0; e < config.moe->n_routed_experts; ++e) {
    const std::string p = prefix + std::to_string(e) + ".";
    HADAL_ASSIGN(const ShardRange range, shard_intermediate(load, p + "down_proj", hidden, width));
    HADAL_ASSIGN(MatrixShard gate,
                 read_shard(load, MatrixPart::by_rows(p + "gate_proj", width, hidden, range)));
    HADAL_ASSIGN(MatrixShard up, read_shard(load, MatrixPart::by_rows(p + "up_proj", width, hidden, range)));
    HADAL_ASSIGN(const MatrixShard down,
                 read_shard(load, MatrixPart::by_columns(p + "down_proj", hidden, width, range)));
    unify(gate, up);
    const std::array<LinearSource, 2> gate_up = {gate.source, up.source};
    HADAL_ASSIGN(PackedLinear packed, PackedLinear::pack(load.stream, load.cpu_tier, gate_up));
    gate_up_.push_back(std::move(packed));
    HADAL_ASSIGN(packed, PackedLinear::pack(load.stream, load.cpu_tier, std::span(&down.source, 1)));
    down_.push_back(std::move(packed));
  }
  return {};
}

void Moe::forward(OpContext& ctx, const Tensor& x, const Tensor& target) const {
  Arena::Scope scope(ctx.arena);
  const int64_t tokens = x.dim(0);
  const Tensor logits = ctx.arena.alloc(DType::kF32, {tokens, params_.num_experts});
  const Tensor ids = ctx.arena.alloc(DType::kI32, {tokens, params_.top_k});
  const Tensor weights = ctx.arena.alloc(DType::kF32, {tokens, params_.top_k});
  gate_.forward(ctx, x, logits);
  moe_gate(ctx, logits, correction_bias_.tensor(), params_, ids, weights);
  if (has_shared_) shared_.forward(ctx, x, target);
  moe_experts(ctx, x, ids, weights, gate_up_, down_, 0, target);
}

int64_t Moe::arena_bytes(int64_t num_tokens) const {
  const int64_t routing =
      arena_f32_bytes(num_tokens * params_.num_experts) + 2 * arena_f32_bytes(num_tokens * params_.top_k);
  const int64_t shared = has_shared_ ? shared_.arena_bytes(num_tokens) : 0;
  return routing + std::max({gate_.arena_bytes(num_tokens), shared,
                             moe_arena_bytes(gate_up_, down_, num_tokens, params_.top_k)});
}

int64_t Moe::num_bytes() const {
  int64_t bytes = gate_.num_bytes() + correction_bias_.num_bytes() + shared_.num_bytes();
  for (const PackedLinear& packed : gate_up_) bytes += packed.num_bytes();
  for (const PackedLinear& packed : down_) bytes += packed.num_bytes();
  return bytes;
}

}  // namespace hadal
