// The flags of an engine's command, one by one: those it does not have or spells otherwise, beginnings of
// names, and settings that are given twice.
#include <algorithm>
#include <map>

#include "base/join_text.h"
#include "config/sglang_flags.h"
#include "deploy/validate/command_text.h"
#include "deploy/validate/engine_flag_names.h"
#include "deploy/validate/rule_checks.h"

namespace hadal {
namespace {

using enum EngineSetting;

// Flags that were in no release and stand in guides.
constexpr std::string_view kInvented[] = {"--topology-file"};

bool looks_like_flag(std::string_view word) {
  return word.size() > 3 && word.starts_with("--") && word[2] >= 'a' && word[2] <= 'z' &&
         word.find_first_of("${}`()") == std::string_view::npos;
}

std::string name_of(const CommandWord& word) {
  return word.text.substr(0, word.text.find('='));
}

std::string_view engine_title(EngineName kind) {
  switch (kind) {
    case EngineName::kHadal:
      return "hadal";
    case EngineName::kSglang:
      return "SGLang";
    case EngineName::kVllm:
      return "vLLM";
    case EngineName::kTrtllm:
      return "trtllm-serve";
    case EngineName::kNone:
      break;
  }
  return "the engine";
}

class FlagCheck {
 public:
  FlagCheck(const PodTemplate& pod, const EngineProgram& engine)
      : reporter_(pod.reporter()), engine_(engine), dialect_(engine.dialect()) {}

  void run() {
    for (const CommandWord& word : engine_.words) {
      if (!check_setting(word)) check_name(word);
    }
    check_twice();
  }

 private:
  bool has_python_flags() const {
    return engine_.kind == EngineName::kSglang || engine_.kind == EngineName::kHadal;
  }

  YamlMark mark_of(const CommandWord& word, const std::string& part) const {
    return mark_inside(reporter_.source(), *word.value, part);
  }

  Finding& add_unknown(const CommandWord& word, const std::string& name, const std::string& message,
                       const std::string& meant) {
    Finding& finding = reporter_.add_at_mark("engine/unknown-flag", mark_of(word, name), message,
                                             meant.empty() ? "remove it" : "write " + meant);
    // A wrapper, or a newer release, may have one of that name.
    if (engine_.wrapped) finding.severity = Severity::kWarning;
    return finding;
  }

  // Settings that every engine has, in this engine's spelling or another's. False: it is none of them.
  bool check_setting(const CommandWord& word) {
    const std::string name = name_of(word);
    const EngineFlag flag = find_engine_flag(dialect_, word.text);
    if (flag.setting != kNone && flag.taken) {
      if (flag.abbreviated && !has_python_flags()) report_abbreviated(word, name, flag.name);
      return !flag.abbreviated || !has_python_flags();
    }
    if (flag.setting != kNone && !engine_.wrapped) {
      Finding& finding = add_unknown(
          word, name,
          std::string(engine_title(engine_.kind)) + " has no flag " + name + ": it spells it " + flag.name,
          flag.name);
      Reporter::fix_with(finding, replace_inside(reporter_.source(), *word.value, name, flag.name));
      return true;
    }
    return check_foreign(word, name);
  }

  // "--tp" for vLLM, "-tp" for SGLang, "--context-length" for vLLM: another engine's flag.
  bool check_foreign(const CommandWord& word, const std::string& name) {
    const bool is_short = name.size() > 2 && name[0] == '-' && name[1] >= 'a' && name[1] <= 'z' &&
                          name.find_first_not_of("abcdefghijklmnopqrstuvwxyz", 1) == std::string::npos;
    if (engine_.wrapped || engine_.kind == EngineName::kHadal || is_known(name)) return false;
    if (!is_short && !(name.starts_with("--") && name.size() > 3)) return false;
    for (const EngineDialect other : {EngineDialect::kSglang, EngineDialect::kVllm, EngineDialect::kTrtllm}) {
      const EngineFlag flag = find_engine_flag(other, word.text);
      if (other == dialect_ || flag.setting == kNone || flag.abbreviated || !flag.taken) continue;
      const std::string own(setting_flag(dialect_, flag.setting));
      if (own.empty()) continue;
      add_unknown(word, name, std::string(engine_title(engine_.kind)) + " has no flag " + name, own);
      return true;
    }
    return false;
  }

  bool is_known(const std::string& name) const {
    if (has_python_flags()) return is_engine_flag(name) || !engine_flags_with_prefix(name).empty();
    std::string bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    if (engine_.kind == EngineName::kVllm) std::replace(bare.begin(), bare.end(), '_', '-');
    const auto known = known_engine_flags(dialect_);
    // click, which trtllm-serve is made with, completes no names.
    const bool completes = engine_.kind == EngineName::kVllm;
    return std::any_of(known.begin(), known.end(), [&](std::string_view flag) {
      return flag == bare || (completes && flag.starts_with(bare));
    });
  }

  void report_abbreviated(const CommandWord& word, const std::string& name, const std::string& full) {
    Finding& finding =
        reporter_.add_at_mark("engine/flag-abbreviated", mark_of(word, name),
                              name + " is the beginning of " + full +
                                  ": with another flag that begins so the engine does not start",
                              "write " + full);
    Reporter::fix_with(finding, replace_inside(reporter_.source(), *word.value, name, full));
  }

  void check_name(const CommandWord& word) {
    const std::string name = name_of(word);
    if (!looks_like_flag(name)) return;
    if (has_python_flags()) return check_python_name(word, name);
    // Dynamo's wrapper has flags of its own.
    if (engine_.wrapped && engine_.kind == EngineName::kTrtllm) return;
    const std::string meant = meant_engine_flag(engine_.kind, name);
    if (!meant.empty()) add_unknown(word, name, "the engine has no flag " + name, meant);
  }

  void check_python_name(const CommandWord& word, const std::string& name) {
    if (is_engine_flag(name)) return;
    const std::vector<std::string> completions = engine_flags_with_prefix(name);
    const std::string nearest = nearest_engine_flag(name);
    if (!completions.empty()) {
      const std::string& full = nearest.starts_with(name) ? nearest : completions[0];
      return report_abbreviated_of(word, name, full, join_text(completions, ", "));
    }
    // Dynamo's wrappers and newer releases have more flags than are known here.
    if (nearest.empty() && (engine_.wrapped || engine_.kind == EngineName::kHadal) && !is_invented_flag(name))
      return;
    Finding& finding = add_unknown(word, name, "the engine has no flag " + name, nearest);
    // A name that is far from all may be of a newer release.
    const size_t longer = std::max(nearest.size(), name.size());
    const bool near = !nearest.empty() && longer - std::min(nearest.size(), name.size()) <= 2;
    if (near && !engine_.wrapped)
      Reporter::fix_with(finding, replace_inside(reporter_.source(), *word.value, name, nearest));
    if (!near || engine_.wrapped) finding.severity = Severity::kWarning;
  }

  void report_abbreviated_of(const CommandWord& word, const std::string& name, const std::string& full,
                             const std::string& list) {
    Finding& finding = reporter_.add_at_mark(
        "engine/flag-abbreviated", mark_of(word, name),
        name + " is the beginning of " + list + ": with more than one the engine does not start",
        "write " + full);
    Reporter::fix_with(finding, replace_inside(reporter_.source(), *word.value, name, full));
  }

  // Settings of one value: argparse and click keep the last.
  void check_twice() {
    constexpr EngineSetting kManyFlags[] = {kApiKey, kModel, kDataParallelHosts, kMeeting, kDisaggregation};
    std::map<EngineSetting, const CommandWord*> seen;
    for (const CommandWord& word : engine_.words) {
      const EngineFlag flag = find_engine_flag(dialect_, word.text);
      if (flag.setting == kNone || !flag.taken ||
          std::find(std::begin(kManyFlags), std::end(kManyFlags), flag.setting) != std::end(kManyFlags))
        continue;
      const auto [place, fresh] = seen.emplace(flag.setting, &word);
      if (fresh) continue;
      const std::string name = name_of(word), before = name_of(*place->second);
      reporter_.add_at_mark("engine/flag-twice", mark_of(word, word.text),
                            name == before
                                ? name + " is given twice: the last one counts"
                                : name + " sets the same as " + before + " before it: the last one counts",
                            "keep one of them");
      place->second = &word;
    }
  }

  Reporter& reporter_;
  const EngineProgram& engine_;
  const EngineDialect dialect_;
};

}  // namespace

bool is_invented_flag(std::string_view name) {
  return std::find(std::begin(kInvented), std::end(kInvented), name) != std::end(kInvented);
}

void check_engine_flags(const PodTemplate& pod, const EngineProgram& engine) {
  FlagCheck(pod, engine).run();
}

}  // namespace hadal
