// What the command of an engine says: flags it does not have, shell text that is not what was meant, ranks
// that do not match the GPUs, models that are not where they are looked for.
#include <algorithm>
#include <set>

#include "deploy/validate/command_text.h"
#include "deploy/validate/named_model.h"
#include "deploy/validate/pod_facts.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"
#include "plan/fit.h"
#include "plan/gpu_table.h"

namespace hadal {
namespace {

// "${MODEL_DIRECTORY:-MODEL_NAME}": the default is meant to be the other variable.
void check_shell_defaults(const PodTemplate& pod, View container) {
  std::set<std::string> names;
  for (const Value& item : container["env"].items()) names.insert(std::string(View(item)["name"].text()));
  for (const Value* value : command_values(container)) {
    const std::string_view text = View(value).text();
    for (size_t at = text.find(":-"); at != std::string_view::npos; at = text.find(":-", at + 2)) {
      const size_t open = text.rfind("${", at);
      const size_t close = text.find('}', at);
      if (open == std::string_view::npos || close == std::string_view::npos) continue;
      const std::string word(text.substr(at + 2, close - at - 2));
      const bool is_variable =
          word.size() > 2 &&
          word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos &&
          word.find('_') != std::string::npos;
      if (!is_variable && names.count(word) == 0) continue;
      const std::string whole(text.substr(open, close + 1 - open));
      const std::string right = whole.substr(0, at - open) + ":-$" + word + "}";
      Finding& finding = pod.reporter().add_at_mark(
          "engine/shell-default", mark_inside(pod.reporter().source(), *value, whole),
          whole + " becomes the text " + word + ", not what the variable holds", "write " + right);
      Reporter::fix_with(finding, replace_inside(pod.reporter().source(), *value, whole, right));
      if (names.count(word) == 0) finding.severity = Severity::kWarning;
    }
  }
}

bool is_mounted(View container, std::string_view path) {
  const auto mounts = container["volumeMounts"].items();
  return std::any_of(mounts.begin(), mounts.end(), [&](const Value& m) {
    std::string_view mount = View(m)["mountPath"].text();
    while (mount.size() > 1 && mount.back() == '/') mount.remove_suffix(1);
    return !mount.empty() && path.starts_with(mount) &&
           (path.size() == mount.size() || path[mount.size()] == '/' || mount == "/");
  });
}

void check_model(const PodTemplate& pod, View container, const EngineProgram& engine) {
  Reporter& reporter = pod.reporter();
  const std::string model = engine.model();
  const CommandWord* word = engine.setting_word(EngineSetting::kModel);
  if (model.empty()) return;
  for (const CommandWord& w : engine.words) {
    if (w.text == model) word = &w;
  }
  if (word == nullptr) return;
  const YamlMark mark = mark_inside(reporter.source(), *word->value, model);
  const bool is_path = model[0] == '/';
  if (is_path && !engine.setting(EngineSetting::kServedName) && engine.kind != EngineName::kHadal)
    reporter.add_at_mark("engine/no-served-name", mark,
                         "without --served-model-name clients must ask for the model \"" + model + "\"",
                         "add --served-model-name deepseek-r1");
  if (is_path && !is_mounted(container, model) && !pod.partial && !model.starts_with("/opt/") &&
      !model.starts_with("/app"))
    reporter.add_at_mark("engine/model-not-mounted", mark, "no volume is mounted at or above " + model,
                         "mount the model's volume there");
  for (const Value& item : container["env"].items()) {
    if (is_path && View(item)["name"].text() == "SGLANG_USE_MODELSCOPE")
      reporter.add("engine/modelscope-unused", *View(item)["name"],
                   "SGLANG_USE_MODELSCOPE has no effect on a local path", "remove it");
  }
}

// Variables that point to a file which nobody mounts.
void check_config_files(const PodTemplate& pod, View container) {
  for (const Value& item : container["env"].items()) {
    const View value = View(item)["value"];
    const std::string_view name = View(item)["name"].text();
    if (name == "SGL_CONFIG")
      pod.reporter().add("engine/unknown-variable", *View(item)["name"],
                         "no engine reads SGL_CONFIG: SGLang is set up by its flags");
    if (!name.ends_with("_CONFIG") && !name.ends_with("_CONFIG_FILE") && !name.ends_with("_CONFIG_PATH"))
      continue;
    if (!value.text().starts_with("/etc/") || is_mounted(container, value.text()) || pod.partial) continue;
    pod.reporter().add(
        "engine/file-not-mounted", *value,
        std::string(name) + " names " + std::string(value.text()) + ", and nothing is mounted there",
        "mount a ConfigMap with that file, or remove the variable");
  }
}

int64_t pods_of_group(const PodTemplate& pod) {
  const View root = pod.document->view();
  if (pod.document->kind == "LeaderWorkerSet")
    return std::clamp<int64_t>(root.at("spec.leaderWorkerTemplate.size").integer_or(1), 1, 10'000);
  if (pod.document->kind == "StatefulSet")
    return std::clamp<int64_t>(root.at("spec.replicas").integer_or(1), 1, 10'000);
  for (const Value* v = pod.spec; v != nullptr; v = v->parent) {
    if (const auto nodes = View(v)["multinode"]["nodeCount"].integer())
      return std::clamp<int64_t>(*nodes, 1, 10'000);
    if (const auto size = View(v)["leaderWorkerTemplate"]["size"].integer())
      return std::clamp<int64_t>(*size, 1, 10'000);
  }
  return 1;
}

void check_ranks(const PodTemplate& pod, View container, const EngineProgram& engine) {
  Reporter& reporter = pod.reporter();
  const int64_t gpus = gpus_of(container);
  const auto tp = engine.setting_number(EngineSetting::kTensorParallel);
  const int64_t pp = engine.setting_number(EngineSetting::kPipelineParallel).value_or(1);
  const auto nodes = engine.setting_number(EngineSetting::kNodes);
  const int64_t size = pods_of_group(pod);
  const auto nodes_mark = [&] {
    const CommandWord& word = *engine.setting_word(EngineSetting::kNodes);
    return mark_inside(reporter.source(), *word.value, word.text);
  };
  if (nodes && pod.document->kind == "LeaderWorkerSet" && *nodes != size)
    reporter.add_at_mark(
        "engine/nnodes-not-size", nodes_mark(),
        "--nnodes is " + std::to_string(*nodes) + ", and a group has " + std::to_string(size) + " Pods",
        "write --nnodes $(LWS_GROUP_SIZE)");
  if (nodes.value_or(1) > 1 && pod.document->is("apps", "Deployment") &&
      pod.document->view().at("spec.replicas").integer_or(1) > 1)
    reporter.add_at_mark("engine/replicas-no-ranks", nodes_mark(),
                         "the replicas of a Deployment have no ranks: each of them waits for --nnodes " +
                             std::to_string(*nodes),
                         "write a LeaderWorkerSet with size " + std::to_string(*nodes) +
                             " and --node-rank $(LWS_WORKER_INDEX)");
  // What an operator adds to such a template is not known here, nor which hosts Ray has.
  if (pod.partial || engine.flag({"--distributed-executor-backend"}) == "ray") return;
  if (gpus == 0 || !tp || *tp < 1 || pp < 1 || *tp > 100'000 || pp > 1'000) return;
  const int64_t have = gpus * std::max<int64_t>(size, nodes.value_or(1));
  const CommandWord& word = *engine.setting_word(EngineSetting::kTensorParallel);
  if (*tp * pp > have)
    reporter.add_at_mark("engine/more-ranks-than-gpus",
                         mark_inside(reporter.source(), *word.value, word.text),
                         std::to_string(*tp * pp) + " ranks, and " + std::to_string(have) + " GPUs",
                         "give as many ranks as GPUs");
}

// The GPU that the Pod is placed on, by its node labels and texts.
const GpuSpec* gpu_of(const PodTemplate& pod) {
  const GpuSpec* found = nullptr;
  const auto look = [&](std::string_view text) {
    for (const GpuSpec& gpu : gpu_table()) {
      if (!gpu.product_label.empty() && text == gpu.product_label) found = &gpu;
      if (found == nullptr && find_gpu(text) == &gpu && !gpu.resource.empty()) found = &gpu;
    }
  };
  for (const ValueMember& label : pod.view()["nodeSelector"].members()) look(View(label.value).text());
  if (const View affinity = pod.view()["affinity"]; affinity.exists()) {
    for_each_value(*affinity, [&](const Value& v) {
      if (v.is_string()) look(v.scalar.as_string());
    });
  }
  return found;
}

// The model that the engine loads; null: unknown.
const CatalogModel* model_of(const PodTemplate& pod, const Value** place) {
  const auto look = [&](std::string_view text, const Value* value) -> const CatalogModel* {
    const CatalogModel* model = named_model(text);
    if (model != nullptr) *place = value;
    return model;
  };
  for (const Value& item : pod.view()["containers"].items()) {
    const std::string served = engine_command(View(item)).model();
    for (const CommandWord& word : command_words(View(item))) {
      // Other words are names that anybody chose: --served-model-name r1.
      if (served.empty() ? word.text.find('/') == std::string::npos
                         : word.text.find(served) == std::string::npos)
        continue;
      const size_t equals = word.text.find('=');
      if (const CatalogModel* m =
              look(equals == std::string::npos ? word.text : word.text.substr(equals + 1), word.value))
        return m;
    }
    for (const Value& env : View(item)["env"].items()) {
      const View value = View(env)["value"];
      if (!value.text().empty() && View(env)["name"].text().find("MODEL") != std::string_view::npos) {
        if (const CatalogModel* m = look(value.text(), value.get())) return m;
      }
    }
    // An image that is named after the model.
    const std::string_view image = View(item)["image"].text();
    const size_t slash = image.rfind('/');
    const std::string_view name = image.substr(slash == std::string_view::npos ? 0 : slash + 1);
    if (const CatalogModel* m = look(name.substr(0, name.find_first_of(":@")), View(item)["image"].get()))
      return m;
  }
  return nullptr;
}

void check_memory(const PodTemplate& pod) {
  const Value* place = nullptr;
  const CatalogModel* model = model_of(pod, &place);
  const int64_t gpus = gpus_of_pod(pod.view()) * pods_of_group(pod);
  if (model == nullptr || gpus == 0 || gpus > 4096 || pod.document->group == "batch") return;
  for (const Value& item : pod.view()["containers"].items()) {
    if (is_quantised(engine_command(View(item)))) return;
  }
  // Without a label the largest that is common; smaller ones hold less.
  const GpuSpec* gpu = gpu_of(pod);
  const GpuSpec* assumed = gpu != nullptr ? gpu : find_gpu("H200");
  const Result<ModelConfig> config = catalog_config(*model);
  if (assumed == nullptr || !config.ok()) return;
  const std::string what =
      std::to_string(gpus) + " GPUs of " + std::to_string(assumed->memory_bytes / 1'000'000'000) + " GB";
  if (model->weight_bytes > assumed->memory_bytes * gpus) {
    pod.reporter().add(
        "engine/weights-over-memory", *place,
        std::string(model->name) + " has " + std::to_string(model->weight_bytes / 1'000'000'000) +
            " GB of weights, more than " + what + " hold",
        "spread the model over more GPUs (a LeaderWorkerSet over several nodes), or serve a smaller one");
    return;
  }
  if (gpu == nullptr) return;
  Layout layout;
  layout.tp = static_cast<int>(gpus);
  const Result<FitAnswer> answer = fit_model(*config, *gpu, layout);
  if (!answer.ok() || answer->fits()) return;
  const std::string& reason = answer->refusals[0];
  const bool fp8 = reason.find("FP8") != std::string::npos || reason.find("fp8") != std::string::npos;
  pod.reporter().add(fp8 ? "engine/no-fp8" : "engine/weights-over-memory", *place,
                     std::string(model->name) + " on " + std::string(gpu->name) + ": " + reason,
                     fp8 ? "serve a bf16 checkpoint, or one that is quantised to int8 or int4"
                         : "give it more GPUs, or a smaller checkpoint");
}

void check_fp8_flags(const PodTemplate& pod, const EngineProgram& engine) {
  const GpuSpec* gpu = gpu_of(pod);
  if (gpu == nullptr || gpu->fp8_tflops > 0 || gpu->compute_capability == 0) return;
  for (const std::string_view name : {"--quantization", "--kv-cache-dtype"}) {
    const auto value = engine.flag({name});
    if (!value || value->find("fp8") == std::string::npos) continue;
    pod.reporter().add_at_mark(
        "engine/no-fp8", mark_inside(pod.reporter().source(), *engine.word({name})->value, name),
        std::string(name) + " " + *value + ", and " + std::string(gpu->name) + " computes no FP8",
        "leave it out, or use int8 or bf16");
  }
}

// Dynamo's benchmark script ends with an error where it is not told the layout.
void check_perf_script(const PodTemplate& pod, View container) {
  const auto words = command_words(container);
  const CommandWord* script = nullptr;
  bool told = false;
  for (const CommandWord& word : words) {
    if (word.text.ends_with("perf.sh")) script = &word;
    for (const std::string_view flag : {"--tp", "--dp", "--tensor-parallelism", "--data-parallelism",
                                        "--prefill-tp", "--decode-tp", "--prefill-dp", "--decode-dp"})
      told = told || word.text == flag || word.text.starts_with(std::string(flag) + "=");
  }
  if (script != nullptr && !told)
    pod.reporter().add_at_mark(
        "engine/perf-script", mark_inside(pod.reporter().source(), *script->value, script->text),
        "perf.sh ends with status 1 without --tp or --dp",
        "add --tp and --dp (aggregated), or --prefill-tp, --decode-tp and their --…-dp");
}

}  // namespace

void check_engine(const PodTemplate& pod, const RuleContext&) {
  for (const View container : all_containers(pod.view())) {
    check_shell_defaults(pod, container);
    check_perf_script(pod, container);
    const EngineProgram engine = engine_command(container);
    if (gpus_of(container) > 0 || engine.kind != EngineName::kNone) check_config_files(pod, container);
    for (const CommandWord& word : command_words(container)) {
      if (engine.kind == EngineName::kNone && is_invented_flag(word.text.substr(0, word.text.find('='))))
        pod.reporter().add_at_mark("engine/unknown-flag",
                                   mark_inside(pod.reporter().source(), *word.value, word.text),
                                   "no engine has a flag " + word.text, "remove it");
    }
    if (engine.kind == EngineName::kNone) continue;
    check_engine_flags(pod, engine);
    check_model(pod, container, engine);
    check_ranks(pod, container, engine);
    check_fp8_flags(pod, engine);
  }
  check_memory(pod);
}

}  // namespace hadal
