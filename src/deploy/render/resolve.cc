#include "deploy/render/resolve.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/join_text.h"
#include "config/model_catalog.h"
#include "config/nearest_name.h"
#include "deploy/render/engine.h"
#include "deploy/render/resources.h"
#include "deploy/spec_check.h"
#include "deploy/spec_table.h"
#include "plan/fit.h"
#include "plan/gpu_table.h"
#include "plan/layout_rules.h"
#include "plan/time_budget.h"
#include "plan/weight_map.h"

namespace hadal {
namespace {

const CatalogModel* catalog_model(const DeploySpec& spec) {
  return find_catalog_model(spec.model.like.empty() ? spec.model.ref : spec.model.like);
}

// "16xH200": 16 and "H200". Anything else: 0 and the text.
std::pair<int64_t, std::string> split_order(const std::string& text) {
  int64_t count = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), count).ptr;
  const size_t digits = static_cast<size_t>(end - text.data());
  if (digits == 0 || digits >= text.size() || (text[digits] != 'x' && text[digits] != 'X') || count < 1 ||
      count > 4096)
    return {0, text};
  return {count, text.substr(digits + 1)};
}

struct Shape {
  int64_t nodes = 1;
  int64_t per_node = 0;
};

// How many GPUs the model wants where the spec names a type alone.
int64_t gpus_for_model(const DeploySpec& spec, const GpuSpec& gpu) {
  const CatalogModel* model = catalog_model(spec);
  if (model == nullptr) return gpu.gpus_per_node;
  const auto config = catalog_config(*model);
  const auto format = parse_weight_format(spec.model.dtype);
  if (!config.ok() || !format.ok()) return gpu.gpus_per_node;
  const WeightMap weights(*config, *format);
  const auto layout = smallest_layout(weights, gpu);
  return layout.has_value() ? layout->num_ranks() : gpu.gpus_per_node;
}

// Hosts and GPUs per host of one instance, from whatever of them is said. 0: not said.
Result<Shape> shape_of(const DeploySpec& spec, const RenderContext& c, int64_t nodes, int64_t count,
                       std::string_view field) {
  if (!c.on_gpus()) return Shape{std::max<int64_t>(1, nodes), 0};
  int64_t per_node = spec.gpus.per_node;
  if (count > 0 && nodes == 0) {
    if (per_node == 0) per_node = std::min(count, c.gpus_per_host);
    nodes = (count + per_node - 1) / per_node;
  }
  nodes = std::max<int64_t>(1, nodes);
  if (count > 0 && per_node == 0) per_node = (count + nodes - 1) / nodes;
  if (per_node == 0) per_node = c.gpus_per_host;
  if (count > 0 && count != nodes * per_node) {
    return invalid_argument(spec.place(field), ": ", count, " GPUs do not make ", nodes, " hosts with ",
                            per_node, " each: change ", field, ", nodes.count or gpus.perNode");
  }
  if (per_node > c.gpus_per_host && spec.gpus.per_node == 0) {
    return invalid_argument(spec.place(field), ": a host has ", c.gpus_per_host, " ", c.gpu_name, ", so ",
                            per_node, " need more hosts: set nodes to ",
                            (per_node * nodes + c.gpus_per_host - 1) / c.gpus_per_host,
                            ", or gpus.perNode where your hosts have more");
  }
  return Shape{nodes, per_node};
}

Status set_parallelism(const DeploySpec& spec, const RenderContext& c, const RoleSpec& own,
                       std::string_view field, RoleContext& role) {
  const EngineSpec& engine = spec.engine;
  const int64_t ranks = c.on_gpus() ? role.gpus() : role.nodes;
  role.pp = std::max<int64_t>(1, engine.pp);
  role.dp = own.dp > 0 ? own.dp : std::max<int64_t>(1, engine.dp);
  role.ep = own.ep > 0 ? own.ep : std::max<int64_t>(1, engine.ep);
  role.tp = own.tp > 0 ? own.tp : engine.tp;
  // SGLang counts the ranks of all attention groups as its tp; vLLM multiplies tp by its groups.
  const int64_t groups = c.engine == EngineKind::kVllm ? role.dp : 1;
  if (role.tp == 0) role.tp = std::max<int64_t>(1, ranks / (role.pp * groups));
  if (c.on_gpus() && role.tp * role.pp * groups != ranks) {
    return invalid_argument(
        spec.place(own.tp > 0 ? std::string(field) + ".tensorParallel" : "engine.tensorParallel"),
        ": tensorParallel ", role.tp, groups > 1 ? " x dataParallel " + std::to_string(groups) : "",
        role.pp > 1 ? " x pipelineParallel " + std::to_string(role.pp) : "", " must be the instance's ",
        ranks, " GPUs");
  }
  if (role.dp > 1 && groups == 1 && role.tp % role.dp != 0)
    return invalid_argument(spec.place("engine.dataParallel"), ": dataParallel ", role.dp,
                            " does not divide ", role.tp, " ranks");
  role.memory_fraction = own.memory_fraction > 0 ? own.memory_fraction : engine.memory_fraction;
  role.extra_args = own.extra_args;
  return {};
}

Status add_role(const DeploySpec& spec, RenderContext& c, RoleKind kind, const RoleSpec& own,
                std::string_view field) {
  RoleContext role;
  role.kind = kind;
  role.component = field.empty() ? "server" : std::string(field);
  role.workload = field.empty() ? spec.name : spec.name + "-" + std::string(field);
  role.replicas = kind == RoleKind::kServer ? spec.replicas : own.replicas;
  const bool own_size = own.nodes > 0 || own.gpus > 0;
  int64_t count = spec.gpus.count > 0 ? spec.gpus.count : split_order(spec.gpus.type).first;
  int64_t nodes = spec.nodes.count;
  if (own_size) {
    nodes = own.nodes;
    count = own.gpus;
  } else if (c.on_gpus() && count == 0 && nodes == 0 && spec.gpus.per_node == 0) {
    const GpuSpec* gpu = find_gpu(c.gpu_name);
    if (gpu != nullptr) count = gpus_for_model(spec, *gpu);
  }
  HADAL_ASSIGN(const Shape shape, shape_of(spec, c, nodes, count,
                                           field.empty() ? "gpus"
                                           : own_size    ? field
                                                         : std::string_view("gpus")));
  role.nodes = shape.nodes;
  role.gpus_per_node = shape.per_node;
  HADAL_RETURN_IF_ERROR(set_parallelism(spec, c, own, field, role));
  c.roles.push_back(std::move(role));
  return {};
}

Status check_topology(const DeploySpec& spec, const RenderContext& c) {
  const RoleContext& role = c.role();
  const auto wrong = [&](const auto&... words) {
    return invalid_argument(spec.place("topology"), ": topology ", spec.topology, " ", words...);
  };
  if (spec.topology == "single" && role.is_group())
    return wrong("is one host an instance, but the GPUs need ", role.nodes, ": use group");
  if (spec.topology == "group" && !role.is_group())
    return wrong("is several hosts an instance: set nodes to 2 or more (this spec needs one host)");
  if (spec.topology == "replicas" && spec.replicas < 2) return wrong("needs replicas: 2 or more");
  return {};
}

// Tokens of one request that surely fit where the engine divides the memory: vLLM takes a share of the GPU
// for everything, TensorRT-LLM a share of what the weights leave for KV. Neither starts with a longer request
// than its KV cache holds. 0: the model's own length fits.
int64_t fitted_context(const RenderContext& c, const RoleContext& role, const ModelConfig& config,
                       const FitAnswer& fit) {
  if ((c.engine != EngineKind::kVllm && c.engine != EngineKind::kTrtllm) || fit.kv_bytes_per_token <= 0)
    return 0;
  constexpr double kDefaultShare = 0.9;  // of both
  constexpr double kSurely = 0.9;        // the estimate's own error
  const RankBytes& rank = fit.rank;
  const double share = role.memory_fraction > 0 ? role.memory_fraction : kDefaultShare;
  const double kv =
      c.engine == EngineKind::kVllm
          ? share * static_cast<double>(rank.capacity) -
                static_cast<double>(rank.weights + rank.activations + rank.communication + rank.runtime)
          : share * static_cast<double>(rank.kv);
  const double tokens =
      std::min(kv, static_cast<double>(rank.kv)) / static_cast<double>(fit.kv_bytes_per_token);
  if (tokens >= static_cast<double>(config.max_position_embeddings)) return 0;
  return std::max<int64_t>(1024, static_cast<int64_t>(tokens * kSurely) / 1024 * 1024);
}

// vLLM's fraction is of the GPU's memory, for everything: less than the weights and the work space is no
// start.
Status check_fraction(const RenderContext& c, const RoleContext& role, const FitAnswer& fit) {
  if (c.engine != EngineKind::kVllm || role.memory_fraction <= 0) return {};
  const RankBytes& rank = fit.rank;
  const int64_t fixed = rank.weights + rank.activations + rank.communication + rank.runtime;
  const double have = role.memory_fraction * static_cast<double>(rank.capacity);
  if (static_cast<double>(fixed) < have) return {};
  char least[16];
  std::snprintf(
      least, sizeof least, "%.2f",
      std::min(0.95,
               std::ceil(100.0 * static_cast<double>(fixed) / static_cast<double>(rank.capacity) + 5) / 100));
  return invalid_argument(
      c.spec.place("engine.memoryFraction"), ": ", show_memory(have), " of each GPU is less than the ",
      show_memory(static_cast<double>(rank.weights)),
      " of weights and their work space, and leaves nothing for the KV cache: set memoryFraction to ", least,
      " or more, or leave it out");
}

// What is known of a model that hadal does not know: the bytes that the user states.
Status check_stated_size(const RenderContext& c, const RoleContext& role, const GpuSpec& gpu) {
  const double room = static_cast<double>(gpu.memory_bytes) * static_cast<double>(role.gpus());
  if (c.weight_bytes <= 0 || c.weight_bytes < room * 0.97) return {};
  return make_error(ErrorCode::kUnsupported, c.spec.place("gpus"), ": ", show_bytes(c.weight_bytes),
                    " of weights (model.size) do not fit the ", show_memory(room), " of ", role.gpus(), " ",
                    gpu.name, ": use more or larger GPUs");
}

// No engine makes int8 of the published weights by itself: another type is another checkpoint.
Status check_weight_type(const DeploySpec& spec) {
  const ModelSpec& model = spec.model;
  const bool other_checkpoint =
      !model.like.empty() || model.ref.starts_with("/") || !spec.storage.download.source.empty();
  const CatalogModel* known = find_catalog_model(model.ref);
  if (model.dtype.empty() || other_checkpoint || known == nullptr) return {};
  HADAL_ASSIGN(const ModelConfig config, catalog_config(*known));
  HADAL_ASSIGN(const std::optional<WeightFormat> asked, parse_weight_format(model.dtype));
  const WeightFormat published = projection_format(config, std::nullopt);
  if (!asked.has_value() || *asked == published) return {};
  return invalid_argument(spec.place("model.dtype"), ": the published weights of ", known->name, " are ",
                          weight_format_name(published), ", not ", model.dtype,
                          ": name a checkpoint that is, with model: {ref: hf:ORG/NAME, like: ", known->name,
                          ", dtype: ", model.dtype, "}");
}

}  // namespace

Status resolve_gpus(const DeploySpec& spec, RenderContext& c) {
  HADAL_RETURN_IF_ERROR(check_weight_type(spec));
  if (spec.gpus.type.empty()) return {};
  const std::string type = split_order(spec.gpus.type).second;
  const GpuSpec* gpu = find_gpu(type);
  if (const size_t digits = spec.gpus.type.find_first_not_of("0123456789");
      gpu == nullptr && digits != 0 && digits != std::string::npos &&
      (type[digits] == 'x' || type[digits] == 'X') && find_gpu(type.substr(digits + 1)) != nullptr)
    return invalid_argument(spec.place("gpus.type"), ": ", spec.gpus.type, " asks for ",
                            type.substr(0, digits), " GPUs: the number must be from 1 to 4096");
  if (gpu == nullptr && !spec.gpus.resource.empty()) {
    c.gpu_name = type;
    c.gpu_resource = spec.gpus.resource;
    c.gpus_per_host = spec.gpus.per_node > 0 ? spec.gpus.per_node : 8;
    c.warn("gpus.type", "unknown-gpu",
           "hadal does not know the GPU \"" + type + "\": whether the model fits is not checked",
           "see hadal plan");
    return {};
  }
  if (gpu == nullptr) {
    std::vector<std::string_view> names;
    for (const GpuSpec& row : gpu_table()) names.push_back(row.name);
    const std::string nearest = nearest_name(type, names);
    return invalid_argument(spec.place("gpus.type"), ": hadal does not know the GPU \"", type,
                            "\": it knows ", join_text(names, ", "),
                            nearest.empty() ? "." : "; did you mean " + nearest + "?",
                            " Others are taken unchecked where gpus.resource names their resource");
  }
  if (gpu->resource.empty()) return {};  // the table's row for the CPU
  c.gpu_name = gpu->name;
  c.gpu_resource = spec.gpus.resource.empty() ? std::string(gpu->resource) : spec.gpus.resource;
  c.gpus_per_host = gpu->gpus_per_node;
  return {};
}

Status resolve_roles(const DeploySpec& spec, RenderContext& c) {
  c.split = spec.topology == "prefill-decode" ||
            (spec.topology == "auto" && (spec.has("prefill") || spec.has("decode")));
  if (c.split) {
    HADAL_RETURN_IF_ERROR(add_role(spec, c, RoleKind::kPrefill, spec.prefill, "prefill"));
    return add_role(spec, c, RoleKind::kDecode, spec.decode, "decode");
  }
  if (spec.has("prefill") || spec.has("decode")) {
    return invalid_argument(spec.place(spec.has("prefill") ? "prefill" : "decode"),
                            ": prefill and decode are for topology prefill-decode, not ", spec.topology);
  }
  HADAL_RETURN_IF_ERROR(add_role(spec, c, RoleKind::kServer, RoleSpec{}, ""));
  return check_topology(spec, c);
}

void resolve_times(const DeploySpec& spec, RenderContext& c) {
  TimeBudgetInput input;
  input.weight_bytes = c.weight_bytes > 0 ? static_cast<int64_t>(c.weight_bytes) : int64_t{200'000'000'000};
  int64_t nodes = 1, groups = 0;
  for (const RoleContext& role : c.roles) {
    nodes = std::max(nodes, role.nodes);
    groups += role.replicas;
  }
  input.num_nodes = static_cast<int>(nodes);
  input.num_groups = static_cast<int>(std::max<int64_t>(1, groups));
  // What a node's own disk is, is not known: a budget for a slow one costs nothing where it is fast, one for
  // NVMe would end the engine again and again where it is not.
  input.storage = c.storage_type == "pvc"
                      ? (c.profile == ProfileKind::kTke ? StorageKind::kCfsTurbo : StorageKind::kNfs)
                      : StorageKind::kLocalSsd;
  input.storage_gbs = spec.storage.read_gbs;
  input.num_graphs = c.on_gpus() ? 36 : 0;
  const TimeBudget budget = time_budget(input);
  const EngineTraits& traits = engine_traits(c.engine);
  const int64_t warm_up = spec.timing.warm_up > 0 ? spec.timing.warm_up
                          : c.on_gpus()           ? traits.warm_up_gpu
                                                  : traits.warm_up_cpu;
  TimeBudgets& time = c.time;
  time.warm_up = warm_up;
  const int64_t computed =
      std::max<int64_t>(300,
                        static_cast<int64_t>(std::ceil((budget.start_s + budget.load_s) * 3 / 10)) * 10) +
      warm_up;
  time.startup = spec.timing.startup > 0 ? spec.timing.startup : computed;
  const auto seconds = [](double value) { return std::to_string(static_cast<int64_t>(std::ceil(value))); };
  time.startup_words = spec.timing.startup > 0
                           ? "Startup budget of " + std::to_string(time.startup) + " s, from the spec."
                           : "Startup budget " + std::to_string(time.startup) + " s: three times (start " +
                                 seconds(budget.start_s) + " s + read " +
                                 show_bytes(static_cast<double>(input.weight_bytes)) + " in " +
                                 seconds(budget.load_s) + " s), and " + std::to_string(warm_up) +
                                 " s to warm up. Until it is over liveness does not count.";
  if (c.weight_bytes <= 0 && spec.timing.startup == 0) {
    c.warn(
        "model", "unknown-size",
        "hadal does not know how large \"" + spec.model.ref + "\" is: the startup budget is made for 200 GB",
        "set model.size, or model.like to a model of the same shape");
  }
  time.longest_request = spec.timing.longest_request;
  time.grace = spec.timing.endpoint_delay + time.longest_request + spec.timing.margin;
  time.download = spec.storage.download.deadline_hours > 0 ? spec.storage.download.deadline_hours * 3600
                                                           : budget.job_deadline_s;
}

Status check_fit(const DeploySpec& spec, RenderContext& c) {
  for (const RoleContext& role : c.roles) HADAL_RETURN_IF_ERROR(check_resources(c, role));
  const CatalogModel* model = catalog_model(spec);
  const GpuSpec* gpu = find_gpu(c.gpu_name);
  if (gpu == nullptr) return {};
  if (model == nullptr) {
    for (const RoleContext& role : c.roles) HADAL_RETURN_IF_ERROR(check_stated_size(c, role, *gpu));
    return {};
  }
  HADAL_ASSIGN(const ModelConfig config, catalog_config(*model));
  int64_t longest = 0;  // of the roles, the least
  std::string longest_warning;
  for (RoleContext& role : c.roles) {
    Layout layout;
    layout.tp = static_cast<int>(role.gpus() / role.pp);
    layout.pp = static_cast<int>(role.pp);
    layout.ep = static_cast<int>(role.ep);
    layout.dp_attention = static_cast<int>(role.dp);
    FitOptions options;
    if (!spec.model.kv_dtype.empty()) options.kv_dtype = spec.model.kv_dtype;
    // Fractions of vLLM and TensorRT-LLM are of other things.
    if (c.engine == EngineKind::kSglang) options.static_fraction = role.memory_fraction;
    options.context_length = spec.model.context_length;
    const auto fit = fit_model(config, *gpu, layout, spec.model.dtype, options);
    if (!fit.ok()) return invalid_argument(spec.place("gpus"), ": ", fit.error().message);
    if (!fit->fits()) {
      std::string why;
      for (const std::string& refusal : fit->refusals) why += (why.empty() ? "" : "; ") + refusal;
      return make_error(ErrorCode::kUnsupported, spec.place("gpus"), ": ", why);
    }
    HADAL_RETURN_IF_ERROR(check_fraction(c, role, *fit));
    if (spec.model.context_length == 0) role.fitted_context = fitted_context(c, role, config, *fit);
    for (size_t i = 0; i < fit->warnings.size(); ++i) {
      const bool of_length = fit->longest_request > 0 && i == fit->longest_request_warning;
      if (!of_length) c.warn("gpus", "plan", fit->warnings[i], "see hadal plan");
      if (of_length && (longest == 0 || fit->longest_request < longest)) {
        longest = fit->longest_request;
        longest_warning = fit->warnings[i];
      }
    }
  }
  // Prefill and decode take the same requests.
  for (RoleContext& role : c.roles) {
    for (const RoleContext& other : c.roles) {
      if (other.fitted_context > 0 &&
          (role.fitted_context == 0 || other.fitted_context < role.fitted_context))
        role.fitted_context = other.fitted_context;
    }
  }
  if (const int64_t tokens = c.role().fitted_context; tokens > 0)
    c.warn("gpus", "context-limited",
           "requests are limited to " + std::to_string(tokens) + " tokens, of the model's own " +
               std::to_string(config.max_position_embeddings) + ": more KV cache may not fit, and " +
               spec.engine.name + " would not start",
           "raise engine.memoryFraction (the engines take 0.9 by default), use more or larger GPUs, or set "
           "model.contextLength to what you need");
  else if (longest > 0)
    // The engine's own limit, where it has one, is the figure that counts.
    c.warn("gpus", "plan", longest_warning, "see hadal plan");
  return {};
}

}  // namespace hadal
