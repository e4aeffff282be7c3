#include "deploy/validate/command_text.h"

#include <algorithm>
#include <charconv>

namespace hadal {
namespace {

bool is_shell_end(std::string_view word) {
  return word == "&&" || word == "||" || word == ";" || word == "|" || word == "&" || word == "done" ||
         word == "fi";
}

// Blanks and line ends part words; quotes keep them together; a backslash at a line's end joins lines.
void split_words(const Value& value, std::vector<CommandWord>& out) {
  const std::string_view text = View(value).text();
  std::string word;
  bool open = false;
  char quote = 0;
  const auto flush = [&] {
    if (open) out.push_back({word, &value});
    word.clear();
    open = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\\' && i + 1 < text.size() && text[i + 1] == '\n') {
      ++i;
      flush();
    } else if (c == '\'' || c == '"') {
      quote = c;
      open = true;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      flush();
      if (c == '\n') out.push_back({";", &value});
    } else if (c == ';' || (c == '&' && word.empty()) || c == '|') {
      if (c == '&' && i + 1 < text.size() && text[i + 1] == '&') ++i;
      flush();
      out.push_back({";", &value});
    } else {
      word += c;
      open = true;
    }
  }
  flush();
}

bool is_flag(std::string_view word) {
  return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9');
}

struct Launcher {
  std::string_view first, second;  // two words that follow each other; second "" : one
  EngineName kind;
  bool wrapped = false;
};
constexpr Launcher kLaunchers[] = {
    {"sglang.launch_server", "", EngineName::kSglang},
    {"sglang.bench_serving", "", EngineName::kNone},
    {"sglang", "serve", EngineName::kSglang},
    {"dynamo.sglang", "", EngineName::kSglang, true},
    {"vllm", "serve", EngineName::kVllm},
    {"vllm.entrypoints.openai.api_server", "", EngineName::kVllm},
    {"dynamo.vllm", "", EngineName::kVllm, true},
    {"trtllm-serve", "", EngineName::kTrtllm},
    {"dynamo.trtllm", "", EngineName::kTrtllm, true},
    {"hadal", "serve", EngineName::kHadal},
};

std::string_view base_name(std::string_view word) {
  const size_t slash = word.rfind('/');
  return slash == std::string_view::npos ? word : word.substr(slash + 1);
}

// Null: no engine starts at this word.
const Launcher* launcher_at(const std::vector<CommandWord>& words, size_t i) {
  for (const Launcher& launcher : kLaunchers) {
    if (launcher.kind == EngineName::kNone || base_name(words[i].text) != launcher.first) continue;
    if (launcher.second.empty() || (i + 1 < words.size() && words[i + 1].text == launcher.second))
      return &launcher;
  }
  return nullptr;
}

// Entry points of images that take flags right away.
EngineName engine_of_image(std::string_view image) {
  if (image.find("vllm/vllm-openai") != std::string_view::npos) return EngineName::kVllm;
  if (image.find("hadal") != std::string_view::npos) return EngineName::kHadal;
  return EngineName::kNone;
}

void take_words(const std::vector<CommandWord>& words, size_t first, EngineProgram& out) {
  for (size_t i = first; i < words.size(); ++i) {
    if (is_shell_end(words[i].text)) {
      // An argument list has one word an item: there a ";" is no shell's.
      break;
    }
    out.words.push_back(words[i]);
  }
}

}  // namespace

std::optional<std::string> EngineProgram::flag(std::initializer_list<std::string_view> names) const {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& text = words[i].text;
    const size_t equals = std::min(text.find('='), text.size());
    if (std::find(names.begin(), names.end(), std::string_view(text).substr(0, equals)) == names.end())
      continue;
    if (equals < text.size()) return text.substr(equals + 1);
    return i + 1 < words.size() && !is_flag(words[i + 1].text) ? words[i + 1].text : std::string();
  }
  return std::nullopt;
}

const CommandWord* EngineProgram::word(std::initializer_list<std::string_view> names) const {
  for (const CommandWord& w : words) {
    const std::string_view name = std::string_view(w.text).substr(0, w.text.find('='));
    if (std::find(names.begin(), names.end(), name) != names.end()) return &w;
  }
  return nullptr;
}

EngineDialect EngineProgram::dialect() const {
  switch (kind) {
    case EngineName::kSglang:
      return wrapped ? EngineDialect::kDynamoSglang : EngineDialect::kSglang;
    case EngineName::kVllm:
      return wrapped ? EngineDialect::kDynamoVllm : EngineDialect::kVllm;
    case EngineName::kTrtllm:
      return wrapped ? EngineDialect::kDynamoTrtllm : EngineDialect::kTrtllm;
    case EngineName::kHadal:
    case EngineName::kNone:
      break;
  }
  return EngineDialect::kHadal;
}

const CommandWord* EngineProgram::setting_word(EngineSetting wanted) const {
  const CommandWord* out = nullptr;
  for (const CommandWord& w : words) {
    const EngineFlag flag = find_engine_flag(dialect(), w.text);
    if (flag.setting == wanted && flag.taken) out = &w;
  }
  return out;
}

std::optional<std::string> EngineProgram::setting(EngineSetting wanted) const {
  const CommandWord* word = setting_word(wanted);
  if (word == nullptr) return std::nullopt;
  const size_t equals = word->text.find('=');
  if (equals != std::string::npos) return word->text.substr(equals + 1);
  const auto next = static_cast<size_t>(word - words.data()) + 1;
  return next < words.size() && !is_flag(words[next].text) ? words[next].text : std::string();
}

std::optional<int64_t> EngineProgram::setting_number(EngineSetting wanted) const {
  const auto text = setting(wanted);
  if (!text || text->empty()) return std::nullopt;
  int64_t out = 0;
  const auto r = std::from_chars(text->data(), text->data() + text->size(), out);
  return r.ec == std::errc() && r.ptr == text->data() + text->size() ? std::optional(out) : std::nullopt;
}

std::string EngineProgram::model() const {
  if (const auto named = setting(EngineSetting::kModel)) return *named;
  if (const auto named = flag({"-m"})) return *named;
  const bool takes_word =
      kind == EngineName::kVllm || kind == EngineName::kHadal || kind == EngineName::kTrtllm;
  if (takes_word && !words.empty() && !is_flag(words[0].text)) return words[0].text;
  return "";
}

std::vector<const Value*> command_values(View container) {
  std::vector<const Value*> out;
  for (const std::string_view list : {"command", "args"}) {
    for (const Value& item : container[list].items()) out.push_back(&item);
  }
  for (const std::string_view hook : {"postStart", "preStop"}) {
    for (const Value& item : container["lifecycle"][hook].at("exec.command").items()) out.push_back(&item);
  }
  return out;
}

std::vector<CommandWord> command_words(View container) {
  std::vector<CommandWord> out;
  for (const std::string_view list : {"command", "args"}) {
    for (const Value& item : container[list].items()) {
      if (item.is_string()) {
        split_words(item, out);
      } else if (item.is_scalar()) {
        out.push_back({View(item).any_text(), &item});
      }
    }
  }
  return out;
}

int count_engines(View container) {
  const std::vector<CommandWord> words = command_words(container);
  int out = 0;
  for (size_t i = 0; i < words.size(); ++i) out += launcher_at(words, i) != nullptr ? 1 : 0;
  return out;
}

EngineProgram engine_command(View container) {
  EngineProgram out;
  const std::vector<CommandWord> words = command_words(container);
  for (size_t i = 0; i < words.size(); ++i) {
    const Launcher* launcher = launcher_at(words, i);
    if (launcher == nullptr) continue;
    out.kind = launcher->kind;
    out.wrapped = launcher->wrapped;
    out.place = words[i].value;
    take_words(words, i + (launcher->second.empty() ? 1 : 2), out);
    return out;
  }
  if (container["command"].exists()) return out;
  const EngineName kind = engine_of_image(container["image"].text());
  if (kind == EngineName::kNone || words.empty()) return out;
  if (kind == EngineName::kHadal && words[0].text != "serve") return out;
  out.kind = kind;
  out.place = container["args"].get();
  take_words(words, kind == EngineName::kHadal ? 1 : 0, out);
  return out;
}

YamlMark mark_inside(std::string_view source, const Value& scalar, std::string_view part) {
  if (scalar.node == nullptr) return {};
  YamlMark mark = scalar.node->begin;
  const size_t end = std::min(scalar.node->end.offset, source.size());
  const size_t found = part.empty() ? std::string_view::npos : source.substr(0, end).find(part, mark.offset);
  if (found == std::string_view::npos) return mark;
  for (size_t i = mark.offset; i < found; ++i) {
    if (source[i] == '\n') {
      ++mark.line;
      mark.column = 1;
    } else if ((static_cast<unsigned char>(source[i]) & 0xC0) != 0x80) {
      ++mark.column;
    }
  }
  mark.offset = found;
  return mark;
}

std::optional<TextEdit> replace_inside(std::string_view source, const Value& scalar, std::string_view part,
                                       std::string_view text) {
  if (scalar.node == nullptr || part.empty()) return std::nullopt;
  const size_t end = std::min(scalar.node->end.offset, source.size());
  const size_t found = source.substr(0, end).find(part, scalar.node->begin.offset);
  if (found == std::string_view::npos) return std::nullopt;
  if (source.substr(0, end).find(part, found + part.size()) != std::string_view::npos) return std::nullopt;
  return TextEdit{found, found + part.size(), std::string(text)};
}

}  // namespace hadal
