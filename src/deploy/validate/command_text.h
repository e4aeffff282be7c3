// What a container runs, as words: command and args taken apart as a shell would, with the place of each word
// in the manifest. For rules about flags and scripts. Pure; any thread while the manifest lives.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml_tree.h"
#include "deploy/engine_flags.h"
#include "deploy/validate/reporter.h"
#include "deploy/validate/value.h"

namespace hadal {

struct CommandWord {
  std::string text;
  const Value* value = nullptr;  // of command or args, that it stands in
};

enum class EngineName { kNone, kHadal, kSglang, kVllm, kTrtllm };

// The part of a container's command that starts an engine.
struct EngineProgram {
  EngineName kind = EngineName::kNone;
  bool wrapped = false;            // by Dynamo, which has flags of its own
  std::vector<CommandWord> words;  // after the program's name
  const Value* place = nullptr;    // of the program's name, or the container

  // "--tp 16", "--tp=16": the value of the first of these flags that is there; "" for a switch.
  std::optional<std::string> flag(std::initializer_list<std::string_view> names) const;
  const CommandWord* word(std::initializer_list<std::string_view> names) const;
  EngineDialect dialect() const;
  // The value of the setting's last flag, however it is spelt; "" for a switch.
  std::optional<std::string> setting(EngineSetting wanted) const;
  const CommandWord* setting_word(EngineSetting wanted) const;
  std::optional<int64_t> setting_number(EngineSetting wanted) const;
  // "--model-path" or the word that names the model.
  std::string model() const;
};

std::vector<CommandWord> command_words(View container);
EngineProgram engine_command(View container);
// How many times the command starts one: a script may start several.
int count_engines(View container);
// Every text of command, args and lifecycle hooks.
std::vector<const Value*> command_values(View container);

// Where `part` stands inside a scalar's source text; the scalar's place where it is not found as it stands.
YamlMark mark_inside(std::string_view source, const Value& scalar, std::string_view part);
// Replaces `part` inside a scalar's source where it stands there once.
std::optional<TextEdit> replace_inside(std::string_view source, const Value& scalar, std::string_view part,
                                       std::string_view text);

}  // namespace hadal
