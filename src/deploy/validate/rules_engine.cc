// Rules of the commands that start engines.
#include "deploy/validate/rule_table.h"

namespace hadal {
namespace {

using enum Severity;

// clang-format off
constexpr RuleInfo kEngine[] = {
    {"engine/unknown-flag", kError,
     "the engine has no such flag",
     "it ends at once with a usage message",
     "args: [--max-running-request, \"8\"]",
     "write the flag that was meant"},
    {"engine/flag-abbreviated", kWarning,
     "a flag is only the beginning of one",
     "argparse completes it until a second flag begins alike, then the engine does not start",
     "args: [--enable-metric]",
     "write it in full"},
    {"engine/shell-default", kError,
     "the default of a shell variable is a word where a variable was meant",
     "the text itself is used: a directory of that name does not exist",
     "--model-path ${MODEL_DIRECTORY:-MODEL_NAME}",
     "write ${MODEL_DIRECTORY:-$MODEL_NAME}"},
    {"engine/no-served-name", kInfo,
     "the model is served under its path",
     "clients must send the path as the model's name",
     "args: [--model-path, /models/DeepSeek-R1]",
     "add --served-model-name"},
    {"engine/model-name", kWarning,
     "a client asks for a model under another name than the engine serves",
     "the engine answers 404, or serves it by luck",
     "args: [--model, /model]",
     "the name of --served-model-name"},
    {"engine/model-not-mounted", kWarning,
     "the model's path is on no volume",
     "the engine does not find the model",
     "args: [--model-path, /model]",
     "mount the volume at or above the path"},
    {"engine/modelscope-unused", kInfo,
     "SGLANG_USE_MODELSCOPE with a local path",
     "nothing is downloaded, so it has no effect",
     "",
     "remove it"},
    {"engine/file-not-mounted", kWarning,
     "a variable names a file that nothing mounts",
     "the file is not there",
     "value: /etc/sgl/config.yaml",
     "mount a ConfigMap"},
    {"engine/unknown-variable", kWarning,
     "a variable that no engine reads",
     "what it names has no effect",
     "name: SGL_CONFIG",
     "give the settings as flags of the engine"},
    {"engine/nnodes-not-size", kError,
     "--nnodes differs from the group's size",
     "the engine waits for ranks that never come",
     "args: [--nnodes, \"4\"]",
     "$(LWS_GROUP_SIZE)"},
    {"engine/more-ranks-than-gpus", kError,
     "more ranks than GPUs",
     "the engine does not start",
     "args: [--tp, \"16\"]\nlimits: {nvidia.com/gpu: 8}",
     "as many ranks as GPUs"},
    {"engine/replicas-no-ranks", kError,
     "replicas of a Deployment as ranks of one engine",
     "all of them have the same rank: each waits for the others, for ever",
     "kind: Deployment\nreplicas: 2\nargs: [--nnodes, \"2\", --node-rank, \"0\"]",
     "a LeaderWorkerSet, whose Pods have an index"},
    {"engine/weights-over-memory", kError,
     "the weights are larger than the GPUs' memory",
     "the engine ends with \"out of memory\" after a long load",
     "",
     "more GPUs, more nodes or a smaller model: hadal plan MODEL --gpus ..."},
    {"engine/no-fp8", kError,
     "FP8 on a GPU that does not compute it",
     "the engine refuses the model, or converts it to twice the size",
     "",
     "a bf16, int8 or int4 checkpoint, or a GPU from H100 or L40S on"},
    {"engine/perf-script", kError,
     "perf.sh without --tp or --dp",
     "the script ends with status 1 before it measures",
     "args: [perf.sh, --model, x]",
     "add the layout's flags"},
};
// clang-format on

}  // namespace

std::span<const RuleInfo> engine_rules() {
  return kEngine;
}

}  // namespace hadal
