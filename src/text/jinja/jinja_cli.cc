// jinja_cli: renders templates for tools/jinja_differential.py. Reads one JSON object per line on stdin,
// {"template": "...", "context": {...}}, and writes one per line: {"ok": true, "text": "..."} or {"ok":
// false, "error": "..."}.
#include <iostream>
#include <string>

#include "base/json.h"
#include "text/chat_template.h"

namespace {

hadal::Json answer(const std::string& line) {
  hadal::Json out;
  const auto fail = [&out](const std::string& message) {
    out.set("ok", false);
    out.set("error", message);
    return out;
  };
  const auto request = hadal::parse_json(line);
  if (!request.ok()) return fail(request.error().message);
  const hadal::Json* source = request->find("template");
  const hadal::Json* context = request->find("context");
  if (source == nullptr || context == nullptr) return fail("needs template and context");
  const auto parsed = hadal::ChatTemplate::parse(source->as_string());
  if (!parsed.ok()) return fail(parsed.error().message);
  const auto text =
      (*parsed)->render(*context, std::chrono::system_clock::time_point(std::chrono::seconds(1718000000)));
  if (!text.ok()) return fail(text.error().message);
  out.set("ok", true);
  out.set("text", *text);
  return out;
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) std::cout << hadal::to_json(answer(line)) << "\n" << std::flush;
  return 0;
}
