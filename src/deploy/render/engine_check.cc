// What the engines' versions and flags allow, and the words that go with their arguments.
#include <algorithm>

#include "config/flag_table.h"
#include "config/sglang_flags.h"
#include "deploy/render/engine.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

constexpr std::string_view kKeyInLog =
    "SGLang takes the key on its command line alone, and writes its arguments, the key among them, into its "
    "log when it starts";

// "0.5.5" of "v0.5.5-cu129", "" of "latest" and "sha256:...".
std::string version_of(std::string_view tag) {
  if (tag.starts_with('v')) tag.remove_prefix(1);
  const size_t end = std::min(tag.find_first_not_of("0123456789."), tag.size());
  const std::string_view number = tag.substr(0, end);
  return number.find('.') == std::string_view::npos || number.starts_with('.') ? "" : std::string(number);
}

std::string engine_version(const RenderContext& c) {
  if (c.profile == ProfileKind::kDynamo) return "";  // its images count Dynamo's versions
  const EngineSpec& engine = c.spec.engine;
  if (!engine.version.empty()) return version_of(engine.version);
  if (engine.image.empty()) return version_of(engine_traits(c.engine).tag);
  const size_t slash = engine.image.rfind('/'), colon = engine.image.rfind(':');
  const bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash) &&
                      engine.image.find('@') == std::string::npos;
  return tagged ? version_of(std::string_view(engine.image).substr(colon + 1)) : "";
}

// Flags that hadal serve does not have end it at its start. Values of flags are not told from flags, so only
// words that look like one are asked.
Status check_hadal_args(const DeploySpec& spec) {
  for (const std::string& word : spec.engine.extra_args) {
    if (!word.starts_with("--") || word.size() < 4) continue;
    const std::string name = word.substr(0, word.find('='));
    const std::string positive = name.starts_with("--no-") ? "--" + name.substr(5) : name;
    if (find_flag(name, kForServe) != nullptr || find_flag(positive, kForServe) != nullptr) continue;
    const SglangMatch match = find_sglang_flag(name);
    if (match.flag != nullptr && match.flag->reason.verdict == FlagVerdict::kUnneeded) continue;
    if (match.flag != nullptr && !match.flag->harmless.empty()) continue;
    std::string help = "see hadal serve --help";
    if (match.flag != nullptr) {
      help = std::string(match.flag->reason.text);
    } else if (const std::string nearest = nearest_flag(name, kForServe); !nearest.empty()) {
      help = "did you mean " + nearest + "?";
    }
    return invalid_argument(spec.place("engine.extraArgs"), ": hadal serve has no flag ", name, ": ", help);
  }
  return {};
}

}  // namespace

bool engine_at_least(const RenderContext& c, std::string_view version, bool unknown) {
  const std::string own = engine_version(c);
  return own.empty() ? unknown : version_at_least(own, version);
}

Status check_engine_flags(const DeploySpec& spec, RenderContext& c) {
  if (c.engine == EngineKind::kHadal) return check_hadal_args(spec);
  if (c.engine == EngineKind::kVllm && c.profile != ProfileKind::kDynamo) {
    for (const RoleContext& role : c.roles) {
      // --nnodes and --master-addr (vllm#23691, of November 2025); hosts of their own attention groups
      // (--headless with --data-parallel-start-rank, vllm#15977, of April 2025) are older.
      const bool by_groups = role.dp > 1;
      const std::string_view least = by_groups ? "0.9" : "0.12";
      if (role.is_group() && !engine_at_least(c, least, true))
        return make_error(ErrorCode::kUnsupported, spec.place("engine.version"), ": vLLM spreads ",
                          by_groups ? "dataParallel groups" : "one instance", " over hosts without Ray from ",
                          least, ": raise engine.version",
                          by_groups ? "" : ", set engine.dataParallel, or use engine sglang");
    }
  }
  if (c.engine == EngineKind::kSglang && !spec.api_key.secret.empty() && c.profile != ProfileKind::kDynamo)
    c.warn("apiKey", "key-in-log", std::string(kKeyInLog),
           "let few people read the engine's logs, or leave apiKey out and authenticate in the gateway");
  if (c.llm_service && spec.engine.port > 0 && spec.engine.port != 8000)
    return make_error(
        ErrorCode::kUnsupported, spec.place("engine.port"),
        ": KServe's routes and sidecar of an LLMInferenceService ask port 8000: leave engine.port "
        "out");
  return {};
}

std::string args_comment(const RenderContext& c, const RoleContext& role) {
  std::string out;
  const auto add = [&](const std::string& sentence) { out += (out.empty() ? "" : " ") + sentence; };
  if (role.fitted_context > 0 && (c.engine == EngineKind::kVllm || c.engine == EngineKind::kTrtllm))
    add("Requests are limited to the " + std::to_string(role.fitted_context) +
        " tokens whose KV cache surely fits: the engine would not start with the model's own length.");
  if (c.engine == EngineKind::kSglang && !c.spec.api_key.secret.empty() && c.profile != ProfileKind::kDynamo)
    add(std::string(kKeyInLog) + ".");
  return out;
}

}  // namespace hadal
