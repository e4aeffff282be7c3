// Scripts that ask an engine or set up a cluster: in a container's command, or a ConfigMap's *.sh.
#include <cctype>

#include "deploy/validate/client_commands.h"
#include "deploy/validate/rule_checks.h"

namespace hadal {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool asks_openai_api(std::string_view text) {
  return has(text, "/v1/completions") || has(text, "/v1/chat/completions") || has(text, "/v1/models") ||
         has(text, "/v1/embeddings");
}

// Engines read "Authorization: Bearer KEY" and nothing else.
void check_key_header(const ClientText& text) {
  constexpr std::string_view kHeader = "x-api-key:";
  const std::string words = lower(text.text());
  const size_t at = words.find(kHeader);
  if (at == std::string::npos || !asks_openai_api(*text.around)) return;
  const std::string written(text.text().substr(at, kHeader.size() - 1));
  text.reporter->add_at_mark("net/api-key-header", mark_inside(text.reporter->source(), *text.value, written),
                             "engines read the key from Authorization: Bearer, not from " + written,
                             "write -H \"Authorization: Bearer KEY\"");
}

// "https://x/a.yaml">https://x/a.yaml: a link's HTML, pasted into a command.
void check_pasted_link(const ClientText& text) {
  const std::string_view all = text.text();
  for (const std::string_view mark : {"\">https://", "\">http://"}) {
    const size_t at = all.find(mark);
    if (at == std::string::npos || at == 0 || has(all, "href=")) continue;
    const size_t before = all.find_last_of(" \n\t\"'", at - 1);
    const size_t begin = before == std::string::npos ? 0 : before + 1;
    const std::string url(all.substr(begin, at - begin));
    if (!url.starts_with("http")) continue;
    text.reporter->add_at_mark("net/pasted-link", mark_inside(text.reporter->source(), *text.value, url),
                               "the rest of a link's HTML follows the address " + url,
                               "write " + url + " and nothing after it");
    return;
  }
}

// The completions API takes a prompt; messages with roles are the chat API's.
void check_completions_body(const ClientText& text) {
  constexpr std::string_view kPath = "/v1/completions";
  if (!has(text.text(), kPath) || has(*text.around, "/chat/completions")) return;
  if (!has(*text.around, "\"messages\"") && !has(*text.around, "\"role\"")) return;
  text.reporter->add_at_mark(
      "net/completions-body", mark_inside(text.reporter->source(), *text.value, kPath),
      "/v1/completions takes a \"prompt\"; \"messages\" with roles are for /v1/chat/completions",
      "write /v1/chat/completions");
}

}  // namespace

std::vector<ClientText> client_texts(const ManifestSet& set) {
  std::vector<ClientText> out;
  for (const PodTemplate& pod : set.templates) {
    for (const View container : all_containers(pod.view())) {
      // A list of words is one command: what is asked of it may stand in several of them.
      const std::vector<const Value*> values = command_values(container);
      auto around = std::make_shared<std::string>();
      for (const Value* value : values) *around += std::string(View(*value).text()) + "\n";
      for (const Value* value : values) {
        if (!View(*value).text().empty()) out.push_back({&pod.reporter(), value, &pod, around});
      }
    }
  }
  for (const ManifestDocument& d : set.documents) {
    if (!d.is("", "ConfigMap")) continue;
    for (const ValueMember& entry : d.view()["data"].members()) {
      const std::string_view text = View(entry.value).text();
      if (entry.key.ends_with(".sh"))
        out.push_back({d.reporter, &entry.value, nullptr, std::make_shared<std::string>(text)});
    }
  }
  return out;
}

void check_client_commands(const RuleContext& context) {
  for (const ClientText& text : client_texts(context.set)) {
    check_key_header(text);
    check_pasted_link(text);
    check_completions_body(text);
  }
}

}  // namespace hadal
