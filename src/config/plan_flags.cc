// The flags and commands of hadal plan.
#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {
namespace {

template <auto Field>
using Pln = FlagField<&Settings::plan, Field>;
template <auto Field>
using PlnTokens = TokenFlagField<&Settings::plan, Field>;
using PC = PlanConfig;

const FlagSpec kFlags[] = {
    // clang-format off
    {"--gpus", kForPlan, "Machines", "NxGPU", "GPUs to plan for, as 16xH200; without it, how many of each are needed. --list names them", kOnce, HADAL_FIELD(Pln, &PC::gpus)},
    {"--nodes", kForPlan, "Machines", "N", "Nodes that the GPUs are in; 0: whole servers of the usual size", kOnce, HADAL_FIELD(Pln, &PC::nodes)},
    {"--network", kForPlan, "Machines", "NAME", "Network between nodes: rdma-400, rdma-200, rdma-100, tcp-100, tcp-25", kOnce, HADAL_FIELD(Pln, &PC::network)},
    {"--node-cpus", kForPlan, "Machines", "N", "CPUs of a node, to check --cpu-request against", kOnce, HADAL_FIELD(Pln, &PC::node_cpus)},
    {"--cpu-request", kForPlan, "Machines", "N", "CPUs that a pod will request", kOnce, HADAL_FIELD(Pln, &PC::cpu_request)},
    {"--node-memory", kForPlan, "Machines", "GIB", "Memory of a node, to check --memory-request against", kOnce, HADAL_FIELD(Pln, &PC::node_memory_gib)},
    {"--memory-request", kForPlan, "Machines", "GIB", "Memory that a pod will request", kOnce, HADAL_FIELD(Pln, &PC::memory_request_gib)},
    {"--gpu-hour-price", kForPlan, "Machines", "PRICE", "Price of a GPU's hour, for the cost of a million tokens", kOnce, HADAL_FIELD(Pln, &PC::gpu_hour_price)},

    {"--isl", kForPlan, "Load", "TOKENS", "Tokens of a prompt, as 4096, 4k (4000) or 4Ki (4096)", kOnce, HADAL_FIELD(PlnTokens, &PC::isl)},
    {"--osl", kForPlan, "Load", "TOKENS", "Tokens of an answer", kOnce, HADAL_FIELD(PlnTokens, &PC::osl)},
    {"--concurrency", kForPlan, "Load", "N", "Requests at once; 0: as many as give the most tokens a second within the limits", kOnce, HADAL_FIELD(Pln, &PC::concurrency)},
    {"--slo", kForPlan, "Load", "TTFT,TPOT", "Limits of the median times to the first token and per token, as 2s,50ms", kOnce, HADAL_FIELD(Pln, &PC::slo)},
    {"--context-length", kForPlan, "Load", "TOKENS", "Longest request that must fit, as 32768, 32k (32000) or 32Ki (32768); 0: none", kOnce, HADAL_FIELD(PlnTokens, &PC::context_length)},

    {"--weight-dtype", kForPlan, "Model", "DTYPE", "Weights converted to f32, bf16, fp8, int8 or int4; default: as the checkpoint is", kOnce, HADAL_FIELD(Pln, &PC::weight_dtype)},
    {"--kv-cache-dtype", kForPlan, "Model", "DTYPE", "bf16, f16, fp8 or f32", kOnce, HADAL_FIELD(Pln, &PC::kv_dtype)},
    {"--mem-fraction-static", kForPlan, "Model", "SHARE", "Share of a GPU for weights and KV together, as SGLang's; 0: what is left after work space", kOnce, HADAL_FIELD(Pln, &PC::static_fraction)},
    {"--chunked-prefill-size", kForPlan, "Model", "TOKENS", "Most tokens of one step: sizes the work space", kOnce, HADAL_FIELD(PlnTokens, &PC::max_step_tokens)},
    {"--tp,--tp-size,--tensor-parallel-size", kForPlan, "Layout", "N", "Plan only this layout: ranks that share every layer; 0: all layouts", kOnce, HADAL_FIELD(Pln, &PC::tp)},
    {"--pp,--pp-size", kForPlan, "Layout", "N", "Pipeline stages of this layout", kOnce, HADAL_FIELD(Pln, &PC::pp)},
    {"--ep,--ep-size", kForPlan, "Layout", "N", "Ranks that share the experts whole", kOnce, HADAL_FIELD(Pln, &PC::ep)},
    {"--dp-attention", kForPlan, "Layout", "N", "Groups that each have all of attention and their own KV", kOnce, HADAL_FIELD(Pln, &PC::dp_attention)},
    {"--max-layouts", kForPlan, "Layout", "N", "Layouts to show", kOnce, HADAL_FIELD(Pln, &PC::max_layouts)},

    {"--calibrate", kForPlan, "Trust", "FILE", "Benchmark result (hadal bench, bench_serving or aiperf JSON) that the speed model is fitted to; repeat for more", kMany, HADAL_FIELD(Pln, &PC::calibrate)},
    {"--records", kForPlan, "Trust", "", "Print published figures of memory and speed beside what the model says of them, and end", kOnce, HADAL_FIELD(Pln, &PC::records)},
    {"--table", kForPlan, "Trust", "", "Print the guides' table of model sizes beside what the shapes give, and end", kOnce, HADAL_FIELD(Pln, &PC::table)},
    {"--list", kForPlan, "Trust", "", "Print the models, GPUs and networks that hadal knows, and end", kOnce, HADAL_FIELD(Pln, &PC::list)},

    {"--storage", kForPlan, "Start", "KIND", "Where weights are read from: page-cache, nvme, ssd, cfs-turbo, nfs, s3, http", kOnce, HADAL_FIELD(Pln, &PC::storage)},
    {"--storage-gbs", kForPlan, "Start", "GB/S", "Its measured rate for one node; 0: the kind's", kOnce, HADAL_FIELD(Pln, &PC::storage_gbs)},

    {"--format", kForPlan, "Output", "FORMAT", "text, json, or svg (a picture of the layout)", kOnce, HADAL_FIELD(Pln, &PC::format)},
    {"--output,-o", kForPlan, "Output", "FILE", "Write there, not to standard output", kOnce, HADAL_FIELD(Pln, &PC::output)},
    // clang-format on
};

Status take_model(const std::vector<std::string>& arguments, const FlagValueMap&, Settings& settings) {
  PlanConfig& plan = settings.plan;
  if (!arguments.empty()) plan.model = arguments[0];
  const bool prints_only = plan.table || plan.records || plan.list;
  if (plan.model.empty() && !prints_only)
    return invalid_argument(
        "plan needs a model: hadal plan MODEL --gpus 16xH200 (hadal plan --list names the models)");
  return {};
}

Status validate_plan(const Settings& settings) {
  const PlanConfig& p = settings.plan;
  if (p.format != "text" && p.format != "json" && p.format != "svg")
    return invalid_argument("--format is \"", p.format, "\": it takes text, json or svg");
  if (p.nodes < 0) return invalid_argument("--nodes must not be negative; it is ", p.nodes);
  if (p.tp < 0 || p.pp < 0 || p.ep < 0 || p.dp_attention < 0)
    return invalid_argument("--tp, --pp, --ep and --dp-attention must not be negative");
  if (p.isl < 1) return invalid_argument("--isl must be at least 1; it is ", p.isl);
  if (p.osl < 1) return invalid_argument("--osl must be at least 1; it is ", p.osl);
  if (p.concurrency < 0) return invalid_argument("--concurrency must not be negative; it is ", p.concurrency);
  if (!(p.static_fraction >= 0) || p.static_fraction >= 1)
    return invalid_argument("--mem-fraction-static must be at least 0 and below 1; it is ",
                            p.static_fraction);
  if (p.max_step_tokens < 1)
    return invalid_argument("--chunked-prefill-size must be positive; it is ", p.max_step_tokens);
  if (p.max_layouts < 1) return invalid_argument("--max-layouts must be positive; it is ", p.max_layouts);
  if (!p.calibrate.empty() && p.gpus.empty())
    return invalid_argument("--calibrate needs --gpus: the GPU that was measured");
  if (p.format == "svg" && p.gpus.empty() && !p.model.empty())
    return invalid_argument("--format svg needs --gpus: there is no layout to draw without it");
  return {};
}

constexpr CommandSpec kCommands[] = {
    {"plan", Command::kPlan, kForPlan, "MODEL",
     "A short name (deepseek-r1), a repository, a directory, a config.json or a .gguf file",
     "Say whether a model fits on given GPUs, how to lay it out, and how fast it will be", 1, &take_model,
     &validate_plan},
};

}  // namespace

std::span<const FlagSpec> plan_flags() {
  return kFlags;
}
std::span<const CommandSpec> plan_commands() {
  return kCommands;
}

}  // namespace hadal
