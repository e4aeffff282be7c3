#include "plan/roofline.h"

#include <algorithm>
#include <cmath>

#include "plan/memory_terms.h"

namespace hadal {
namespace {

// Kernels of a layer in a decode graph of a fused engine: norm, qkv, rope, cache write, attention, output,
// norm, gate and up, activation, down. Latent attention has two projections, two norms and two absorptions
// more; experts a router, selection, sorting and the shared expert.
constexpr double kDenseKernels = 10;
constexpr double kLatentKernels = 10;
constexpr double kExpertKernels = 9;
constexpr double kQuantKernels = 4;  // FP8 and int8 activations are quantised before each projection
constexpr double kHeadKernels = 6;
// Prefill is not in a graph: each kernel is launched by itself.
constexpr double kEagerKernelUs = 8;
// Grouped multiplications of experts that are cut narrow (TP8 leaves 256 of R1's 2,048) reach less of the
// peak: width / (width + 256).
constexpr double kNarrowExpert = 256;
// Residual, norms, activations: rows of hidden_size in bf16 that a layer reads and writes a token.
constexpr double kActivationRows = 16;
constexpr int kPrefillChunk = 8192;
constexpr int kMostNodes = 4;  // DeepSeek-V3's routing reaches at most four nodes

WeightFormat main_format(const WeightMap& weights) {
  for (const PlannedTensor& t : weights.tensors()) {
    if (t.quantizable) return t.format;
  }
  return WeightFormat::kBf16;
}

// FP8 and int8 weights run on FP8 and int8 units where there are some; fewer bits are widened to bf16 first.
double peak_tflops(const GpuSpec& gpu, WeightFormat format) {
  if (format == WeightFormat::kFp8Blocks && gpu.fp8_tflops > 0) return gpu.fp8_tflops;
  if (format == WeightFormat::kInt8 && gpu.int8_tops > 0) return gpu.int8_tops;
  return gpu.bf16_tflops;
}

}  // namespace

Efficiency default_efficiency(const GpuSpec& gpu) {
  Efficiency out;
  out.memory = gpu.achieved_memory;
  out.compute = gpu.achieved_compute;
  if (gpu.resource.empty()) {
    out.kernel_us = 8;
    out.step_us = 300;
  }
  return out;
}

std::string_view bottleneck_name(Bottleneck bottleneck) {
  switch (bottleneck) {
    case Bottleneck::kMemory:
      return "memory bandwidth";
    case Bottleneck::kCompute:
      return "compute";
    case Bottleneck::kAllReduce:
      return "all-reduce latency";
    case Bottleneck::kExchange:
      return "all-to-all of experts";
    case Bottleneck::kLaunch:
      return "kernel launches";
    case Bottleneck::kKvCapacity:
      return "KV capacity";
    case Bottleneck::kPrefill:
      return "prefill compute";
    case Bottleneck::kPipeline:
      return "pipeline";
  }
  return "unknown";
}

Bottleneck StepTime::bottleneck() const {
  const std::pair<double, Bottleneck> parts[] = {
      {memory, Bottleneck::kMemory},        {compute, Bottleneck::kCompute},
      {all_reduce, Bottleneck::kAllReduce}, {exchange, Bottleneck::kExchange},
      {launch, Bottleneck::kLaunch},        {pipeline, Bottleneck::kPipeline}};
  return std::max_element(std::begin(parts), std::end(parts),
                          [](const auto& a, const auto& b) { return a.first < b.first; })
      ->second;
}

StepTime& StepTime::operator+=(const StepTime& other) {
  memory += other.memory;
  compute += other.compute;
  all_reduce += other.all_reduce;
  exchange += other.exchange;
  launch += other.launch;
  pipeline += other.pipeline;
  return *this;
}

Roofline::Roofline(const WeightMap& weights, const GpuSpec& gpu, const Fabric& network, const Layout& layout,
                   int per_node, const Efficiency& efficiency, int kv_element_bytes)
    : weights_(&weights),
      gpu_(&gpu),
      network_(&network),
      layout_(layout),
      per_node_(std::max(1, per_node)),
      efficiency_(efficiency),
      kv_element_bytes_(kv_element_bytes) {
  bytes_per_us_ = gpu.memory_gbs * efficiency.memory * 1e3;
  flops_per_us_ = peak_tflops(gpu, main_format(weights)) * efficiency.compute * 1e6;
  attention_flops_per_us_ = gpu.bf16_tflops * efficiency.attention * 1e6;
  const ModelConfig& m = weights.model();
  for (int stage = 0; stage < layout.pp; ++stage) {
    const LayerRange layers = stage_layers(m.num_hidden_layers, layout.pp, stage);
    Stage out;
    out.bytes = weights.of_rank(layout, stage, 0);
    out.parameters = weights.rank_parameters(layout, stage, 0);
    out.attention_layers = layers.size();
    for (int layer = layers.begin; layer < layers.end; ++layer)
      out.moe_layers += m.is_moe_layer(layer) ? 1 : 0;
    out.last = stage == layout.pp - 1;
    stages_.push_back(out);
  }
}

// Multiply-adds of one query token with one cached token in all of a rank's heads of one layer, times 2.
// Decode of MLA works on the latent itself, prefill on the heads it expands to.
double Roofline::attention_flops_per_pair(bool prefill) const {
  const ModelConfig& m = weights_->model();
  const double heads =
      std::ceil(static_cast<double>(m.num_attention_heads) / (layout_.tp / layout_.dp_attention));
  if (!m.mla) return 4 * heads * m.head_dim;
  const MlaConfig& a = *m.mla;
  if (prefill) return 2 * heads * (a.qk_nope_head_dim + a.qk_rope_head_dim + a.v_head_dim);
  return 2 * heads * (2 * a.kv_lora_rank + a.qk_rope_head_dim);
}

void Roofline::add_projection(StepTime& time, double bytes, double parameters, double tokens) const {
  const double memory = bytes / bytes_per_us_;
  const double compute = 2 * parameters * tokens / flops_per_us_;
  (memory >= compute ? time.memory : time.compute) += std::max(memory, compute);
}

void Roofline::add_experts(StepTime& time, const Stage& stage, double tokens) const {
  if (stage.moe_layers == 0) return;
  const MoeConfig& e = *weights_->model().moe;
  const double experts = e.n_routed_experts;
  const double touched = 1 - std::pow(1 - e.num_experts_per_tok / experts, tokens);
  const double balance = layout_.ep > 1 ? efficiency_.expert_balance : 1;
  const double bytes = static_cast<double>(stage.bytes.of(WeightPart::kRoutedExperts)) * touched;
  // Every token works on num_experts_per_tok experts, of which this rank has 1/ep, and of each 1/per_expert.
  const double parameters =
      static_cast<double>(stage.parameters.of(WeightPart::kRoutedExperts)) * e.num_experts_per_tok / experts;
  const double memory = bytes / bytes_per_us_;
  const double width = static_cast<double>(e.moe_intermediate_size) * layout_.ep / layout_.tp;
  const double shape = width / (width + kNarrowExpert);
  const double compute = 2 * parameters * tokens * balance / (flops_per_us_ * shape);
  (memory >= compute ? time.memory : time.compute) += std::max(memory, compute);
}

void Roofline::add_collectives(StepTime& time, const Stage& stage, Tokens tokens, bool prefill) const {
  const ModelConfig& m = weights_->model();
  const double row = 2.0 * m.hidden_size;
  const int attention = layout_.tp / layout_.dp_attention;
  const double dense_layers = stage.attention_layers - stage.moe_layers;
  if (layout_.ep > 1 && layout_.dp_attention > 1) {
    const double one = all_reduce_us(*gpu_, *network_, attention, per_node_, tokens.group * row);
    time.all_reduce += efficiency_.collective * one * (2 * dense_layers + 1 * stage.moe_layers);
    // Prefill sends a row once to each node that has an expert of its, decode once to each expert.
    const int nodes = (layout_.ep + per_node_ - 1) / per_node_;
    const double copies = prefill && nodes > 1
                              ? std::min(m.moe->num_experts_per_tok, std::min(nodes, kMostNodes))
                              : m.moe->num_experts_per_tok;
    const double rows = tokens.group / attention * copies;
    const double both = expert_exchange_us(*gpu_, *network_, layout_.ep, per_node_, rows, m.hidden_size);
    time.exchange += efficiency_.collective * both * stage.moe_layers;
    return;
  }
  // Two a layer; with DP attention the gather before the MLP and the scatter after it move as much.
  const double one = all_reduce_us(*gpu_, *network_, layout_.tp, per_node_, tokens.instance * row);
  time.all_reduce += efficiency_.collective * 2 * one * stage.attention_layers;
}

double Roofline::kernels(const Stage& stage) const {
  const bool latent = weights_->model().mla.has_value();
  const WeightFormat format = main_format(*weights_);
  const bool quantised = format == WeightFormat::kFp8Blocks || format == WeightFormat::kInt8;
  return stage.attention_layers *
             (kDenseKernels + (latent ? kLatentKernels : 0) + (quantised ? kQuantKernels : 0)) +
         stage.moe_layers * kExpertKernels + (stage.last ? kHeadKernels : 0);
}

StepTime Roofline::stage_time(const Stage& stage, Tokens tokens, double attention_bytes,
                              double attention_flops, bool prefill) const {
  const auto bytes = [&](WeightPart part) { return static_cast<double>(stage.bytes.of(part)); };
  const auto parameters = [&](WeightPart part) { return static_cast<double>(stage.parameters.of(part)); };
  StepTime time;
  const double dense_tokens = layout_.ep > 1 ? tokens.group : tokens.instance;
  add_projection(time, bytes(WeightPart::kAttention), parameters(WeightPart::kAttention), tokens.group);
  add_projection(time, bytes(WeightPart::kDenseMlp), parameters(WeightPart::kDenseMlp), dense_tokens);
  add_projection(time, bytes(WeightPart::kSharedExperts), parameters(WeightPart::kSharedExperts),
                 dense_tokens);
  add_projection(time, bytes(WeightPart::kRouter), parameters(WeightPart::kRouter), tokens.group);
  add_experts(time, stage, tokens.instance);
  if (stage.last) {
    // One row of each sequence makes logits; a tied head is the embedding.
    const bool tied = weights_->model().tie_word_embeddings;
    const WeightPart head = tied ? WeightPart::kEmbedding : WeightPart::kHead;
    add_projection(time, bytes(head), parameters(head), prefill ? layout_.dp_attention : tokens.instance);
  }
  const double memory = attention_bytes / bytes_per_us_;
  const double compute = attention_flops / attention_flops_per_us_;
  (memory >= compute ? time.memory : time.compute) += std::max(memory, compute);
  time.memory += kActivationRows * 2.0 * weights_->model().hidden_size * tokens.group *
                 stage.attention_layers / bytes_per_us_;
  time.launch +=
      kernels(stage) * (prefill ? std::max(kEagerKernelUs, efficiency_.kernel_us) : efficiency_.kernel_us);
  add_collectives(time, stage, tokens, prefill);
  if (layout_.ep > 1 && layout_.dp_attention > 1) {
    const double work = time.memory + time.compute;
    // Two batches in turn hide the exchange between nodes; inside one it is too short for that.
    if (layout_.ep > per_node_) time.exchange -= efficiency_.overlap * std::min(time.exchange, work);
  }
  if (layout_.dp_attention > 1) time.compute += (efficiency_.straggler - 1) * (time.memory + time.compute);
  return time;
}

StepTime Roofline::decode(double batch, double context) const {
  const ModelConfig& m = weights_->model();
  const double in_stage = std::max(1.0, batch / layout_.pp);
  const Tokens tokens{std::max(1.0, std::ceil(in_stage / layout_.dp_attention)), in_stage};
  StepTime total;
  for (const Stage& stage : stages_) {
    const auto layers = static_cast<int>(stage.attention_layers);
    const double kv = static_cast<double>(kv_bytes_per_token(m, layout_, layers, kv_element_bytes_));
    total += stage_time(stage, tokens, tokens.group * context * kv,
                        tokens.group * context * layers * attention_flops_per_pair(false), false);
  }
  const bool across = layout_.num_ranks() > per_node_;
  total.pipeline +=
      (layout_.pp - 1) * send_us(*gpu_, *network_, across, in_stage * 2.0 * m.hidden_size / layout_.tp);
  total.launch += efficiency_.step_us;
  return total;
}

StepTime Roofline::prefill(double prompt, int groups) const {
  const ModelConfig& m = weights_->model();
  const Tokens tokens{prompt, prompt * groups};
  StepTime total;
  double slowest = 0;
  for (const Stage& stage : stages_) {
    const double pairs = prompt * prompt / 2 * stage.attention_layers;
    const auto layers = static_cast<int>(stage.attention_layers);
    const double kv = static_cast<double>(kv_bytes_per_token(m, layout_, layers, kv_element_bytes_));
    const StepTime time =
        stage_time(stage, tokens, prompt * kv, pairs * attention_flops_per_pair(true), true);
    slowest = std::max(slowest, time.total());
    total += time;
  }
  total.launch += efficiency_.step_us;
  if (layout_.pp > 1) {
    // Chunks of a long prompt fill the stages: (chunks + stages - 1) / chunks of the slowest stage.
    const double chunks = std::max(1.0, std::ceil(prompt / kPrefillChunk));
    const double piped = slowest * (chunks + layout_.pp - 1) / chunks;
    const double share = piped / total.total();
    for (double* part : {&total.memory, &total.compute, &total.all_reduce, &total.exchange, &total.launch})
      *part *= share;
  }
  return total;
}

double Roofline::prefill_seconds_per_prompt(double tokens, int groups) const {
  // Short prompts go together in one chunk, so that no step is smaller than it need be.
  const double together = std::max(1.0, std::floor(kPrefillChunk / std::max(1.0, tokens)));
  if (groups <= 0) groups = layout_.dp_attention;
  double slowest = 0;
  const ModelConfig& m = weights_->model();
  for (const Stage& stage : stages_) {
    const double rows = tokens * together;
    const double pairs = tokens * tokens / 2 * together * stage.attention_layers;
    const auto layers = static_cast<int>(stage.attention_layers);
    const double kv = static_cast<double>(kv_bytes_per_token(m, layout_, layers, kv_element_bytes_));
    slowest = std::max(slowest, stage_time(stage, {rows, rows * groups}, rows * kv,
                                           pairs * attention_flops_per_pair(true), true)
                                    .total());
  }
  return (slowest + efficiency_.step_us) / 1e6 / (together * groups);
}

}  // namespace hadal
