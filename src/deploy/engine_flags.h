// The settings that a deployment and its engine must agree on, and every way in which an engine's command
// line spells them: aliases, underscores, beginnings of names. One table for render (what engine.extraArgs
// may not say again) and validate (what a manifest's arguments mean). Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hadal {

// Who reads the command line. Dynamo's modules take their engine's flags and some of their own.
enum class EngineDialect { kHadal, kSglang, kVllm, kTrtllm, kDynamoSglang, kDynamoVllm, kDynamoTrtllm };

enum class EngineSetting {
  kNone,  // none of these
  kModel,
  kServedName,
  kHost,
  kPort,
  kApiKey,
  kTensorParallel,
  kPipelineParallel,
  kDataParallel,
  kDataParallelHosts,  // which of the groups a host has, and where they meet
  kExpertParallel,
  kNodes,
  kNodeRank,
  kMeeting,   // where the ranks meet
  kHeadless,  // a follower's
  kContextLength,
  kRunningRequests,
  kMemoryFraction,
  kKvDtype,
  kDrain,  // how long running requests may take after SIGTERM
  kDisaggregation,
  kGroupSecret,
};

struct EngineFlag {
  EngineSetting setting = EngineSetting::kNone;
  std::string name;          // in full: "--tensor-parallel-size"; "" with kNone
  bool abbreviated = false;  // argparse completes the word to it
  bool taken = true;         // the engine takes this spelling; false: it ends with a usage message
};

// word: one of the command line, "--tp=2" or "--tp". kNone where it is no flag or of no setting above.
EngineFlag find_engine_flag(EngineDialect dialect, std::string_view word);

// The field of the deployment spec that sets it: "engine.tensorParallel"; "" where none does.
std::string_view setting_field(EngineSetting setting);

// The flag of this engine that sets it: "--max-model-len"; "" where it has none.
std::string_view setting_flag(EngineDialect dialect, EngineSetting setting);

// Names that vLLM's and TensorRT-LLM's servers are known to have, without their dashes; empty for the others
// (config/sglang_flags.h has SGLang's and hadal's). Releases differ: a name may be missing here.
std::vector<std::string_view> known_engine_flags(EngineDialect dialect);

}  // namespace hadal
