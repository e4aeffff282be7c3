// Roofline: how long one engine instance takes for a decode step and for a prompt, from bytes, arithmetic,
// collectives and the kernels it launches. The formulas are in docs/plan.md. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "plan/fit.h"
#include "plan/gpu_table.h"
#include "plan/network_table.h"
#include "plan/weight_map.h"

namespace hadal {

// What --calibrate fits. The defaults are checked against the public records of docs/plan.md.
struct Efficiency {
  double memory = 0;             // share of GpuSpec::memory_gbs; 0: the GPU's own
  double compute = 0;            // share of the peak for projections; 0: the GPU's own
  double attention = 0.60;       // share of the bf16 peak for attention
  double kernel_us = 3.2;        // of each kernel beside its bytes: launch in a graph, ramp and tail
  double collective = 1.0;       // factor on the collectives' times
  double expert_balance = 1.25;  // the busiest EP rank over the mean
  double overlap = 0.5;          // of expert exchange hidden behind arithmetic (two batches in turn)
  double straggler = 1.2;        // DP attention: the slowest group over the mean, which all wait for
  double step_us = 250;          // host, sampling, scheduling of a step that no kernel hides
};
Efficiency default_efficiency(const GpuSpec& gpu);

enum class Bottleneck { kMemory, kCompute, kAllReduce, kExchange, kLaunch, kKvCapacity, kPrefill, kPipeline };
std::string_view bottleneck_name(Bottleneck bottleneck);  // "memory bandwidth"

// Microseconds of one step or prompt, and what they go to.
struct StepTime {
  double memory = 0;   // where bytes bound an operation
  double compute = 0;  // where arithmetic does
  double all_reduce = 0;
  double exchange = 0;  // experts' dispatch and combine
  double launch = 0;    // kernels and host
  double pipeline = 0;  // sends between stages
  double total() const { return memory + compute + all_reduce + exchange + launch + pipeline; }
  Bottleneck bottleneck() const;
  StepTime& operator+=(const StepTime& other);
};

class Roofline {
 public:
  // The layout must have passed check_layout; per_node: ranks that share a node.
  Roofline(const WeightMap& weights, const GpuSpec& gpu, const Fabric& network, const Layout& layout,
           int per_node, const Efficiency& efficiency, int kv_element_bytes);

  // One token for each of `batch` sequences of the instance whose contexts are `context` long on average.
  // With stages, the time a sequence waits for its next token while the stages work on a batch/pp each.
  StepTime decode(double batch, double context) const;
  // Prompts of `tokens` tokens, one in each of `groups` attention groups: until the first token.
  StepTime prefill(double tokens, int groups) const;
  // Seconds between prompts that the instance can sustain while `groups` of its attention groups have one to
  // read (the others wait for them): shared by those groups, stages in parallel. 0: all groups.
  double prefill_seconds_per_prompt(double tokens, int groups = 0) const;

  const Layout& layout() const { return layout_; }

 private:
  struct Stage {
    PartBytes bytes;
    PartBytes parameters;
    double attention_layers = 0;
    double moe_layers = 0;
    bool last = false;
  };
  struct Tokens {
    double group;     // of one attention group
    double instance;  // of all
  };
  StepTime stage_time(const Stage& stage, Tokens tokens, double attention_bytes, double attention_flops,
                      bool prefill) const;
  void add_projection(StepTime& time, double bytes, double parameters, double tokens) const;
  void add_experts(StepTime& time, const Stage& stage, double tokens) const;
  void add_collectives(StepTime& time, const Stage& stage, Tokens tokens, bool prefill) const;
  double kernels(const Stage& stage) const;
  double attention_flops_per_pair(bool prefill) const;

  const WeightMap* weights_;
  const GpuSpec* gpu_;
  const Fabric* network_;
  Layout layout_;
  int per_node_;
  Efficiency efficiency_;
  int kv_element_bytes_;
  double bytes_per_us_;
  double flops_per_us_;
  double attention_flops_per_us_;
  std::vector<Stage> stages_;
};

}  // namespace hadal
