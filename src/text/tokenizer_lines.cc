// tokenizer_lines MODEL: a tokenizer for scripts. MODEL is a .gguf file or a directory with tokenizer.json.
// Reads one JSON object a line and answers each with one line:
//   {"text": ..., "special": bool, "parse": bool}  -> [ids]     (special: add BOS and EOS; parse: added
//   tokens in the text)
//   {"ids": [...], "skip": bool}                   -> "text"    (checked against IncrementalDecoder on the
//   way)
#include <iostream>

#include "base/json.h"
#include "text/incremental_decoder.h"
#include "text/tokenizer.h"

namespace {

using hadal::Json;

bool line_flag(const Json& line, std::string_view key, bool otherwise) {
  const Json* value = line.find(key);
  return value != nullptr && value->is_bool() ? value->as_bool() : otherwise;
}

std::string answer(const std::shared_ptr<const hadal::Tokenizer>& tokenizer, const Json& line) {
  std::string out;
  hadal::JsonWriter writer(out);
  if (const Json* text = line.find("text"); text != nullptr && text->is_string()) {
    writer.begin_array();
    for (const int32_t id :
         tokenizer->encode(text->as_string(), {.add_special_tokens = line_flag(line, "special", false),
                                              .parse_special = line_flag(line, "parse", true)})) {
      writer.value(id);
    }
    writer.end_array();
    return out;
  }
  const Json* list = line.find("ids");
  if (list == nullptr || !list->is_array()) return "null";
  std::vector<int32_t> ids;
  for (const Json& id : list->as_array()) ids.push_back(static_cast<int32_t>(id.is_int() ? id.as_int() : -1));
  const bool skip = line_flag(line, "skip", false);
  const std::string whole = tokenizer->decode(ids, skip);
  hadal::IncrementalDecoder decoder(tokenizer, skip);
  std::string streamed;
  for (const int32_t id : ids) decoder.push(id, streamed);
  decoder.finish(streamed);
  if (streamed != whole) return "\"IncrementalDecoder differs from decode\"";
  writer.value(std::string_view(whole));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tokenizer_lines MODEL.gguf|DIRECTORY < lines\n";
    return 2;
  }
  const std::string path = argv[1];
  hadal::Result<std::shared_ptr<const hadal::Tokenizer>> tokenizer = hadal::invalid_argument("not loaded");
  if (path.ends_with(".gguf")) {
    auto file = hadal::GgufFile::open(path);
    tokenizer = file.ok() ? hadal::Tokenizer::from_gguf(**file)
                          : hadal::Result<std::shared_ptr<const hadal::Tokenizer>>(file.error());
  } else {
    tokenizer = hadal::Tokenizer::from_directory(path);
  }
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.error().message << "\n";
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    const auto json = hadal::parse_json(line);
    std::cout << (json.ok() ? answer(*tokenizer, *json) : "null") << "\n" << std::flush;
  }
  return 0;
}
