// The model that clients ask for against the name that the engine serves it under.
#include <algorithm>
#include <set>

#include "deploy/validate/client_commands.h"
#include "deploy/validate/command_text.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

// Programs that send requests and name the model by --model.
constexpr std::string_view kClients[] = {"perf.sh",       "aiperf", "genai-perf", "sglang.bench_serving",
                                         "bench_serving", "hadal"};

bool is_client(const std::vector<CommandWord>& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view text = words[i].text;
    const std::string_view name =
        text.substr(text.rfind('/') == std::string_view::npos ? 0 : text.rfind('/') + 1);
    if (std::find(std::begin(kClients), std::end(kClients), name) == std::end(kClients)) continue;
    if (name != "hadal") return true;
    if (i + 1 < words.size() && words[i + 1].text == "bench") return true;
  }
  return false;
}

bool is_python(const std::vector<CommandWord>& words, size_t flag) {
  return flag > 0 && words[flag - 1].text.find("python") != std::string::npos;
}

// Under --served-model-name, else under the model's path or repository.
std::set<std::string> served_names(const ManifestSet& set) {
  std::set<std::string> out;
  for (const PodTemplate& pod : set.templates) {
    for (const Value& item : pod.view()["containers"].items()) {
      const EngineProgram engine = engine_command(View(item));
      if (engine.kind == EngineName::kNone) continue;
      const auto name = engine.setting(EngineSetting::kServedName);
      const std::string served = name && !name->empty() ? *name : engine.model();
      // What a variable holds is not known here.
      if (served.empty() || served.find('$') != std::string::npos) return {};
      out.insert(served);
    }
  }
  return out;
}

// curl's body: {"model": "deepseek-r1", ...}, where its quotes may be escaped.
void check_request_bodies(const ManifestSet& set, const std::set<std::string>& served) {
  for (const ClientText& text : client_texts(set)) {
    const std::string_view all = text.text();
    if (text.around->find("/v1/") == std::string::npos || text.around->find("curl") == std::string::npos)
      continue;
    const size_t key = all.find("\"model\"");
    if (key == std::string_view::npos) continue;
    const size_t colon = all.find_first_not_of(" \t\n", key + 7);
    if (colon == std::string_view::npos || all[colon] != ':') continue;
    const size_t begin = all.find_first_not_of(" \t\n", colon + 1);
    if (begin == std::string_view::npos || all[begin] != '"') continue;
    const size_t end = all.find('"', begin + 1);
    if (end == std::string_view::npos) continue;
    const std::string asked(all.substr(begin + 1, end - begin - 1));
    if (asked.empty() || served.count(asked) > 0 || asked.find_first_of("$<{") != std::string::npos) continue;
    text.reporter->add_at_mark(
        "engine/model-name", mark_inside(text.reporter->source(), *text.value, asked),
        "the request asks for the model " + asked + ", and the engine serves " + *served.begin(),
        "write " + *served.begin());
  }
}

}  // namespace

void check_model_names(const RuleContext& context) {
  const std::set<std::string> served = served_names(context.set);
  if (served.empty()) return;
  check_request_bodies(context.set, served);
  for (const PodTemplate& pod : context.set.templates) {
    for (const View container : all_containers(pod.view())) {
      const std::vector<CommandWord> words = command_words(container);
      if (!is_client(words) || engine_command(container).kind != EngineName::kNone) continue;
      for (size_t i = 0; i + 1 < words.size(); ++i) {
        // "-m" also names a module of Python's.
        if (words[i].text != "--model" && (words[i].text != "-m" || is_python(words, i))) continue;
        const std::string& asked = words[i + 1].text;
        if (served.count(asked) > 0 || asked.find('$') != std::string::npos) continue;
        pod.reporter().add_at_mark(
            "engine/model-name", mark_inside(pod.reporter().source(), *words[i + 1].value, asked),
            "the client asks for the model " + asked + ", and the engine serves " + *served.begin(),
            "write " + *served.begin());
      }
    }
  }
}

}  // namespace hadal
