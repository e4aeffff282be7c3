#include "deploy/validate/engine_flag_names.h"

#include <algorithm>
#include <vector>

#include "config/nearest_name.h"
#include "deploy/engine_flags.h"

namespace hadal {
namespace {

// A word that is further off may be a flag that is not listed.
constexpr int kMaxEdits = 2;

}  // namespace

std::string meant_engine_flag(EngineName engine, std::string_view name) {
  if (!name.starts_with("--")) return "";
  const bool vllm = engine == EngineName::kVllm;
  if (!vllm && engine != EngineName::kTrtllm) return "";
  std::string bare(name.substr(2, name.find('.') - 2));
  if (vllm) std::replace(bare.begin(), bare.end(), '_', '-');
  const std::string_view prefix = vllm && bare.starts_with("no-") ? "no-" : "";
  const std::string_view key = std::string_view(bare).substr(prefix.size());
  std::string_view best;
  int least = kMaxEdits + 1;
  for (const std::string_view flag :
       known_engine_flags(vllm ? EngineDialect::kVllm : EngineDialect::kTrtllm)) {
    const int edits = edit_distance(key, flag);
    if (edits == 0) return "";
    // Short names are near everything.
    if (edits < least && flag.size() > 3 * static_cast<size_t>(edits)) {
      least = edits;
      best = flag;
    }
  }
  return best.empty() ? "" : "--" + std::string(prefix) + std::string(best);
}

}  // namespace hadal
